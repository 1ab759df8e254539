/*
 * receive_sender.h - a process that sends as fast as it is taken, for the experiment `receive`. It
 * and the receiver keep to CPUs of their own where there are two. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct receive_sender;

/* local: through a Unix socket, else TCP over the loopback. Ended by receive_sender_stop. */
int receive_sender_start(struct receive_sender **sender, bool local);
void receive_sender_stop(struct receive_sender *sender);        /* accepts NULL */
int receive_sender_socket(const struct receive_sender *sender); /* of the receiver, blocking */
/* From now on `bytes` more come. */
int receive_sender_order(struct receive_sender *sender, size_t bytes);
