/*
 * sender.h - attempts to send: how the operations of an engine go out, by the method that its
 * limits name. Internal to io/; one an engine, whose calls may come from several threads at a time,
 * those for one operation from one at a time. An attempt moves LIMIT_TURN_BYTES at most.
 */
#pragma once

#include <errno.h>
#include <sys/socket.h>

#include "io/transfer.h"

/* The file ends before the slice does: an operation's error. sendfile itself has none for it, it
 * returns 0. */
#define SENDER_FILE_ENDED ENODATA

struct sender;
int sender_open(const struct io_limits *limits, struct sender **sender); /* as io_open */
void sender_close(struct sender *sender);                                /* accepts NULL */
/* True: its attempts may end as TRANSFER_SETTLING. */
bool sender_settles(const struct sender *sender);
/* Before the first attempt of an operation. */
void sender_begin(struct sender *sender, struct io_operation *operation);
/* Goes on where the last attempt ended. On a blocking descriptor TRANSFER_BLOCKED means that a
 * signal came. */
enum transfer sender_send(struct sender *sender, struct io_operation *operation);
/* After the last attempt, if it was cancelled or failed too: gives back what the operation holds.
 */
void sender_end(struct sender *sender, struct io_operation *operation);

/* ---- for engines that hand bytes to the kernel themselves ------------------------------------ */

#define SENDER_PIECES 64 /* memory slices that go out in one call */

/* True: no file is read for it, all goes from memory and mappings. */
bool sender_all_memory(const struct sender *sender, const struct io_operation *operation);
/* Fills message->msg_iov, of SENDER_PIECES, with memory from the present slice on, `room` bytes at
 * most and as far as no file comes between; message->msg_flags are those to send it with. Returns
 * how many bytes; 0: a file is next. */
size_t sender_gather(const struct sender *sender, const struct io_operation *operation, size_t room,
                     struct msghdr *message);
/* Takes what was moved off the slices, and passes over empty ones; true: nothing is left. */
bool sender_advance(struct io_operation *operation, size_t moved);
