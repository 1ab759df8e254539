/* event.h - a descriptor that polls readable while it is set (eventfd). Any thread, any process
 * that inherited it. */
#pragma once

int event_open(int *fd);  /* not set; close-on-exec; the caller closes it with file_close */
void event_set(int fd);   /* polls readable from now on */
void event_clear(int fd); /* not any more */
