/* os_wide.h - sixteen bytes at a time.
 *
 * Filling and comparing memory in the widest pieces that each processor of its kind has: those of x86-64 and
 * AArch64 have registers of 16 bytes, which the compiler's vectors become. What it has no word for is the mask
 * that tells which bytes of a comparison agreed: one instruction where there is one, a multiplication else.
 */
#ifndef FH_OS_WIDE_H
#define FH_OS_WIDE_H

#include <stdint.h>
#include <string.h>

typedef uint8_t fh_os_wide __attribute__((vector_size(16), may_alias));
typedef signed char fh_os_agree __attribute__((vector_size(16)));

static inline fh_os_wide *fh_os_wide_at(const void *p) { return (fh_os_wide *)(uintptr_t)p; }

/* Bit i is set where byte i of the comparison a == b is true. */
static inline unsigned fh_os_mask_of(fh_os_agree agree) {
#ifdef __SSE2__
    typedef char bytes __attribute__((vector_size(16)));
    return (unsigned)__builtin_ia32_pmovmskb128((bytes)agree);
#else
    uint64_t half[2];
    memcpy(half, &agree, sizeof half);
    for (unsigned i = 0; i < 2; i++) half[i] = (half[i] & 0x0101010101010101u) * 0x0102040810204080u >> 56;
    return (unsigned)(half[0] | half[1] << 8);
#endif
}

enum { FH_OS_ALL_AGREE = 0xffff };

#endif
