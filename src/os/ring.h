/* ring.h - what io_uring needs and liburing 2.3 does not export. Any thread. */
#pragma once

/* Lets the calling thread be the only one that submits to an io_uring opened as disabled
 * (io_uring_enable_rings). MAPLOG_IO: it is none, or not disabled. */
int ring_enable(int fd);
