/* stops.h - assert_stops(function, text, more): the function, run in a child, aborts and says both texts on
 * stderr. assert_each_stops(list) does so with each of an array of struct stop. */
#ifndef TESTS_OWN_STOPS_H
#define TESTS_OWN_STOPS_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static inline void assert_stops(void (*function)(void), const char *text, const char *more) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], 2);
        function();
        _exit(0);
    }
    close(ends[1]);
    char said[2000] = "";
    size_t n = 0;
    for (ssize_t more_read; (more_read = read(ends[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)more_read;
    close(ends[0]);
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(said, text) || !strstr(said, more))
        fail_msg("status %#x, and \"%s\", \"%s\" was to be said:\n%s", status, text, more, said);
}

struct stop {
    void (*function)(void);
    const char *text, *more;
};
#define assert_each_stops(list)                                \
    for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++) \
    assert_stops((list)[i].function, (list)[i].text, (list)[i].more)

#endif
