/* child.c - starts the program, passes signals on, and ends as it ended.
 *
 * The program stays in our process group, so that the terminal, pipelines and job control see one job:
 *
 *     Ctrl-C, Ctrl-\, window size     the kernel signals the whole group        not passed on: it came already
 *     kill -TERM freehold             a process signals us alone                passed on
 *     kill 0 in the program           the program signals its group             not passed on: it knows
 *     Ctrl-Z, reading in background   the program stops, or does not            we stop when it has stopped
 *     fg, bg, kill -CONT              SIGCONT                                   passed on; harmless if twice
 *
 * Whom a signal came from stands in siginfo: the kernel's have si_code > 0. A signal that a process sent to the
 * whole group (kill -TERM -PGID) cannot be told from one that was sent to us alone, and reaches the program
 * twice.
 *
 * The signals are blocked and taken one by one with sigtimedwait: no handlers, so nothing is interrupted and no
 * state is shared with a handler. Signals that were ignored when we were started (nohup, a shell's background
 * job) stay ignored, here and in the program.
 *
 * Why not a process group of its own for the program: then Ctrl-C would reach it alone, which is neat, but the
 * terminal would have to be handed over and back at each stop, and `freehold run a | less` would lose its
 * pipeline.
 */
#include "tool/child.h"

#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT};

enum { FORWARDED = sizeof forwarded / sizeof forwarded[0] };

static sigset_t attended;      /* what we wait for                  */
static sigset_t mask_at_start; /* what the program shall start with */
static struct sigaction chld_at_start;

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* SIGCHLD may come to us ignored; then the kernel would keep no status to wait for. */
static void take_over_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &standard, &chld_at_start);
    sigemptyset(&attended);
    sigaddset(&attended, SIGCHLD);
    for (size_t i = 0; i < FORWARDED; i++)
        if (!ignored(forwarded[i])) sigaddset(&attended, forwarded[i]);
    sigprocmask(SIG_BLOCK, &attended, &mask_at_start);
}

/* ---------------------------------------------------------------- start --------------------------------- */

static _Noreturn void become(const char *path, char **argv, int tell) {
    sigaction(SIGCHLD, &chld_at_start, NULL);
    sigprocmask(SIG_SETMASK, &mask_at_start, NULL);
    execv(path, argv);
    int error = errno;
    if (write(tell, &error, sizeof error) < 0) _exit(FH_EXIT_OWN);
    _exit(FH_EXIT_CANNOT_RUN);
}

/* A pipe that exec closes tells whether exec worked: nothing comes, or the errno. Its ends are moved above the
 * three standard descriptors, one of which may be closed and then is to stay so in the program. */
static bool open_pipe(int pipe_of[2]) {
    if (pipe2(pipe_of, O_CLOEXEC) != 0) return false;
    for (int i = 0; i < 2; i++) {
        int moved = fcntl(pipe_of[i], F_DUPFD_CLOEXEC, 3);
        if (moved < 0) return false;
        close(pipe_of[i]);
        pipe_of[i] = moved;
    }
    return true;
}

int fh_child_start(struct fh_child *child, const char *path, char **argv) {
    int pipe_of[2], error = 0;
    memset(child, 0, sizeof *child);
    if (!open_pipe(pipe_of)) return errno;
    take_over_signals();
    child->seconds = -seconds_now();
    child->pid = fork();
    if (child->pid < 0) return errno;
    if (child->pid == 0) become(path, argv, pipe_of[1]);
    close(pipe_of[1]);
    ssize_t got;
    do got = read(pipe_of[0], &error, sizeof error);
    while (got < 0 && errno == EINTR);
    close(pipe_of[0]);
    if (got != (ssize_t)sizeof error) return 0;
    waitpid(child->pid, NULL, 0);
    return error;
}

/* ---------------------------------------------------------------- attend -------------------------------- */

/* Stops us as the program was stopped, so that the shell takes its terminal back. Comes back when continued.
 * Only where a terminal is: a SIGSTOP that somebody sent to the program by hand, to continue it later, must not
 * leave us stopped for ever; and the kernel stops no orphaned group by SIGTSTP. */
static void stop_alike(int signal) {
    sigset_t one;
    int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0) return;
    bool foreground = tcgetpgrp(terminal) == getpgrp();
    close(terminal);
    if (signal == SIGSTOP && !foreground) return;
    sigemptyset(&one);
    sigaddset(&one, signal);
    kill(getpid(), signal);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    if (sigismember(&attended, signal)) sigprocmask(SIG_BLOCK, &one, NULL);
}

/* While the child is a zombie its name can still be read. */
static void read_name(struct fh_child *child) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)child->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t got = read(fd, child->name, sizeof child->name - 1);
    child->name[got > 0 ? got : 0] = '\0';
    child->name[strcspn(child->name, "\n")] = '\0';
    close(fd);
}

/* True when the child has ended. */
static bool look_after(struct fh_child *child) {
    for (;;) {
        siginfo_t what = {.si_pid = 0};
        if (waitid(P_PID, (id_t)child->pid, &what, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) != 0 ||
            what.si_pid == 0)
            return false;
        if (what.si_code == CLD_STOPPED || what.si_code == CLD_TRAPPED) {
            waitid(P_PID, (id_t)child->pid, &what, WSTOPPED | WNOHANG);
            stop_alike(what.si_status);
            continue;
        }
        struct rusage usage;
        read_name(child);
        child->seconds += seconds_now();
        wait4(child->pid, &child->status, 0, &usage);
        child->peak_rss = (size_t)usage.ru_maxrss * 1024;
        return true;
    }
}

static void pass_on(const struct fh_child *child, const siginfo_t *signal) {
    bool from_process = signal->si_code <= 0;
    if (from_process && signal->si_pid != child->pid) kill(child->pid, signal->si_signo);
}

void fh_child_attend(struct fh_child *child, void (*idle)(void *), void *context) {
    struct timespec second = {.tv_sec = 1};
    while (!look_after(child)) {
        siginfo_t signal;
        int number = sigtimedwait(&attended, &signal, &second);
        if (number < 0 && errno == EAGAIN) idle(context);
        if (number > 0 && number != SIGCHLD) pass_on(child, &signal);
    }
}

/* ---------------------------------------------------------------- the end ------------------------------- */

const char *fh_signal_name(int signal) {
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},     {SIGILL, "SIGILL"},
        {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},       {SIGFPE, "SIGFPE"},
        {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"},     {SIGUSR2, "SIGUSR2"},
        {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},     {SIGXCPU, "SIGXCPU"},
        {SIGXFSZ, "SIGXFSZ"}, {SIGPROF, "SIGPROF"}, {SIGVTALRM, "SIGVTALRM"}, {SIGIO, "SIGIO"},
        {SIGSYS, "SIGSYS"},
    };
    static char other[32];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == signal) return names[i].name;
    snprintf(other, sizeof other, "signal %d", signal);
    return other;
}

/* Our own core file would only get into the way of the program's. */
static void die_of(int signal) {
    struct rlimit none = {0, 0};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t one;
    setrlimit(RLIMIT_CORE, &none);
    sigaction(signal, &standard, NULL);
    sigemptyset(&one);
    sigaddset(&one, signal);
    kill(getpid(), signal);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
}

_Noreturn void fh_child_end_alike(const struct fh_child *child) {
    fflush(NULL);
    if (WIFSIGNALED(child->status)) {
        die_of(WTERMSIG(child->status));
        exit(128 + WTERMSIG(child->status)); /* a signal that cannot end us: we are pid 1 of a container */
    }
    exit(WEXITSTATUS(child->status));
}
