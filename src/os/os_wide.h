/* os_wide.h - sixteen bytes at a time, or thirty-two.
 *
 * Filling and comparing memory in the widest pieces that each processor of its kind has: those of x86-64 and
 * AArch64 have registers of 16 bytes, which the compiler's vectors become. A file that says FH_OS_WIDER before
 * it includes this has pieces of 32 (AVX2), between FH_OS_WIDER_BEGIN and FH_OS_WIDER_END; whoever calls into
 * it asks fh_os_has_wider first. What the compiler has no word for is the mask that tells which bytes of a
 * comparison agreed: one instruction where there is one, a multiplication else.
 */
#ifndef FH_OS_WIDE_H
#define FH_OS_WIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Is there code for pieces wider than all processors of the kind have? (The race detector need not see what
 * they look at beside a block.) */
#if defined(__x86_64__) && !defined(FH_SANITIZED)
#define FH_OS_MAY_HAVE_WIDER 1
#include <cpuid.h>
/* AVX2, and what all that have it have as well, and a system that keeps its registers. Not the compiler's
 * builtin, which brings a constructor along that runs in every process and costs it 64 KiB of constants and
 * code. */
static inline bool fh_os_has_wider(void) {
    enum { OSXSAVE = 1 << 27, SSE_AND_AVX_KEPT = 6, LZCNT = 1 << 5, AVX2_AND_BMI = 1 << 5 | 1 << 3 | 1 << 8 };
    uint32_t a, b, c, d, kept, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return false;
    __asm__ volatile("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if ((kept & SSE_AND_AVX_KEPT) != SSE_AND_AVX_KEPT) return false;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & LZCNT)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & AVX2_AND_BMI) == AVX2_AND_BMI;
}
#ifdef __clang__
#define FH_OS_WIDER_BEGIN \
    _Pragma("clang attribute push(__attribute__((target(\"avx2,lzcnt,bmi,bmi2\"))), apply_to = function)")
#define FH_OS_WIDER_END _Pragma("clang attribute pop")
#else
#define FH_OS_WIDER_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,lzcnt,bmi,bmi2\")")
#define FH_OS_WIDER_END _Pragma("GCC pop_options")
#endif
#else
#define FH_OS_MAY_HAVE_WIDER 0
static inline bool fh_os_has_wider(void) { return false; }
#endif

#if defined(FH_OS_WIDER) && FH_OS_MAY_HAVE_WIDER
#include <immintrin.h>
#define FH_OS_WIDE 32
FH_OS_WIDER_BEGIN
#else
#undef FH_OS_WIDER
#define FH_OS_WIDE 16
#endif

/* A piece, at any multiple of 16. */
typedef uint8_t fh_os_wide __attribute__((vector_size(FH_OS_WIDE), aligned(16), may_alias));
typedef signed char fh_os_agree __attribute__((vector_size(FH_OS_WIDE)));
/* Sixteen bytes, whatever a piece is. */
typedef uint8_t fh_os_sixteen __attribute__((vector_size(16), may_alias));

static inline fh_os_wide *fh_os_wide_at(const void *p) { return (fh_os_wide *)(uintptr_t)p; }
static inline fh_os_sixteen *fh_os_sixteen_at(const void *p) { return (fh_os_sixteen *)(uintptr_t)p; }

/* Sixteen bytes, so often that they make a piece. */
static inline fh_os_wide fh_os_widened(const void *p) {
#ifdef FH_OS_WIDER
    return (fh_os_wide)_mm256_broadcastsi128_si256(*(const __m128i *)p);
#else
    return *fh_os_wide_at(p);
#endif
}

/* Bit i is set where byte i of the comparison a == b is true. */
static inline uint32_t fh_os_mask_of(fh_os_agree agree) {
#if defined(FH_OS_WIDER)
    return (uint32_t)_mm256_movemask_epi8((__m256i)agree);
#elif defined(__SSE2__)
    typedef char bytes __attribute__((vector_size(16)));
    return (uint32_t)__builtin_ia32_pmovmskb128((bytes)agree);
#else
    uint64_t half[2];
    memcpy(half, &agree, sizeof half);
    for (unsigned i = 0; i < 2; i++) half[i] = (half[i] & 0x0101010101010101u) * 0x0102040810204080u >> 56;
    return (uint32_t)(half[0] | half[1] << 8);
#endif
}

/* How many of the highest of so many bits are set, one after another. */
static inline unsigned fh_os_last_set(uint32_t mask) {
#ifdef FH_OS_WIDER
    return _lzcnt_u32(~mask);
#else
    return (unsigned)__builtin_clz((~mask << (32 - FH_OS_WIDE)) | ((uint32_t)1 << (31 - FH_OS_WIDE)));
#endif
}

#define FH_OS_ALL_AGREE ((uint32_t)((uint64_t)-1 >> (64 - FH_OS_WIDE)))

#ifdef FH_OS_WIDER
FH_OS_WIDER_END
#endif

#endif
