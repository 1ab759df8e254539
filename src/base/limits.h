/*
 * limits.h - every fixed limit of maplog has its name here. Hitting one is an error that names it.
 */
#pragma once

#define LIMIT_PROCESSES 512               /* attached read-write to one directory at a time */
#define LIMIT_SEATS 4096                  /* open producers of one directory, over all processes */
#define LIMIT_PARTITIONS 32768            /* of one directory */
#define LIMIT_TOPIC_NAME 249              /* bytes, without the NUL (Kafka's limit) */
#define LIMIT_GROUP_NAME 249              /* bytes, without the NUL */
#define LIMIT_PATH 4096                   /* bytes, with the NUL */
#define LIMIT_SEGMENT_BYTES 2147483647    /* Kafka's: positions are int32 */
#define LIMIT_SEGMENT_BYTES_MIN 4096      /* smallest segment.bytes accepted */
#define LIMIT_BATCH_RECORDS 2147483647    /* Kafka's recordCount is int32 */
#define LIMIT_HEADERS 65535               /* of one record, when written through libmaplog */
#define LIMIT_ALLOCATE_FIRST (64u << 10)  /* bytes of the first allocation of a segment */
#define LIMIT_ALLOCATE_STEP (64u << 20)   /* bytes, largest allocation step */
#define LIMIT_WARM_PARTITION (64u << 20)  /* bytes populated ahead of one partition's tail */
#define LIMIT_WARM_DIRECTORY (256u << 20) /* bytes populated ahead by one process in all */
#define LIMIT_ANONYMOUS_SLOTS 64          /* segment slots of an anonymous log */
#define LIMIT_DECOMPRESSED (256u << 20)   /* bytes that one compressed batch may unfold to */
#define LIMIT_INDEX_BYTES (10u << 20)     /* of one index file, as Kafka's segment.index.bytes */
#define LIMIT_ALLOCATE_MEMORY                                                                      \
    (4u << 20)                            /* bytes, largest step on tmpfs, which zeroes them there \
                                           */
#define LIMIT_ALLOCATE_DURABLE (8u << 20) /* bytes, largest step with durable acknowledgements */
#define LIMIT_CATALOG (64u << 20)         /* bytes of the file of topics */
#define LIMIT_CHECKPOINT (16u << 20)      /* bytes of one checkpoint file */
#define LIMIT_REQUEST_MEMORY                                                                       \
    (256u << 20)                    /* bytes that one network request may need beside its frame */
#define LIMIT_HELPERS 64            /* threads of a server that wait for disks and locks */
#define LIMIT_TURN_BYTES (1u << 20) /* moved for one connection before others have their turn */
#define LIMIT_AIO_SOCKETS 1024      /* of a process, with POSIX AIO: each takes up to two threads */
#define LIMIT_SEGMENTS_CACHED 1024  /* kept mapped for readers by one server */
#define LIMIT_WRITERS 1024          /* partitions that one server has open for appending */
#define LIMIT_SESSION_PARTITIONS 524288 /* of all fetch sessions together */
#define LIMIT_SNAPSHOT (64u << 20)      /* bytes of one snapshot of producers */
#define LIMIT_GROUP_PROTOCOLS 64        /* that a member of a group may offer */
#define LIMIT_GROUP_PENDING 10000 /* clients that one group gave an id and that did not join */
#define LIMIT_GROUPS_BYTES                                                                         \
    (256u << 20)                  /* of all groups of a server: members, offers, assignments */
#define LIMIT_ANSWER (256u << 20) /* bytes of one answer that a client takes from a server */
#define LIMIT_RECORD_ERRORS 65536 /* records that one answer to Produce blames */
