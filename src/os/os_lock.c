/* os_lock.c - the slow half of fh_lock: spin a little, then sleep in the kernel.
 *
 * The three-state futex lock of Ulrich Drepper's "Futexes Are Tricky": the word is 2 from the moment that
 * someone sleeps, so that an unlock without sleepers makes no system call. Sections under these locks are
 * short, so a few dozen tries come before sleeping; more would only burn the holder's processor where threads
 * outnumber processors.
 *
 * A lock knows its owner: a signal handler that wants a lock which the thread that it has interrupted holds
 * would wait for ever, and is stopped instead; and who ends the process gives back what the thread holds. (A
 * signal between the taking of a lock and the note of its owner is not told from another thread's.)
 */
#include "os.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 40 };

__thread unsigned fh_locks_held __attribute__((tls_model("initial-exec")));

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex(_Atomic uint32_t *word, int operation, uint32_t value) {
    int saved = errno;
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
    errno = saved;
}

void (*fh_lock_is_own)(void);

void fh_lock_wait(struct fh_lock *lock) {
    if (fh_locks_held > 1 && fh_lock_held_here(lock) && fh_lock_is_own) fh_lock_is_own();
    for (int i = 0; i < SPINS; i++) {
        relax();
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && fh_lock_take(lock)) return;
    }
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        futex(&lock->word, FUTEX_WAIT_PRIVATE, 2);
}

void fh_lock_wake(struct fh_lock *lock) { futex(&lock->word, FUTEX_WAKE_PRIVATE, 1); }
