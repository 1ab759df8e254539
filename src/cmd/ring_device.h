/*
 * ring_device.h - the kernel module's device, opened with sentences for people. Main thread.
 */
#pragma once

#include "shm/ring_reader.h"

#define RING_DEVICE "/dev/maplog"

struct ring_device {
    int fd;
    struct ring_reader *reader;
};

/* MAPLOG_NOT_FOUND (is the module loaded?), MAPLOG_BUSY (another reader), MAPLOG_INVALID (no
 * character device), and the errors of ring_reader_open(). path stays until the close. */
int ring_device_open(const char *path, enum ring_role role, struct ring_device *device);
void ring_device_close(struct ring_device *device);
/* "emit", "kernel-log", "write" */
const char *ring_device_source(enum ring_source source);
