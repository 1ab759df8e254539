// SPDX-License-Identifier: GPL-2.0-only
/* Makes the kernel complain, to see that the tests notice. */
#include <linux/module.h>

static int __init warns_init(void)
{
	WARN(1, "a warning that was asked for\n");
	return 0;
}

static void __exit warns_exit(void)
{
}

module_init(warns_init);
module_exit(warns_exit);
MODULE_DESCRIPTION("A module that warns when it is loaded");
MODULE_LICENSE("GPL");
