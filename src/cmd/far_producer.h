/*
 * far_producer.h - a producer of a topic behind a server, with the meanings of <maplog.h>'s: keys
 * choose partitions, records gather in batches, one batch for each partition. One thread.
 */
#pragma once

#include <maplog.h>

#include "remote/connection.h"

struct far_producer;

/* Batches of acks disk go only to a topic whose server puts each on disk before it answers
 * (flush.messages=1): MAPLOG_NOT_PERSISTENT. */
int far_producer_open(struct remote *remote, const char *topic,
                      const struct maplog_producer_options *options, struct far_producer **far);
/* partition -1: by key, else evenly. An error may be that of records before this one. */
int far_produce(struct far_producer *far, int32_t partition, const struct maplog_record *record);
/* Sends the open batches and waits until all are acknowledged. */
int far_flush(struct far_producer *far);
int far_producer_close(struct far_producer *far);
int32_t far_partitions(const struct far_producer *far);
/* Is a server's topic fit for acks disk? 0 or MAPLOG_NOT_PERSISTENT; partitions of a missing topic
 * can be made so beforehand. */
int far_check_durable(struct remote *remote, const char *topic);
