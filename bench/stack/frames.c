/* bench/stack/frames.c - working memory for the time of one call: a frame of Freehold, alloca, obstack, an APR
 * pool.
 *
 * Each contestant is a function that takes n bytes, uses them, and gives them back when it returns. It is
 * called in a loop. Two uses:
 *
 *     bare      the first byte is written: what taking and giving back cost by themselves, back to back
 *     written   all n bytes are written, as somebody would who needs them
 *
 * Compiled twice from this one text: plain, and with -DWITH_FREEHOLD, linked with the library, so that the
 * peers run on the C library's own malloc. alloca is in both, as the measure. frames.rs is bumpalo's part.
 * -DWITH_APR adds APR pools. A third time with -DPROBED and -fstack-clash-protection, as distributions build:
 * alloca that touches each page, so that it cannot jump over the guard page.
 *
 * Compilers begin functions at any multiple of 16. Where in a line of 64 bytes that is decides how many lines a
 * call goes through, and each is a cycle, of the five or six that are measured here. So each function stands
 * four times, once at each of the four places, and what counts is the mean of the four: what a program can
 * expect.
 *
 * Each measurement is repeated, the contestants taking turns, and the least counts: what disturbs only ever
 * adds. Prints "contestant use size nanoseconds", a line each. */
#include <alloca.h>
#include <obstack.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef WITH_FREEHOLD
#include <freehold/frame.h>
#endif
#ifdef WITH_APR
#include <apr_general.h>
#include <apr_pools.h>
static apr_pool_t *pool;
#endif

/* The compiler must believe that somebody looks at *p. */
#define SEEN(p) __asm__ volatile("" : : "r"(p) : "memory")

static inline void use(char *p, size_t n, int all) {
    if (p == NULL) abort();
    if (all) memset(p, 1, n);
    else *p = 1;
    SEEN(p);
}

/* Where in a line of the cache a function begins: behind so many bytes of instructions that do nothing. */
#if defined(__x86_64__)
#define PLACE(bytes) aligned(64), patchable_function_entry(bytes, bytes)
#else
#define PLACE(bytes) aligned(64), patchable_function_entry((bytes) / 4, (bytes) / 4)
#endif
enum { PLACES = 4 };

/* Each has a loop of its own around a direct call. In one loop that calls them through a pointer, the processor
 * takes one of them for the usual target and the others cost three cycles more, now these and now those. */
#define CONTESTANT(name, take, give) \
    USE(name##_bare, take, give, 0)  \
    USE(name##_written, take, give, 1)

#define USE(name, take, give, all)                                                                  \
    AT(name##_at_0, 0, take, give, all)                                                             \
    AT(name##_at_16, 16, take, give, all)                                                           \
    AT(name##_at_32, 32, take, give, all)                                                           \
    AT(name##_at_48, 48, take, give, all)                                                           \
    static void (*const name[PLACES])(size_t n, long calls) = {name##_at_0_loop, name##_at_16_loop, \
                                                               name##_at_32_loop, name##_at_48_loop};

#define AT(name, place, take, give, all)                                                \
    __attribute__((noinline, PLACE(place))) static void name(size_t n) {                \
        take use(p, n, all);                                                            \
        give                                                                            \
    }                                                                                   \
    __attribute__((noinline, PLACE(0))) static void name##_loop(size_t n, long calls) { \
        for (long i = 0; i < calls; i++) name(n);                                       \
    }

CONTESTANT(by_alloca, char *p = alloca(n);, )
#ifdef PROBED
#elif defined(WITH_FREEHOLD)
CONTESTANT(by_frame, FH_FRAME_HERE; char *p = fh_push_bytes(n);, )
#else
#define obstack_chunk_alloc malloc
#define obstack_chunk_free free
static struct obstack stack;
CONTESTANT(by_obstack, char *p = obstack_alloc(&stack, n);, obstack_free(&stack, p);)
#ifdef WITH_APR
CONTESTANT(by_apr, char *p = apr_palloc(pool, n);, apr_pool_clear(pool);)
#endif
#endif

static const struct contestant {
    const char *name;
    void (*const *loops[2])(size_t n, long calls);
} contestants[] = {
#ifdef PROBED
    {"alloca-probed", {by_alloca_bare, by_alloca_written}},
#else
    {"alloca", {by_alloca_bare, by_alloca_written}},
#endif
#ifdef PROBED
#elif defined(WITH_FREEHOLD)
    {"freehold", {by_frame_bare, by_frame_written}},
#else
    {"obstack", {by_obstack_bare, by_obstack_written}},
#ifdef WITH_APR
    {"apr", {by_apr_bare, by_apr_written}},
#endif
#endif
};
enum { CONTESTANTS = sizeof contestants / sizeof contestants[0] };

static const size_t sizes[] = {8, 64, 512, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Calls for about a millisecond: a written byte is taken to cost a tenth of a nanosecond. */
static long calls_for(size_t n, int written) {
    double one = 4 + (written ? (double)n / 10 : 0);
#ifdef PROBED
    one += (double)n / 2000; /* each page is touched */
#endif
    long calls = (long)(1e6 / one);
    return calls < 2 ? 2 : calls;
}

/* The first call is not timed: it finds in the caches what the contestant before has written. */
static double run(void (*loop)(size_t, long), size_t n, long calls) {
    loop(n, 1);
    int64_t begun = now();
    loop(n, calls);
    return (double)(now() - begun) / (double)calls;
}

static void measure(size_t n, int written, int repetitions) {
    double least[CONTESTANTS][PLACES];
    long calls = calls_for(n, written);
    for (int r = 0; r < repetitions; r++)
        for (int place = 0; place < PLACES; place++)
            for (int c = 0; c < CONTESTANTS; c++) {
                double ns = run(contestants[c].loops[written][place], n, calls);
                if (r == 0 || ns < least[c][place]) least[c][place] = ns;
            }
    for (int c = 0; c < CONTESTANTS; c++) {
        double sum = 0;
        for (int place = 0; place < PLACES; place++) sum += least[c][place];
        printf("%s %s %zu %.3f\n", contestants[c].name, written ? "written" : "bare", n, sum / PLACES);
    }
}

/* In a thread, because alloca needs a stack that the largest size fits into. */
static void *all(void *repetitions) {
#if !defined(WITH_FREEHOLD) && !defined(PROBED)
    obstack_init(&stack);
    if (obstack_alloc(&stack, 16) == NULL) abort(); /* so that its first chunk stays */
#ifdef WITH_APR
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) abort();
#endif
#endif
    for (int written = 0; written < 2; written++)
        for (int s = 0; s < SIZES; s++) measure(sizes[s], written, (int)(intptr_t)repetitions);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t thread;
    pthread_attr_t large;
    intptr_t repetitions = argc > 1 ? atoi(argv[1]) : 10;
    if (argc > 2 || repetitions < 1) {
        fputs("usage: frames [REPETITIONS]   (1 or more; 10)\n", stderr);
        return 2;
    }
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, (size_t)80 << 20);
    if (pthread_create(&thread, &large, all, (void *)repetitions) != 0) return 1;
    pthread_join(thread, NULL);
    return 0;
}
