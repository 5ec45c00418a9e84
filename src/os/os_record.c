/* os_record.c - a file that is memory, who this process is, and its end, on Linux.
 *
 * System calls are made through syscall(2) and not through open, read, write: those names are a favourite of
 * other preloaded libraries (fakeroot, libeatmydata, proot's helpers ...), which may allocate in them, and we
 * may be inside the first malloc of the process.
 *
 * Two ways in which making a file can kill a program, and what is done about them:
 *
 *     RLIMIT_FSIZE is below the file's size    the kernel sends SIGXFSZ    the limit is looked at first
 *     the disk is full                         a store into the mapping    the bytes are written with write(2),
 *                                              is SIGBUS                   which says ENOSPC instead
 *
 * The end of a process is seen with glibc's on_exit, because it tells the status, and because a handler that is
 * registered before main begins runs after all destructors, also those of the loader. Elsewhere a handler of
 * atexit does it.
 */
#include "os/os_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int open_file(const char *path, int flags, unsigned mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, mode);
}

static void close_file(int fd) { syscall(SYS_close, fd); }

static bool write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        long written = syscall(SYS_write, fd, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* What the file holds, as text: ended by NUL, cut to fit. Its length; 0 when there is nothing to be had. */
static size_t read_text(const char *path, char *text, size_t room) {
    size_t length = 0;
    int fd = open_file(path, O_RDONLY, 0);
    if (fd >= 0) {
        long got = syscall(SYS_read, fd, text, room - 1);
        close_file(fd);
        if (got > 0) length = (size_t)got;
    }
    text[length] = '\0';
    return length;
}

static bool limit_allows(size_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= size);
}

static enum fh_os_made make_shared_file(const char *path, const void *bytes, size_t size, void **memory) {
    if (!limit_allows(size)) return FH_OS_REFUSED;
    int fd = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0) return errno == EEXIST ? FH_OS_EXISTS : FH_OS_REFUSED;
    void *at = MAP_FAILED;
    if (write_all(fd, bytes, size)) at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close_file(fd);
    if (at == MAP_FAILED) {
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        return FH_OS_REFUSED;
    }
    *memory = at;
    return FH_OS_MADE;
}

enum fh_os_made fh_os_make_shared_file(const char *path, const void *bytes, size_t size, void **memory) {
    int saved = errno;
    enum fh_os_made made = make_shared_file(path, bytes, size, memory);
    errno = saved;
    return made;
}

/* ---------------------------------------------------------------- who ----------------------------------- */

void fh_os_self_after_fork(uint64_t *pid, uint64_t *parent) {
    *pid = (uint64_t)getpid();
    *parent = (uint64_t)getppid();
}

static int seccomp_mode(void) {
    int mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    return mode < 0 ? 0 : mode;
}

static int seccomp_at_start;
static _Atomic bool filter_announced;

int fh_os_prctl(int option, const unsigned long arguments[4]) {
    if (option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS) filter_announced = true;
    return (int)syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

/* The words of the command line are ended by NULs; a NUL in the midst becomes a blank. */
static void read_command(char *text, size_t room) {
    size_t length = read_text("/proc/self/cmdline", text, room);
    while (length > 0 && text[length - 1] == '\0') length--;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0') text[i] = ' ';
}

/* From the 16 random bytes that the kernel gives each program. They are the seed of the stack protector, so
 * only 16 bits made from all of them leave the process. */
static uint64_t image_number(void) {
    uint64_t halves[2] = {0, 0};
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random != NULL) memcpy(halves, random, sizeof halves);
    return ((halves[0] ^ halves[1] >> 7) * 0x9e3779b97f4a7c15u ^ halves[1] * 0xc2b2ae3d27d4eb4fu) >> 48;
}

void fh_os_self(struct fh_os_self *self) {
    int saved = errno;
    struct stat space;
    memset(self, 0, sizeof *self);
    fh_os_self_after_fork(&self->pid, &self->parent);
    if (stat("/proc/self/ns/pid", &space) == 0) self->pid_space = (uint64_t)space.st_ino;
    self->image = image_number();
    prctl(PR_GET_NAME, self->name, 0, 0, 0);
    read_command(self->command, sizeof self->command);
    seccomp_at_start = seccomp_mode();
    errno = saved;
}

uint64_t fh_os_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* In a container a filter may be in force from the start; it has let everything pass that we did, so only a
 * change counts. The question itself is a system call, and a filter may forbid even that (that of sshd's child
 * does): where the program announced one by prctl, it is not asked. See docs/RUN.md. */
bool fh_os_may_ask(void) {
    if (filter_announced) return false;
    int saved = errno;
    bool same = seccomp_mode() == seccomp_at_start;
    errno = saved;
    return same;
}

/* ---------------------------------------------------------------- the end ------------------------------- */

static void (*end_hook)(int);

#ifdef __GLIBC__
static void at_end(int status, void *unused) {
    (void)unused;
    end_hook(status & 0xff);
}
static bool install(void) { return on_exit(at_end, NULL) == 0; }
#else
static void at_end(void) { end_hook(-1); }
static bool install(void) { return atexit(at_end) == 0; }
#endif

bool fh_os_at_end(void (*hook)(int status)) {
    end_hook = hook;
    return install();
}
