/*
 * apis.h - which requests are answered, in which versions and by whom: the table behind dispatch,
 * ApiVersions and docs/protocol-support.md. Constant; any thread.
 *
 * A request of API x is answered by src/broker/api/x.c: x_handle(), and x_end() where a request
 * holds something (request.h).
 */
#pragma once

#include "broker/request.h"

/* The row of an API; NULL when it is not offered. */
const struct broker_handler *apis_find(int16_t key);
/* The rows one after the other, by key: the first one behind `previous`, which is -1 at first; NULL
 * behind the last. */
const struct broker_handler *apis_next(int16_t previous);

#define APIS_HANDLE(api)                                                                           \
    enum broker_outcome api##_handle(struct broker *broker, struct broker_request *request,        \
                                     int64_t now_ms)
#define APIS_END(api) void api##_end(struct broker *broker, struct broker_request *request)

APIS_HANDLE(alter_configs);
APIS_HANDLE(api_versions);
APIS_HANDLE(create_partitions);
APIS_HANDLE(create_topics);
APIS_HANDLE(delete_groups);
APIS_HANDLE(delete_records);
APIS_HANDLE(delete_topics);
APIS_HANDLE(describe_acls);
APIS_HANDLE(describe_cluster);
APIS_HANDLE(describe_configs);
APIS_HANDLE(describe_groups);
APIS_HANDLE(describe_log_dirs);
APIS_HANDLE(describe_producers);
APIS_HANDLE(describe_topic_partitions);
APIS_HANDLE(fetch);
APIS_END(fetch);
APIS_HANDLE(find_coordinator);
APIS_HANDLE(heartbeat);
APIS_HANDLE(incremental_alter_configs);
APIS_HANDLE(init_producer_id);
APIS_HANDLE(join_group);
APIS_END(join_group);
APIS_HANDLE(leave_group);
APIS_HANDLE(list_groups);
APIS_HANDLE(list_offsets);
APIS_HANDLE(list_partition_reassignments);
APIS_HANDLE(metadata);
APIS_HANDLE(offset_commit);
APIS_HANDLE(offset_delete);
APIS_HANDLE(offset_fetch);
APIS_HANDLE(offset_for_leader_epoch);
APIS_HANDLE(produce);
APIS_HANDLE(sync_group);
APIS_END(sync_group);
