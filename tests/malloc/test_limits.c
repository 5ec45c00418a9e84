/* test_limits.c - too little memory: limits set before the start, limits set later, and the heap's own.
 *
 * Whoever sets the limit, the outcome is the same: NULL and ENOMEM, what was given stays as it was, and what is
 * freed can be had again. The worker runs as this program with arguments: it takes memory until there is no
 * more, and says how much it got.
 *
 *     test_limits worker                              under the limits that it was started with
 *     test_limits after AS|DATA MIB                   sets the limit itself, that much above what it has
 */
#include "../heap/names.h"
#include "../heap/runner.h"
#include "../heap/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)
#define MOST ((size_t)6 << 30) /* the worker gives up here: no limit was noticed */

/* Blocks are chained through their first word, so that the worker's book-keeping needs no memory. */
struct link {
    struct link *next;
    size_t size;
};

static struct link *chain;

static size_t take_all(size_t size, size_t most) {
    size_t got = 0;
    while (got < most) {
        errno = 0;
        struct link *block = t_malloc(size);
        if (block == NULL) {
            CHECKF(errno == ENOMEM, "NULL with errno %d", errno);
            return got;
        }
        *block = (struct link){chain, size};
        ((char *)block)[size - 1] = 'e';
        chain = block;
        got += size;
    }
    return got;
}

static void give_all(void) {
    while (chain) {
        struct link *block = chain;
        CHECK(((char *)block)[block->size - 1] == 'e' || block->size <= sizeof *block);
        chain = block->next;
        t_free(block);
    }
}

static void *small_work(void *arg) {
    (void)arg;
    void *p[200];
    for (size_t i = 0; i < 200; i++) {
        CHECK((p[i] = t_malloc(i * 5 + 1)) != NULL);
        memset(p[i], 1, i * 5 + 1);
    }
    for (size_t i = 0; i < 200; i++) t_free(p[i]);
    return NULL;
}

/* Every way of asking must fail in order while all is taken. */
static void ask_in_vain(size_t size) {
    void *p = NULL;
    char *kept = (char *)chain;
    errno = 0;
    CHECK(escape(t_malloc(size)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(t_calloc(size / 8, 8)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(t_realloc(NULL, size)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(escape(t_aligned_alloc(4096, size)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(kept == NULL || (escape(t_realloc(kept, size)) == NULL && errno == ENOMEM));
    CHECK(kept == NULL || kept[((struct link *)chain)->size - 1] == 'e');
#ifndef TEST_FH_NAMES
    CHECK(posix_memalign(&p, 4096, size) == ENOMEM && p == NULL);
#endif
    (void)p;
}

static int work(size_t most) {
    size_t large = take_all(MIB, most);
    if (large < most) ask_in_vain(40 * MIB + (large < 100 * MIB ? 0 : large / 3));
    give_all();
    small_work(NULL);
    size_t again = take_all(MIB, most);
    give_all();
    size_t small = take_all(200, most < MIB * 1024 ? most : MIB * 1024);
    give_all();
    small_work(NULL);
    size_t last = take_all(MIB, most);
    give_all();
    printf("large %zu again %zu small %zu last %zu\n", large / MIB, again / MIB, small / MIB, last / MIB);
    return 0;
}

static size_t status_bytes(const char *key) {
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) kib = strtoul(line + strlen(key), NULL, 10);
    fclose(f);
    return kib * 1024;
}

static int limit_and_work(const char *which, size_t mib) {
    bool as = strcmp(which, "AS") == 0;
    pthread_t t;
    CHECK(pthread_create(&t, NULL, small_work, NULL) == 0 && pthread_join(t, NULL) == 0);
    size_t has = status_bytes(as ? "VmSize:" : "VmData:"), most = has + mib * MIB;
    struct rlimit limit = {most, most};
    CHECK(setrlimit(as ? RLIMIT_AS : RLIMIT_DATA, &limit) == 0);
    return work(MOST);
}

/* ---------------------------------------------------------------- the tests ---- */

static char *self;

struct amounts {
    size_t large, again, small, last;
};

static struct amounts run_worker(char *const argv[], char *const env[]) {
    static struct outcome out;
    struct amounts a;
    run_program(&out, argv, env, 60);
    check_clean(&out, "the worker");
    CHECKF(sscanf(out.text, "large %zu again %zu small %zu last %zu", &a.large, &a.again, &a.small, &a.last) ==
               4,
           "%s", out.text);
    return a;
}

/* At least `share` percent of the limit can be used, and nothing is lost by filling and emptying (the few MiB
 * are the spans and bins of the small blocks that were used between). */
static void judge(struct amounts a, size_t limit_mib, size_t share, const char *what) {
    CHECKF(a.large <= limit_mib, "%s %zu MiB: got %zu MiB: the limit is not kept", what, limit_mib, a.large);
    if (!heap_is_freehold()) return;
    CHECKF(a.large * 100 >= limit_mib * share, "%s %zu MiB: only %zu MiB could be had", what, limit_mib,
           a.large);
    CHECKF(a.small * 100 >= limit_mib * share, "%s %zu MiB: in small blocks only %zu MiB could be had", what,
           limit_mib, a.small);
    CHECKF((a.again + 3) * 100 >= a.large * 90, "%s %zu MiB: first %zu, later %zu MiB", what, limit_mib,
           a.large, a.again);
    CHECKF((a.last + 3) * 100 >= a.large * 80, "%s %zu MiB: first %zu, after small blocks %zu MiB", what,
           limit_mib, a.large, a.last);
}

static void address_space_limited_before_the_start(void **state) {
    (void)state;
    static const size_t limits[] = {60, 200, 500};
    for (size_t i = 0; i < 3; i++) {
        char command[200];
        snprintf(command, sizeof command, "ulimit -v %zu; exec \"$0\" worker", limits[i] * 1024);
        char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, command, self, NULL};
        judge(run_worker(argv, NULL), limits[i], limits[i] < 100 ? 20 : 60, "ulimit -v");
    }
}

static void data_limited_before_the_start(void **state) {
    (void)state;
    static const size_t limits[] = {60, 500};
    for (size_t i = 0; i < 2; i++) {
        char command[200];
        snprintf(command, sizeof command, "ulimit -d %zu; exec \"$0\" worker", limits[i] * 1024);
        char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, command, self, NULL};
        judge(run_worker(argv, NULL), limits[i], limits[i] < 100 ? 20 : 60, "ulimit -d");
    }
}

static void address_space_limited_later(void **state) {
    (void)state;
    static const char *const limits[] = {"50", "400"};
    for (size_t i = 0; i < 2; i++) {
        char number[10];
        snprintf(number, sizeof number, "%s", limits[i]);
        char *argv[] = {self, (char[]){"after"}, (char[]){"AS"}, number, NULL};
        struct amounts a = run_worker(argv, NULL);
        CHECKF(a.large < MOST / MIB, "RLIMIT_AS of %s MiB more: no end at %zu MiB", limits[i], a.large);
        CHECKF(a.again * 100 >= a.large * 80, "first %zu, later %zu MiB", a.large, a.again);
    }
}

static void data_limited_later(void **state) {
    (void)state;
    char *argv[] = {self, (char[]){"after"}, (char[]){"DATA"}, (char[]){"200"}, NULL};
    struct amounts a = run_worker(argv, NULL);
    CHECKF(a.large < MOST / MIB, "RLIMIT_DATA of 200 MiB more: no end at %zu MiB", a.large);
    CHECKF(a.again * 100 >= a.large * 80, "first %zu, later %zu MiB", a.large, a.again);
}

static void limited_by_the_setting(void **state) {
    (void)state;
    if (!heap_is_freehold()) skip();
    static const char *const settings[] = {"FREEHOLD=limit=16M", "FREEHOLD=limit=64M", "FREEHOLD=limit=256M"};
    static const size_t limits[] = {16, 64, 256};
    for (size_t i = 0; i < 3; i++) {
        char setting[40];
        snprintf(setting, sizeof setting, "%s", settings[i]);
        char *argv[] = {self, (char[]){"worker"}, NULL}, *env[] = {setting, NULL};
        judge(run_worker(argv, env), limits[i], 75, "limit=");
    }
}

/* Guarded blocks, which are not in the heap's window, count too. */
static void limited_by_the_setting_in_other_modes(void **state) {
    (void)state;
    if (!heap_is_freehold()) skip();
    static const char *const settings[] = {"FREEHOLD=limit=48M,mode=checked", "FREEHOLD=limit=48M,mode=guard",
                                           "FREEHOLD=limit=48M,guard_sample=1"};
    for (size_t i = 0; i < 3; i++) {
        char setting[40];
        snprintf(setting, sizeof setting, "%s", settings[i]);
        char *argv[] = {self, (char[]){"worker"}, NULL}, *env[] = {setting, NULL};
        struct amounts a = run_worker(argv, env);
        CHECKF(a.large <= 48 && a.small <= 48, "%s: got %zu MiB, and %zu in small blocks", setting, a.large,
               a.small);
        CHECKF(a.large >= 36 && a.last >= 30, "%s: only %zu MiB, then %zu", setting, a.large, a.last);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return work(MOST);
    if (argc == 4 && strcmp(argv[1], "after") == 0) return limit_and_work(argv[2], strtoul(argv[3], NULL, 10));
    self = argv[0];
    heap_is_freehold();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_space_limited_before_the_start),
        cmocka_unit_test(data_limited_before_the_start),
        cmocka_unit_test(address_space_limited_later),
        cmocka_unit_test(data_limited_later),
        cmocka_unit_test(limited_by_the_setting),
        cmocka_unit_test(limited_by_the_setting_in_other_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
