/* door.h - how the servers here listen: at one address, until they are told to stop. */
#pragma once

#include "io/engine.h"

/* Listens and prints where ("listening on 127.0.0.1:7007"), then calls accepted() with each new
 * socket, non-blocking and in the engine, until SIGTERM or SIGINT comes; when it returns 0 nothing
 * is accepted any more. A negative answer of accepted() refuses the socket, which is closed then.
 */
int door_run(struct io_engine *engine, const char *address, int (*accepted)(int fd));
/* Goes on until *open is 0; false: another signal came before. */
bool door_wait(struct io_engine *engine, const int *open);
