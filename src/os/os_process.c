/* os_process.c - the process and its threads: clock, environment, hooks at thread exit and fork, output.
 *
 * Thread exit is seen through a pthread key: its destructor runs after C++ thread_local and C11 thread-exit
 * handlers. Other keys' destructors may run after ours and allocate again; the heap has a way for such late
 * calls. A setuid program does not read its settings from the environment of whoever started it.
 */
#include "os.h"

#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t fh_os_ticks(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t fh_os_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Not sysconf, which reads files; and not the C library's function, which AddressSanitizer has put its own
 * before by a pointer that is not set yet when it allocates first. A machine of more processors than the set
 * holds is refused; it counts as full. */
unsigned fh_os_processors(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (syscall(SYS_sched_getaffinity, 0, sizeof set, &set) < 0) return errno == EINVAL ? CPU_SETSIZE : 1;
    return (unsigned)CPU_COUNT(&set);
}

static pthread_key_t exit_key;

bool fh_os_at_thread_exit(void (*hook)(void *)) { return pthread_key_create(&exit_key, hook) == 0; }

void fh_os_at_thread_exit_arm(void) { pthread_setspecific(exit_key, &exit_key); }

bool fh_os_begin_thread(void *(*run)(void *)) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the thread */
    bool begun = pthread_create(&thread, NULL, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (begun) pthread_detach(thread);
    return begun;
}

void fh_os_sleep(size_t milliseconds) {
    struct timespec left = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

#ifdef __GLIBC__
/* What glibc's pthread_atfork is made of (Linux Standard Base, libc interfaces). That function itself is linked
 * into whoever calls it, at the end of the code: every process would have the pages around it resident for this
 * one call. */
int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void), void *module);
extern void *__dso_handle __attribute__((visibility("hidden")));

bool fh_os_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void)) {
    return __register_atfork(before, parent, child, __dso_handle) == 0;
}
#else
bool fh_os_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void)) {
    return pthread_atfork(before, parent, child) == 0;
}
#endif

/* One variable's text, letter by letter: name, '=', value. */
struct reading {
    const char *name;
    size_t length, at; /* of the name; where we are in the variable */
    bool other;        /* it is not the one */
};
static char kept[1024]; /* the value: of any sensible length, else cut */

/* Takes one more letter. True after the last one of the variable that is looked for. */
static bool read_letter(struct reading *r, char letter) {
    size_t at = r->at++;
    if (at < r->length) r->other |= letter != r->name[at];
    else if (at == r->length) r->other |= letter != '=';
    else if (!r->other && at - r->length < sizeof kept) kept[at - r->length - 1] = letter;
    if (letter != 0) return false;
    bool found = !r->other && at > r->length;
    r->at = r->other = 0;
    return found;
}

/* Before the C library has begun, it has no environment: in preinit_array, where some sanitizers allocate. The
 * system has. */
static const char *getenv_of_the_system(const char *name) {
    struct reading r = {.name = name, .length = strlen(name)};
    char part[512];
    ssize_t size;
    bool found = false;
    int saved = errno, fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && !found && (size = read(fd, part, sizeof part)) > 0)
        for (ssize_t i = 0; i < size && !found; i++) found = read_letter(&r, part[i]);
    if (fd >= 0) close(fd);
    errno = saved;
    return found ? kept : NULL;
}

const char *fh_os_getenv(const char *name) {
    if (getauxval(AT_SECURE) != 0) return NULL;
    if (environ == NULL) return getenv_of_the_system(name);
    size_t length = strlen(name);
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, name, length) == 0 && (*variable)[length] == '=') return *variable + length + 1;
    return NULL;
}

void fh_os_write(int fd, const char *text, size_t size) {
    int saved = errno;
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) break;
        text += written;
        size -= (size_t)written;
    }
    errno = saved;
}

int fh_os_append(const char *path) {
    int saved = errno, fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    errno = saved;
    return fd;
}

void fh_os_close(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
}

/* The number of KiB behind `label` in the text of /proc/self/status, as bytes. */
static size_t status_bytes(const char *text, const char *label) {
    const char *at = strstr(text, label);
    if (at == NULL) return 0;
    size_t kib = 0;
    for (at += strlen(label); *at == ' ' || *at == '\t'; at++) {}
    for (; *at >= '0' && *at <= '9'; at++) kib = kib * 10 + (size_t)(*at - '0');
    return kib * 1024;
}

void fh_os_rss(size_t *now, size_t *peak) {
    char text[4096];
    int saved = errno;
    *now = *peak = 0;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t size = read(fd, text, sizeof text - 1);
        close(fd);
        if (size > 0) {
            text[size] = '\0';
            *now = status_bytes(text, "VmRSS:");
            *peak = status_bytes(text, "VmHWM:");
        }
    }
    errno = saved;
}

size_t fh_os_address_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

_Noreturn void fh_os_abort(void) { abort(); }
