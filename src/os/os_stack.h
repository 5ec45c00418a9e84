/* os_stack.h - what the call stack and the region stack ask of the system.
 *
 * As in os.h: nothing here allocates through malloc unless it says so, and errno keeps its value unless a
 * function can fail. What is marked "in a handler" may be called from a signal handler, at any moment of the
 * process.
 */
#ifndef FH_OS_STACK_H
#define FH_OS_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- a word for each thread, with a hook at its end ---- */

typedef unsigned fh_os_key;
/* The hook is called with the thread's value when a thread ends that has one. */
fh_os_key fh_os_key_make(void (*hook)(void *value));
void fh_os_key_set(fh_os_key key, void *value);

/* ---- memory that may not be there; in a handler ---- */

/* Copies `size` bytes. False, and `to` undefined: not all of them can be read. */
bool fh_os_peek(const void *from, void *to, size_t size);

/* ---- the calling thread's stack ---- */

struct fh_os_bounds {
    char *low, *high; /* low: the lowest byte that may be used */
    bool main;        /* the first thread of the process       */
    char *
        mapped_low; /* from the mappings: where memory begins now; the main thread's stack grows down from there */
};
/* May allocate (the C library's pthread_getattr_np does). False: not to be found out. */
bool fh_os_stack_bounds(struct fh_os_bounds *bounds);

/* The same from the mappings alone, for the stack that the address is on or has just left downwards. For a
 * thread's stack it is the whole of the mapping. In a handler. */
bool fh_os_stack_bounds_near(const void *address, struct fh_os_bounds *bounds);

/* The main thread's, from whichever thread. False: not to be found out. */
bool fh_os_main_stack(struct fh_os_bounds *bounds);

/* The inaccessible mapping that ends exactly at `low`. False: there is none. In a handler. */
struct fh_os_guard {
    char *low;
    size_t size;
};
bool fh_os_guard_below(const char *low, struct fh_os_guard *guard);

/* The lowest page between low and here that was ever touched, looked for from `here` downwards. */
char *fh_os_lowest_touched(char *low, char *here);

/* A stack of `size` bytes (a multiple of pages) with an inaccessible page at either end; below `below` if it
 * can be, so that stack pointers fall from older to newer stacks as debuggers expect. NULL: no memory. */
char *fh_os_stack_map(size_t size, const char *below);
void fh_os_stack_unmap(char *low, size_t size);

/* Calls fn(arg) with the stack pointer at `top`, a multiple of 16. */
void fh_os_call_on(void *top, void (*fn)(void *arg), void *arg);
/* The hook is called when an exception passes through such a call, still on the inner stack. */
void fh_os_when_passed_through(void (*hook)(void));

/* Is the caller on its alternate signal stack? Then *left is what is left of it. In a handler. */
bool fh_os_on_signal_stack(const char *here, size_t *left);

/* ---- threads ---- */

/* The calling thread's number, and whether it is the first of the process. In a handler. */
unsigned fh_os_thread_id(bool *main);
/* Its name, at most 15 characters. In a handler. */
void fh_os_thread_name(char name[16]);
/* The name of any thread of the process. */
void fh_os_name_of_thread(uint64_t id, char name[16]);
unsigned fh_os_process_id(void);

/* Sends each other thread of the process `signal` with this value, which tells our own from others'. */
void fh_os_signal_threads(int signal, void *value);
/* Sends the calling thread a signal once more, as it came: `info` is its siginfo_t. In a handler. */
void fh_os_signal_again(int signal, void *info);
/* Did the process send this signal to itself, with this value (fh_os_signal_threads)? In a handler. */
bool fh_os_signal_is_own(const void *info, const void *value);
/* Sleeps for a millisecond. In a handler. */
void fh_os_pause(void);
/* Takes the lock, unless somebody keeps it for more than a twentieth of a second: it may be this very thread,
 * interrupted by a signal whose handler ends the process. False: not taken. */
struct fh_lock;
bool fh_trylock_for_a_while(struct fh_lock *lock);

/* In all modules but our own, those to come included, the calls that are bound to the function `from` of this
 * name are bound to `to`, which is ours. Whoever looks the name up afterwards finds ours, too: so `from` must
 * be known by then to all who call it. Takes the dynamic linker's lock. */
void fh_os_rebind(const char *name, uintptr_t from, uintptr_t to);

/* The same for many at once, which costs little more: programs have tens of thousands of bindings, and all are
 * gone through. `only_calls`: of modules that are there, and not where the function's address is taken, which
 * stays the same for all. from = 0: nothing. */
struct fh_os_rebinding {
    const char *name;
    uintptr_t from, to;
    bool only_calls;
};
void fh_os_rebind_all(const struct fh_os_rebinding *list, unsigned count);

/* Of a message for sendmsg or recvmsg: how many parts its text has, and where they stand, as struct iovec. */
size_t fh_os_parts_of_message(const void *message, const void **parts);
/* What the system tells of a file. */
size_t fh_os_status_size(void);

/* ---- alternate signal stacks ---- */

/* The least that a handler of ours needs. */
size_t fh_os_signal_stack_size(void);
/* Has the calling thread an alternate stack? */
bool fh_os_has_signal_stack(void);
bool fh_os_set_signal_stack(void *low, size_t size); /* NULL: none from now on */
/* In a handler: the interrupted thread gets this alternate stack when the handler returns. */
void fh_os_give_signal_stack(void *context, void *low, size_t size);
/* In a handler: the interrupted thread's alternate stack; size 0 for none. */
void fh_os_signal_stack_of(const void *context, char **low, size_t *size);

#endif
