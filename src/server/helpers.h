/*
 * helpers.h - threads that wait for disks and for locks of other processes, so that workers never
 * do. Begun when they are needed. Any thread.
 */
#pragma once

#include "server/exchange.h"

struct helpers;

int helpers_open(struct helpers **helpers);
/* Ends them when what was submitted is done; accepts NULL. */
void helpers_close(struct helpers *helpers);
/* Calls exchange->request.work, then exchange_warmed(). */
void helpers_submit(struct helpers *helpers, struct exchange *exchange);
