/* os.h - the port: everything that the library asks of the operating system.
 *
 * Small functions with their conditions said once. Nothing above this folder makes a system call or knows a
 * processor. None of these allocates through malloc. Sizes and addresses of the page functions are multiples of
 * fh_os_page_size() unless said otherwise. Functions that can fail return false or NULL and leave errno as the
 * system set it (ENOMEM as a rule).
 */
#ifndef FH_OS_H
#define FH_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each process runs once, when it starts, forks or ends. The linker puts this section in front; so these
 * functions, and the fast paths behind them, take no further pages of the library's code into memory. (GCC puts
 * constructors there unasked.) */
#define FH_AT_START __attribute__((section(".text.startup")))

/* ---- pages ---- */

size_t fh_os_page_size(void);

/* Readable, writable, zero pages anywhere. NULL when refused. */
void *fh_os_map(size_t size);
/* The same at exactly this address; false when something is there already (errno EEXIST) or the system refuses.
 * */
bool fh_os_map_at(void *at, size_t size);
/* The same for a table of which little may ever be touched: not counted against the system's promise of memory.
 * */
bool fh_os_map_table_at(void *at, size_t size);
/* Address space that may not be touched yet; fh_os_commit makes a part of it usable. */
void *fh_os_reserve(size_t size);
bool fh_os_commit(void *at, size_t size);
void fh_os_unmap(void *at, size_t size);
/* Makes pages inaccessible (a guard) without giving up the address space; false when refused. */
bool fh_os_protect(void *at, size_t size);
/* Readable, writable, zero pages anywhere of which little may ever be touched, as with fh_os_map_table_at. */
void *fh_os_map_sparse(size_t size);
/* Gives the pages' memory back and makes them inaccessible, as if only reserved; false when refused. */
bool fh_os_decommit(void *at, size_t size);
/* Gives the pages' memory back to the system; they read as zero afterwards. False when refused (locked pages).
 * */
bool fh_os_purge(void *at, size_t size);

/* Which pages are resident: bit 0 of there[i] for the i-th. False when that cannot be told. Leaves errno as it
 * was. */
bool fh_os_resident(void *at, size_t size, unsigned char *there);

/* Asks for huge pages, or for small ones, where this range is touched from now on. False where there are none.
 * Leaves errno as it was. */
bool fh_os_use_huge(void *at, size_t size, bool huge);
/* Does the system give huge pages to who does not ask for them (transparent_hugepage=always)? Reads a file. */
bool fh_os_gives_huge_unasked(void);
/* Moves the contents of private pages from one mapped place to another by remapping; the old place stays mapped
 * and reads as zero. False when the system cannot (then nothing has moved). */
bool fh_os_move(void *from, void *to, size_t size);
/* Maps the place anew: what it held is gone, and it reads as zero. False when the system refuses. */
bool fh_os_map_anew(void *at, size_t size);

/* ---- time ---- */

/* Milliseconds from an arbitrary start, monotonic, a few ms coarse, cheap (no system call where a vDSO is). */
uint64_t fh_os_ticks(void);
/* Nanoseconds of the same time, as fine as there are. */
uint64_t fh_os_nanoseconds(void);

/* Processors that this process may run on; 1 where that is not known. */
unsigned fh_os_processors(void);

/* ---- locks ---- */

/* A lock of one word. Zero is unlocked. Waiters sleep in the kernel (futex). */
struct fh_lock {
    _Atomic uint32_t word;  /* 0 free, 1 held, 2 held and someone waits */
    _Atomic uint32_t owner; /* who holds it: fh_lock_self; 0 for a moment at either end */
};
void fh_lock_wait(struct fh_lock *lock);
/* Called by who would wait for a lock that its own thread holds, in a signal handler that has interrupted it:
 * it would wait for ever. Does not return. */
extern void (*fh_lock_is_own)(void) __attribute__((visibility("hidden")));
void fh_lock_wake(struct fh_lock *lock);

/* How many locks this thread holds or is about to take. A signal handler that runs with this above 0 has
 * interrupted the library; what waits for a lock there may wait for its own thread. */
extern __thread unsigned fh_locks_held __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline void fh_lock_announce(void) {
    fh_locks_held++;
    atomic_signal_fence(memory_order_seq_cst);
}
static inline void fh_lock_forget(void) {
    atomic_signal_fence(memory_order_seq_cst);
    fh_locks_held--;
}
static inline bool fh_lock_take(struct fh_lock *lock) {
    uint32_t free_word = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &free_word, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}
/* The calling thread, by the address of what each thread has of its own. */
static inline uint32_t fh_lock_self(void) { return (uint32_t)((uintptr_t)&fh_locks_held >> 4); }
static inline void fh_lock_own(struct fh_lock *lock, uint32_t owner) {
    atomic_store_explicit(&lock->owner, owner, memory_order_relaxed);
}
/* Does the calling thread hold it? */
static inline bool fh_lock_held_here(const struct fh_lock *lock) {
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == fh_lock_self();
}
static inline bool fh_trylock(struct fh_lock *lock) {
    fh_lock_announce();
    if (fh_lock_take(lock)) return fh_lock_own(lock, fh_lock_self()), true;
    fh_lock_forget();
    return false;
}
static inline void fh_lock(struct fh_lock *lock) {
    fh_lock_announce();
    if (!fh_lock_take(lock)) fh_lock_wait(lock);
    fh_lock_own(lock, fh_lock_self());
}
static inline void fh_unlock(struct fh_lock *lock) {
    fh_lock_own(lock, 0);
    if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2) fh_lock_wake(lock);
    fh_lock_forget();
}

/* ---- process and threads ---- */

/* Calls `hook` in a thread that ends, after the program's own thread-local destructors where the system allows,
 * for each thread that called fh_os_at_thread_exit_arm(). To be installed once. The argument means nothing. */
bool fh_os_at_thread_exit(void (*hook)(void *));
void fh_os_at_thread_exit_arm(void);

/* Begins a thread that nobody waits for, that takes no signals and ends with the process. False when refused.
 * */
bool fh_os_begin_thread(void *(*run)(void *unused));

/* Lets the calling thread sleep. */
void fh_os_sleep(size_t milliseconds);

/* Hooks around fork in the forking thread. To be installed once. */
bool fh_os_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void));

/* The environment variable's value from the process's own environment, NULL if unset. Callable before libc's
 * constructors. */
const char *fh_os_getenv(const char *name);

/* Writes all of it to the descriptor, retrying short writes. Keeps errno. */
void fh_os_write(int fd, const char *text, size_t size);

/* A descriptor that writes to the end of the file, made if need be; -1 when refused. Keeps errno, as does
 * closing it. */
int fh_os_append(const char *path);
void fh_os_close(int fd);

/* Address space that the process may map, as far as a limit of its own (ulimit -v) tells; else SIZE_MAX. */
size_t fh_os_address_limit(void);

/* Resident and peak resident size of this process in bytes, 0 where unknown. */
void fh_os_rss(size_t *now, size_t *peak);

_Noreturn void fh_os_abort(void);

#endif
