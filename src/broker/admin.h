/*
 * admin.h - what handlers of administrative requests share. For src/broker/api.
 *
 * Whatever changes the catalog may wait for another process, so such requests are answered by a
 * helper thread: the handler answers what admin_change() says, and `work` fills the answer. One at
 * a time: the others wait without a thread, of which there are not many.
 */
#pragma once

#include "broker/parts.h"

/* The state of such a request; a handler's own may begin with it. */
struct admin {
    struct broker *broker;
    bool worked;                                    /* the work is done */
    bool failed;                                    /* for want of memory: there is no answer */
    void (*change)(struct broker_request *request); /* of admin_change() */
};

/* First call: BROKER_COLD with `work`; afterwards BROKER_ANSWER, or BROKER_CLOSE when it failed.
 * size: of the state, zeroed. */
enum broker_outcome admin_cold(struct broker *broker, struct broker_request *request, size_t size,
                               void (*work)(struct broker_request *request));
/* The same for what changes the catalog; BROKER_PARK, and no state yet, while another request does.
 */
enum broker_outcome admin_change(struct broker *broker, struct broker_request *request,
                                 int64_t now_ms, size_t size,
                                 void (*work)(struct broker_request *request));
/* Within work: there was no memory, the connection is closed. */
void admin_fail(struct broker_request *request);

/* A NUL-terminated copy that names no topic or setting when the string has a NUL byte; NULL without
 * memory. */
char *admin_copy(struct arena *arena, struct wire_string string);
/* error_text() for an answer. */
struct wire_string admin_error_text(struct arena *arena);
/* printf for an answer. */
struct wire_string admin_text(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A name that a request gives more than once. */
enum admin_twin {
    ADMIN_SINGLE,
    ADMIN_FIRST, /* of several */
    ADMIN_AGAIN, /* the others */
};
/* twins[i] of names[i]; NULL without memory. NULL names are single. */
enum admin_twin *admin_twins(struct arena *arena, const char *const *names, int32_t count);

/* What a broker without access control lets everybody do, as bits of Kafka's AclOperation. */
#define ADMIN_CLUSTER_OPERATIONS                                                                   \
    (1 << 5 /* create */ | 1 << 7 /* alter */ | 1 << 8 /* describe */ |                            \
     1 << 9 /* cluster action */                                                                   \
     | 1 << 10 /* describe configs */ | 1 << 11 /* alter configs */ |                              \
     1 << 12 /* idempotent write */)
#define ADMIN_TOPIC_OPERATIONS                                                                     \
    (1 << 3 /* read */ | 1 << 4 /* write */ | 1 << 5 /* create */ | 1 << 6 /* delete */ |          \
     1 << 7 /* alter */ | 1 << 8 /* describe */ | 1 << 10 /* describe configs */ |                 \
     1 << 11 /* alter configs */)
