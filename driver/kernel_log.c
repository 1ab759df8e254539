// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_log.c - a console: what printk would show on a terminal becomes records.
 */
#include <linux/console.h>

#include "internal.h"

/* With the console's lock held, interrupts may be off: once per message of printk. */
static void kernel_log_write(struct console *console, const char *text, unsigned int length)
{
	if (length && text[length - 1] == '\n')
		length--;
	maplog_write(RING_SOURCE_KERNEL_LOG, text, length);
}

static struct console kernel_log = {
	.name = "maplog",
	.write = kernel_log_write,
	.flags = CON_ENABLED, /* whether or not the command line names it */
};

void maplog_kernel_log_start(bool all)
{
	if (all)
		kernel_log.flags |= CON_PRINTBUFFER;
	register_console(&kernel_log);
}

/* Returns when no write is under way. */
void maplog_kernel_log_stop(void)
{
	unregister_console(&kernel_log);
}
