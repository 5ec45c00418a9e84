/* os_own.c - see os_own.h: faults, exit, threads' numbers, the program's data, random bytes. */
#include "os/os_own.h"

#include "os/os.h"
#include "os/os_backtrace.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- faults ---- */

static void (*on_fault)(uintptr_t, const struct fh_os_registers *);
static struct sigaction before[2]; /* SIGSEGV, SIGBUS */

static void fault(int number, siginfo_t *info, void *context) {
    int saved = errno;
    if (info->si_code > 0) {
        struct fh_os_registers registers;
        fh_os_registers_of(context, &registers);
        on_fault((uintptr_t)info->si_addr, &registers);
    }
    const struct sigaction *next = &before[number == SIGBUS];
    errno = saved;
    if (next->sa_flags & SA_SIGINFO) next->sa_sigaction(number, info, context);
    else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) next->sa_handler(number);
    else sigaction(number, next, NULL); /* the instruction runs again, and the default happens */
}

bool fh_os_on_fault(void (*handler)(uintptr_t, const struct fh_os_registers *)) {
    on_fault = handler;
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    return sigaction(SIGSEGV, &action, &before[0]) == 0 && sigaction(SIGBUS, &action, &before[1]) == 0;
}

/* ---- exit, threads ---- */

bool fh_os_at_exit(void (*hook)(void)) { return atexit(hook) == 0; }

bool fh_os_at_quick_exit(void (*hook)(void)) { return at_quick_exit(hook) == 0; }

void fh_os_exit_now(int status) { _exit(status); }

uint64_t fh_os_thread(void) {
    static __thread uint64_t number __attribute__((tls_model("initial-exec")));
    if (number == 0) number = (uint64_t)syscall(SYS_gettid);
    return number;
}

bool fh_os_thread_lives(uint64_t thread) {
    int saved = errno;
    bool gone = syscall(SYS_tgkill, getpid(), (pid_t)thread, 0) != 0 && errno == ESRCH;
    errno = saved;
    return !gone;
}
bool fh_os_thread_is_main(uint64_t thread) { return thread == (uint64_t)getpid(); }

/* ---- data ---- */

/* Where a part of an object stands that can be written; 0: it is no such part, or not there yet. */
static uintptr_t data_of(const struct dl_phdr_info *info, const ElfW(Phdr) * part) {
    if (part->p_type == PT_TLS) return (uintptr_t)info->dlpi_tls_data; /* the calling thread's */
    return part->p_type == PT_LOAD && (part->p_flags & PF_W) ? info->dlpi_addr + part->p_vaddr : 0;
}

static int each_object(struct dl_phdr_info *info, size_t size, void *look) {
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = data_of(info, part);
        if (at == 0) continue;
        uintptr_t from = (at + 7) & ~(uintptr_t)7, to = (at + part->p_memsz) & ~(uintptr_t)7;
        ((void (*)(const uintptr_t *, const uintptr_t *))(uintptr_t)look)((const uintptr_t *)from,
                                                                          (const uintptr_t *)to);
    }
    return 0;
}

void fh_os_each_data(void (*look)(const uintptr_t *, const uintptr_t *)) {
    dl_iterate_phdr(each_object, (void *)(uintptr_t)look);
}

/* ---- random bytes ---- */

void fh_os_random(void *to, size_t size) {
    int saved = errno;
    /* Not getrandom(): that is a cancellation point, and the heap asks while it holds a lock. */
    if (syscall(SYS_getrandom, to, size, GRND_NONBLOCK) != (ssize_t)size) {
        struct timespec now; /* early in the boot: the clock and the addresses of this process */
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t word = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15ull ^ (uintptr_t)to ^ (uintptr_t)&now;
        for (size_t i = 0; i < size; i++)
            ((unsigned char *)to)[i] = (unsigned char)((word = word * 6364136223846793005ull + 1) >> 56);
    }
    errno = saved;
}
