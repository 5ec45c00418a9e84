/* os_record.h - what record/ asks of the system: a file that is memory, who this process is, and its end.
 *
 * The process belongs to somebody else: no descriptor stays open, nothing allocates, errno keeps its value, no
 * signal is caused (not even by RLIMIT_FSIZE or a full disk), and what the system refuses is refused quietly.
 */
#ifndef FH_OS_RECORD_H
#define FH_OS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fh_os_made { FH_OS_MADE, FH_OS_EXISTS, FH_OS_REFUSED };

/* Makes the file `path`, which must not exist, with these bytes in it, and maps it shared: *memory is the
 * file's contents from then on, and writing there writes the file. The pages have their place on the disk
 * already. */
enum fh_os_made fh_os_make_shared_file(const char *path, const void *bytes, size_t size, void **memory);

struct fh_os_self {
    uint64_t pid;
    uint64_t parent;
    uint64_t pid_space; /* inode of the pid namespace, 0 where unknown                   */
    uint64_t image;     /* a number that differs after each exec, as a rule              */
    char name[16];      /* the kernel's name of the process                              */
    char command[256];  /* the command line, blanks between the words, cut to fit        */
};
void fh_os_self(struct fh_os_self *self);

/* Only the two numbers that differ in a process that fork has just made. */
void fh_os_self_after_fork(uint64_t *pid, uint64_t *parent);

/* Nanoseconds on the monotonic clock, without a system call where a vDSO is. */
uint64_t fh_os_now(void);

/* Calls `hook` when the process comes to its end in order (exit, or return from main), as late as the C library
 * allows: after the program's handlers and destructors. `status` is what exit was given, or -1 when the C
 * library does not tell. To be installed from a constructor, because it may allocate. */
bool fh_os_at_end(void (*hook)(int status));

/* The system call; hears when the program is about to set up a seccomp filter. */
int fh_os_prctl(int option, const unsigned long arguments[4]);

/* False: a seccomp filter was set up since fh_os_self() was asked, so that further system calls of ours might
 * get the program killed. */
bool fh_os_may_ask(void);

#endif
