/*
 * sender.h - attempts to send: how the operations of an engine go out, by the method that its
 * limits name. Internal to io/; one an engine, whose calls may come from several threads at a time,
 * those for one operation from one at a time. An attempt moves LIMIT_TURN_BYTES at most.
 */
#pragma once

#include <errno.h>

#include "io/transfer.h"

/* The file ends before the slice does: an operation's error. sendfile itself has none for it, it
 * returns 0. */
#define SENDER_FILE_ENDED ENODATA

struct sender;
int sender_open(const struct io_limits *limits, struct sender **sender); /* as io_open */
void sender_close(struct sender *sender);                                /* accepts NULL */
/* Before the first attempt of an operation. */
void sender_begin(struct sender *sender, struct io_operation *operation);
/* Goes on where the last attempt ended. On a blocking descriptor TRANSFER_BLOCKED means that a
 * signal came. */
enum transfer sender_send(struct sender *sender, struct io_operation *operation);
/* After the last attempt, if it was cancelled or failed too: gives back what the operation holds.
 */
void sender_end(struct sender *sender, struct io_operation *operation);
