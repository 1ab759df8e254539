// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - /dev/maplog: who may open it, write(2), poll(2). All in process context.
 */
#include <linux/bitops.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uio.h>

#include "internal.h"

/* Bit 0: the reader's seat is taken. */
static unsigned long device_seat;

static int device_open(struct inode *inode, struct file *file)
{
	if (!(file->f_mode & (FMODE_READ | FMODE_WRITE)))
		return -EINVAL;
	if (maplog_is_reader(file)) {
		if (test_and_set_bit_lock(0, &device_seat))
			return -EBUSY;
		maplog_rings_renew();
	}
	return stream_open(inode, file);
}

/* After the last descriptor and the last mapping are gone. */
static int device_release(struct inode *inode, struct file *file)
{
	if (maplog_is_reader(file))
		clear_bit_unlock(0, &device_seat);
	return 0;
}

/* One record. A page fault may sleep, so that the bytes are fetched before the ring is entered. */
static ssize_t device_write(struct kiocb *call, struct iov_iter *from)
{
	size_t length = iov_iter_count(from);
	void *payload = NULL;
	int error;

	/* What is too long is counted as a drop, and not looked at. */
	if (length <= maplog_rings.record_max) {
		payload = kvmalloc(length, GFP_KERNEL_ACCOUNT);
		if (!payload)
			return -ENOMEM;
		if (!copy_from_iter_full(payload, length, from)) {
			kvfree(payload);
			return -EFAULT;
		}
	}
	error = maplog_write(RING_SOURCE_WRITE, payload, length);
	kvfree(payload);
	return error ? error : length;
}

static __poll_t device_poll_rings(void)
{
	bool filled = false, nonsense = false;
	u32 i;

	for (i = 0; i < maplog_rings.count; i++)
		filled |= maplog_ring_filled(maplog_rings.ring[i], &nonsense);
	return (filled ? EPOLLIN | EPOLLRDNORM : 0) | (nonsense ? EPOLLERR : 0);
}

static __poll_t device_poll(struct file *file, poll_table *table)
{
	if (!(file->f_mode & FMODE_WRITE))
		return EPOLLERR;
	if (!(file->f_mode & FMODE_READ))
		return EPOLLOUT | EPOLLWRNORM;
	poll_wait(file, &maplog_readers, table);
	/* In the queue before head is looked at. Pairs with wq_has_sleeper(), behind its store. */
	smp_mb();
	return device_poll_rings();
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE, /* open or mapped: the module stays */
	.open = device_open,
	.release = device_release,
	.write_iter = device_write,
	.poll = device_poll,
	.mmap = maplog_mmap,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "maplog",
	.fops = &device_operations,
	.mode = 0600,
};

int maplog_device_register(void)
{
	return misc_register(&device);
}

void maplog_device_unregister(void)
{
	misc_deregister(&device);
}
