/* os_threads.c - threads as the kernel knows them, and their alternate signal stacks. */
#include "os/os.h"
#include "os/os_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

unsigned fh_os_thread_id(bool *main) {
    unsigned id = (unsigned)syscall(SYS_gettid);
    *main = id == (unsigned)getpid();
    return id;
}

void fh_os_thread_name(char name[16]) {
    memset(name, 0, 16);
    prctl(PR_GET_NAME, name);
}

static bool first_line(const char *path, char *buf, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 ? read(file, buf, size - 1) : -1;
    if (file >= 0) close(file);
    buf[got > 0 ? got : 0] = '\0';
    char *end = strchr(buf, '\n');
    if (end != NULL) *end = '\0';
    return got > 0;
}

unsigned fh_os_process_id(void) { return (unsigned)getpid(); }

void fh_os_name_of_thread(uint64_t id, char name[16]) {
    char path[64] = "/proc/self/task/", digits[24];
    size_t at = strlen(path), n = 0;
    do digits[n++] = (char)('0' + id % 10);
    while ((id /= 10) > 0);
    while (n > 0) path[at++] = digits[--n];
    memcpy(path + at, "/comm", sizeof "/comm");
    if (!first_line(path, name, 16)) memcpy(name, "?", 2);
}

struct entry { /* of getdents64 */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static void signal_thread(unsigned id, int signal, void *value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = value;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), id, signal, &info);
}

/* Where the code begins, as digits, of a text in which the system describes a process: "id (name) state ...".
 * NULL: the text has no such number. The name may have blanks and brackets. */
static const char *code_of(char *text) {
    enum { WORDS_AFTER_NAME = 24 }; /* the 26th of all */
    char *at = strrchr(text, ')');
    for (unsigned n = 0; at != NULL && n < WORDS_AFTER_NAME; n++) at = strchr(at + 1, ' ');
    char *end = at ? strchr(at + 1, ' ') : NULL;
    if (end == NULL) return NULL;
    *end = '\0';
    return at + 1;
}

/* Under an emulator (qemu-user) the tasks of the process include threads of the emulator, which no signal of
 * ours may reach. It describes the process to us as ours, but the tasks as they are. */
static bool tasks_are_ours(void) {
    char ours[512], tasks[512];
    if (!first_line("/proc/self/stat", ours, sizeof ours)) return false;
    if (!first_line("/proc/thread-self/stat", tasks, sizeof tasks)) return false;
    const char *our_code = code_of(ours), *their_code = code_of(tasks);
    return our_code && their_code && strcmp(our_code, their_code) == 0;
}

void fh_os_signal_threads(int signal, void *value) {
    bool main;
    unsigned self = fh_os_thread_id(&main);
    if (!tasks_are_ours()) return;
    int saved = errno, folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    _Alignas(struct entry) char buf[2048];
    long got;
    while ((got = syscall(SYS_getdents64, folder, buf, sizeof buf)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *entry = (const struct entry *)(const void *)(buf + at);
            unsigned id = 0;
            for (const char *c = entry->name; *c >= '0' && *c <= '9'; c++) id = id * 10 + (unsigned)(*c - '0');
            if (id != 0 && id != self) signal_thread(id, signal, value);
            at += entry->length;
        }
    }
    close(folder);
    errno = saved;
}

void fh_os_signal_again(int signal, void *info) {
    bool main;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), fh_os_thread_id(&main), signal, info);
}

bool fh_os_signal_is_own(const void *info, const void *value) {
    const siginfo_t *signal = info;
    return signal->si_code == SI_QUEUE && signal->si_pid == getpid() && signal->si_value.sival_ptr == value;
}

void fh_os_pause(void) {
    struct timespec pause = {0, 1000000};
    syscall(SYS_nanosleep, &pause, NULL);
}

/* The kernel's part of a signal frame (with AVX-512 several KiB) and ours. */
size_t fh_os_signal_stack_size(void) {
    size_t page = fh_os_page_size(), kernel = getauxval(AT_MINSIGSTKSZ);
    if (kernel < 4096) kernel = 4096;
    return (kernel + (16 << 10) + page - 1) & ~(page - 1);
}

bool fh_os_has_signal_stack(void) {
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE);
}

bool fh_os_set_signal_stack(void *low, size_t size) {
    stack_t stack = {.ss_sp = low, .ss_size = size, .ss_flags = low ? 0 : SS_DISABLE};
    return sigaltstack(&stack, NULL) == 0;
}

/* Returning from a handler sets the alternate stack to what the context says. */
void fh_os_give_signal_stack(void *context, void *low, size_t size) {
    stack_t *stack = &((ucontext_t *)context)->uc_stack;
    if (!(stack->ss_flags & SS_DISABLE)) return;
    *stack = (stack_t){.ss_sp = low, .ss_size = size, .ss_flags = 0};
}

void fh_os_signal_stack_of(const void *context, char **low, size_t *size) {
    const stack_t *stack = &((const ucontext_t *)context)->uc_stack;
    bool none = (stack->ss_flags & SS_DISABLE) || stack->ss_size == 0;
    *low = none ? NULL : stack->ss_sp;
    *size = none ? 0 : stack->ss_size;
}

bool fh_trylock_for_a_while(struct fh_lock *lock) {
    for (unsigned tries = 0; tries < 50; tries++) {
        if (fh_trylock(lock)) return true;
        fh_os_pause();
    }
    return false;
}
