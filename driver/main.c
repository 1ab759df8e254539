// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - parameters, init, exit.
 */
#define pr_fmt(fmt) "maplog: " fmt

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

#include "internal.h"

static unsigned long size = 1 << 20;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of data of a ring, a power of two from a page to 1 GiB (1048576)");

static bool per_cpu_rings;
module_param_named(per_cpu, per_cpu_rings, bool, 0444);
MODULE_PARM_DESC(per_cpu, "a ring for each possible CPU, not one for all (0)");

static char *memory = "vmalloc";
module_param(memory, charp, 0444);
MODULE_PARM_DESC(memory, "vmalloc, contiguous, or fault: mapped page by page (vmalloc)");

static char *kernel_log = "off";
module_param(kernel_log, charp, 0444);
MODULE_PARM_DESC(kernel_log, "off, new, or all: printk's messages become records (off)");

static const char *const memory_words[] = {
	[RING_MEMORY_VMALLOC] = "vmalloc",
	[RING_MEMORY_CONTIGUOUS] = "contiguous",
	[RING_MEMORY_FAULT] = "fault",
};

enum kernel_log_choice { KERNEL_LOG_OFF, KERNEL_LOG_NEW, KERNEL_LOG_ALL };

static const char *const kernel_log_words[] = {
	[KERNEL_LOG_OFF] = "off",
	[KERNEL_LOG_NEW] = "new",
	[KERNEL_LOG_ALL] = "all",
};

static int memory_choice;
static int kernel_log_choice;

/* The word's place in words, or -EINVAL. */
static int parameter_find(const char *const *words, int count, const char *word)
{
	int i;

	for (i = 0; i < count; i++)
		if (words[i] && !strcmp(words[i], word))
			return i;
	return -EINVAL;
}

static int parameters_check(void)
{
	if (!is_power_of_2(size) || size < PAGE_SIZE || size > RING_DATA_MAX) {
		pr_err("size=%lu is no power of two from %lu to %llu\n", size, PAGE_SIZE,
		       RING_DATA_MAX);
		return -EINVAL;
	}
	memory_choice = parameter_find(memory_words, ARRAY_SIZE(memory_words), memory);
	if (memory_choice < 0) {
		pr_err("memory=%s is not vmalloc, contiguous or fault\n", memory);
		return -EINVAL;
	}
	kernel_log_choice =
		parameter_find(kernel_log_words, ARRAY_SIZE(kernel_log_words), kernel_log);
	if (kernel_log_choice < 0) {
		pr_err("kernel_log=%s is not off, new or all\n", kernel_log);
		return -EINVAL;
	}
	return 0;
}

static int __init maplog_init(void)
{
	int error = parameters_check();

	if (error)
		return error;
	error = maplog_rings_make(size, per_cpu_rings, memory_choice);
	if (error)
		return error;
	error = maplog_device_register();
	if (error) {
		pr_err("cannot register the device: error %d\n", error);
		maplog_rings_free();
		return error;
	}
	if (kernel_log_choice != KERNEL_LOG_OFF)
		maplog_kernel_log_start(kernel_log_choice == KERNEL_LOG_ALL);
	return 0;
}

/* Nobody has the device open, and no other module uses maplog_emit(). */
static void __exit maplog_exit(void)
{
	if (kernel_log_choice != KERNEL_LOG_OFF)
		maplog_kernel_log_stop();
	maplog_device_unregister();
	maplog_emit_stop();
	maplog_rings_free();
}

module_init(maplog_init);
module_exit(maplog_exit);
MODULE_DESCRIPTION("maplog: records of the kernel, mapped into a process");
MODULE_LICENSE("GPL");
