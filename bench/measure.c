/* bench/measure.c - runs one program and says what it cost.
 *
 *     bench-measure REPORT PRELOAD PROGRAM ARGUMENTS...
 *
 * Runs PROGRAM with LD_PRELOAD=PRELOAD (none when PRELOAD is empty) and writes one line to the file REPORT:
 *
 *     user-microseconds system-microseconds wall-nanoseconds peak-rss-KiB wait-status
 *
 * Why not let the runner do that itself: Linux starts the peak resident size of a program at that of the
 * process that called exec, so a child of Python would never show less than Python's own 15 MiB. This
 * launcher is smaller than anything that it measures. User and system time count the program's own children
 * that it waited for, and the peak is that of the largest of them: what wait4 says of the tree. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long microseconds(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

static void become(const char *preload, char **program) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the runner gives up on us, the program goes too */
    if (*preload && setenv("LD_PRELOAD", preload, 1) != 0) _exit(127);
    execvp(program[0], program);
    perror(program[0]);
    _exit(127);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: bench-measure REPORT PRELOAD PROGRAM ARGUMENTS...\n", stderr);
        return 2;
    }
    long long begin = now();
    pid_t child = fork();
    if (child == 0) become(argv[2], argv + 3);
    int status;
    struct rusage used;
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
        perror("bench-measure");
        return 1;
    }
    long long wall = now() - begin;
    FILE *report = fopen(argv[1], "w");
    if (!report) {
        perror(argv[1]);
        return 1;
    }
    fprintf(report, "%lld %lld %lld %ld %d\n", microseconds(used.ru_utime), microseconds(used.ru_stime), wall,
            used.ru_maxrss, status);
    return fclose(report) == 0 ? 0 : 1;
}
