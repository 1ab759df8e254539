/*
 * topics.h - the partitions that requests name, by topic name or topic id. Nothing is copied; any
 * thread.
 */
#pragma once

#include "broker/parts.h"

/* Finds a partition: by id when `id` is not NULL, else by name. Answers Kafka's code:
 * UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR. */
int16_t topics_find(struct broker *broker, struct wire_string name, const struct uuid *id,
                    int32_t number, struct partition **partition);
/* Kafka's own topics, which no ordinary client writes to. */
bool topics_is_internal(const char *name);
/* Checks the leader epoch that a client believes in, -1: none. NONE, FENCED_LEADER_EPOCH,
 * UNKNOWN_LEADER_EPOCH. */
int16_t topics_check_epoch(const struct partition *partition, int32_t epoch);
/* The same of a name as a request gives it. */
bool topics_is_internal_name(struct wire_string name);
