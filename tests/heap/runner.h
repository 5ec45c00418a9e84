/* runner.h - cmocka, or the few words of it that these tests use where cmocka is not to be had.
 *
 * The tests are cmocka tests. In builds for another libc or processor there is no cmocka; there TEST_NO_CMOCKA
 * makes the same sources plain programs. A failure ends the program either way (CHECK in support.h).
 */
#ifndef TEST_RUNNER_H
#define TEST_RUNNER_H

#ifndef TEST_NO_CMOCKA

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#else

#include <setjmp.h>
#include <stdio.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

static jmp_buf runner_skipped;

#define skip() longjmp(runner_skipped, 1)
#define cmocka_unit_test(f) \
    { #f, f }
#define cmocka_run_group_tests(tests, setup, teardown) \
    runner_run(tests, sizeof(tests) / sizeof *(tests), setup, teardown)

static inline int runner_run(const struct CMUnitTest *tests, size_t n, int (*setup)(void **),
                             int (*teardown)(void **)) {
    void *state = NULL;
    if (setup && setup(&state) != 0) return 1;
    for (volatile size_t i = 0; i < n; i++) {
        fprintf(stderr, "[ RUN      ] %s\n", tests[i].name);
        if (setjmp(runner_skipped) == 0) {
            tests[i].run(&state);
            fprintf(stderr, "[       OK ] %s\n", tests[i].name);
        } else fprintf(stderr, "[  SKIPPED ] %s\n", tests[i].name);
    }
    return teardown ? teardown(&state) : 0;
}

#endif
#endif
