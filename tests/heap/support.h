/* support.h - what the heap's tests share: checks that work in any thread, children, patterns, measures.
 *
 * cmocka's assertions leave a test by longjmp, which is only defined in the thread that runs the test. Tests
 * here run threads and forked children, so they use CHECK: it writes what failed to stderr without allocating
 * (the heap may be broken at that moment) and aborts. A failed CHECK ends the test program; ctest shows the
 * text.
 *
 * Patterns: each block that a test owns is filled from a tag of its own, so that a block handed out twice, or
 * moved wrongly, is seen when its contents are verified. Up to PATTERN_WHOLE bytes each byte is filled; in
 * larger ones both ends and one word a page, so that blocks of many MiB stay cheap.
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- checks ---- */

__attribute__((noreturn, format(printf, 3, 4))) void check_failed(const char *file, int line,
                                                                  const char *format, ...);

#define CHECK(cond)                                                 \
    do {                                                            \
        if (!(cond)) check_failed(__FILE__, __LINE__, "%s", #cond); \
    } while (0)
#define CHECKF(cond, ...)                                           \
    do {                                                            \
        if (!(cond)) check_failed(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

/* Printed with a failed check when they are not zero, so that it can be replayed. */
extern __thread uint64_t check_seed, check_step;

/* ---- random numbers: the same seed gives the same numbers everywhere ---- */

struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
/* 0 <= result < n */
uint64_t rng_below(struct rng *rng, uint64_t n);

/* ---- contents ---- */

#define PATTERN_WHOLE ((size_t)16384)

void pattern_fill(void *p, size_t size, uint64_t tag);
/* Checks the first `limit` bytes of a pattern that was laid over `size` bytes. */
void pattern_verify(const void *p, size_t size, size_t limit, uint64_t tag);
/* Checks that all bytes are zero. */
void zero_verify(const void *p, size_t size);

/* ---- this process ---- */

/* True where resident sizes say something about the heap: not under Valgrind, a sanitizer or qemu-user. */
bool memory_is_measurable(void);
size_t rss_now(void);
/* The most that has been resident since the last rss_peak_reset. */
size_t rss_peak(void);
bool rss_peak_reset(void);
/* How many mappings the kernel keeps for this process. */
unsigned map_count(void);

double seconds_now(void);
double cpu_seconds_now(void); /* used by this process */
void sleep_ms(unsigned ms);

/* The number in the environment variable, or `otherwise`. Takes 0x… too. */
uint64_t env_number(const char *name, uint64_t otherwise);

/* ---- children ---- */

struct outcome {
    bool exited; /* ended by exit, with `code`; else by the signal `code`, or by the time limit (SIGKILL) */
    int code;
    char text[8192]; /* what it wrote to stdout and stderr, cut to fit */
};

/* Forks; the child runs body(arg), then _exit(0). Its output is caught. It is killed after `seconds`. */
void run_child(struct outcome *out, void (*body)(void *arg), void *arg, unsigned seconds);
/* The same for a program: argv[0] is its path. extra_env is "NAME=value" strings ended by NULL, or NULL. */
void run_program(struct outcome *out, char *const argv[], char *const extra_env[], unsigned seconds);
/* Checks that it ended by exit(0), and shows its output if not. */
void check_clean(const struct outcome *out, const char *what);

/* True when the program under test is Freehold: tests of the standard's words also run on other heaps. */
bool heap_is_freehold(void);

/* True when it runs in a mode that checks each call: sizes are then exact, and freed blocks are held back for a
 * while. */
bool heap_is_checked(void);

#ifdef __cplusplus
}
#endif
#endif
