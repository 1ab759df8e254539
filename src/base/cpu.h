/*
 * cpu.h - what this CPU has and the kernel lets programs use. Any thread. CPU_HAS(AVX2): the names
 * are those of glibc's sys/platform/x86.h. The compiler's own __builtin_cpu_supports would
 * bring 4.5 KB of libgcc along.
 */
#pragma once

#if defined(__x86_64__)
#include <sys/platform/x86.h>
#define CPU_HAS(feature) CPU_FEATURE_ACTIVE(feature)
#endif
