/* test_reports.c - reports in circumstances: each is whole, and there is one for each mistake.
 *
 *     at once        several threads make mistakes at the same time
 *     within         a signal handler makes one while its thread writes a report: the first is told
 *     long           with names so long that the report does not fit into what it is written in
 *     nameless       from code that belongs to no file, and from code that no symbol names
 *     where          how far the byte is from the block, in words
 */
#include "../heap/support.h"

#include "heap/check.h"
#include "heap/misuse.h"

#include <fcntl.h>
#include <freehold/heap.h>
#include <freehold/settings.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char reports[300]; /* error_file */
static bool json;

/* One for each thread: with one for all, a thread would free another's block now and then. */
static __thread void *volatile hidden;

__attribute__((noinline)) static void free_twice(void) {
    hidden = fh_malloc(100);
    void *p = hidden;
    fh_free(p);
    fh_free(hidden);
}

static char *written(void) {
    static char text[4 << 20];
    int file = open(reports, O_RDONLY);
    size_t length = 0;
    for (ssize_t n; file >= 0 && (n = read(file, text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)n;
    text[length] = 0;
    close(file);
    unlink(reports);
    return text;
}

static unsigned times(const char *text, const char *word) {
    unsigned n = 0;
    for (; (text = strstr(text, word)) != NULL; text++) n++;
    return n;
}

/* Is each line one report from its brace to its brace? With quotes in pairs. */
static void check_lines(char *text, unsigned wanted) {
    unsigned n = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++) {
        size_t length = strlen(line);
        int depth = 0;
        bool quoted = false;
        for (const char *at = line; *at; at++) {
            if (*at == '"') quoted = !quoted;
            else if (!quoted) depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        }
        CHECKF(strncmp(line, "{\"freehold\":\"heap-misuse\"", 25) == 0 && line[length - 1] == '}' &&
                   depth == 0 && !quoted && strstr(line, "\"next\":"),
               "not whole, %zu bytes: %.3000s", length, line);
    }
    CHECKF(n == wanted, "%u reports, not %u", n, wanted);
}

/* ---- at once ---- */

enum { THREADS = 4, EACH = 25 };

static void *makes_mistakes(void *unused) {
    for (unsigned i = 0; i < EACH; i++) {
        free_twice();
        sched_yield();
    }
    return unused;
}

static void several_threads_at_once(void) {
    pthread_t t[THREADS];
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, makes_mistakes, NULL) == 0);
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(t[i], NULL) == 0);
    char *text = written();
    if (json) check_lines(text, THREADS * EACH);
    else
        CHECK(times(text, "block freed twice\n  found by ") == THREADS * EACH &&
              times(text, "\n  what next ") == THREADS * EACH);
}

/* ---- within ---- */

static int pipe_of[2];
static volatile sig_atomic_t interrupted;
static pthread_t first_thread;
static _Atomic bool reported;

static void drain(void) {
    char bytes[4096];
    while (read(pipe_of[0], bytes, sizeof bytes) > 0) {}
}

static void on_alarm(int unused) {
    (void)unused;
    if (interrupted++ == 0) {
        hidden = (void *)16;
        fh_free(hidden); /* invalid, and not told */
        hidden = NULL;
    }
    drain();
}

static void pause_for(long milliseconds) { nanosleep(&(struct timespec){0, milliseconds * 1000000}, NULL); }

static bool first_thread_sleeps(void) {
    char path[64], text[200] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    int file = open(path, O_RDONLY);
    CHECK(file >= 0 && read(file, text, sizeof text - 1) > 0);
    close(file);
    const char *state = strrchr(text, ')');
    return state && strncmp(state, ") S", 3) == 0;
}

/* A timer would do this too, but on a busy machine it may come before the report has begun. */
static void *interrupts_the_report(void *unused) {
    for (int asleep = 0; asleep < 5; asleep = first_thread_sleeps() ? asleep + 1 : 0) pause_for(20);
    while (!reported) {
        pthread_kill(first_thread, SIGALRM);
        pause_for(100);
    }
    return unused;
}

/* Its report finds a pipe that is full, and waits. */
static void a_handler_within_a_report(void) {
    char bytes[4096] = {0};
    struct sigaction action = {.sa_handler = on_alarm};
    pthread_t other;
    char path[64];
    CHECK(pipe(pipe_of) == 0);
    fcntl(pipe_of[0], F_SETFL, O_NONBLOCK);
    fcntl(pipe_of[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_of[1], bytes, sizeof bytes) > 0) {}
    while (write(pipe_of[1], bytes, 1) > 0) {}
    fcntl(pipe_of[1], F_SETFL, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", pipe_of[1]);
    unlink(reports);
    CHECK(symlink(path, reports) == 0); /* where reports go */
    sigaction(SIGALRM, &action, NULL);
    first_thread = pthread_self();
    CHECK(pthread_create(&other, NULL, interrupts_the_report, NULL) == 0);
    free_twice();
    reported = true;
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(interrupted > 0);
    unlink(reports);
    free_twice(); /* and afterwards all is as before */
    CHECK(times(written(), "double-free") + times(written(), "freed twice") <= 2);
}

/* ---- long ---- */

/* A name of 405 letters. */
#define LETTERS(name, rest) LETTERS_(name, rest)
#define LETTERS_(name, rest) name##rest
#define HUNDRED \
    abcdefghijklmnopqrstuvwxyabcdefghijklmnopqrstuvwxyabcdefghijklmnopqrstuvwxyabcdefghijklmnopqrstuvwxy
#define LONG LETTERS(LETTERS(LETTERS(LETTERS(long_, HUNDRED), HUNDRED), HUNDRED), HUNDRED)

__attribute__((noinline)) int LONG(int depth);
int LONG(int depth) {
    int below = 0;
    if (depth == 0) free_twice();
    else below = LONG(depth - 1) + 1;
    __asm__ volatile("" : "+r"(below)); /* else the compiler would make it a loop */
    return below;
}

static void names_without_end(void) {
    CHECK(LONG(60) == 60);
    char *text = written();
    CHECKF(strlen(text) > 20000, "only %zu bytes", strlen(text));
    if (json) check_lines(text, 1);
    else CHECK(times(text, "what next") == 1 && times(text, "called from") == 1);
    static char words[40000];
    memset(words, 'w', sizeof words - 1);
    fh_misuse_report(&(struct fh_misuse){.kind = FH_OVERFLOW, .call = "free", .detail = words});
    text = written();
    CHECK(times(text, "wwwwwwwwww") > 1000);
    if (json) check_lines(text, 1);
    else CHECK(times(text, "what next") == 1);
}

/* ---- nameless ---- */

/* Code, but of no function. */
extern const char no_function[];
__asm__(".text\n    .skip 64, 0\nno_function:\n    .skip 64, 0\n");

static void code_without_name(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), wanted[40];
    CHECK(page != MAP_FAILED);
    fh_misuse_report(
        &(struct fh_misuse){.kind = FH_INVALID_FREE, .call = "free", .caller = (uintptr_t)page + 100});
    snprintf(wanted, sizeof wanted, "0x%zx", (size_t)page + 100);
    char *text = written();
    CHECKF(times(text, wanted) == 1, "no %s in %s", wanted, text);
    if (json) check_lines(text, 1);
    fh_misuse_report(
        &(struct fh_misuse){.kind = FH_INVALID_FREE, .call = "free", .caller = (uintptr_t)no_function + 32});
    text = written();
    CHECKF(times(text, "test_reports") + times(text, "reports_are_whole") > 0 || times(text, "0x") > 1, "%s",
           text);
    if (json) check_lines(text, 1);
    fh_misuse_report(&(struct fh_misuse){.kind = FH_INVALID_FREE, .call = "free"});
    text = written();
    CHECK(times(text, json ? "\"stack\":[" : "what next") == 1);
}

/* ---- where ---- */

static void how_far_in_words(void) {
    static char place[32];
    static const struct {
        ptrdiff_t offset;
        const char *words;
        enum fh_misuse_kind kind;
    } rows[] = {
        {-1, "(1 byte before its start)", FH_UNDERFLOW},    {-8, "(8 bytes before its start)", FH_UNDERFLOW},
        {10, "(1 byte past its end)", FH_OVERFLOW},         {11, "(2 bytes past its end)", FH_OVERFLOW},
        {4, "(at its byte 4)", FH_WRITE_AFTER_FREE},        {3, "(at its byte 3)", FH_INTERIOR_FREE},
        {0, "the size said at the free", FH_SIZE_MISMATCH},
    };
    for (unsigned i = 0; !json && i < sizeof rows / sizeof *rows; i++) {
        struct fh_misuse m = {
            .kind = rows[i].kind, .block = place, .asked = 10, .usable = 16, .address = place};
        m.offset = rows[i].offset;
        fh_misuse_report(&m);
        char *text = written();
        CHECKF(strstr(text, rows[i].words) && strstr(text, "an access to"), "no %s in %s", rows[i].words, text);
        CHECK(strstr(text, "10 bytes asked for (in a place of 16)"));
        if (rows[i].kind == FH_SIZE_MISMATCH) CHECK(strstr(text, "(at") == NULL);
    }
    /* A character that is none. */
    struct fh_misuse m = {.kind = FH_OVERFLOW, .block = place, .damaged = true, .found = 7, .expected = 'x'};
    fh_misuse_report(&m);
    CHECK(strstr(written(), json ? "\"found\":7" : "0x07 where 0x78"));
    m.found = 200;
    fh_misuse_report(&m);
    CHECK(strstr(written(), json ? "\"found\":200" : "0xc8 where 0x78"));
}

static void *in_a_thread(void *unused) {
    free_twice();
    fh_misuse_report(&(struct fh_misuse){.kind = FH_FAULT_NOWHERE});
    return unused;
}

static void the_thread_is_told(void) {
    pthread_t t;
    free_twice();
    CHECK(json || strstr(written(), " (main)\n"));
    CHECK(pthread_create(&t, NULL, in_a_thread, NULL) == 0 && pthread_join(t, NULL) == 0);
    CHECK(strstr(written(), " (main)\n") == NULL);
}

/* ---- late ---- */

static pthread_key_t late_key;

/* Sets itself again, so that it runs once more when the heap's own destructor has run: the thread has no heap
 * then. */
static void late_mistake(void *turns) {
    if ((uintptr_t)turns > 1) {
        CHECK(pthread_setspecific(late_key, (void *)((uintptr_t)turns - 1)) == 0);
        return;
    }
    CHECK(fh_heap_here() == NULL);
    free_twice();
}

static void *has_a_late_destructor(void *unused) {
    fh_free(fh_malloc(40));
    CHECK(pthread_setspecific(late_key, (void *)3) == 0);
    return unused;
}

static void a_thread_that_has_ended(void) {
    pthread_t t;
    CHECK(pthread_key_create(&late_key, late_mistake) == 0);
    CHECK(pthread_create(&t, NULL, has_a_late_destructor, NULL) == 0 && pthread_join(t, NULL) == 0);
    char *text = written();
    CHECKF(times(text, json ? "\"double-free\"" : "freed twice") == 1, "%s", text);
}

/* ---- others that know more ---- */

static bool known;
static bool elsewhere(const void *p, const char *call, uintptr_t caller) {
    return (void)p, (void)caller, known && strcmp(call, "free") == 0;
}

/* Who knows more about an address that is no block of the heap's is asked first. */
static void who_knows_more_is_asked(void) {
    char room[64];
    fh_check_elsewhere = elsewhere;
    for (int i = 0; i < 2; i++) {
        known = i;
        hidden = room + 16;
        fh_free(hidden);
        CHECK(times(written(), json ? "\"invalid-free\"" : "no block of the heap") == !known);
    }
    fh_check_elsewhere = NULL;
}

int main(void) {
    char value[16];
    fh_get("error_file", reports, sizeof reports);
    fh_get("error_format", value, sizeof value);
    json = strcmp(value, "json") == 0;
    written();
    several_threads_at_once();
    names_without_end();
    code_without_name();
    how_far_in_words();
    the_thread_is_told();
    a_thread_that_has_ended();
    who_knows_more_is_asked();
    a_handler_within_a_report();
    return 0;
}
