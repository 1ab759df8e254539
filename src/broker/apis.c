#include "broker/apis.h"

#include <stddef.h>

/* key, first and last version, who answers, who lets go (request.h) */
#define ROW(key, first, last, handle, end) [key] = {key, first, last, handle, end}

/*
 * Versions are those of Apache Kafka 4.1, because clients infer a broker's release from single
 * rows; nothing is offered that is not fully there. Produce begins at 0 although 0 to 2 are refused
 * when they are used: librdkafka before 2.11.1 compresses only where it sees Produce 0.
 */
static const struct broker_handler table[] = {
    ROW(0, 0, 13, produce_handle, NULL),
    ROW(1, 4, 17, fetch_handle, fetch_end),
    ROW(2, 1, 10, list_offsets_handle, NULL),
    ROW(3, 0, 13, metadata_handle, NULL),
    ROW(8, 2, 10, offset_commit_handle, NULL),
    ROW(9, 1, 10, offset_fetch_handle, NULL),
    ROW(10, 0, 6, find_coordinator_handle, NULL),
    ROW(11, 0, 9, join_group_handle, join_group_end),
    ROW(12, 0, 4, heartbeat_handle, NULL),
    ROW(13, 0, 5, leave_group_handle, NULL),
    ROW(14, 0, 5, sync_group_handle, sync_group_end),
    ROW(15, 0, 6, describe_groups_handle, NULL),
    ROW(16, 0, 5, list_groups_handle, NULL),
    ROW(18, 0, 4, api_versions_handle, NULL),
    ROW(19, 2, 7, create_topics_handle, NULL),
    ROW(20, 1, 6, delete_topics_handle, NULL),
    ROW(21, 0, 2, delete_records_handle, NULL),
    ROW(22, 0, 5, init_producer_id_handle, NULL),
    ROW(23, 2, 4, offset_for_leader_epoch_handle, NULL),
    ROW(29, 1, 3, describe_acls_handle, NULL),
    ROW(32, 1, 4, describe_configs_handle, NULL),
    ROW(33, 0, 2, alter_configs_handle, NULL),
    ROW(35, 1, 4, describe_log_dirs_handle, NULL),
    ROW(37, 0, 3, create_partitions_handle, NULL),
    ROW(42, 0, 2, delete_groups_handle, NULL),
    ROW(44, 0, 1, incremental_alter_configs_handle, NULL),
    ROW(46, 0, 0, list_partition_reassignments_handle, NULL),
    ROW(47, 0, 0, offset_delete_handle, NULL),
    ROW(60, 0, 2, describe_cluster_handle, NULL),
    ROW(61, 0, 0, describe_producers_handle, NULL),
    ROW(75, 0, 0, describe_topic_partitions_handle, NULL),
};
#define KEYS ((int16_t)(sizeof table / sizeof *table))

const struct broker_handler *apis_find(int16_t key)
{
    return key >= 0 && key < KEYS && table[key].handle ? &table[key] : NULL;
}

const struct broker_handler *apis_next(int16_t previous)
{
    for (int16_t key = (int16_t)(previous + 1); key < KEYS; key++) {
        if (table[key].handle)
            return &table[key];
    }
    return NULL;
}
