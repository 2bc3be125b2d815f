/* The ways in which a CRC-32C of many bytes is made, for tests and benchmarks: all give the same.
 */
#ifndef BASE_CRC_WAY_H
#define BASE_CRC_WAY_H

#include <stddef.h>
#include <stdint.h>

enum crc_way {
    CRC_LIBRARY,       /* isa-l */
    CRC_FUSED,         /* needs SSE 4.2, PCLMULQDQ, AVX */
    CRC_FUSED_TERNARY, /* and AVX-512 VL */
};

/* What crc32c() takes on this processor; the ways before it work, too. */
enum crc_way crc__best(void);
uint32_t crc__sum(enum crc_way way, uint32_t crc, const void *data, size_t size);
uint32_t crc__copy(enum crc_way way, uint32_t crc, void *to, const void *from, size_t size);

#endif
