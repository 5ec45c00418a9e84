/* settings.c - what FREEHOLD says is what a process gets; what it gets wrong is said and ignored.
 *
 * The environment is read once in a process, so each case runs in a process of its own: this program again,
 * with FREEHOLD set, as `settings print`, which prints all keys and values to descriptor 1. */
#include "base/settings.h"

#include <errno.h>
#include <freehold/settings.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *self;

struct outcome {
    char out[4096]; /* the printed settings  */
    char err[4096]; /* the complaints        */
};

static void read_all(int fd, char *text, size_t size) {
    size_t used = 0;
    ssize_t n;
    while ((n = read(fd, text + used, size - 1 - used)) > 0) used += (size_t)n;
    text[used] = '\0';
    close(fd);
}

static struct outcome run(const char *freehold) {
    struct outcome outcome;
    int out[2], err[2];
    assert_int_equal(pipe(out) | pipe(err), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[0]);
        close(err[0]);
        if (freehold != NULL) setenv("FREEHOLD", freehold, 1);
        else unsetenv("FREEHOLD");
        execl(self, self, "print", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    read_all(out[0], outcome.out, sizeof outcome.out);
    read_all(err[0], outcome.err, sizeof outcome.err);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return outcome;
}

/* The value that `freehold` gives to `key`, in a static buffer. */
static const char *value(const struct outcome *outcome, const char *key) {
    static char text[64];
    char line[80];
    snprintf(line, sizeof line, "\n  %s ", key);
    const char *at = strstr(outcome->out, line);
    assert_non_null(at);
    text[0] = '\0';
    sscanf(at + strlen(line), "%63s", text);
    return text;
}

static int lines(const char *text) {
    int n = 0;
    for (; *text != '\0'; text++) n += *text == '\n';
    return n;
}

static void good_values_are_taken_in_silence(void **state) {
    (void)state;
    const struct {
        const char *freehold, *key, *value;
    } rows[] = {
        {"count=on", "count", "on"},
        {"count=on,count=off", "count", "off"}, /* the last one wins */
        {"limit=2G", "limit", "2G"},
        {"limit=2g", "limit", "2G"},
        {"limit=1536K", "limit", "1536K"},
        {"limit=2048K", "limit", "2M"},
        {"limit=1000", "limit", "1000"},
        {"limit=0", "limit", "0"},
        {"region=1T", "region", "1T"},
        {"decay=250", "decay", "250ms"},
        {"decay=250ms", "decay", "250ms"},
        {"decay=2s", "decay", "2000ms"},
        {"decay=0", "decay", "0ms"},
        {"report=/var/tmp/x", "report", "/var/tmp/x"},
        {" limit = 3M , count=on,", "limit", "3M"}, /* blanks and empty entries do no harm */
        {",,count=on,,", "count", "on"},
        {"mode=fast", "mode", "fast"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome outcome = run(rows[i].freehold);
        assert_string_equal(value(&outcome, rows[i].key), rows[i].value);
        assert_string_equal(outcome.err, "");
    }
    assert_string_equal(run("").err, "");
    assert_string_equal(run(NULL).err, "");
}

static void bad_values_are_said_once_and_ignored(void **state) {
    (void)state;
    const char *const rows[] = {
        "report",
        "limit=",
        "limit=G",
        "limit=-1",
        "limit=2X",
        "limit=2GB",
        "limit=1 2",
        "limit",
        "limit=99999999999999999999",
        "limit=18446744073709551616",
        "limit=16777216T",
        "decay=1h",
        "decay=ms",
        "decay=18446744073709551615s",
        "count=1",
        "count=ON",
        "count=",
        "mode=slow",
        "mode=",
        "mode=fas",
        "mode=fastt",
        "guard_align=3",
        "guard_align=32",
        "guard_align=half",
    };
    struct outcome plain = run(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome outcome = run(rows[i]);
        assert_string_equal(outcome.out, plain.out);
        assert_int_equal(lines(outcome.err), 1);
        char key[16] = "";
        sscanf(rows[i], "%15[a-z_]", key);
        assert_non_null(strstr(outcome.err, key)); /* it names the key */
        assert_non_null(strstr(outcome.err, "ignored"));
    }
}

static void unknown_keys_are_said_and_the_rest_is_taken(void **state) {
    (void)state;
    struct outcome outcome = run("colour=red,limit=7K,=5,limits=1");
    assert_string_equal(value(&outcome, "limit"), "7K");
    assert_int_equal(lines(outcome.err), 3);
    assert_non_null(strstr(outcome.err, "\"colour\""));
    assert_non_null(strstr(outcome.err, "\"limits\""));
}

static void a_text_that_does_not_fit_is_refused(void **state) {
    (void)state;
    char freehold[1024] = "report=";
    size_t room = sizeof fh_settings.report;
    memset(freehold + 7, 'p', room);
    assert_int_equal(lines(run(freehold).err), 1);
    freehold[7 + room - 1] = '\0';
    assert_string_equal(run(freehold).err, "");
}

/* Any text at all: nothing may crash (the sanitizer builds run this too), and what is printed stays well
 * formed. */
static void random_texts_do_no_harm(void **state) {
    (void)state;
    const char *const words[] = {"limit", "decay", "count", "mode", "=",    ",", "1",
                                 "G",     "on",    " ",     "%s",   "\xff", "-"};
    unsigned x = 1;
    int rows = lines(run(NULL).out);
    for (int i = 0; i < 60; i++) {
        char text[512] = "";
        for (int j = 0; j < 40; j++) {
            x = x * 1103515245u + 12345u;
            strcat(text, words[(x >> 16) % (sizeof words / sizeof words[0])]);
        }
        assert_int_equal(lines(run(text).out), rows);
    }
}

static void the_api_sets_and_gets(void **state) {
    (void)state;
    char text[32];
    assert_int_equal(fh_set("limit", "1536K"), 0);
    assert_int_equal(fh_settings.limit, 1536 * 1024);
    assert_int_equal(fh_get("limit", text, sizeof text), 5);
    assert_string_equal(text, "1536K");
    assert_int_equal(fh_get("limit", text, 3), 5); /* cut, but ended; the length is that of the whole */
    assert_string_equal(text, "15");
    assert_int_equal(fh_get("limit", NULL, 0), 5);
    assert_int_equal(fh_set("limit", "0"), 0);
}

static void the_api_refuses_with_a_reason(void **state) {
    (void)state;
    const struct {
        const char *key, *value;
        int error;
    } rows[] = {
        {"colour", "red", EINVAL}, {"limit", "much", EINVAL}, {"limit", "", EINVAL},   {"limit", NULL, EINVAL},
        {NULL, "1", EINVAL},       {"", "1", EINVAL},         {"mode", "fast", EBUSY}, {"count", "on", EBUSY},
    };
    size_t limit = fh_settings.limit;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        errno = 0;
        assert_int_equal(fh_set(rows[i].key, rows[i].value), -1);
        assert_int_equal(errno, rows[i].error);
    }
    assert_int_equal(fh_settings.limit, limit);
    char text[8] = "as was";
    assert_int_equal(fh_get("colour", text, sizeof text), -1);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(text, "as was");
}

/* What fh_get gives, fh_set and the environment take: for any number of bytes. */
static void values_survive_the_round_trip(void **state) {
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 2000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size_t size = (size_t)(x >> (x % 64)) << (x % 3 * 10);
        char text[32], again[32];
        snprintf(text, sizeof text, "%zu", size);
        assert_int_equal(fh_set("region", text), 0);
        assert_int_equal(fh_settings.region_size, size);
        fh_get("region", again, sizeof again);
        fh_settings.region_size = 1;
        assert_int_equal(fh_set("region", again), 0);
        assert_int_equal(fh_settings.region_size, size);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "print") == 0) {
        fh_settings_init();
        fh_settings_init(); /* the second call complains no second time */
        dprintf(1, "\n");
        fh_settings_print(1);
        return 0;
    }
    self = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values_are_taken_in_silence),
        cmocka_unit_test(bad_values_are_said_once_and_ignored),
        cmocka_unit_test(unknown_keys_are_said_and_the_rest_is_taken),
        cmocka_unit_test(a_text_that_does_not_fit_is_refused),
        cmocka_unit_test(random_texts_do_no_harm),
        cmocka_unit_test(the_api_sets_and_gets),
        cmocka_unit_test(the_api_refuses_with_a_reason),
        cmocka_unit_test(values_survive_the_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
