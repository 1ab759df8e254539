/*
 * notify.h - tells the service manager what state this process is in: the sd_notify protocol, one
 * datagram to the socket that $NOTIFY_SOCKET names. Any thread.
 *
 * All return 0, also when nobody wants to know ($NOTIFY_SOCKET is not set); MAPLOG_INVALID (its
 * value is no address of a Unix socket), MAPLOG_IO. A server goes on after an error.
 */
#pragma once

int notify_ready(void);     /* requests are served, also again after a reload */
int notify_reloading(void); /* settings are read anew; notify_ready follows */
int notify_stopping(void);
/* One line for people, as `systemctl status` shows it; longer than 200 bytes is cut. */
int notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
