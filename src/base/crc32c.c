/* crc32c.c - chooses between the inline loop and ISA-L, which also has the table for old CPUs. With
 * CRC32C_ALONE, for a program without shared libraries (Debian has no static ISA-L), the inline
 * loop does all: about a fifth of ISA-L's speed, which still is several GB/s. */
#include "base/crc32c.h"

#include "base/cpu.h"

#if defined(__x86_64__)
bool crc32c_short_here;

/* Early: other constructors may compute CRCs. */
__attribute__((constructor(101))) static void look_at_cpu(void)
{
    crc32c_short_here = CPU_HAS(SSE4_2);
}
#endif

#ifdef CRC32C_ALONE

#define POLYNOMIAL 0x82f63b78u /* Castagnoli's, bits reversed */

/* For CPUs without the instruction: a nibble at a time, with 16 words of table. */
static uint32_t by_table(uint32_t crc, const uint8_t *at, size_t length)
{
    uint32_t table[16];
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 4; bit++)
            value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
        table[i] = value;
    }
    uint32_t state = ~crc;
    for (; length; at++, length--) {
        state ^= *at;
        state = state >> 4 ^ table[state & 15];
        state = state >> 4 ^ table[state & 15];
    }
    return ~state;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
    return crc32c_has_short() ? crc32c_short(crc, data, length) : by_table(crc, data, length);
}

#else

#include <isa-l/crc.h>

/* ISA-L takes an int; a multiple of 64 keeps its wide loop aligned. */
#define CHUNK_BYTES (1u << 30)

/* ISA-L's AVX-512 routine returns with the upper halves of the vector registers in use, and every
 * SSE instruction from then on waits for them: copying small records took twice as long. */
static inline void end_vectors(void)
{
#if defined(__x86_64__)
    if (CPU_HAS(AVX))
        __asm__ volatile("vzeroupper");
#endif
}

uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
    if (length < CRC32C_SHORT && crc32c_has_short())
        return crc32c_short(crc, data, length);
    /* ISA-L's running value is the register itself: not inverted at either end. It never writes
     * through its pointer, although that is not const. */
    union {
        const void *read;
        unsigned char *given;
    } at = {.read = data};
    uint32_t state = ~crc;
    while (length > CHUNK_BYTES) {
        state = crc32_iscsi(at.given, (int)CHUNK_BYTES, state);
        at.given += CHUNK_BYTES;
        length -= CHUNK_BYTES;
    }
    state = crc32_iscsi(at.given, (int)length, state);
    end_vectors();
    return ~state;
}

#endif
