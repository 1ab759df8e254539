/*
 * crc32c.h - CRC-32C (Castagnoli), the checksum of Kafka's record batches. Pure; any thread.
 *
 * A running value is the plain CRC of the bytes so far; 0 starts one:
 * crc32c(crc32c(0, a), b) == crc32c(0, ab).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Extends crc with length bytes. Short inputs: SSE4.2 inline loop; long ones: ISA-L. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);
