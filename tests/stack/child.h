/* child.h - runs a function in a child process and reads what it says on stderr and how it ends. */
#ifndef TESTS_STACK_CHILD_H
#define TESTS_STACK_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct outcome {
    int signal; /* that ended it, 0: none */
    int status; /* of its exit            */
    char text[65536];
};

static struct outcome outcome;
static int failures;

static inline void run_child(void (*function)(void)) {
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0) abort();
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(250);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        function();
        _exit(0);
    }
    close(ends[1]);
    size_t size = 0;
    ssize_t got;
    char rest[4096];
    memset(&outcome, 0, sizeof outcome);
    while ((got = read(ends[0], size < sizeof outcome.text - 1 ? outcome.text + size : rest,
                       size < sizeof outcome.text - 1 ? sizeof outcome.text - 1 - size : sizeof rest)) > 0)
        if (size < sizeof outcome.text - 1) size += (size_t)got;
    close(ends[0]);
    char *emulator =
        strstr(outcome.text, "qemu: uncaught target signal"); /* it speaks where the kernel would not */
    if (emulator != NULL) *emulator = '\0';
    int status;
    waitpid(child, &status, 0);
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void show(const char *what, const char *detail) {
    failures++;
    fprintf(stderr, "FAILED %s: %s\n  ended by signal %d, status %d, and said:\n%s\n", what, detail,
            outcome.signal, outcome.status, outcome.text);
}

static inline void expect_signal(const char *what, int signal) {
    if (outcome.signal != signal) show(what, "another signal was expected");
}
static inline void expect_text(const char *what, const char *text) {
    if (strstr(outcome.text, text) == NULL) show(what, text);
}
static inline void expect_no_text(const char *what, const char *text) {
    if (strstr(outcome.text, text) != NULL) show(what, text);
}
static inline void expect_silence(const char *what) {
    if (outcome.text[0] != '\0') show(what, "it should have said nothing");
}
static inline void expect_status(const char *what, int status) {
    if (outcome.signal != 0 || outcome.status != status) show(what, "another exit status was expected");
}
static inline void expect(const char *what, bool good) {
    if (!good) {
        failures++;
        fprintf(stderr, "FAILED %s\n", what);
    }
}

/* Are we run by qemu-user? It shows a process that has its threads, too; it keeps to no limit of address space,
 * cannot execute /proc/self/exe, and returns from handlers by code that has no unwind information. */
static inline void first_line(const char *path, char line[256]) {
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    if (file != NULL && fgets(line, 256, file) == NULL) line[0] = '\0';
    if (file) fclose(file);
}
static inline bool emulated(void) {
    char ours[256], tasks[256];
    first_line("/proc/self/maps", ours);
    first_line("/proc/thread-self/maps", tasks);
    return strcmp(ours, tasks) != 0;
}

#endif
