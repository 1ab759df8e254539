/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between the kernels that the module builds against.
 */
#ifndef MAPLOG_COMPAT_H
#define MAPLOG_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>

#ifndef CONFIG_64BIT
#error "maplog counts bytes in 64-bit words that one instruction stores: it needs a 64-bit kernel"
#endif

/* Since 6.3 a mapping's flags are written through functions only. */
static inline void maplog_change_flags(struct vm_area_struct *vma, vm_flags_t set, vm_flags_t clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#endif
