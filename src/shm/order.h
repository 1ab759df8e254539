/*
 * order.h - every access to a word that another process writes, with its memory order in the name.
 * Each use says which access it pairs with. Pure.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define load_relaxed(word) atomic_load_explicit((word), memory_order_relaxed)
#define load_acquire(word) atomic_load_explicit((word), memory_order_acquire)
#define store_relaxed(word, value) atomic_store_explicit((word), (value), memory_order_relaxed)
#define store_release(word, value) atomic_store_explicit((word), (value), memory_order_release)
#define swap_full(word, value) atomic_exchange_explicit((word), (value), memory_order_seq_cst)
#define add_full(word, value) atomic_fetch_add_explicit((word), (value), memory_order_seq_cst)
#define or_full(word, value) atomic_fetch_or_explicit((word), (value), memory_order_seq_cst)
#define and_full(word, value) atomic_fetch_and_explicit((word), (value), memory_order_seq_cst)
/* Compare and swap; *expected receives what was there. True when swapped. */
#define compare_swap_full(word, expected, value)                                                   \
    atomic_compare_exchange_strong_explicit((word), (expected), (value), memory_order_seq_cst,     \
                                            memory_order_acquire)
#ifdef __SANITIZE_THREAD__
#define fence_full() __sync_synchronize() /* gcc's TSan refuses the other one */
#else
#define fence_full() atomic_thread_fence(memory_order_seq_cst)
#endif
/* Orders this thread's accesses for the compiler only: the CPU's part is done by the other side's
 * membarrier (process_barrier). */
#define fence_compiler() atomic_signal_fence(memory_order_seq_cst)

static inline void order_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Raises *word to at least value; monotonic watermarks. */
static inline void raise_to(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t seen = load_relaxed(word);
    while (seen < value && !compare_swap_full(word, &seen, value))
        ;
}
