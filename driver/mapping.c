// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapping.c - mmap(2) of /dev/maplog: a ring's header page, or a part of its data.
 *
 * Three ways to put the kernel's pages into a process: all at once from vmalloc's table, all at
 * once by their physical address, or one by one when the process touches them.
 */
#include <linux/io.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "internal.h"

/* What lies behind an offset of the device. */
struct mapping_place {
	void *address; /* in the kernel; NULL: there is nothing */
	u64 left; /* bytes from there to the end of the header page, or of the ring's data */
	bool is_header;
};

static struct mapping_place mapping_find(u64 offset)
{
	u64 within;
	u64 number = div64_u64_rem(offset, maplog_rings.stride, &within);
	struct maplog_ring *ring;

	if (number >= maplog_rings.count)
		return (struct mapping_place){ NULL };
	ring = maplog_rings.ring[number];
	if (within < PAGE_SIZE)
		return (struct mapping_place){ ring->header, PAGE_SIZE - within, true };
	return (struct mapping_place){ ring->data + (within - PAGE_SIZE),
				       maplog_rings.stride - within, false };
}

/* Page fault of memory=fault; the process may sleep. */
static vm_fault_t mapping_fault(struct vm_fault *fault)
{
	struct mapping_place place = mapping_find((u64)fault->pgoff << PAGE_SHIFT);

	if (!place.address)
		return VM_FAULT_SIGBUS;
	fault->page = vmalloc_to_page(place.address);
	get_page(fault->page); /* given back when the page is unmapped */
	return 0;
}

static const struct vm_operations_struct mapping_operations = {
	.fault = mapping_fault,
};

static int mapping_fill(struct vm_area_struct *vma, void *address, unsigned long bytes)
{
	switch (maplog_rings.memory) {
	case RING_MEMORY_VMALLOC:
		return remap_vmalloc_range(vma, address, 0);
	case RING_MEMORY_CONTIGUOUS:
		return remap_pfn_range(vma, vma->vm_start, virt_to_phys(address) >> PAGE_SHIFT,
				       bytes, vma->vm_page_prot);
	case RING_MEMORY_FAULT:
		vma->vm_ops = &mapping_operations;
		return 0;
	}
	return -EINVAL;
}

/* Header: writable for the reader, whose tail is there; shared, so that the kernel sees it. */
static int mapping_check_header(const struct vm_area_struct *vma, unsigned long bytes)
{
	if (bytes != PAGE_SIZE || !(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	return 0;
}

/* Data: for the reader, who does not write there. */
static int mapping_check_data(const struct file *file, const struct vm_area_struct *vma)
{
	if (!maplog_is_reader(file))
		return -EACCES;
	return vma->vm_flags & VM_WRITE ? -EPERM : 0;
}

int maplog_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapping_place place = mapping_find((u64)vma->vm_pgoff << PAGE_SHIFT);
	unsigned long bytes = vma->vm_end - vma->vm_start;
	int error;

	if (!place.address || bytes > place.left)
		return -EINVAL;
	error = place.is_header ? mapping_check_header(vma, bytes) : mapping_check_data(file, vma);
	if (error)
		return error;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	/* mprotect(2) may not add later what was refused now. */
	maplog_change_flags(vma, VM_DONTEXPAND | VM_DONTDUMP,
			    VM_MAYEXEC | (place.is_header ? 0 : VM_MAYWRITE));
	return mapping_fill(vma, place.address, bytes);
}
