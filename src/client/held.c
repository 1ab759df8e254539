/* held.c - keeping the memory of a message; see <maplog.h>. */
#include <stdlib.h>

#include "base/error.h"
#include "client/consumer.h"

struct maplog_hold {
    struct handle handle;
    struct directory *directory; /* a reference: segments name it */
    struct segment *segment;     /* a reference, or NULL */
    struct unpacked *unpacked;   /* a reference, or NULL */
};

void unpacked_drop(struct unpacked *unpacked)
{
    if (!unpacked || add_full(&unpacked->references, -1) != 1)
        return;
    codec_buffer_free(&unpacked->buffer);
    free(unpacked);
}

int maplog_hold(struct maplog_consumer *consumer, struct maplog_hold **hold)
{
    int result = consumer_check(consumer);
    if (!result && !hold)
        result = error_set(MAPLOG_INVALID, "maplog_hold: the result is NULL");
    if (result)
        return result;
    HANDLE_ENTER(&consumer->handle, HANDLE_CONSUMER);
    if (!consumer->last)
        return error_set(MAPLOG_NOT_FOUND, "no message was taken by the consumer's last call");
    struct maplog_hold *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a hold");
    handle_init(&made->handle, HANDLE_HOLD);
    made->directory = directory_keep(consumer->directory);
    if (consumer->last_unpacked) {
        made->unpacked = consumer->unpacked;
        add_full(&made->unpacked->references, 1);
    } else {
        made->segment = segment_keep(consumer->last->reader.segment);
    }
    *hold = made;
    return 0;
}

int maplog_hold_covers(const struct maplog_hold *hold, const struct maplog_consumer *consumer)
{
    int result = consumer_check(consumer);
    if (!result && !hold)
        result = client_missing("hold");
    if (result)
        return result;
    handle_check(&hold->handle, HANDLE_HOLD);
    if (!consumer->last || hold->directory != consumer->directory)
        return 0;
    return consumer->last_unpacked ? hold->unpacked == consumer->unpacked
                                   : hold->segment == consumer->last->reader.segment;
}

void maplog_release(struct maplog_hold *hold)
{
    if (!hold)
        return;
    handle_check(&hold->handle, HANDLE_HOLD);
    handle_closed(&hold->handle);
    segment_drop(hold->segment);
    unpacked_drop(hold->unpacked);
    directory_drop(hold->directory);
    handle_free(hold);
}
