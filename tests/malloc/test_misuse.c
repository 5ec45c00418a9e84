/* test_misuse.c - wrong calls, each with its stated outcome. docs/MISUSE.md shows the same table to users.
 *
 * In fast mode a free does not look at the block. What is wrong is noticed where the heap looks anyway: at once
 * when the pointer is not one of a small block, and when a full bin is flushed otherwise. Each case here does
 * its wrong call, then goes on (settle) until that look must have come. It passes when the process was stopped
 * with the stated report; or, for calls that do no harm, when the heap is sound afterwards.
 */
#include "model.h"
#include "names.h"
#include "runner.h"
#include "support.h"

#include <freehold/heaps.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __clang__ /* makes no clones */
#define WRONG __attribute__((noinline))
#else
#define WRONG __attribute__((noinline, noclone))
#endif

static void *volatile sink;

/* Uses blocks of this size until every bin for them has been flushed. */
static void settle(size_t size) {
    enum { n = 20000 };
    static void *block[n];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < n; i++) block[i] = t_malloc(size);
        for (int i = 0; i < n; i++) t_free(block[i]);
    }
}

/* ---------------------------------------------------------------- the wrong calls ---- */

WRONG static void free_of_stack_memory(void) {
    char room[64];
    sink = room;
    t_free((char *)sink + 16);
}

WRONG static void free_of_static_memory(void) {
    static char room[64];
    sink = room;
    t_free(sink);
}

WRONG static void free_of_code(void) {
    sink = (void *)(uintptr_t)free_of_code;
    t_free(sink);
}

WRONG static void free_of_a_small_number(void) {
    sink = (void *)(uintptr_t)16;
    t_free(sink);
}

WRONG static void free_of_minus_one(void) {
    sink = (void *)UINTPTR_MAX;
    t_free(sink);
}

WRONG static void free_of_a_non_canonical_address(void) {
    sink = (void *)(uintptr_t)0xdeadbeefdeadbeef;
    t_free(sink);
}

WRONG static void free_of_memory_from_mmap(void) {
    sink = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    t_free(sink);
}

WRONG static void free_of_heap_space_never_used(void) {
    sink = (char *)t_malloc(100) + ((size_t)300 << 20);
    t_free(sink);
}

WRONG static void free_inside_a_small_block(void) {
    char *p = t_malloc(1000);
    t_free(p + 16);
    settle(1000);
}

WRONG static void free_of_an_odd_address(void) {
    char *p = t_malloc(48);
    t_free(p + 1);
    settle(48);
}

WRONG static void free_inside_a_large_block(void) {
    char *p = t_malloc(1000000);
    t_free(p + 4096);
}

WRONG static void free_inside_a_large_block_at_a_granule(void) {
    char *p = t_malloc(1000000);
    t_free(p + 65536);
}

WRONG static void double_free_of_a_small_block(void) {
    char *p = t_malloc(100);
    t_free(p);
    sink = p;
    t_free(sink);
    settle(100);
}

WRONG static void double_free_with_others_between(void) {
    char *p = t_malloc(100), *q = t_malloc(100), *r = t_malloc(100);
    t_free(p);
    t_free(q);
    sink = p;
    t_free(sink);
    t_free(r);
    settle(100);
}

/* Blocks of many spans are freed by strides, so that each goes home by itself; one of them is not as it was
 * allocated, or comes twice. */
WRONG static void free_in_no_order(int twice, ptrdiff_t off) {
    enum { n = 20000, STRIDE = 7001 };
    static char *block[n];
    for (int i = 0; i < n; i++) block[i] = t_malloc(100);
    for (int i = 0, at = 0; i < n; i++, at = (at + STRIDE) % n) {
        sink = block[at] + (i == n / 2 ? off : 0);
        t_free(sink);
        if (i == n / 2 && twice) t_free(sink);
    }
}

WRONG static void double_free_in_no_order(void) { free_in_no_order(1, 0); }

WRONG static void free_inside_a_block_in_no_order(void) { free_in_no_order(0, 16); }

WRONG static void double_free_of_a_large_block(void) {
    char *p = t_malloc(1000000);
    t_free(p);
    sink = p;
    t_free(sink);
}

WRONG static void double_free_of_a_block_long_returned(void) {
    char *p = t_malloc(100);
    t_free(p);
    settle(100);
    sink = p;
    t_free(sink);
    t_free(sink);
    settle(100);
}

static void *frees(void *p) {
    t_free(p);
    settle(100);
    return NULL;
}

WRONG static void double_free_by_two_threads(void) {
    char *p = t_malloc(100);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&t[i], NULL, frees, p)) _exit(9);
        pthread_join(t[i], NULL);
    }
    settle(100);
}

WRONG static void free_of_what_realloc_moved(void) {
    char *p = t_malloc(1000000), *between = t_malloc(70000);
    sink = p;
    p = t_realloc(p, 50000000);
    t_free(between);
    if (p == sink) _exit(7);
    t_free(sink);
}

WRONG static void realloc_of_stack_memory(void) {
    char room[64];
    sink = room;
    sink = t_realloc((char *)sink + 16, 100);
}

WRONG static void realloc_of_a_freed_large_block(void) {
    char *p = t_malloc(1000000);
    t_free(p);
    sink = p;
    sink = t_realloc(sink, 2000000);
}

WRONG static void realloc_inside_a_large_block(void) {
    char *p = t_malloc(1000000);
    sink = t_realloc(p + 65536, 100);
}

WRONG static void size_of_a_foreign_pointer(void) {
    static char room[64];
    sink = room;
    if (t_usable_size(sink) == 1) _exit(7);
}

WRONG static void sized_free_with_a_larger_class(void) {
    t_free_sized(t_malloc(100), 5000);
    settle(5000);
    settle(100);
}

WRONG static void sized_free_with_a_smaller_class(void) {
    t_free_sized(t_malloc(5000), 100);
    settle(100);
    settle(5000);
}

WRONG static void sized_free_of_a_small_block_as_large(void) { t_free_sized(t_malloc(100), 1000000); }

WRONG static void sized_free_of_a_large_block_as_small(void) {
    t_free_sized(t_malloc(1000000), 100);
    settle(100);
}

WRONG static void sized_free_of_stack_memory(void) {
    char room[200];
    sink = room;
    t_free_sized((char *)sink + 16, 100);
    settle(100);
}

WRONG static void aligned_sized_free_with_the_wrong_alignment(void) {
    t_free_aligned_sized(t_aligned_alloc(16, 100), 1024, 100);
    settle(1024);
    settle(100);
}

#ifdef TEST_FH_NAMES
struct wide {
    char at[5000];
};

WRONG static void delete_of_another_type(void) {
    struct wide *p = (struct wide *)(void *)fh_new(double);
    fh_delete(p);
    settle(5000);
    settle(8);
}

/* What is deleted through a type goes into the bin of the type's class, whatever it is; when that is flushed it
 * is looked at. The bin must be open. */
struct tailed { /* 65536 is no multiple of 48: behind the last block of a span is a tail */
    char at[48];
};

WRONG static void delete_into_an_open_bin(void *p) {
    enum { n = 20000 };
    static struct tailed *block[n];
    for (int i = 0; i < n; i++) block[i] = fh_new(struct tailed);
    for (int i = 0; i < n; i++) {
        sink = i == n / 2 ? p : NULL;
        fh_delete((struct tailed *)sink);
        fh_delete(block[i]);
    }
}

WRONG static void delete_of_stack_memory(void) {
    char room[64];
    sink = room;
    delete_into_an_open_bin(sink);
}

WRONG static void delete_of_another_class(void) { delete_into_an_open_bin(t_malloc(300)); }

WRONG static void delete_of_a_large_block(void) { delete_into_an_open_bin(t_malloc(1000000)); }

WRONG static void delete_of_heap_space_never_used(void) {
    delete_into_an_open_bin((char *)t_malloc(100) + ((size_t)300 << 20));
}

WRONG static void delete_in_the_tail_of_a_span(void) {
    uintptr_t p = (uintptr_t)fh_new(struct tailed);
    delete_into_an_open_bin((void *)((p | 65535) - 15));
}

/* Among blocks of many spans, freed by strides, so that each goes home by itself. */
WRONG static void delete_in_the_tail_in_no_order(void) {
    enum { n = 20000, STRIDE = 7001 };
    static struct tailed *block[n];
    for (int i = 0; i < n; i++) block[i] = fh_new(struct tailed);
    for (int i = 0, at = 0; i < n; i++, at = (at + STRIDE) % n) {
        sink = i == n / 2 ? (void *)(((uintptr_t)block[at] | 65535) - 15) : (void *)block[at];
        fh_delete((struct tailed *)sink);
    }
}

/* The second free comes by another thread, when the block is at home already. */
enum { HOME = 20000 };
static void *at_home[HOME];

static void *frees_again(void *p) {
    t_free(p);
    for (int i = 0; i < HOME; i += 2) t_free(at_home[i]);
    return NULL;
}

WRONG static void double_free_of_a_block_at_home(void) {
    pthread_t t;
    for (int i = 0; i < HOME; i++) at_home[i] = t_malloc(100);
    t_free(at_home[1]);
    fh_trim();
    if (pthread_create(&t, NULL, frees_again, at_home[1])) _exit(9);
    pthread_join(t, NULL);
    fh_trim();
}

WRONG static void double_free_before_a_trim(void) {
    sink = t_malloc(100);
    t_free(sink);
    t_free(sink);
    fh_trim();
}

static struct fh_heap *own_heap;

WRONG static void free_inside_a_large_block_of_an_own_heap(void) {
    own_heap = fh_heap_new(0);
    t_free((char *)fh_heap_malloc(own_heap, 1000000) + 4096);
}

WRONG static void free_inside_a_block_of_an_own_heap(void) {
    own_heap = fh_heap_new(0);
    t_free((char *)fh_heap_malloc(own_heap, 100) + 16);
}

WRONG static void free_in_the_tail_of_an_own_heap(void) {
    own_heap = fh_heap_new(0);
    t_free((void *)(((uintptr_t)fh_heap_malloc(own_heap, 48) | 65535) - 15));
}

WRONG static void double_free_in_an_own_heap(void) {
    own_heap = fh_heap_new(0);
    void *other = fh_heap_malloc(own_heap, 100);
    sink = fh_heap_malloc(own_heap, 100);
    t_free(sink);
    t_free(sink);
    t_free(other);
}

WRONG static void delete_of_a_block_of_an_own_heap(void) {
    own_heap = fh_heap_new(0);
    fh_free_slow(fh_heap_malloc(own_heap, 48), 48, 8);
}

WRONG static void delete_of_a_large_block_as_another(void) { fh_free_slow(t_malloc(1000000), 100, 8); }
#endif

/* ---------------------------------------------------------------- the table ---- */

static const char no_block[] = "no block in use", foreign[] = "not from this heap";
static const char inside[] = "middle of a block", twice[] = "freed twice";
static const char twice_or_gone[] = "freed"; /* "freed twice", or "freed already" once its whole span is free */
#ifdef TEST_FH_NAMES
static const char sized[] = "sized free";
static const char gone_or_sized[] =
    "free"; /* "no block in use" in the bin; "sized free" where each call is seen */
#endif

/* AT_ONCE: in the wrong call itself. AT_FLUSH: when the bin that holds the block is flushed; until then the
 * block may have been handed out again. HARMLESS: the call does what was meant. */
enum outcome_kind { AT_ONCE, AT_FLUSH, HARMLESS };

static const struct misuse {
    const char *name;
    void (*body)(void);
    enum outcome_kind kind;
    const char *says; /* in the report */
} table[] = {
#define ROW(f, kind, says) \
    { #f, f, kind, says }
    ROW(free_of_stack_memory, AT_ONCE, foreign),
    ROW(free_of_static_memory, AT_ONCE, foreign),
    ROW(free_of_code, AT_ONCE, foreign),
    ROW(free_of_a_small_number, AT_ONCE, foreign),
    ROW(free_of_minus_one, AT_ONCE, foreign),
    ROW(free_of_a_non_canonical_address, AT_ONCE, foreign),
    ROW(free_of_memory_from_mmap, AT_ONCE, foreign),
    ROW(free_of_heap_space_never_used, AT_ONCE, no_block),
    ROW(free_inside_a_small_block, AT_FLUSH, inside),
    ROW(free_of_an_odd_address, AT_FLUSH, inside),
    ROW(free_inside_a_large_block, AT_ONCE, no_block),
    ROW(free_inside_a_large_block_at_a_granule, AT_ONCE, no_block),
    ROW(double_free_of_a_small_block, AT_FLUSH, twice),
    ROW(double_free_with_others_between, AT_FLUSH, twice),
    ROW(double_free_in_no_order, AT_FLUSH, twice),
    ROW(free_inside_a_block_in_no_order, AT_FLUSH, inside),
    ROW(double_free_of_a_large_block, AT_ONCE, no_block),
    ROW(double_free_of_a_block_long_returned, AT_FLUSH, twice_or_gone),
    ROW(double_free_by_two_threads, AT_FLUSH, twice),
    ROW(free_of_what_realloc_moved, AT_ONCE, no_block),
    ROW(realloc_of_stack_memory, AT_ONCE, foreign),
    ROW(realloc_of_a_freed_large_block, AT_ONCE, no_block),
    ROW(realloc_inside_a_large_block, AT_ONCE, no_block),
    ROW(size_of_a_foreign_pointer, AT_ONCE, foreign),
    ROW(sized_free_with_a_larger_class, HARMLESS, NULL),
    ROW(sized_free_with_a_smaller_class, HARMLESS, NULL),
    ROW(sized_free_of_a_small_block_as_large, HARMLESS, NULL),
    ROW(sized_free_of_a_large_block_as_small, HARMLESS, NULL),
    ROW(sized_free_of_stack_memory, AT_ONCE, foreign),
    ROW(aligned_sized_free_with_the_wrong_alignment, HARMLESS, NULL),
#ifdef TEST_FH_NAMES
    ROW(delete_of_another_type, AT_FLUSH, sized),
    ROW(delete_of_stack_memory, AT_FLUSH, foreign),
    ROW(delete_of_another_class, AT_FLUSH, sized),
    ROW(delete_of_a_large_block, AT_FLUSH, gone_or_sized),
    ROW(delete_of_heap_space_never_used, AT_FLUSH, no_block),
    ROW(delete_in_the_tail_of_a_span, AT_FLUSH, inside),
    ROW(delete_in_the_tail_in_no_order, AT_FLUSH, inside),
    ROW(double_free_of_a_block_at_home, AT_FLUSH, twice),
    ROW(double_free_before_a_trim, AT_FLUSH, twice),
    ROW(free_inside_a_large_block_of_an_own_heap, AT_ONCE, inside),
    ROW(free_inside_a_block_of_an_own_heap, AT_ONCE, inside),
    ROW(free_in_the_tail_of_an_own_heap, AT_ONCE, inside),
    ROW(double_free_in_an_own_heap, AT_ONCE, twice),
    ROW(delete_of_a_block_of_an_own_heap, AT_ONCE, "in a heap of the program's own"),
    ROW(delete_of_a_large_block_as_another, AT_ONCE, sized),
#endif
};

static struct model model;

/* ---------------------------------------------------------------- the tests ---- */

/* What runs at abort may allocate, and fork, as those do that write a core file of their own: no lock is held
 * then. (Under a report from within fh_trim the list of heaps was.) */
static void at_abort(int unused) {
    (void)unused;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    waitpid(pid, NULL, 0);
    for (size_t size = 8; size < 200000; size = size * 3 / 2) {
        void *p = t_malloc(size);
        sink = p;
        t_free(t_malloc(size));
        t_free(p);
    }
}

static void commit(void *arg) {
    struct rlimit none = {0, 0};
    struct sigaction action = {.sa_handler = at_abort};
    setrlimit(RLIMIT_CORE, &none);
    sigaction(SIGABRT, &action, NULL);
    const struct misuse *m = arg;
    m->body();
    model_begin(&model, 1, NULL);
    model_run_seed(&model, 1, 5000);
    model_end(&model);
}

static bool is_as_stated(const struct misuse *m, const struct outcome *out) {
    if (m->kind == HARMLESS) return out->exited && out->code == 0;
    return !out->exited && out->code == SIGABRT && strstr(out->text, "freehold: ") &&
           strstr(out->text, m->says);
}

static bool check_misuse(const struct misuse *m) {
    static struct outcome out;
    run_child(&out, commit, (void *)(uintptr_t)m, 30);
    if (is_as_stated(m, &out)) return true;
    fprintf(stderr, "%s: %s %d, stated is %s; it said: %s\n", m->name, out.exited ? "exit" : "signal", out.code,
            m->says ? m->says : "no harm", out.text);
    return false;
}

static void each_wrong_call_has_its_stated_outcome(void **state) {
    (void)state;
    unsigned wrong = 0, n = sizeof table / sizeof *table;
    if (!heap_is_freehold()) skip();
    for (unsigned i = 0; i < n; i++) wrong += !check_misuse(&table[i]);
    CHECKF(wrong == 0, "%u of %u wrong calls ended otherwise than stated", wrong, n);
}

/* The report is the last thing of the process and needs nothing of it: here there is no memory and no
 * descriptor left. */
static void without_memory(void *arg) {
    (void)arg;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_AS, &none);
    setrlimit(RLIMIT_NOFILE, &none);
    free_of_static_memory();
}

static void a_report_needs_no_memory(void **state) {
    (void)state;
    static struct outcome out;
    if (!heap_is_freehold()) skip();
    run_child(&out, without_memory, NULL, 30);
    CHECKF(!out.exited && out.code == SIGABRT && strstr(out.text, foreign), "%s %d: %s",
           out.exited ? "exit" : "signal", out.code, out.text);
}

/* The report names the pointer, so that it can be looked for in the program. */
static void named(void *arg) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    t_free(arg);
}

static void a_report_names_the_pointer(void **state) {
    (void)state;
    static struct outcome out;
    if (!heap_is_freehold()) skip();
    run_child(&out, named, (void *)(uintptr_t)0x123450, 30);
    CHECKF(strstr(out.text, "0x123450"), "%s", out.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_call_has_its_stated_outcome),
        cmocka_unit_test(a_report_needs_no_memory),
        cmocka_unit_test(a_report_names_the_pointer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
