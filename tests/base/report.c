/* report.c - the formatter says what printf says, where it has a printf to agree with. */
#include "base/report.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SAME_AS_PRINTF(...)                                                  \
    do {                                                                     \
        char ours[256], theirs[256];                                         \
        size_t len = fh_format(ours, sizeof ours, __VA_ARGS__);              \
        assert_int_equal(len, snprintf(theirs, sizeof theirs, __VA_ARGS__)); \
        assert_string_equal(ours, theirs);                                   \
    } while (0)

static void numbers_read_as_in_printf(void **state) {
    (void)state;
    const long long values[] = {0, 1, -1, 9, 10, -10, 255, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        SAME_AS_PRINTF("%d|%5d|%-5d|%05d", (int)values[i], (int)values[i], (int)values[i], (int)values[i]);
        SAME_AS_PRINTF("%lld|%30lld|%-30lld|", values[i], values[i], values[i]);
        SAME_AS_PRINTF("%ld %zu %lu %zx", (long)values[i], (size_t)values[i], (unsigned long)values[i],
                       (size_t)values[i]);
        SAME_AS_PRINTF("%x|%016llx|%u|%i", (unsigned)values[i], (unsigned long long)values[i],
                       (unsigned)values[i], (int)values[i]);
    }
    SAME_AS_PRINTF("%*d|%*d|", 7, 42, -7, 42);
}

static void random_numbers_read_as_in_printf(void **state) {
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint64_t value = x >> (x % 64);
        int width = (int)(x >> 32) % 30;
        SAME_AS_PRINTF("%*llu|%0*llx|%-*lld", width, (unsigned long long)value, width,
                       (unsigned long long)value, width, (long long)value);
    }
}

static void texts_and_pointers_read_as_in_printf(void **state) {
    (void)state;
    SAME_AS_PRINTF("plain");
    SAME_AS_PRINTF("%s|%10s|%-10s|%.2s|%.*s|%.0s|%c%%", "abc", "abc", "abc", "abc", 2, "abc", "abc", 'x');
    SAME_AS_PRINTF("%p", (void *)state);
    char text[32];
    fh_format(text, sizeof text, "%s", (char *)NULL);
    assert_string_equal(text, "(null)");
}

static void sizes_read_well(void **state) {
    (void)state;
    const struct {
        size_t size;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {640, "640 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {12800, "12.5 KiB"},
        {1024 * 1024 - 1, "1.0 MiB"}, /* not 1024.0 KiB */
        {3355443, "3.2 MiB"},
        {(size_t)5 << 30, "5.0 GiB"},
        {(size_t)1 << 40, "1.0 TiB"},
        {SIZE_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[32];
        fh_format(text, sizeof text, "%H", rows[i].size);
        assert_string_equal(text, rows[i].text);
    }
    char text[64];
    fh_format(text, sizeof text, "[%10H][%-10H]", (size_t)2048, (size_t)2048);
    assert_string_equal(text, "[   2.0 KiB][2.0 KiB   ]");
}

static void a_short_buffer_is_never_overrun(void **state) {
    (void)state;
    char whole[64];
    size_t len = fh_format(whole, sizeof whole, "number %d, text %s, %H", 12345, "words", (size_t)4096);
    for (size_t size = 0; size <= len + 1; size++) {
        char *buf = malloc(size + 1); /* to the byte, so that sanitizers and Valgrind see an overrun */
        assert_non_null(buf);
        buf[size] = '#';
        assert_int_equal(fh_format(buf, size, "number %d, text %s, %H", 12345, "words", (size_t)4096), len);
        assert_int_equal(buf[size], '#');
        if (size > 0) {
            assert_int_equal(strlen(buf), size - 1);
            assert_memory_equal(buf, whole, size - 1);
        }
        free(buf);
    }
    assert_int_equal(fh_format(NULL, 0, "abc"), 3);
}

static void unknown_conversions_are_shown(void **state) {
    (void)state;
    char text[32];
    fh_format(text, sizeof text, "%q and %");
    assert_string_equal(text, "%q and %");
}

/* Runs `what` in a child whose stderr is a pipe; returns the child's status and the text. */
static int child(void (*what)(void), char *text, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        what();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t n;
    while ((n = read(ends[0], text + used, size - 1 - used)) > 0) used += (size_t)n;
    text[used] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void say_something(void) {
    errno = ERANGE;
    fh_say("%d of %s", 3, "four");
    fh_print(2, "%s", "no newline");
    if (errno != ERANGE) _exit(1);
}

static void saying_adds_prefix_and_newline_and_keeps_errno(void **state) {
    (void)state;
    char text[128];
    assert_int_equal(child(say_something, text, sizeof text), 0);
    assert_string_equal(text, "freehold: 3 of four\nno newline");
}

static void say_a_lot(void) {
    char words[3000];
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    fh_say("%s!", words);
}

static void long_texts_are_not_cut(void **state) {
    (void)state;
    char text[4096];
    assert_int_equal(child(say_a_lot, text, sizeof text), 0);
    assert_int_equal(strlen(text), strlen("freehold: !\n") + 2999);
    assert_string_equal(text + strlen(text) - 3, "w!\n");
}

static void die(void) { fh_fatal("block %p freed twice", (void *)16); }

static void a_fatal_mistake_is_said_and_aborts(void **state) {
    (void)state;
    char text[128];
    int status = child(die, text, sizeof text);
    assert_string_equal(text, "freehold: block 0x10 freed twice\n");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_read_as_in_printf),
        cmocka_unit_test(random_numbers_read_as_in_printf),
        cmocka_unit_test(texts_and_pointers_read_as_in_printf),
        cmocka_unit_test(sizes_read_well),
        cmocka_unit_test(a_short_buffer_is_never_overrun),
        cmocka_unit_test(unknown_conversions_are_shown),
        cmocka_unit_test(saying_adds_prefix_and_newline_and_keeps_errno),
        cmocka_unit_test(long_texts_are_not_cut),
        cmocka_unit_test(a_fatal_mistake_is_said_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
