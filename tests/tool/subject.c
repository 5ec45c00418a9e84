/* subject.c - a program whose allocations and behaviour are known, for the tests of `freehold run`.
 *
 *     subject WHAT [ARGUMENT]        WHAT is a row of the table at the end
 *
 * It uses no stdio, so that what it allocates is what stands here and nothing else. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) _exit(99);
}

static void say_number(unsigned long n) {
    char digits[24], *at = digits + sizeof digits - 1;
    *at = '\0';
    do *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    say(at);
    say("\n");
}

static void *need(void *p) {
    if (p == NULL) _exit(98);
    memset(p, 1, 1);
    return p;
}

/* Allocates n blocks and leaves them. */
static void leave(int n, size_t size) {
    for (int i = 0; i < n; i++) need(malloc(size));
}

/* ---- counts ---- */

/* 1000 of 100 bytes, 400 of them freed; 10 of the rest grown to 5000 and 5 within their class (112); calloc of
 * 7 x 50; 1 of 1000 at 256; 1 MiB and back. See counts.py for the sums. */
static int counts(const char *unused) {
    void *blocks[1000];
    (void)unused;
    for (int i = 0; i < 1000; i++) blocks[i] = need(malloc(100));
    for (int i = 0; i < 400; i++) free(blocks[i]);
    for (int i = 400; i < 410; i++) blocks[i] = need(realloc(blocks[i], 5000));
    for (int i = 410; i < 415; i++) blocks[i] = need(realloc(blocks[i], 110));
    need(calloc(7, 50));
    need(aligned_alloc(256, 1000));
    free(need(malloc(1 << 20)));
    free(NULL);
    return 0;
}

static void *thread_main(void *arg) {
    void *blocks[100];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 100; i++) blocks[i] = need(malloc(48));
        for (int i = 0; i < 100; i++) free(blocks[i]);
    }
    return arg;
}

/* 8 threads, 10 000 allocations and frees each. */
static int threads(const char *unused) {
    pthread_t all[8];
    (void)unused;
    for (int i = 0; i < 8; i++)
        if (pthread_create(&all[i], NULL, thread_main, NULL) != 0) return 1;
    for (int i = 0; i < 8; i++) pthread_join(all[i], NULL);
    return 0;
}

/* ---- ends ---- */

static int exits(const char *status) { return atoi(status); }

static int exits_at_once(const char *status) {
    leave(5, 24);
    _exit(atoi(status));
}

static int dies(const char *number) {
    leave(5, 24);
    raise(atoi(number));
    return 1;
}

/* ---- signals ---- */

static volatile sig_atomic_t signals_seen;

static void count_signal(int number) {
    (void)number;
    signals_seen = signals_seen + 1;
}

/* Says "ready", counts this signal for a second and a half after the first, then says how many came. */
static int counts_signals(const char *number) {
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(atoi(number), &action, NULL);
    say("ready\n");
    for (int i = 0; i < 2000 && signals_seen == 0; i++) usleep(10000);
    for (int i = 0; i < 150; i++) usleep(10000);
    say("signals: ");
    say_number((unsigned long)signals_seen);
    return 7;
}

/* Says "one more" for each of this signal until a byte comes to read, then how many came. */
static int answers_signals(const char *number) {
    struct sigaction action = {.sa_handler = count_signal};
    struct pollfd input = {.fd = 0, .events = POLLIN};
    unsigned long answered = 0;
    sigaction(atoi(number), &action, NULL);
    say("ready\n");
    while (poll(&input, 1, 10) <= 0)
        for (; answered < (unsigned long)signals_seen; answered++) say("one more\n");
    say("signals: ");
    say_number((unsigned long)signals_seen);
    return 7;
}

/* Until it was stopped and goes on. */
static int waits_until_continued(const char *unused) {
    (void)unused;
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGCONT, &action, NULL);
    say("ready\n");
    for (int i = 0; i < 20000 && signals_seen == 0; i++) usleep(10000);
    return signals_seen == 0;
}

static int says_whether_ignored(const char *number) {
    struct sigaction action;
    sigset_t blocked;
    sigaction(atoi(number), NULL, &action);
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    say(action.sa_handler == SIG_IGN ? "ignored " : "not ignored ");
    say(sigismember(&blocked, atoi(number)) ? "blocked\n" : "not blocked\n");
    return 0;
}

static int waits(const char *seconds) {
    say("ready\n");
    for (int i = 0; i < atoi(seconds) * 10; i++) usleep(100000);
    return 0;
}

/* ---- processes ---- */

/* The parent has a peak of 1 MiB, leaves 10 blocks of 100 and forks; the child frees one of them and makes 3 of
 * 1000. */
static int forks(const char *how) {
    int status;
    free(need(malloc(1 << 20)));
    char *first = need(malloc(100));
    leave(9, 100);
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        free(first);
        leave(3, 1000);
        if (how[0] == 'k') raise(SIGKILL);
        if (how[0] == '_') _exit(4);
        exit(4);
    }
    leave(1, 50); /* the parent counts on while the child begins */
    return waitpid(child, &status, 0) == child ? 0 : 1;
}

/* N children, each with 3 blocks of 64 bytes. */
static int forks_many(const char *n) {
    for (int i = 0; i < atoi(n); i++) {
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            leave(3, 64);
            exit(0);
        }
        if (waitpid(child, NULL, 0) != child) return 1;
    }
    return 0;
}

static char *self;

/* Runs itself N times in this process, leaving 2 blocks each time. */
static int execs(const char *n) {
    char text[12], *at = text + sizeof text - 1;
    int left = atoi(n);
    leave(2, 32);
    if (left == 0) return 0;
    *at = '\0';
    for (left--; left > 9; left /= 10) *--at = (char)('0' + left % 10);
    *--at = (char)('0' + left);
    char *argv[] = {self, (char *)(uintptr_t) "execs", at, NULL};
    execv(self, argv);
    return 1;
}

/* Runs the program without LD_PRELOAD and FREEHOLD. */
static int execs_with_empty_environment(const char *program) {
    char *argv[] = {(char *)(uintptr_t)program, NULL}, *none[] = {NULL};
    execve(program, argv, none);
    return 1;
}

/* ---- a hard life ---- */

/* Closes everything, also what it does not know. */
static int closes_all(const char *unused) {
    (void)unused;
    for (int fd = 0; fd < 256; fd++) close(fd);
    leave(6, 40);
    return 0;
}

static int says_open_files(const char *unused) {
    (void)unused;
    unsigned long count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    say_number(count);
    return 0;
}

static int changes_root(const char *folder) {
    leave(2, 40);
    if (chroot(folder) != 0 || chdir("/") != 0) return 1;
    leave(2, 40);
    pid_t child = fork();
    if (child == 0) {
        leave(100, 40); /* must not be counted as the parent's */
        exit(0);
    }
    return waitpid(child, NULL, 0) == child ? 0 : 1;
}

/* Becomes another user and forks. */
static int changes_user(const char *uid) {
    if (setgid((gid_t)atoi(uid)) != 0 || setuid((uid_t)atoi(uid)) != 0) return 1;
    leave(2, 40);
    return forks_many("1");
}

static int limits_files(const char *kind) {
    struct rlimit none = {0, 0};
    leave(2, 40);
    if (setrlimit(kind[0] == 's' ? RLIMIT_FSIZE : RLIMIT_NOFILE, &none) != 0) return 1;
    return forks_many("2");
}

/* Kills itself for a system call, openat(2) or prctl(2), from now on, then ends in order. */
static int forbids(const char *which) {
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, strcmp(which, "open") == 0 ? SYS_openat : SYS_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    leave(4, 40);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 77;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 77;
    leave(4, 40);
    return 0;
}

/* exit in a signal handler that interrupts malloc and free: not allowed, and common. */
static void exit_now(int number) {
    (void)number;
    exit(3);
}

static int exits_in_handler(const char *milliseconds) {
    struct sigaction action = {.sa_handler = exit_now};
    sigaction(SIGALRM, &action, NULL);
    ualarm((useconds_t)atoi(milliseconds) * 1000, 0);
    for (long round = 0; round < 1000000000; round++) {
        void *blocks[64];
        for (int i = 0; i < 64; i++) blocks[i] = need(malloc(20000));
        for (int i = 0; i < 64; i++) free(blocks[i]);
    }
    return 1;
}

static int says_variable(const char *name) {
    const char *value = getenv(name);
    say(value ? value : "(none)");
    say("\n");
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *what;
        int (*run)(const char *argument);
    } table[] = {
        {"counts", counts},
        {"threads", threads},
        {"exits", exits},
        {"exits_at_once", exits_at_once},
        {"dies", dies},
        {"counts_signals", counts_signals},
        {"answers_signals", answers_signals},
        {"waits_until_continued", waits_until_continued},
        {"says_whether_ignored", says_whether_ignored},
        {"waits", waits},
        {"forks", forks},
        {"forks_many", forks_many},
        {"execs", execs},
        {"execs_with_empty_environment", execs_with_empty_environment},
        {"closes_all", closes_all},
        {"says_open_files", says_open_files},
        {"changes_root", changes_root},
        {"changes_user", changes_user},
        {"limits_files", limits_files},
        {"forbids", forbids},
        {"exits_in_handler", exits_in_handler},
        {"says_variable", says_variable},
    };
    self = argv[0];
    for (size_t i = 0; argc > 1 && i < sizeof table / sizeof table[0]; i++)
        if (strcmp(argv[1], table[i].what) == 0) return table[i].run(argc > 2 ? argv[2] : "");
    return 97;
}
