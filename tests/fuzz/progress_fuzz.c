/* progress_fuzz.c - any bytes as a record of __consumer_offsets: what is read lies inside it, and
 * reads the same when it is written again. The first byte says how long the key is. */
#include "log/progress_format.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_inside(const char *text, size_t text_size, const uint8_t *bytes, size_t size)
{
    const char *begin = (const char *)bytes;
    check(text >= begin && text_size <= size && text + text_size <= begin + size);
}

/* A name as progress_put_key() takes it; false when it is none of ours. */
static bool take_name(char *to, size_t limit, const char *name, size_t size)
{
    if (size > limit || memchr(name, 0, size))
        return false;
    memcpy(to, name, size);
    to[size] = 0;
    check(progress_is_text(to, name, size));
    return true;
}

static void look_at_key(const uint8_t *bytes, size_t size)
{
    struct progress_key key, again;
    char group[LIMIT_GROUP_NAME + 1], topic[LIMIT_TOPIC_NAME + 1];
    if (!progress_parse_key(bytes, size, &key))
        return;
    check(progress_is_key(bytes, size));
    check_inside(key.group, key.group_size, bytes, size);
    check_inside(key.topic, key.topic_size, bytes, size);
    if (!take_name(group, sizeof group - 1, key.group, key.group_size) ||
        !take_name(topic, sizeof topic - 1, key.topic, key.topic_size))
        return;
    int32_t place = progress_place(group, 50);
    check(place >= 0 && place < 50);
    uint8_t written[PROGRESS_KEY_MAX];
    check(progress_put_key(written, group, topic, key.partition) == size);
    check(memcmp(written + 2, bytes + 2, size - 2) == 0); /* all but the version */
    check(progress_parse_key(written, size, &again) && again.partition == key.partition);
}

static void look_at_value(const uint8_t *bytes, size_t size)
{
    struct progress_value value, again;
    if (!progress_parse_value(bytes, size, &value))
        return;
    check(value.offset >= 0 && value.metadata_size <= PROGRESS_METADATA_MAX);
    check_inside(value.metadata, value.metadata_size, bytes, size);
    uint8_t written[PROGRESS_VALUE_MAX(PROGRESS_METADATA_MAX)];
    size_t length = progress_put_value(written, &value);
    check(length <= PROGRESS_VALUE_MAX(value.metadata_size));
    check(progress_parse_value(written, length, &again));
    check(again.offset == value.offset && again.committed_ms == value.committed_ms);
    check(again.metadata_size == value.metadata_size &&
          memcmp(again.metadata, value.metadata, value.metadata_size) == 0);
    bool expires = value.expires_ms >= 0;
    check(expires ? again.expires_ms == value.expires_ms
                  : again.leader_epoch == value.leader_epoch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t key_size = data[0] < size - 1 ? data[0] : size - 1;
    look_at_key(data + 1, key_size);
    look_at_value(data + 1 + key_size, size - 1 - key_size);
    return 0;
}
