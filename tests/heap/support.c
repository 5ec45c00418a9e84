/* support.c - see support.h. Nothing here allocates through malloc between fork and exec, or on a failure. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef TEST_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* ---------------------------------------------------------------- checks ---- */

__thread uint64_t check_seed, check_step;

void check_failed(const char *file, int line, const char *format, ...) {
    char text[1024];
    int n = snprintf(text, sizeof text, "\n%s:%d: check failed: ", file, line);
    va_list args;
    va_start(args, format);
    n += vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    if (n > 700) n = 700;
    if (check_seed || check_step)
        n += snprintf(text + n, sizeof text - (size_t)n, "\nin the stream of seed %#llx at step %llu",
                      (unsigned long long)check_seed, (unsigned long long)check_step);
    n += snprintf(text + n, sizeof text - (size_t)n, "\n");
    if (write(2, text, (size_t)n) < 0) _exit(99);
    abort();
}

/* ---------------------------------------------------------------- random numbers ---- */

/* splitmix64 (Steele, Lea, Flood 2014): every 64-bit state is a good seed. */
uint64_t rng_next(struct rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t n) { return rng_next(rng) % n; }

/* ---------------------------------------------------------------- contents ---- */

static uint64_t pattern_word(uint64_t tag, size_t offset) {
    uint64_t z = (tag + 1) * 0x9e3779b97f4a7c15u + offset;
    return (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9u;
}

/* Calls for each piece [at, at + n) of the pattern over `size` bytes, n <= 8. */
struct cursor {
    size_t size, at, piece;
};

static bool cursor_next(struct cursor *c, bool first) {
    size_t at = first ? 0 : c->at + 8;
    if (c->size > PATTERN_WHOLE && at >= 64 && at < c->size - 64) {
        size_t page = (at + 4095) & ~(size_t)4095; /* one word at the start of each page ... */
        size_t tail = (c->size - 64) & ~(size_t)7; /* ... and the last 64 bytes             */
        at = page < tail ? page : (at < tail ? tail : at);
    }
    if (at >= c->size) return false;
    c->at = at;
    c->piece = c->size - at < 8 ? c->size - at : 8;
    return true;
}

void pattern_fill(void *p, size_t size, uint64_t tag) {
    struct cursor c = {.size = size};
    for (bool more = cursor_next(&c, true); more; more = cursor_next(&c, false)) {
        uint64_t word = pattern_word(tag, c.at);
        memcpy((char *)p + c.at, &word, c.piece);
    }
}

void pattern_verify(const void *p, size_t size, size_t limit, uint64_t tag) {
    struct cursor c = {.size = size};
    for (bool more = cursor_next(&c, true); more && c.at < limit; more = cursor_next(&c, false)) {
        uint64_t word = pattern_word(tag, c.at);
        size_t n = limit - c.at < c.piece ? limit - c.at : c.piece;
        if (memcmp((const char *)p + c.at, &word, n) != 0) {
            uint64_t seen = 0;
            memcpy(&seen, (const char *)p + c.at, n);
            check_failed(__FILE__, __LINE__,
                         "block %p of %zu bytes: at %zu stands %016llx, written was %016llx", p, size, c.at,
                         (unsigned long long)seen, (unsigned long long)word);
        }
    }
}

void zero_verify(const void *p, size_t size) {
    static const char zeros[4096];
    const char *at = (const char *)p;
    for (size_t done = 0; done < size; done += sizeof zeros) {
        size_t n = size - done < sizeof zeros ? size - done : sizeof zeros;
        if (memcmp(at + done, zeros, n) == 0) continue;
        for (size_t i = done; i < done + n; i++)
            CHECKF(at[i] == 0, "block %p of %zu bytes should be zero; byte %zu is %02x", p, size, i,
                   (unsigned char)at[i]);
    }
}

/* ---------------------------------------------------------------- this process ---- */

bool memory_is_measurable(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(TEST_UNMEASURABLE)
    return false;
#else
#ifdef TEST_VALGRIND
    if (RUNNING_ON_VALGRIND) return false;
#endif
    return getenv("TEST_UNMEASURABLE") == NULL;
#endif
}

static size_t read_file(const char *path, char *buf, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    size_t have = 0;
    ssize_t n;
    while (have < size - 1 && (n = read(fd, buf + have, size - 1 - have)) > 0) have += (size_t)n;
    close(fd);
    buf[have] = 0;
    return have;
}

static size_t status_kib(const char *key) {
    char buf[4096];
    read_file("/proc/self/status", buf, sizeof buf);
    const char *at = strstr(buf, key);
    return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

/* statm's numbers lag behind by some pages a thread; smaps_rollup's are exact. */
size_t rss_now(void) {
    char buf[4096];
    if (read_file("/proc/self/smaps_rollup", buf, sizeof buf)) {
        const char *at = strstr(buf, "\nRss:");
        if (at) return strtoul(at + 5, NULL, 10) * 1024;
    }
    return status_kib("VmRSS:") * 1024;
}

size_t rss_peak(void) { return status_kib("VmHWM:") * 1024; }

bool rss_peak_reset(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool done = write(fd, "5", 1) == 1;
    close(fd);
    return done;
}

unsigned map_count(void) {
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    char buf[4096];
    unsigned lines = 0;
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++) lines += buf[i] == '\n';
    close(fd);
    return lines;
}

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double cpu_seconds_now(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

double seconds_now(void) { return seconds_of(CLOCK_MONOTONIC); }

void sleep_ms(unsigned ms) {
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {}
}

uint64_t env_number(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---------------------------------------------------------------- children ---- */

/* Reads the child's output until it ends or its time is over; then waits for it. */
static void collect(struct outcome *out, pid_t pid, int fd, unsigned seconds) {
    double end = seconds_now() + seconds * 5.0; /* a busy machine */
    size_t have = 0;
    bool open_end = true;
    int status = 0;
    pid_t got = 0;
    while (got == 0) {
        struct pollfd poll_fd = {.fd = open_end ? fd : -1, .events = POLLIN};
        poll(&poll_fd, 1, 20);
        if (poll_fd.revents) {
            char spill[4096];
            bool room = have < sizeof out->text - 1;
            ssize_t n =
                read(fd, room ? out->text + have : spill, room ? sizeof out->text - 1 - have : sizeof spill);
            if (n <= 0) open_end = false;
            else if (room) have += (size_t)n;
            if (n > 0) continue; /* read all before looking for the end */
        }
        got = waitpid(pid, &status, WNOHANG);
        if (got == 0 && seconds_now() > end) {
            kill(pid, SIGKILL);
            have +=
                (size_t)snprintf(out->text + have, sizeof out->text - have, "[killed after %u s]\n", seconds);
            if (have > sizeof out->text - 1) have = sizeof out->text - 1;
            end += 1e9;
        }
    }
    /* What was written just before the end. A grandchild may hold the pipe open: do not wait for it. */
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t n;
    while (have < sizeof out->text - 1 && (n = read(fd, out->text + have, sizeof out->text - 1 - have)) > 0)
        have += (size_t)n;
    out->text[have] = 0;
    close(fd);
    out->exited = WIFEXITED(status);
    out->code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static pid_t start(int *read_end) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    CHECKF(pid >= 0, "fork: errno %d", errno);
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        return 0;
    }
    close(ends[1]);
    *read_end = ends[0];
    return pid;
}

void run_child(struct outcome *out, void (*body)(void *arg), void *arg, unsigned seconds) {
    int fd;
    fflush(NULL);
    pid_t pid = start(&fd);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        body(arg);
        _exit(0);
    }
    collect(out, pid, fd, seconds);
}

void run_program(struct outcome *out, char *const argv[], char *const extra_env[], unsigned seconds) {
    int fd;
    fflush(NULL);
    pid_t pid = start(&fd);
    if (pid == 0) {
        for (; extra_env && *extra_env; extra_env++) putenv(*extra_env);
        execvp(argv[0], argv);
        _exit(127);
    }
    collect(out, pid, fd, seconds);
}

void check_clean(const struct outcome *out, const char *what) {
    if (out->exited && out->code == 0) return;
    check_failed(__FILE__, __LINE__, "%s: %s %d; its output:\n%.600s", what,
                 out->exited ? "exit status" : "ended by signal", out->code, out->text);
}

/* ---------------------------------------------------------------- which heap ---- */

/* Weak where the program is not linked with the library: found then only when it is preloaded. */
#ifndef TEST_LINKED
__attribute__((weak))
#endif
extern void *
fh_malloc(size_t size);

#ifdef TEST_LINKED
bool heap_is_freehold(void) { return true; }
#else
bool heap_is_freehold(void) {
    void *(*volatile found)(size_t) = fh_malloc;
    if (getenv("TEST_FREEHOLD")) CHECKF(found != NULL, "the library should be preloaded and is not");
    return found != NULL;
}
#endif

bool heap_is_checked(void) {
    const char *setting = getenv("FREEHOLD");
    return setting && (strstr(setting, "mode=checked") || strstr(setting, "mode=guard"));
}
