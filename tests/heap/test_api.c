/* test_api.c - what C, POSIX and <freehold/heap.h> say of each call, said as tests.
 *
 * Built with the standard's names and with the fh_ names (names.h). With the standard's names it also passes on
 * glibc's heap and jemalloc, except for what is asked of Freehold alone (heap_is_freehold).
 */
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* C asks for the alignment of any object that fits; Freehold promises 16, but for guarded blocks. */
static size_t least_alignment(size_t size) {
    if (size >= 16) return 16;
    if (heap_is_checked()) return 1;
    return heap_is_freehold() ? 16 : 8;
}

static bool is_aligned(const void *p, size_t align) { return ((uintptr_t)p & (align - 1)) == 0; }

/* Sizes at which something changes: class borders, pages, the end of the small sizes, granules, powers of two.
 * */
static size_t border_sizes[512];
static size_t border_count;

static void add_border(size_t size) {
    for (int d = -1; d <= 1; d++)
        if (border_count < 512 && size + (size_t)d <= PTRDIFF_MAX)
            border_sizes[border_count++] = size + (size_t)d;
}

static int make_borders(void **state) {
    (void)state;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) add_border(fh_class_size(c));
    for (size_t size = 4096; size <= 4096 * 9; size += 4096) add_border(size);
    for (size_t size = 65536; size <= 65536 * 6; size += 65536) add_border(size);
    for (size_t size = 1; size <= (size_t)64 << 20; size *= 2) add_border(size);
    return 0;
}

/* ---------------------------------------------------------------- malloc, free ---- */

static void malloc_gives_aligned_writable_blocks_of_every_size(void **state) {
    (void)state;
    for (size_t size = 0; size <= 70000; size += size < 2100 ? 1 : 61) {
        char *p = t_malloc(size);
        CHECK(p != NULL);
        CHECK(is_aligned(p, least_alignment(size)));
        size_t usable = t_usable_size(p);
        CHECKF(usable >= size, "malloc(%zu) gives %zu usable bytes", size, usable);
        memset(p, 0xa5, usable);
        t_free(p);
    }
}

static void malloc_gives_blocks_at_every_border(void **state) {
    (void)state;
    for (size_t i = 0; i < border_count; i++) {
        size_t size = border_sizes[i];
        char *p = t_malloc(size);
        CHECKF(p != NULL, "malloc(%zu)", size);
        CHECK(is_aligned(p, least_alignment(size)));
        CHECK(t_usable_size(p) >= size);
        pattern_fill(p, t_usable_size(p), i);
        pattern_verify(p, t_usable_size(p), SIZE_MAX, i);
        t_free(p);
    }
}

static void blocks_that_live_together_do_not_overlap(void **state) {
    (void)state;
    enum { n = 4000 };
    static char *block[n];
    for (size_t i = 0; i < n; i++) {
        size_t size = i % 40 == 0 ? border_sizes[(i / 40) % (border_count / 2)] : i * 7 % 1500;
        block[i] = t_malloc(size);
        CHECK(block[i]);
        pattern_fill(block[i], t_usable_size(block[i]), i);
    }
    for (size_t i = 0; i < n; i++) {
        pattern_verify(block[i], t_usable_size(block[i]), SIZE_MAX, i);
        t_free(block[i]);
    }
}

static void malloc_of_zero_gives_blocks_of_their_own(void **state) {
    (void)state;
    void *p[100];
    for (int i = 0; i < 100; i++) {
        p[i] = escape(t_malloc(hidden(0)));
        CHECK(p[i] != NULL);
        for (int j = 0; j < i; j++) CHECK(p[i] != p[j]);
    }
    for (int i = 0; i < 100; i++) t_free(p[i]);
}

static void sizes_above_ptrdiff_max_give_null_and_enomem(void **state) {
    (void)state;
    static const size_t absurd[] = {(size_t)PTRDIFF_MAX + 1,
                                    (size_t)PTRDIFF_MAX + 4096,
                                    SIZE_MAX,
                                    SIZE_MAX - 1,
                                    SIZE_MAX - 15,
                                    SIZE_MAX - 16,
                                    SIZE_MAX - 63,
                                    SIZE_MAX - 4095,
                                    SIZE_MAX - 4096,
                                    SIZE_MAX - 65535,
                                    SIZE_MAX - 65536,
                                    SIZE_MAX / 4 * 3,
                                    SIZE_MAX - ((size_t)1 << 21),
                                    PTRDIFF_MAX,
                                    PTRDIFF_MAX - 1,
                                    PTRDIFF_MAX - 4096,
                                    PTRDIFF_MAX - 65536};
    char *p = t_malloc(100);
    CHECK(p);
    pattern_fill(p, 100, 1);
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        size_t size = hidden(absurd[i]);
        errno = 0;
        CHECKF(escape(t_malloc(size)) == NULL && errno == ENOMEM, "malloc(%zu), errno %d", size, errno);
        errno = 0;
        CHECKF(escape(t_calloc(1, size)) == NULL && errno == ENOMEM, "calloc(1, %zu), errno %d", size, errno);
        errno = 0;
        CHECKF(escape(t_calloc(size, 1)) == NULL && errno == ENOMEM, "calloc(%zu, 1), errno %d", size, errno);
        errno = 0;
        CHECKF(escape(t_realloc(p, size)) == NULL && errno == ENOMEM, "realloc(p, %zu), errno %d", size, errno);
        errno = 0;
        CHECKF(escape(t_realloc(NULL, size)) == NULL && errno == ENOMEM, "realloc(NULL, %zu), errno %d", size,
               errno);
        errno = 0;
        CHECKF(escape(t_reallocarray(p, 1, size)) == NULL && errno == ENOMEM, "reallocarray(%zu), errno %d",
               size, errno);
        for (size_t align = 16; align <= (size_t)1 << 30; align *= 4) {
            errno = 0;
            CHECKF(escape(t_aligned_alloc(hidden(align), size)) == NULL && errno == ENOMEM,
                   "aligned_alloc(%zu, %zu), errno %d", align, size, errno);
        }
    }
    pattern_verify(p, 100, 100, 1);
    t_free(p);
}

static void sizes_beyond_the_address_space_give_null_and_enomem(void **state) {
    (void)state;
    for (unsigned shift = 47; shift < 63; shift++) {
        size_t size = hidden((size_t)1 << shift);
        errno = 0;
        CHECKF(escape(t_malloc(size)) == NULL && errno == ENOMEM, "malloc(2^%u), errno %d", shift, errno);
        errno = 0;
        CHECKF(escape(t_calloc(size / 8, 8)) == NULL && errno == ENOMEM, "calloc(2^%u), errno %d", shift,
               errno);
        errno = 0;
        CHECKF(escape(t_aligned_alloc(4096, size)) == NULL && errno == ENOMEM, "aligned_alloc(2^%u), errno %d",
               shift, errno);
    }
}

static void free_keeps_errno(void **state) {
    (void)state;
    for (size_t i = 0; i < border_count; i++) {
        char *p = t_malloc(border_sizes[i]);
        CHECK(p);
        if (border_sizes[i]) *p = 1;
        errno = 4711;
        t_free(p);
        CHECKF(errno == 4711, "free of %zu bytes set errno to %d", border_sizes[i], errno);
    }
    /* Many at once, so that bins overflow and spans empty; and many large ones, so that pages go back. */
    enum { n = 20000 };
    static void *block[n];
    for (int i = 0; i < n; i++) block[i] = t_malloc(64);
    errno = 4711;
    for (int i = 0; i < n; i++) t_free(block[i]);
    CHECK(errno == 4711);
    for (int i = 0; i < 64; i++) CHECK((block[i] = t_malloc((size_t)1 << 20)) != NULL);
    errno = 4711;
    for (int i = 0; i < 64; i++) t_free(block[i]);
    CHECK(errno == 4711);
    t_free(NULL);
    CHECK(errno == 4711);
}

/* ---------------------------------------------------------------- calloc ---- */

static void calloc_gives_zeros_after_dirty_reuse_at_every_size(void **state) {
    (void)state;
    for (size_t size = 1; size <= 40000; size += size < 1100 ? 1 : 97) {
        char *dirty[3];
        for (int i = 0; i < 3; i++) {
            CHECK((dirty[i] = t_malloc(size)) != NULL);
            memset(dirty[i], 0xff, t_usable_size(dirty[i]));
        }
        for (int i = 0; i < 3; i++) t_free(dirty[i]);
        for (int i = 0; i < 3; i++) {
            CHECK((dirty[i] = t_calloc(1, size)) != NULL);
            zero_verify(dirty[i], size);
            memset(dirty[i], 0xff, size);
        }
        for (int i = 0; i < 3; i++) t_free(dirty[i]);
    }
}

static void calloc_gives_zeros_in_large_blocks_that_were_dirty(void **state) {
    (void)state;
    struct rng rng = {.state = 7};
    for (int round = 0; round < 60; round++) {
        size_t size = 32769 + rng_below(&rng, 3u << 20);
        char *a = t_malloc(size), *b = t_malloc(size / 2 + 1);
        CHECK(a && b);
        memset(a, 0xff, t_usable_size(a));
        memset(b, 0xff, t_usable_size(b));
        t_free(a);
        if (round % 3 == 0) t_free(b);
        size_t other = 1 + rng_below(&rng, size + size / 2);
        char *c = t_calloc(other, 1);
        CHECK(c);
        zero_verify(c, other);
        memset(c, 0xff, t_usable_size(c));
        t_free(c);
        if (round % 3 != 0) t_free(b);
    }
}

static void calloc_refuses_products_that_overflow(void **state) {
    (void)state;
    static const size_t pairs[][2] = {{SIZE_MAX, 2},
                                      {2, SIZE_MAX},
                                      {SIZE_MAX / 2 + 1, 2},
                                      {SIZE_MAX / 16 + 1, 16},
                                      {(size_t)1 << 32, (size_t)1 << 32},
                                      {((size_t)1 << 32) + 1, (size_t)1 << 32},
                                      {SIZE_MAX, SIZE_MAX},
                                      {SIZE_MAX / 3 + 1, 3},
                                      {SIZE_MAX / 24 + 1, 24},
                                      {PTRDIFF_MAX / 2, 4}};
    char *p = t_malloc(64);
    CHECK(p);
    pattern_fill(p, 64, 3);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = hidden(pairs[i][0]), size = hidden(pairs[i][1]);
        errno = 0;
        CHECKF(escape(t_calloc(n, size)) == NULL && errno == ENOMEM, "calloc(%zu, %zu), errno %d", n, size,
               errno);
        errno = 0;
        CHECKF(escape(t_reallocarray(NULL, n, size)) == NULL && errno == ENOMEM,
               "reallocarray(NULL, %zu, %zu), errno %d", n, size, errno);
        errno = 0;
        CHECKF(escape(t_reallocarray(p, n, size)) == NULL && errno == ENOMEM,
               "reallocarray(p, %zu, %zu), errno %d", n, size, errno);
    }
    pattern_verify(p, 64, 64, 3);
    t_free(p);
}

static void calloc_of_nothing_gives_a_block(void **state) {
    (void)state;
    void *a = escape(t_calloc(hidden(0), 8)), *b = escape(t_calloc(8, hidden(0))),
         *c = escape(t_calloc(hidden(0), hidden(0)));
    void *d = escape(t_calloc(hidden(0), hidden(SIZE_MAX))), *e = escape(t_calloc(hidden(SIZE_MAX), hidden(0)));
    CHECK(a && b && c && d && e);
    CHECK(a != b && b != c && a != c && d != e);
    t_free(a), t_free(b), t_free(c), t_free(d), t_free(e);
}

/* ---------------------------------------------------------------- realloc ---- */

static void realloc_of_null_is_malloc(void **state) {
    (void)state;
    for (size_t i = 0; i < border_count; i += 3) {
        char *p = t_realloc(NULL, border_sizes[i]);
        CHECK(p && t_usable_size(p) >= border_sizes[i]);
        if (border_sizes[i]) *p = 1;
        t_free(p);
        CHECK((p = t_reallocarray(NULL, 3, border_sizes[i])) != NULL);
        CHECK(t_usable_size(p) >= 3 * border_sizes[i]);
        t_free(p);
    }
}

/* heap.h: realloc(p, 0) gives a block of the smallest class. glibc's frees and gives NULL. */
static void realloc_to_zero_gives_a_small_block(void **state) {
    (void)state;
    if (!heap_is_freehold()) skip();
    for (size_t i = 0; i < border_count; i += 5) {
        char *p = t_malloc(border_sizes[i]);
        CHECK(p);
        p = escape(t_realloc(p, hidden(0)));
        CHECK(p != NULL);
        CHECK(heap_is_checked() || t_usable_size(p) == fh_class_size(1));
        memset(p, 1, t_usable_size(p));
        t_free(p);
        CHECK((p = escape(t_reallocarray(t_malloc(9), hidden(0), 8))) != NULL);
        t_free(p);
        CHECK((p = escape(t_realloc(NULL, hidden(0)))) != NULL);
        t_free(p);
    }
}

static void realloc_keeps_contents_between_all_border_sizes(void **state) {
    (void)state;
    /* Sizes up to 1 MiB in all ordered pairs of a sample; each pair from a fresh block. */
    size_t sample[64], n = 0;
    for (size_t i = 0; i < border_count && n < 64; i += 1 + border_count / 64)
        if (border_sizes[i] <= 1 << 20) sample[n++] = border_sizes[i];
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            char *p = t_malloc(sample[i]);
            CHECK(p);
            pattern_fill(p, sample[i], i * 64 + j);
            char *q = t_realloc(p, sample[j]);
            if (sample[j] == 0 && q == NULL) continue; /* other heaps */
            CHECK(q && is_aligned(q, least_alignment(sample[j])));
            CHECK(t_usable_size(q) >= sample[j]);
            pattern_verify(q, sample[i], sample[j], i * 64 + j);
            pattern_fill(q, t_usable_size(q), 0);
            t_free(q);
        }
    }
}

static void realloc_within_the_usable_size_keeps_all_of_it(void **state) {
    (void)state;
    for (size_t i = 0; i < border_count; i++) {
        if (border_sizes[i] > 8 << 20) continue;
        char *p = t_malloc(border_sizes[i]);
        size_t usable = t_usable_size(p);
        pattern_fill(p, usable, i);
        char *q = t_realloc(p, usable); /* legal: the whole of the usable size is the program's */
        CHECK(q && t_usable_size(q) >= usable);
        pattern_verify(q, usable, SIZE_MAX, i);
        t_free(q);
    }
}

static void realloc_grows_step_by_step(void **state) {
    (void)state;
    size_t size = 1;
    char *p = t_malloc(size);
    CHECK(p);
    p[0] = 0;
    while (size < 6 << 20) {
        size_t next = size + size / 3 + 1;
        CHECK((p = t_realloc(p, next)) != NULL);
        for (size_t i = size; i < next; i++) p[i] = (char)(i * 31 >> 3);
        size = next;
    }
    for (size_t i = 1; i < size; i++) CHECKF(p[i] == (char)(i * 31 >> 3), "byte %zu of %zu lost", i, size);
    while (size > 1) {
        size -= size / 3 + 1;
        if (size == 0) size = 1;
        CHECK((p = t_realloc(p, size)) != NULL);
        for (size_t i = 1; i < size; i += 1 + size / 512) CHECK(p[i] == (char)(i * 31 >> 3));
    }
    t_free(p);
}

static void realloc_of_an_aligned_block_keeps_contents(void **state) {
    (void)state;
    for (size_t align = 16; align <= 1 << 17; align *= 2) {
        for (size_t size = 1; size < 200000; size = size * 5 + 3) {
            char *p = t_aligned_alloc(align, size);
            CHECK(p);
            pattern_fill(p, size, size);
            char *q = t_realloc(p, size * 3 + 1);
            CHECK(q);
            pattern_verify(q, size, SIZE_MAX, size);
            CHECK((p = t_realloc(q, size / 2 + 1)) != NULL);
            pattern_verify(p, size, size / 2 + 1, size);
            t_free(p);
        }
    }
}

static void realloc_that_fails_leaves_the_block_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < border_count; i++) {
        if (border_sizes[i] > 8 << 20) continue;
        char *p = t_malloc(border_sizes[i]);
        CHECK(p);
        size_t usable = t_usable_size(p);
        pattern_fill(p, usable, i);
        errno = 0;
        CHECK(escape(t_realloc(p, hidden((size_t)1 << 60))) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(escape(t_reallocarray(p, hidden(SIZE_MAX / 2), 3)) == NULL && errno == ENOMEM);
        CHECK(t_usable_size(p) == usable);
        pattern_verify(p, usable, SIZE_MAX, i);
        t_free(p);
    }
}

/* Also for who checks whether it is freed as it was asked for. */
static void realloc_that_fails_leaves_an_aligned_block_aligned(void **state) {
    (void)state;
    for (size_t align = 32; align <= 65536; align *= 2)
        for (size_t i = 0; i < border_count; i += 5) {
            if (border_sizes[i] > 1 << 20) continue;
            char *p = t_aligned_alloc(align, border_sizes[i]);
            CHECK(p && is_aligned(p, align));
            errno = 0;
            CHECK(escape(t_realloc(p, hidden((size_t)1 << 60))) == NULL && errno == ENOMEM);
            t_free_aligned_sized(p, align, border_sizes[i]);
        }
}

#ifdef TEST_FH_NAMES
struct vast {
    char at[(size_t)1 << 60];
};

static void new_of_what_cannot_be_gives_null_and_enomem(void **state) {
    (void)state;
    errno = 0;
    CHECK(escape(fh_new(struct vast)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(fh_new_zero(struct vast)) == NULL && errno == ENOMEM);
}
#endif

/* ---------------------------------------------------------------- alignment ---- */

static void aligned_alloc_aligns_at_every_alignment_and_size(void **state) {
    (void)state;
    static const size_t extra[] = {0, 1, 7, 16, 100, 1000, 4096, 5000, 32768, 32769, 65536, 100000};
    for (size_t align = 1; align <= (size_t)16 << 20; align *= 2) {
        for (size_t i = 0; i < sizeof extra / sizeof *extra + 3; i++) {
            size_t size = i < 12 ? extra[i] : i == 12 ? align - 1 : i == 13 ? align : align + 1;
            void *p[4];
            for (int k = 0; k < 4; k++) {
                p[k] = escape(t_aligned_alloc(hidden(align), size));
                CHECKF(p[k] != NULL, "aligned_alloc(%zu, %zu)", align, size);
                CHECKF(is_aligned(p[k], align), "aligned_alloc(%zu, %zu) = %p", align, size, p[k]);
                CHECK(t_usable_size(p[k]) >= size);
                pattern_fill(p[k], t_usable_size(p[k]), (size_t)k);
            }
            for (int k = 0; k < 4; k++) {
                pattern_verify(p[k], t_usable_size(p[k]), SIZE_MAX, (size_t)k);
                if (k % 2) t_free(p[k]);
                else if (heap_is_freehold()) t_free_aligned_sized(p[k], align, size);
                else t_free(p[k]);
            }
        }
    }
}

static void alignments_of_many_gibibytes_align_or_fail_cleanly(void **state) {
    (void)state;
    for (unsigned shift = 25; shift < 64; shift++) {
        size_t align = hidden((size_t)1 << shift);
        errno = 0;
        void *p = escape(t_aligned_alloc(align, 100));
        if (p) {
            CHECKF(is_aligned(p, align), "2^%u: %p", shift, p);
            memset(p, 1, 100);
            t_free(p);
        } else
            CHECKF(errno == ENOMEM || (!heap_is_freehold() && errno == EINVAL), "2^%u: errno %d", shift, errno);
        if (shift <= 28) CHECK(p != NULL);
        if (shift >= 48) CHECK(p == NULL);
    }
}

static void aligned_alloc_refuses_what_is_no_power_of_two(void **state) {
    (void)state;
    if (!heap_is_freehold()) skip(); /* glibc 2.36 rounds up instead */
    static const size_t wrong[] = {0,  3,   5,    6,    7,     12,       17,           24,
                                   48, 100, 4095, 4097, 65535, SIZE_MAX, SIZE_MAX / 2, (size_t)3 << 40};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        CHECKF(escape(t_aligned_alloc(hidden(wrong[i]), 64)) == NULL && errno == EINVAL,
               "alignment %zu, errno %d", wrong[i], errno);
    }
}

#ifndef TEST_FH_NAMES
static void posix_memalign_keeps_to_the_letter(void **state) {
    (void)state;
    static const size_t wrong[] = {0, 1, 2, 4, 3, 7, 12, 24, 48, 100, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *p = (void *)(uintptr_t)0x1234;
        errno = 4711;
        CHECKF(posix_memalign(&p, hidden(wrong[i]), 64) == EINVAL, "alignment %zu", wrong[i]);
        CHECK(p == (void *)(uintptr_t)0x1234 && errno == 4711);
    }
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 64, (size_t)PTRDIFF_MAX + 1, (size_t)1 << 60,
                                    SIZE_MAX - 65536};
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        for (size_t align = sizeof(void *); align <= 1 << 20; align *= 16) {
            void *p = (void *)(uintptr_t)0x1234;
            errno = 4711;
            CHECKF(posix_memalign(&p, align, hidden(absurd[i])) == ENOMEM, "align %zu size %zu", align,
                   absurd[i]);
            if (heap_is_freehold()) CHECK(p == (void *)(uintptr_t)0x1234 && errno == 4711);
        }
    }
    for (size_t align = sizeof(void *); align <= 1 << 20; align *= 2) {
        for (size_t size = 0; size <= 300000; size = size * 3 + 1) {
            void *p = NULL;
            errno = 4711;
            CHECK(posix_memalign(&p, align, size) == 0);
            CHECK(p && is_aligned(p, align) && malloc_usable_size(p) >= size);
            if (heap_is_freehold()) CHECK(errno == 4711);
            memset(p, 3, malloc_usable_size(p));
            free(p);
        }
    }
}

static void memalign_valloc_and_pvalloc_align(void **state) {
    (void)state;
    for (size_t align = 1; align <= 1 << 20; align *= 2) {
        void *p = escape(memalign(align, 1000));
        CHECK(p && is_aligned(p, align) && malloc_usable_size(p) >= 1000);
        memset(p, 1, 1000);
        free(p);
    }
#ifdef __GLIBC__
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 0; size < 3 * page; size += 500) {
        void *p = escape(valloc(size));
        CHECK(p && is_aligned(p, page) && malloc_usable_size(p) >= size);
        free(p);
        CHECK((p = escape(pvalloc(size))) != NULL && is_aligned(p, page));
        CHECKF(malloc_usable_size(p) >= (size + page - 1) / page * page, "pvalloc(%zu): %zu", size,
               malloc_usable_size(p));
        if (heap_is_freehold()) CHECK(malloc_usable_size(p) >= page);
        memset(p, 1, malloc_usable_size(p));
        free(p);
    }
    errno = 0;
    CHECK(escape(valloc(hidden(SIZE_MAX - 10))) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(pvalloc(hidden(SIZE_MAX - 10))) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(pvalloc(hidden(SIZE_MAX))) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(memalign(64, hidden(SIZE_MAX - 10))) == NULL && errno == ENOMEM);
#endif
}

static void the_c23_names_are_exported(void **state) {
    (void)state;
    if (!heap_is_freehold()) skip();
#ifndef TEST_LINKED
    CHECK(free_sized != NULL && free_aligned_sized != NULL);
#endif
    free_sized(NULL, 0);
    free_sized(NULL, 100);
    free_aligned_sized(NULL, 64, 64);
}
#endif

/* ---------------------------------------------------------------- usable size, sized free ---- */

static void usable_size_of_null_is_zero(void **state) {
    (void)state;
    CHECK(t_usable_size(NULL) == 0);
}

static void sized_free_takes_what_malloc_calloc_and_realloc_gave(void **state) {
    (void)state;
    t_free_sized(NULL, 0);
    t_free_aligned_sized(NULL, 64, 640);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < border_count; i++) {
            size_t size = border_sizes[i];
            char *p = t_malloc(size), *q = t_calloc(1, size), *r = t_realloc(t_malloc(size / 2), size);
            CHECK(p && q && (r || size == 0));
            if (p && size) *p = *q = *r = 1;
            errno = 4711;
            t_free_sized(p, size);
            t_free_sized(q, size);
            t_free_sized(r, size);
            CHECK(errno == 4711);
        }
    }
}

static void sized_free_gives_back_what_malloc_hands_out_again(void **state) {
    (void)state;
    if (!heap_is_freehold() || !memory_is_measurable()) skip();
    size_t before = rss_now();
    for (int i = 0; i < 200000; i++) {
        size_t size = (size_t)i * 37 % 9000;
        char *p = t_malloc(size), *q = t_aligned_alloc(64, size);
        CHECK(p && q);
        p[0] = q[0] = 1;
        t_free_sized(p, size);
        t_free_aligned_sized(q, 64, size);
    }
    CHECKF(rss_now() < before + (16u << 20), "grew from %zu to %zu", before, rss_now());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_gives_aligned_writable_blocks_of_every_size),
        cmocka_unit_test(malloc_gives_blocks_at_every_border),
        cmocka_unit_test(blocks_that_live_together_do_not_overlap),
        cmocka_unit_test(malloc_of_zero_gives_blocks_of_their_own),
        cmocka_unit_test(sizes_above_ptrdiff_max_give_null_and_enomem),
        cmocka_unit_test(sizes_beyond_the_address_space_give_null_and_enomem),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(calloc_gives_zeros_after_dirty_reuse_at_every_size),
        cmocka_unit_test(calloc_gives_zeros_in_large_blocks_that_were_dirty),
        cmocka_unit_test(calloc_refuses_products_that_overflow),
        cmocka_unit_test(calloc_of_nothing_gives_a_block),
        cmocka_unit_test(realloc_of_null_is_malloc),
        cmocka_unit_test(realloc_to_zero_gives_a_small_block),
        cmocka_unit_test(realloc_keeps_contents_between_all_border_sizes),
        cmocka_unit_test(realloc_within_the_usable_size_keeps_all_of_it),
        cmocka_unit_test(realloc_grows_step_by_step),
        cmocka_unit_test(realloc_of_an_aligned_block_keeps_contents),
        cmocka_unit_test(realloc_that_fails_leaves_the_block_alone),
        cmocka_unit_test(realloc_that_fails_leaves_an_aligned_block_aligned),
        cmocka_unit_test(aligned_alloc_aligns_at_every_alignment_and_size),
        cmocka_unit_test(alignments_of_many_gibibytes_align_or_fail_cleanly),
        cmocka_unit_test(aligned_alloc_refuses_what_is_no_power_of_two),
#ifdef TEST_FH_NAMES
        cmocka_unit_test(new_of_what_cannot_be_gives_null_and_enomem),
#else
        cmocka_unit_test(posix_memalign_keeps_to_the_letter),
        cmocka_unit_test(memalign_valloc_and_pvalloc_align),
        cmocka_unit_test(the_c23_names_are_exported),
#endif
        cmocka_unit_test(usable_size_of_null_is_zero),
        cmocka_unit_test(sized_free_takes_what_malloc_calloc_and_realloc_gave),
        cmocka_unit_test(sized_free_gives_back_what_malloc_hands_out_again),
    };
    return cmocka_run_group_tests(tests, make_borders, NULL);
}
