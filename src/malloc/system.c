/* system.c - checked and guard mode: blocks that are handed to the system.
 *
 * A page that may not be touched stops the program's own instructions, but not the system's: read() into a
 * block that was freed, or that is too short, gives EFAULT or fewer bytes than there are, and most programs go
 * on. So the calls that hand over a buffer are taken over (os_rebind.c) in the modes that have such pages, and
 * when one has come out short, its buffer is looked at:
 *
 *     program ──> read ──> ours ──> the C library's ──> EFAULT, or less than asked for
 *                            └─ is the next byte of the buffer in a guard page, or in a freed block?
 *
 * What the system is to read, as write() and paths, is looked at before: all of it must be in one block in use,
 * if it begins in one. Afterwards somebody else would know what lies behind the block. Likewise the text that
 * puts, fputs and strdup are given.
 *
 * In fast mode nothing is taken over. What the C library does within itself (a line read by fgets) is not seen.
 *
 * _exit is taken over too: nothing runs at it, and the sweep (sweep.c) would be left out.
 *
 * Only in the shared library: a static program has no bindings that could be changed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/settings.h"
#include "../heap/check.h"
#include "../heap/fast.h"
#include "../heap/guard.h"
#include "own_names.h"
#include "../os/os.h"
#include "../os/os_stack.h"
#include "prints.h"
#include "reads.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HERE ((uintptr_t)__builtin_return_address(0))

/* What takes part, by number; the C library's functions, once they have been taken over. */
enum {
    READ,
    PREAD,
    PREAD64,
    RECV,
    RECVFROM,
    READV,
    FREAD,
    GETCWD,
    RECVMSG,
    PREADV,
    PREADV64,
    READLINK,
    READLINKAT,
    STAT,
    STAT64,
    LSTAT,
    LSTAT64,
    FSTAT,
    FSTAT64,
    FSTATAT,
    FSTATAT64,
    PIPE,
    PIPE2,
    OPEN,
    OPEN64,
    FOPEN,
    FOPEN64,
    ACCESS,
    CHDIR,
    MKDIR,
    RMDIR,
    UNLINK,
    REMOVE,
    RENAME,
    WRITE,
    PWRITE,
    PWRITE64,
    SEND,
    SENDTO,
    WRITEV,
    PWRITEV,
    PWRITEV64,
    SENDMSG,
    FWRITE,
    PUTS,
    FPUTS,
    STRDUP,
    EXIT,
    EXIT_C,
    CALLS
};
static union {
    void *found;
    ssize_t (*bytes)(int, void *, size_t);
    ssize_t (*at)(int, void *, size_t, int64_t);
    ssize_t (*flags)(int, void *, size_t, int);
    ssize_t (*address)(int, void *, size_t, int, void *, void *);
    ssize_t (*address_in)(int, void *, size_t, int, void *, unsigned);
    ssize_t (*parts)(int, const void *, int);
    ssize_t (*parts_at)(int, const void *, int, int64_t);
    ssize_t (*message)(int, void *, int);
    ssize_t (*link)(const char *, char *, size_t);
    ssize_t (*link_at)(int, const char *, char *, size_t);
    int (*status)(const char *, void *);
    int (*status_of)(int, void *);
    int (*status_at)(int, const char *, void *, int);
    int (*ends)(int *);
    int (*ends_with)(int *, int);
    int (*open)(const char *, int, unsigned);
    void *(*open_stream)(const char *, const char *);
    int (*of_path)(const char *);
    int (*of_path_with)(const char *, unsigned);
    int (*of_paths)(const char *, const char *);
    size_t (*stream)(void *, size_t, size_t, FILE *);
    char *(*path)(char *, size_t);
    int (*puts)(const char *);
    int (*fputs)(const char *, FILE *);
    char *(*copy)(const char *);
    void (*end)(int);
} real[CALLS];

/* ---- buffers ---- */

/* Of `size` bytes at `buffer` the system has taken `result`, or refused. Where it stopped within a page that
 * was not because of the page: most short reads are files' ends. */
static ssize_t look(const char *name, ssize_t result, const void *buffer, size_t size, uintptr_t caller) {
    if (result < 0 && errno != EFAULT) return result;
    enum { PAGE = 4096 };
    size_t done = result < 0 ? 0 : (size_t)result;
    bool at_page = done == 0 || ((uintptr_t)buffer + done) % PAGE == 0;
    if (done < size && at_page) fh_guard_look(name, (const char *)buffer + done, result < 0 ? size : 1, caller);
    return result;
}

static ssize_t our_read(int fd, void *to, size_t size) {
    return look("read", real[READ].bytes(fd, to, size), to, size, HERE);
}
static ssize_t our_pread(int fd, void *to, size_t size, int64_t at) {
    return look("pread", real[PREAD].at(fd, to, size, at), to, size, HERE);
}
static ssize_t our_pread64(int fd, void *to, size_t size, int64_t at) {
    return look("pread", real[PREAD64].at(fd, to, size, at), to, size, HERE);
}
static ssize_t our_recv(int fd, void *to, size_t size, int flags) {
    return look("recv", real[RECV].flags(fd, to, size, flags), to, size, HERE);
}
static ssize_t our_recvfrom(int fd, void *to, size_t size, int flags, void *from, void *length) {
    return look("recvfrom", real[RECVFROM].address(fd, to, size, flags, from, length), to, size, HERE);
}

static ssize_t our_write(int fd, void *from, size_t size) {
    fh_check_look_at_source("write", from, size, HERE);
    return look("write", real[WRITE].bytes(fd, from, size), from, size, HERE);
}
static ssize_t our_pwrite(int fd, void *from, size_t size, int64_t at) {
    fh_check_look_at_source("pwrite", from, size, HERE);
    return look("pwrite", real[PWRITE].at(fd, from, size, at), from, size, HERE);
}
static ssize_t our_pwrite64(int fd, void *from, size_t size, int64_t at) {
    fh_check_look_at_source("pwrite", from, size, HERE);
    return look("pwrite", real[PWRITE64].at(fd, from, size, at), from, size, HERE);
}
static ssize_t our_send(int fd, void *from, size_t size, int flags) {
    fh_check_look_at_source("send", from, size, HERE);
    return look("send", real[SEND].flags(fd, from, size, flags), from, size, HERE);
}
static ssize_t our_sendto(int fd, void *from, size_t size, int flags, void *to, unsigned length) {
    fh_check_look_at_source("sendto", from, size, HERE);
    return look("sendto", real[SENDTO].address_in(fd, from, size, flags, to, length), from, size, HERE);
}

static char *our_getcwd(char *to, size_t size) {
    char *path = real[GETCWD].path(to, size);
    if (path == NULL && to) look("getcwd", -1, to, size, HERE);
    return path;
}

/* A buffer in several parts, as struct iovec. */
struct part {
    void *start;
    size_t size;
};

static ssize_t look_at_parts(const char *name, ssize_t result, const struct part *parts, int count,
                             uintptr_t caller) {
    if (result < 0 && errno != EFAULT) return result;
    size_t left = result < 0 ? 0 : (size_t)result;
    for (int i = 0; i < count; i++) {
        if (left < parts[i].size) {
            look(name, result < 0 ? -1 : (ssize_t)left, parts[i].start, parts[i].size, caller);
            if (result >= 0) break;
        }
        left -= left < parts[i].size ? left : parts[i].size;
    }
    return result;
}
static ssize_t our_readv(int fd, const struct part *parts, int count) {
    return look_at_parts("readv", real[READV].parts(fd, parts, count), parts, count, HERE);
}
static ssize_t our_preadv(int fd, const struct part *parts, int count, int64_t at) {
    return look_at_parts("preadv", real[PREADV].parts_at(fd, parts, count, at), parts, count, HERE);
}
static ssize_t our_preadv64(int fd, const struct part *parts, int count, int64_t at) {
    return look_at_parts("preadv", real[PREADV64].parts_at(fd, parts, count, at), parts, count, HERE);
}
static ssize_t our_recvmsg(int fd, void *message, int flags) {
    const void *parts;
    ssize_t result = real[RECVMSG].message(fd, message, flags);
    size_t count = fh_os_parts_of_message(message, &parts);
    return look_at_parts("recvmsg", result, parts, (int)count, HERE);
}

/* More parts than the system takes are none. */
static void look_at_sources(const char *name, const struct part *parts, size_t count, uintptr_t caller) {
    enum { MOST = 1024 };
    for (size_t i = 0; count <= MOST && i < count; i++)
        fh_check_look_at_source(name, parts[i].start, parts[i].size, caller);
}
static ssize_t our_writev(int fd, const struct part *parts, int count) {
    look_at_sources("writev", parts, (size_t)count, HERE);
    return look_at_parts("writev", real[WRITEV].parts(fd, parts, count), parts, count, HERE);
}
static ssize_t our_pwritev(int fd, const struct part *parts, int count, int64_t at) {
    look_at_sources("pwritev", parts, (size_t)count, HERE);
    return look_at_parts("pwritev", real[PWRITEV].parts_at(fd, parts, count, at), parts, count, HERE);
}
static ssize_t our_pwritev64(int fd, const struct part *parts, int count, int64_t at) {
    look_at_sources("pwritev", parts, (size_t)count, HERE);
    return look_at_parts("pwritev", real[PWRITEV64].parts_at(fd, parts, count, at), parts, count, HERE);
}
static ssize_t our_sendmsg(int fd, void *message, int flags) {
    const void *parts;
    size_t count = fh_os_parts_of_message(message, &parts);
    look_at_sources("sendmsg", parts, count, HERE);
    return real[SENDMSG].message(fd, message, flags);
}

/* ---- paths, and what the system tells ---- */

/* Of the path one byte is looked at: only the system knows how long it is. */
static const char *look_at_path(const char *name, const char *path, uintptr_t caller) {
    fh_check_look_at_source(name, path, 1, caller);
    return path;
}
static int our_open(const char *path, int flags, unsigned mode) {
    return real[OPEN].open(look_at_path("open", path, HERE), flags, mode);
}
static int our_open64(const char *path, int flags, unsigned mode) {
    return real[OPEN64].open(look_at_path("open", path, HERE), flags, mode);
}
static void *our_fopen(const char *path, const char *how) {
    return real[FOPEN].open_stream(look_at_path("fopen", path, HERE), how);
}
static void *our_fopen64(const char *path, const char *how) {
    return real[FOPEN64].open_stream(look_at_path("fopen", path, HERE), how);
}
static int our_access(const char *path, unsigned mode) {
    return real[ACCESS].of_path_with(look_at_path("access", path, HERE), mode);
}
static int our_chdir(const char *path) { return real[CHDIR].of_path(look_at_path("chdir", path, HERE)); }
static int our_mkdir(const char *path, unsigned mode) {
    return real[MKDIR].of_path_with(look_at_path("mkdir", path, HERE), mode);
}
static int our_rmdir(const char *path) { return real[RMDIR].of_path(look_at_path("rmdir", path, HERE)); }
static int our_unlink(const char *path) { return real[UNLINK].of_path(look_at_path("unlink", path, HERE)); }
static int our_remove(const char *path) { return real[REMOVE].of_path(look_at_path("remove", path, HERE)); }
static int our_rename(const char *from, const char *to) {
    look_at_path("rename", from, HERE);
    return real[RENAME].of_paths(from, look_at_path("rename", to, HERE));
}
static ssize_t our_readlink(const char *path, char *to, size_t size) {
    return look("readlink", real[READLINK].link(look_at_path("readlink", path, HERE), to, size), to, size,
                HERE);
}
static ssize_t our_readlinkat(int fd, const char *path, char *to, size_t size) {
    ssize_t result = real[READLINKAT].link_at(fd, look_at_path("readlinkat", path, HERE), to, size);
    return look("readlinkat", result, to, size, HERE);
}

/* The system has told all of it, or refused. */
static int look_at_told(const char *name, int result, const void *to, size_t size, uintptr_t caller) {
    if (result < 0) look(name, -1, to, size, caller);
    return result;
}
static int status(unsigned call, const char *name, const char *path, void *to, uintptr_t caller) {
    int result = real[call].status(look_at_path(name, path, caller), to);
    return look_at_told(name, result, to, fh_os_status_size(), caller);
}
static int our_stat(const char *path, void *to) { return status(STAT, "stat", path, to, HERE); }
static int our_stat64(const char *path, void *to) { return status(STAT64, "stat", path, to, HERE); }
static int our_lstat(const char *path, void *to) { return status(LSTAT, "lstat", path, to, HERE); }
static int our_lstat64(const char *path, void *to) { return status(LSTAT64, "lstat", path, to, HERE); }
static int our_fstat(int fd, void *to) {
    return look_at_told("fstat", real[FSTAT].status_of(fd, to), to, fh_os_status_size(), HERE);
}
static int our_fstat64(int fd, void *to) {
    return look_at_told("fstat", real[FSTAT64].status_of(fd, to), to, fh_os_status_size(), HERE);
}
static int our_fstatat(int fd, const char *path, void *to, int flags) {
    int result = real[FSTATAT].status_at(fd, look_at_path("fstatat", path, HERE), to, flags);
    return look_at_told("fstatat", result, to, fh_os_status_size(), HERE);
}
static int our_fstatat64(int fd, const char *path, void *to, int flags) {
    int result = real[FSTATAT64].status_at(fd, look_at_path("fstatat", path, HERE), to, flags);
    return look_at_told("fstatat", result, to, fh_os_status_size(), HERE);
}
static int our_pipe(int *to) { return look_at_told("pipe", real[PIPE].ends(to), to, 2 * sizeof(int), HERE); }
static int our_pipe2(int *to, int flags) {
    return look_at_told("pipe2", real[PIPE2].ends_with(to, flags), to, 2 * sizeof(int), HERE);
}

/* ---- streams ---- */

/* Of a stream: it says how many elements were done, and why not more in errno. */
static size_t look_at_stream(const char *name, size_t done, void *buffer, size_t size, size_t count,
                             FILE *stream, uintptr_t caller) {
    if (done < count && ferror(stream) && errno == EFAULT) look(name, -1, buffer, size * count, caller);
    return done;
}
static size_t our_fread(void *to, size_t size, size_t count, FILE *stream) {
    return look_at_stream("fread", real[FREAD].stream(to, size, count, stream), to, size, count, stream, HERE);
}
static size_t our_fwrite(void *from, size_t size, size_t count, FILE *stream) {
    size_t whole;
    if (!__builtin_mul_overflow(size, count, &whole)) fh_check_look_at_source("fwrite", from, whole, HERE);
    return look_at_stream("fwrite", real[FWRITE].stream(from, size, count, stream), from, size, count, stream,
                          HERE);
}

/* ---- text ---- */

/* All of it must be in one block, its 0 as well. */
static const char *look_at_text(const char *name, const char *text, uintptr_t caller) {
    fh_check_look_at_text(name, text, caller);
    return text;
}
static int our_puts(const char *text) { return real[PUTS].puts(look_at_text("puts", text, HERE)); }
static int our_fputs(const char *text, FILE *stream) {
    return real[FPUTS].fputs(look_at_text("fputs", text, HERE), stream);
}
static char *our_strdup(const char *text) { return real[STRDUP].copy(look_at_text("strdup", text, HERE)); }

/* ---- the end ---- */

static void our_exit(int status) {
    fh_check_sweep_at_once();
    real[EXIT].end(status);
}

/* ---- taking over ---- */

static const struct {
    const char *name;
    void (*ours)(void);
} calls[CALLS] = {
#define CALL(number, name, function) [number] = {name, (void (*)(void))(function)}
    CALL(READ, "read", our_read),
    CALL(PREAD, "pread", our_pread),
    CALL(PREAD64, "pread64", our_pread64),
    CALL(RECV, "recv", our_recv),
    CALL(RECVFROM, "recvfrom", our_recvfrom),
    CALL(READV, "readv", our_readv),
    CALL(FREAD, "fread", our_fread),
    CALL(GETCWD, "getcwd", our_getcwd),
    CALL(RECVMSG, "recvmsg", our_recvmsg),
    CALL(PREADV, "preadv", our_preadv),
    CALL(PREADV64, "preadv64", our_preadv64),
    CALL(READLINK, "readlink", our_readlink),
    CALL(READLINKAT, "readlinkat", our_readlinkat),
    CALL(STAT, "stat", our_stat),
    CALL(STAT64, "stat64", our_stat64),
    CALL(LSTAT, "lstat", our_lstat),
    CALL(LSTAT64, "lstat64", our_lstat64),
    CALL(FSTAT, "fstat", our_fstat),
    CALL(FSTAT64, "fstat64", our_fstat64),
    CALL(FSTATAT, "fstatat", our_fstatat),
    CALL(FSTATAT64, "fstatat64", our_fstatat64),
    CALL(PIPE, "pipe", our_pipe),
    CALL(PIPE2, "pipe2", our_pipe2),
    CALL(OPEN, "open", our_open),
    CALL(OPEN64, "open64", our_open64),
    CALL(FOPEN, "fopen", our_fopen),
    CALL(FOPEN64, "fopen64", our_fopen64),
    CALL(ACCESS, "access", our_access),
    CALL(CHDIR, "chdir", our_chdir),
    CALL(MKDIR, "mkdir", our_mkdir),
    CALL(RMDIR, "rmdir", our_rmdir),
    CALL(UNLINK, "unlink", our_unlink),
    CALL(REMOVE, "remove", our_remove),
    CALL(RENAME, "rename", our_rename),
    CALL(WRITE, "write", our_write),
    CALL(PWRITE, "pwrite", our_pwrite),
    CALL(PWRITE64, "pwrite64", our_pwrite64),
    CALL(SEND, "send", our_send),
    CALL(SENDTO, "sendto", our_sendto),
    CALL(WRITEV, "writev", our_writev),
    CALL(PWRITEV, "pwritev", our_pwritev),
    CALL(PWRITEV64, "pwritev64", our_pwritev64),
    CALL(SENDMSG, "sendmsg", our_sendmsg),
    CALL(FWRITE, "fwrite", our_fwrite),
    CALL(PUTS, "puts", our_puts),
    CALL(FPUTS, "fputs", our_fputs),
    CALL(STRDUP, "strdup", our_strdup),
    CALL(EXIT, "_exit", our_exit),
    CALL(EXIT_C, "_Exit", our_exit),
#undef CALL
};

/* What malloc and its like would hand on to anyway, as no bin serves them in these modes: most of the program's
 * calls may as well come here at once. */
enum { SHORTER = 3 };
static void take_shorter_ways(struct fh_os_rebinding *list) {
#ifdef FH_NO_STANDARD_NAMES
    (void)list;
#else
    list[0] = (struct fh_os_rebinding){"malloc", (uintptr_t)fh_own_malloc,
                                       (uintptr_t)fh_check_as_malloc_quickly, true};
    list[1] = (struct fh_os_rebinding){"free", (uintptr_t)fh_own_free, (uintptr_t)fh_plain_free_slow, true};
    list[2] = (struct fh_os_rebinding){"calloc", (uintptr_t)fh_own_calloc, (uintptr_t)fh_calloc_slow, true};
    unsigned way = fh_check_quick_way();
    if (way) list[1].to = (uintptr_t)fh_check_as_free_quickly;
#if FH_OS_MAY_HAVE_WIDER
    if (way == FH_QUICK_WIDE) list[0].to = (uintptr_t)fh_check_as_malloc_widely;
    if (way == FH_QUICK_WIDE) list[1].to = (uintptr_t)fh_check_as_free_widely;
#endif
    for (unsigned i = 0; i < SHORTER; i++)
        if ((uintptr_t)dlsym(RTLD_DEFAULT, list[i].name) != list[i].from) list[i].from = 0;
#endif
}

/* Where somebody else stands in front of the C library, who will call it in turn, nothing is taken over. */
FH_AT_START __attribute__((constructor)) static void take_over(void) {
    struct fh_os_rebinding all[CALLS + SHORTER + FH_READS + FH_PRINTS] = {0};
    fh_settings_init();
    if (!fh_mode_checks()) return;
    for (unsigned i = 0; i < CALLS; i++) {
        void *seen = dlsym(RTLD_DEFAULT, calls[i].name);
        real[i].found = dlsym(RTLD_NEXT, calls[i].name);
        if (seen == NULL || seen != real[i].found) continue;
        all[i] = (struct fh_os_rebinding){calls[i].name, (uintptr_t)seen, (uintptr_t)calls[i].ours, false};
    }
    take_shorter_ways(all + CALLS);
    fh_reads_take_part(all + CALLS + SHORTER);
    fh_prints_take_part(all + CALLS + SHORTER + FH_READS);
    fh_os_rebind_all(all, CALLS + SHORTER + FH_READS + FH_PRINTS);
}
