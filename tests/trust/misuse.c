/* misuse.c - one wrong use of the heap, chosen by name: see misuse.h. */
#include "misuse.h"

#include <stdbool.h>
#include <sys/mman.h>

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);

/* ---- freed twice ---- */

static void double_free(void) {
    unsigned char *p = block(SMALL);
    give(p);
    give(p);
}
static void double_free_interleaved(void) {
    unsigned char *p = block(SMALL), *q = block(SMALL);
    give(p);
    give(q);
    give(p);
}
static void double_free_delayed(void) {
    unsigned char *p = block(SMALL), *others[1000];
    give(p);
    for (int i = 0; i < 1000; i++) others[i] = block(SMALL + 100);
    for (int i = 0; i < 1000; i++) give(others[i]);
    give(p);
}
static void double_free_after_reuse(void) { /* the block has been through other hands, and is free again */
    unsigned char *p = block(SMALL);
    give(p);
    pass(SMALL, (size_t)4 << 20);
    give(p);
}
static void double_free_large(void) {
    unsigned char *p = block(LARGE);
    give(p);
    give(p);
}
static void double_free_large_delayed(void) {
    unsigned char *p = block(LARGE), *q = block(LARGE);
    give(p);
    give(q);
    give(p);
}
static void *give_in_thread(void *p) {
    give(p);
    return NULL;
}
static void double_free_other_thread(void) {
    unsigned char *p = block(SMALL);
    pthread_t thread;
    give(p);
    if (pthread_create(&thread, NULL, give_in_thread, p)) exit(9);
    pthread_join(thread, NULL);
}
static void free_after_realloc_moved(void) {
    unsigned char *p = block(SMALL), *q = hide(realloc(p, 5000));
    give(p);
    give(q);
}
static void realloc_after_free(void) {
    unsigned char *p = block(SMALL);
    give(p);
    give(realloc(hide(p), 100));
}
static void usable_size_after_free(void) {
    unsigned char *p = block(SMALL);
    give(p);
    seen = (unsigned char)malloc_usable_size(hide(p));
}

/* ---- no block ---- */

static char global_array[64];
static void free_interior(void) { give(block(SMALL) + 8); }
static void free_interior_aligned(void) { give(block(MEDIUM) + 512); }
static void free_unaligned(void) { give(block(SMALL) + 1); }
static void free_unaligned_longer(void) { give(block(MEDIUM) + 1); }
static void free_interior_large(void) { give(block(LARGE) + 65536); }
static void free_behind(void) { give(block(48) + 48); }
static void free_stack(void) {
    char local[64];
    give(local);
}
static void free_global(void) { give(global_array); }
static void free_constant(void) { give((void *)(uintptr_t) "text"); }
static void free_code(void) { give((void *)(uintptr_t)free_global); }
static void free_wild(void) { give((void *)(uintptr_t)0x123456789ab0); }
static void free_number(void) { give((void *)(uintptr_t)0x10); }
static void free_foreign(void) {
    give(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static void free_never_allocated(void) { give(block(SMALL) + (size_t)32 * 500); }
static void free_far_in_the_heap(void) { give(block(SMALL) + ((size_t)10 << 20)); }
static void realloc_interior(void) { give(realloc(hide(block(SMALL) + 8), 100)); }
static void realloc_stack(void) {
    char local[64];
    give(realloc(hide(local), 100));
}
static void free_uninitialised(void) {
    unsigned char *p = block(SMALL);
    memset(p, 0x5a, SMALL);
    give(p);
    void **q = hide(malloc(SMALL));
    give(hide(q[1])); /* what malloc left in it */
}

/* ---- beyond the block ---- */

static void overflow(size_t size, ptrdiff_t at, size_t bytes, unsigned char value) {
    unsigned char *p = block(size);
    for (size_t i = 0; i < bytes; i++) put(p, (ptrdiff_t)size + at + (ptrdiff_t)i, value);
    give(p);
}
static void overflow_1(void) { overflow(SMALL, 0, 1, 1); }
static void overflow_8(void) { overflow(SMALL, 0, 8, 'A'); }
static void overflow_nul(void) { overflow(SMALL, 0, 1, 0); }
static void overflow_exact_class(void) { overflow(64, 0, 1, 0); }
static void overflow_third_byte(void) { overflow(SMALL, 2, 1, 0xff); }
static void overflow_far_behind(void) { overflow(513, 60, 1, 0); }
static void overflow_medium(void) { overflow(MEDIUM, 0, 1, 0); }
static void overflow_page(void) { overflow(4096, 0, 1, 0); }
static void overflow_large(void) { overflow(LARGE, 0, 1, 0); }
static void overflow_large_8(void) { overflow(128 << 10, 0, 8, 0); }
static void overflow_string(void) {
    char *p = hide(malloc(5));
    strcpy(p, hide((void *)(uintptr_t) "hello"));
    give(p);
}
static void overflow_seen_by_realloc(void) {
    unsigned char *p = block(SMALL);
    put(p, SMALL, 0);
    give(realloc(hide(p), 500));
}
static void overflow_never_freed(void) { put(block(SMALL), SMALL, 0); }
static void overflow_aligned(void) {
    unsigned char *p = hide(aligned_alloc(64, 128));
    put(p, 128, 0);
    give(p);
}
static void overflow_into_next(void) { /* far enough to reach the neighbour */
    unsigned char *p = block(SMALL), *q = block(SMALL);
    for (int i = 0; i < 64; i++) put(p, SMALL + i, 'A');
    give(q);
    give(p);
}
static void underflow_1(void) {
    unsigned char *p = block(SMALL);
    put(p, -1, 0);
    give(p);
}
static void underflow_8(void) {
    unsigned char *p = block(SMALL);
    for (int i = 1; i <= 8; i++) put(p, -i, 'A');
    give(p);
}
static void underflow_medium(void) {
    unsigned char *p = block(MEDIUM);
    put(p, -1, 0);
    give(p);
}
static void underflow_large(void) {
    unsigned char *p = block(LARGE);
    put(p, -8, 0);
    give(p);
}
static void write_zero_size(void) {
    unsigned char *p = hide(malloc(0));
    put(p, 0, 1);
    give(p);
}
static void read_zero_size(void) { get(hide(malloc(0)), 0); }
static void read_behind(void) { get(block(SMALL), SMALL); }
static void read_behind_16(void) { get(block(32), 32); }
static void read_behind_8(void) { get(block(8), 8); }
static void read_behind_page(void) { get(block(4096), 4096); }
enum { HUGE = 3 << 20 };
static void read_behind_huge(void) { get(block(HUGE), HUGE); }
static void read_behind_huge_odd(void) { get(block(HUGE - 3), HUGE); }
static void read_page_behind_huge(void) { get(hide(calloc(HUGE, 1)), HUGE + 5000); }
static void overflow_huge_grown(void) {
    unsigned char *p = hide(realloc(block(HUGE), HUGE + 100000));
    put(p, HUGE + 100000, 0);
    give(p);
}
static void overflow_huge_shrunk(void) {
    unsigned char *p = hide(realloc(block(HUGE), HUGE - 1000));
    put(p, HUGE - 1000, 0);
    give(p);
}
static void huge_right(void) { /* no mistake: all of it, as it grows, shrinks, and comes again */
    for (size_t size = HUGE; size < (size_t)HUGE + 70000; size += 10007) {
        unsigned char *p = block(size), *q = hide(calloc(1, size));
        for (size_t i = 0; i < size; i++)
            if (q[i]) exit(9);
        memset(q, 1, size);
        p = hide(realloc(p, size + 300000));
        memset(p, 2, size + 300000);
        q = hide(realloc(q, size / 2));
        memset(q, 3, size / 2);
        p = hide(realloc(p, 1000));
        if (p[999] != 2 || q[size / 2 - 1] != 3) exit(9);
        give(p);
        give(q);
    }
}
static void read_behind_large(void) { get(block(131072), 131072); }
static void read_before(void) { get(block(SMALL), -1); }
static void read_far_behind(void) { get(block(SMALL), 5000); }

/* Another place in the program has had a thousand blocks of this size. */
static __attribute__((noinline)) void have_a_thousand(size_t size) {
    for (int i = 0; i < 1000; i++) hide(malloc(size));
}
static void read_behind_late(void) {
    have_a_thousand(32);
    get(hide(malloc(32)), 32);
}
static void read_after_free_late(void) {
    have_a_thousand(SMALL);
    unsigned char *p = hide(malloc(SMALL));
    give(p);
    get(p, 0);
}

/* ---- after the free ---- */

static void write_after_free_as(size_t size, ptrdiff_t at, unsigned char value, bool reuse);
static void write_after_free(void) { write_after_free_as(SMALL, 3, 'A', true); }
static void write_after_free_nul(void) { write_after_free_as(128, 65, 0, true); }
static void write_after_free_first(void) { write_after_free_as(SMALL, 0, 0, true); }
static void write_after_free_last(void) { write_after_free_as(SMALL, SMALL - 1, 0, true); }
static void write_after_free_medium(void) { write_after_free_as(MEDIUM, 1000, 0, true); }
static void write_after_free_never_reused(void) { write_after_free_as(SMALL, 3, 0, false); }
static void write_after_free_large(void) { write_after_free_as(LARGE, 50000, 0, false); }
static void write_after_free_20k(void) { write_after_free_as(20000, 10000, 0, true); }
static void write_after_free_as(size_t size, ptrdiff_t at, unsigned char value, bool reuse) {
    unsigned char *p = block(size);
    give(p);
    put(p, at, value);
    if (reuse) pass(size, (size_t)16 << 20);
}
static void write_after_realloc(void) {
    unsigned char *p = block(SMALL), *q = hide(realloc(p, 5000));
    put(p, 3, 0);
    give(q);
}
static void read_after_free(void) {
    unsigned char *p = block(SMALL);
    give(p);
    get(p, 3);
}
static void read_after_free_large(void) {
    unsigned char *p = block(LARGE);
    give(p);
    get(p, 50000);
}

/* ---- sizes and types ---- */

static void sized_free_wrong(void) { free_sized(hide(block(SMALL)), 200); }
static void sized_free_close(void) { free_sized(hide(block(SMALL)), SMALL + 1); }
static void sized_free_wrong_alignment(void) {
    void *p = hide(aligned_alloc(64, 128));
    free_aligned_sized(p, 32, 128);
}
struct small_type {
    char bytes[24];
};
struct other_type {
    char bytes[200];
};
static void delete_other_type(void) {
    void *p = hide(fh_new(struct small_type));
    fh_delete((struct other_type *)p);
}
static void calloc_overflows(void) {
    size_t n = (size_t)(uintptr_t)hide((void *)(SIZE_MAX / 4));
    void *p = hide(calloc(n, 8));
    if (p != NULL || errno != ENOMEM) exit(3);
}
static void negative_size(void) {
    void *p = hide(malloc((size_t)(intptr_t)hide((void *)(intptr_t)-16)));
    if (p != NULL || errno != ENOMEM) exit(3);
}

/* ---- what is left behind ---- */

static void stale_data(void) { /* 3: what the last owner wrote is there to be read */
    for (int i = 0; i < 100; i++) {
        unsigned char *p = block(128);
        memset(p, 'S', 128);
        give(p);
    }
    for (int i = 0; i < 5000; i++) {
        unsigned char *p = hide(malloc(128));
        for (int k = 0; k < 128; k++)
            if (p[k] == 'S') exit(3);
    }
}
static void reused_at_once(void) { /* 3: the block comes back with the next call */
    for (int i = 0; i < 400; i++) block(SMALL);
    unsigned char *p = block(SMALL);
    give(p);
    for (int i = 0; i < 100; i++)
        if (hide(malloc(SMALL)) == p) exit(3);
}
static void predictable_order(void) { /* 3: consecutive calls give consecutive addresses */
    unsigned char *last = NULL;
    int in_order = 0;
    for (int i = 0; i < 400; i++) block(SMALL);
    for (int i = 0; i < 200; i++) {
        unsigned char *p = block(SMALL);
        if (last && (size_t)(p - last) <= 64) in_order++;
        last = p;
    }
    if (in_order > 100) exit(3);
}

static const struct misuse cases[] = {
    CASE(double_free),
    CASE(double_free_interleaved),
    CASE(double_free_delayed),
    CASE(double_free_after_reuse),
    CASE(double_free_large),
    CASE(double_free_large_delayed),
    CASE(double_free_other_thread),
    CASE(free_after_realloc_moved),
    CASE(realloc_after_free),
    CASE(usable_size_after_free),
    CASE(free_interior),
    CASE(free_interior_aligned),
    CASE(free_unaligned),
    CASE(free_unaligned_longer),
    CASE(free_interior_large),
    CASE(free_behind),
    CASE(free_stack),
    CASE(free_global),
    CASE(free_constant),
    CASE(free_code),
    CASE(free_wild),
    CASE(free_number),
    CASE(free_foreign),
    CASE(free_never_allocated),
    CASE(free_far_in_the_heap),
    CASE(realloc_interior),
    CASE(realloc_stack),
    CASE(free_uninitialised),
    CASE(overflow_1),
    CASE(overflow_8),
    CASE(overflow_nul),
    CASE(overflow_exact_class),
    CASE(overflow_third_byte),
    CASE(overflow_far_behind),
    CASE(overflow_medium),
    CASE(overflow_page),
    CASE(overflow_large),
    CASE(overflow_large_8),
    CASE(overflow_string),
    CASE(overflow_seen_by_realloc),
    CASE(overflow_never_freed),
    CASE(overflow_aligned),
    CASE(overflow_into_next),
    CASE(underflow_1),
    CASE(underflow_8),
    CASE(underflow_medium),
    CASE(underflow_large),
    CASE(write_zero_size),
    CASE(read_zero_size),
    CASE(read_behind),
    CASE(read_behind_8),
    CASE(read_behind_16),
    CASE(read_behind_late),
    CASE(read_after_free_late),
    CASE(read_behind_page),
    CASE(read_behind_large),
    CASE(read_behind_huge),
    CASE(read_behind_huge_odd),
    CASE(read_page_behind_huge),
    CASE(overflow_huge_grown),
    CASE(overflow_huge_shrunk),
    CASE(huge_right),
    CASE(read_before),
    CASE(read_far_behind),
    CASE(write_after_free),
    CASE(write_after_free_nul),
    CASE(write_after_free_first),
    CASE(write_after_free_last),
    CASE(write_after_free_medium),
    CASE(write_after_free_never_reused),
    CASE(write_after_free_large),
    CASE(write_after_free_20k),
    CASE(write_after_realloc),
    CASE(read_after_free),
    CASE(read_after_free_large),
    CASE(sized_free_wrong),
    CASE(sized_free_close),
    CASE(sized_free_wrong_alignment),
    CASE(delete_other_type),
    CASE(calloc_overflows),
    CASE(negative_size),
    CASE(stale_data),
    CASE(reused_at_once),
    CASE(predictable_order),
};

int main(int argc, char **argv) { return run_misuse(cases, sizeof cases / sizeof *cases, argc, argv); }
