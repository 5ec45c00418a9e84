/* test_faults.c - every system call of the heap fails once: the n-th, for each n; all from the n-th on; every
 * third. (How: inject.h.)
 *
 * While faults fall, each request may fail with NULL and ENOMEM but nothing else may change: the model of
 * model.h watches. Afterwards the heap must serve as if nothing had been.
 */
#include "inject.h"
#include "model.h"
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct inject_plan plan;

/* ---------------------------------------------------------------- what is done under faults ---- */

static struct model model;

/* Large blocks, so that extents are taken, split, grown, moved and given back. */
static void large_work(void) {
    enum { n = 24 };
    char *block[n] = {0};
    size_t size[n] = {0};
    struct rng rng = {.state = 42};
    for (unsigned i = 0; i < 150; i++) {
        unsigned k = (unsigned)rng_below(&rng, n);
        size_t want = (size_t)40000 << rng_below(&rng, 10);
        want += rng_below(&rng, want);
        if (block[k] && i % 3) {
            errno = 0;
            char *p = t_realloc(block[k], want);
            CHECK(p || errno == ENOMEM);
            model.failed_calls += p == NULL;
            size_t known = want < size[k] ? want : size[k];
            char *now = p ? p : block[k];
            pattern_verify(now, size[k], p ? known : size[k], k);
            if (p) block[k] = p, size[k] = want;
        } else {
            if (block[k]) pattern_verify(block[k], size[k], size[k], k);
            t_free(block[k]);
            errno = 0;
            block[k] = i % 5 == 0   ? t_calloc(1, want)
                       : i % 7 == 0 ? t_aligned_alloc((size_t)1 << (12 + k % 12), want)
                                    : t_malloc(want);
            CHECK(block[k] || errno == ENOMEM);
            model.failed_calls += block[k] == NULL;
            size[k] = want;
            if (block[k] && i % 5 == 0)
                CHECK(block[k][0] == 0 && block[k][want / 2] == 0 && block[k][want - 1] == 0);
        }
        if (block[k]) pattern_fill(block[k], size[k], k);
#ifdef TEST_FH_NAMES
        if (i % 50 == 49) fh_trim();
#endif
    }
    for (unsigned k = 0; k < n; k++) t_free(block[k]);
}

static void *under_faults(void *arg) {
    (void)arg;
    model_begin(&model, 1, NULL);
    model_run_seed(&model, 5, 500); /* some blocks from before */
    if (!inject_install(&plan, false)) _exit(77);
    inject_armed = true;
    model.may_fail = true;
    model_run_seed(&model, plan.n + 100, 1500);
    large_work();
    inject_armed = false;
    model.may_fail = false;
    model_verify(&model);
    model_run_seed(&model, 6, 1500);
    model_end(&model);
    model_check_stats(&model, false);
    char text[100];
    int n = snprintf(text, sizeof text, "calls %u faults %u failed %llu\n", inject_seen, inject_failed,
                     (unsigned long long)model.failed_calls);
    if (write(1, text, (size_t)n) != n) _exit(9);
    _exit(0); /* at once: a thread may not end under the filter, as libc blocks all signals then */
}

static void child(void *arg) {
    (void)arg;
    if (plan.in_thread) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, under_faults, NULL) == 0);
        pthread_join(t, NULL);
    }
    under_faults(NULL);
}

/* ---------------------------------------------------------------- sweeps ---- */

static unsigned total_faults, total_failed;

/* Runs the plan; the number of calls that were seen. */
static unsigned run_plan(struct inject_plan p) {
    static struct outcome out;
    plan = p;
    run_child(&out, child, NULL, 60);
    if (out.exited && out.code == 77) skip();
    char what[100];
    snprintf(what, sizeof what, "faults: when %d, n %u, call %ld%s", (int)p.when, p.n, p.only,
             p.in_thread ? ", in a thread" : "");
    check_clean(&out, what);
    unsigned seen = 0, fell = 0, failed = 0;
    CHECKF(sscanf(out.text, "calls %u faults %u failed %u", &seen, &fell, &failed) == 3, "%s", out.text);
    total_faults += fell;
    total_failed += failed;
    return seen;
}

static void sweep(enum inject_when when, long only, bool in_thread, double seconds) {
    double end = seconds_now() + seconds;
    unsigned seen = run_plan((struct inject_plan){INJECT_NEVER, 0, only, in_thread});
    CHECKF(seen > 0 || only >= 0, "the filter saw no call");
    for (unsigned n = 1; n <= seen && (n == 1 || seconds_now() < end); n += n < 40 ? 1 : n / 10)
        run_plan((struct inject_plan){when, n, only, in_thread});
}

static double share(void) { return (double)env_number("TEST_SECONDS", 10) / 10; }

static void the_nth_call_fails(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    sweep(INJECT_NTH, -1, false, 2.5 * share());
    CHECK(total_faults > 0 || !heap_is_freehold());
}

static void the_nth_call_fails_in_another_thread(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    sweep(INJECT_NTH, -1, true, 1.5 * share());
}

static void all_calls_fail_from_the_nth_on(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    sweep(INJECT_FROM_NTH, -1, false, 2 * share());
    CHECK(total_failed > 0 || !heap_is_freehold()); /* else the faults did not reach the heap */
}

static void every_third_call_fails(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    for (unsigned n = 0; n < 3; n++) run_plan((struct inject_plan){INJECT_EVERY_THIRD, n, -1, n == 1});
}

static void each_kind_of_call_always_fails(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    for (int i = 0; i < INJECT_MEMORY; i++) {
        run_plan((struct inject_plan){INJECT_FROM_NTH, 1, inject_calls[i], false});
        sweep(INJECT_NTH, inject_calls[i], false, 0.4 * share());
    }
}

int main(void) {
    heap_is_freehold();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_call_fails),
        cmocka_unit_test(the_nth_call_fails_in_another_thread),
        cmocka_unit_test(all_calls_fail_from_the_nth_on),
        cmocka_unit_test(every_third_call_fails),
        cmocka_unit_test(each_kind_of_call_always_fails),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    fprintf(stderr, "%u faults fell, %u requests failed for them\n", total_faults, total_failed);
    return result;
}
