/* test_sizes.c - the size classes of <freehold/heap.h>, over their whole range, and that the heap keeps to
 * them. */
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void each_size_has_the_smallest_class_that_holds_it(void **state) {
    (void)state;
    for (size_t size = 1; size <= FH_SMALL_MAX; size++) {
        unsigned c = fh_class_of(size);
        CHECKF(c >= 1 && c < FH_CLASS_COUNT, "class of %zu is %u", size, c);
        CHECKF(fh_class_size(c) >= size, "class %u of %zu bytes holds %zu", c, size, fh_class_size(c));
        CHECKF(c == 1 || fh_class_size(c - 1) < size, "%zu would fit into class %u", size, c - 1);
    }
}

static void class_size_and_class_of_are_inverse(void **state) {
    (void)state;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        CHECK(fh_class_of(fh_class_size(c)) == c);
        CHECK(c == 1 || fh_class_of(fh_class_size(c - 1) + 1) == c);
        CHECK(fh_class_size(c) % 16 == 0);
    }
    CHECK(fh_class_size(FH_CLASS_COUNT - 1) == FH_SMALL_MAX);
}

static void rounding_is_at_most_a_fifth_of_a_block_above_128_bytes(void **state) {
    (void)state;
    for (size_t size = 129; size <= FH_SMALL_MAX; size++) {
        size_t block = fh_class_size(fh_class_of(size));
        CHECKF((block - size) * 5 <= block, "%zu is rounded to %zu", size, block);
    }
}

/* A span's blocks stand at multiples of the block size: so the block size must be a multiple of the alignment.
 * */
static void class_of_an_aligned_size_is_a_multiple_of_the_alignment(void **state) {
    (void)state;
    for (size_t align = 1; align <= FH_SMALL_MAX; align *= 2) {
        for (size_t size = 0; size <= FH_SMALL_MAX; size++) {
            size_t need = fh_aligned_size(size, align);
            CHECK(need >= size && need >= 1);
            if (need > FH_SMALL_MAX) continue;
            size_t block = fh_class_size(fh_class_of(need));
            CHECKF(block >= size && block % (align < 16 ? 16 : align) == 0, "%zu at %zu gets %zu", size, align,
                   block);
        }
    }
}

#if defined(__OPTIMIZE__)
#define IS_CONSTANT(value)             \
    ({                                 \
        size_t folded_ = (value);      \
        __builtin_constant_p(folded_); \
    })

static void the_class_of_a_constant_is_a_constant(void **state) {
    (void)state;
    CHECK(IS_CONSTANT(fh_class_of(fh_aligned_size(sizeof(double[3]), 8))));
    CHECK(IS_CONSTANT(fh_class_of(fh_aligned_size(1000, 64))));
    CHECK(IS_CONSTANT(fh_class_of(FH_SMALL_MAX)));
}
#endif

static void good_size_is_the_usable_size_that_malloc_gives(void **state) {
    (void)state;
    for (size_t size = 0; size <= (size_t)5 << 20; size += size <= 70000 ? 1 : size / 37) {
        size_t good = fh_good_size(size);
        CHECKF(good >= size && good >= 16, "good size of %zu is %zu", size, good);
        CHECKF(fh_good_size(good) == good, "good size of %zu is %zu, and of that %zu", size, good,
               fh_good_size(good));
        if (size > 5000 && size % 7 && size < 60000) continue;
        void *p = fh_malloc(size);
        CHECK(p);
        CHECKF(fh_usable_size(p) == good, "malloc(%zu): usable %zu, good size %zu", size, fh_usable_size(p),
               good);
        fh_free(p);
        if (size <= 300 || size % 64 == 0) {
            CHECK((p = fh_calloc(1, size)) != NULL);
            CHECK(fh_usable_size(p) == good);
            fh_free(p);
            CHECK((p = fh_realloc(NULL, size)) != NULL);
            CHECK(fh_usable_size(p) == good);
            fh_free(p);
        }
    }
}

static void small_usable_sizes_are_the_class_sizes(void **state) {
    (void)state;
    for (size_t size = 1; size <= FH_SMALL_MAX; size++) {
        size_t want = fh_class_size(fh_class_of(size));
        CHECKF(fh_good_size(size) == want, "good size of %zu is %zu, its class has %zu", size,
               fh_good_size(size), want);
    }
    for (size_t align = 16; align <= 4096; align *= 2) {
        for (size_t size = 1; size < 12000; size += 177) {
            void *p = fh_aligned_alloc(align, size);
            CHECK(p);
            size_t want = fh_class_size(fh_class_of(fh_aligned_size(size, align)));
            CHECKF(fh_usable_size(p) == want, "%zu at %zu: usable %zu, class %zu", size, align,
                   fh_usable_size(p), want);
            fh_free(p);
        }
    }
}

static void good_size_of_absurd_sizes_is_not_smaller(void **state) {
    (void)state;
    for (size_t size = SIZE_MAX; size > SIZE_MAX / 4; size -= size / 9) {
        size_t at = hidden(size);
        CHECKF(fh_good_size(at) >= at, "good size of %zu is %zu", at, fh_good_size(at));
    }
    for (size_t off = 0; off < 200000; off += 999)
        CHECK(fh_good_size(hidden(SIZE_MAX - off)) >= SIZE_MAX - off);
}

/* ---------------------------------------------------------------- typed new and delete ---- */

struct empty {};
struct flexible {
    int n;
    char tail[];
};
#define SHAPE(bytes, align)             \
    struct shape_##bytes##_##align {    \
        _Alignas(align) char at[bytes]; \
    }

/* clang-format off */
#define SHAPES(X) \
    X(1, 1) X(2, 2) X(3, 1) X(7, 1) X(8, 8) X(15, 1) X(16, 16) X(17, 1) X(24, 8) X(31, 1) X(32, 32) \
    X(33, 1) X(48, 16) X(64, 64) X(65, 1) X(96, 32) X(100, 4) X(120, 8) X(127, 1) X(128, 128) \
    X(129, 1) X(160, 32) X(192, 64) X(250, 2) X(256, 256) X(257, 1) X(384, 128) X(500, 4) \
    X(512, 512) X(513, 1) X(1000, 8) X(1024, 1024) X(1025, 1) X(2048, 2048) X(4095, 1) X(4096, 4096) \
    X(4097, 1) X(5000, 8) X(8192, 8192) X(10000, 16) X(12288, 4096) X(16384, 64) X(20000, 32) \
    X(32767, 1) X(32768, 8) X(32768, 4096) X(32769, 1) X(40000, 8) X(65536, 16) X(65536, 65536) \
    X(100000, 64) X(1000000, 128)
/* clang-format on */

#define DECLARE(bytes, align) SHAPE(bytes, align);
SHAPES(DECLARE)

#define TRY(bytes, align)                                                                                     \
    static void try_##bytes##_##align(bool zero, uint64_t tag) {                                              \
        typedef struct shape_##bytes##_##align shape;                                                         \
        enum { n = sizeof(shape) > 50000 ? 3 : 70 };                                                          \
        shape *block[n];                                                                                      \
        for (int i = 0; i < n; i++) {                                                                         \
            CHECK((block[i] = zero ? fh_new_zero(shape) : fh_new(shape)) != NULL);                            \
            CHECKF(((uintptr_t)block[i] & (_Alignof(shape) - 1)) == 0, "%zu bytes at %zu: %p", sizeof(shape), \
                   _Alignof(shape), (void *)block[i]);                                                        \
            CHECK(fh_usable_size(block[i]) >= sizeof(shape));                                                 \
            if (zero) zero_verify(block[i], sizeof(shape));                                                   \
            pattern_fill(block[i], sizeof(shape), tag + (uint64_t)i);                                         \
        }                                                                                                     \
        for (int i = 0; i < n; i++) {                                                                         \
            pattern_verify(block[i], sizeof(shape), SIZE_MAX, tag + (uint64_t)i);                             \
            if (i % 5 == 4) fh_free(block[i]);                                                                \
            else if (i % 5 == 3) fh_free_aligned_sized(block[i], _Alignof(shape), sizeof(shape));             \
            else fh_delete(block[i]);                                                                         \
        }                                                                                                     \
    }
SHAPES(TRY)

static void typed_blocks_of_many_shapes(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 6; round++) {
#define CALL(bytes, align) try_##bytes##_##align(round % 2, round * 1000 + bytes);
        SHAPES(CALL)
    }
}

static void delete_of_null_does_nothing_and_evaluates_once(void **state) {
    (void)state;
    double *none = NULL;
    errno = 4711;
    fh_delete(none);
    CHECK(errno == 4711);
    int *array[3] = {fh_new(int), fh_new(int), NULL};
    CHECK(array[0] && array[1]);
    int **at = array;
    fh_delete(*at++);
    CHECK(at == array + 1);
    fh_delete(array[1]);
}

static void typed_blocks_of_no_size_are_blocks_of_their_own(void **state) {
    (void)state;
    struct empty *a = fh_new(struct empty), *b = fh_new(struct empty);
    CHECK(a && b && a != b);
    fh_delete(a);
    fh_delete(b);
    struct flexible *f = fh_new(struct flexible);
    CHECK(f);
    f->n = 1;
    fh_delete(f);
}

static void typed_blocks_and_plain_ones_are_one_family(void **state) {
    (void)state;
    for (int i = 0; i < 5000; i++) {
        double *a = fh_malloc(sizeof *a);
        struct shape_100_4 *b = fh_new(struct shape_100_4);
        CHECK(a && b);
        *a = 1;
        b->at[99] = 1;
        b = fh_realloc(b, 3000);
        CHECK(b && b->at[99] == 1);
        fh_delete(a);
        fh_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_size_has_the_smallest_class_that_holds_it),
        cmocka_unit_test(class_size_and_class_of_are_inverse),
        cmocka_unit_test(rounding_is_at_most_a_fifth_of_a_block_above_128_bytes),
        cmocka_unit_test(class_of_an_aligned_size_is_a_multiple_of_the_alignment),
#if defined(__OPTIMIZE__)
        cmocka_unit_test(the_class_of_a_constant_is_a_constant),
#endif
        cmocka_unit_test(good_size_is_the_usable_size_that_malloc_gives),
        cmocka_unit_test(small_usable_sizes_are_the_class_sizes),
        cmocka_unit_test(good_size_of_absurd_sizes_is_not_smaller),
        cmocka_unit_test(typed_blocks_of_many_shapes),
        cmocka_unit_test(delete_of_null_does_nothing_and_evaluates_once),
        cmocka_unit_test(typed_blocks_of_no_size_are_blocks_of_their_own),
        cmocka_unit_test(typed_blocks_and_plain_ones_are_one_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
