/* own.h - the verbs of ownership: own, move, take, set, swap, drop, forget, clone.
 *
 *     #include <freehold/own.h>
 *     #include <stdio.h>
 *
 *     typedef struct { FILE *stream; } Log;                  // any type X is an owner when it has X_drop(X *)
 *     static void Log_drop(Log *log) { if (log->stream) fclose(log->stream); *log = (Log){0}; }
 *     static Log log_open(const char *path) {
 *         fh_own(Log) log = {fopen(path, "w")};              // closed at the end of the scope, however it is left,
 *         return fh_move(log);                               // unless moved: then `log` is empty here
 *     }
 *
 *     int main(void) {
 *         fh_own(Log) log = log_open("/dev/null");
 *         fputs("hello\n", log.stream);                      // lending is just using
 *         fh_put(Log, &log, log_open("/dev/null"));          // drops the old one, stores the new one
 *         return 0;
 *     }
 *
 * The rules, for every owner type X:
 *     X_drop(X *)        frees what is held and leaves the owner empty
 *     all-zero is empty  a new, moved-from or dropped owner is zero; dropping an empty one does nothing
 *     by value           hands over; `const T *` lends to look, `T *` lends to change, neither outlives the call
 *
 * X comes first in each verb that may have to drop or clone: C cannot find a function by an expression's type
 * without a closed list of types, and an open set of types is the point. All other verbs infer.
 *
 * Always initialise: `fh_own(X) x = {0};` is the empty owner. GCC's -Wmaybe-uninitialized (in -Wall, from -O1)
 * sees an owner that was forgotten; -ftrivial-auto-var-init=zero makes it empty. A goto over an owner's
 * initialiser is an error with Clang and a warning with GCC's -Wjump-misses-init. longjmp and pthread_cancel
 * run no cleanups on glibc unless the code is built with -fexceptions (cancel) and never on musl.
 *
 * Three expansions of each macro: production; -DFH_CHECKED, which tells the checked mode
 * (FREEHOLD=mode=checked) positions and names; -D__FREEHOLD_CHECK__, made of marker calls for a static checker.
 * They behave alike.
 */
#ifndef FREEHOLD_OWN_H
#define FREEHOLD_OWN_H

#include <freehold/heap.h>
#include <freehold/own_macros.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- declaring and handing over ----------- */

/* fh_own(X) name = value;     a local owner, dropped when its scope is left; several are dropped in reverse order.
 * fh_move(x)                  the value of owner x, for its new owner; x is empty and not to be used before it is set.
 * fh_take(x)                  the same, for owners that are looked at again: an empty x is what is wanted.
 * fh_replace(x, value)        the old value of x, which holds the new one now; nothing is dropped.
 * fh_swap(p, q)               the owners at p and q change places.
 * fh_forget(x)                x is empty and what it held is never dropped here: someone else has it.
 * x is an lvalue and evaluated once; moving out of a const one does not compile. */
#define fh_own(X) FH_OWN(X, #X, FH_UNIQUE(fh_scope_))
#define fh_move(x) FH_MOVED(x, fh_mark_move, FH_UNIQUE(fh_from_), FH_UNIQUE(fh_out_))
#define fh_take(x) FH_MOVED(x, fh_mark_take, FH_UNIQUE(fh_from_), FH_UNIQUE(fh_out_))
#define fh_replace(x, ...) \
    FH_REPLACE(x, FH_UNIQUE(fh_to_), FH_UNIQUE(fh_in_), FH_UNIQUE(fh_old_), (__VA_ARGS__))
#define fh_swap(p, q) FH_SWAP(p, q, FH_UNIQUE(fh_p_), FH_UNIQUE(fh_q_), FH_UNIQUE(fh_t_))
#define fh_forget(x) FH_FORGET(x, FH_UNIQUE(fh_f_))

/* fh_drop(X, p)               drops the owner at p now; it is empty afterwards.
 * fh_put(X, p, value)         stores value in the owner at p, then drops what was there. `=` would leak it. The
 *                             value is made first, so it may move what p stands in.
 * fh_clone(X, p)              a second owner of equal contents (for Rc and Arc: of the same thing). */
#define fh_drop(X, p) FH_DROP_NOW(X, p)
#define fh_put(X, p, ...) FH_PUT(X, p, FH_UNIQUE(fh_to_), FH_UNIQUE(fh_in_), FH_UNIQUE(fh_old_), (__VA_ARGS__))
#define fh_clone(X, p) FH_CLONE_NOW(X, p)

/* ---------------------------------------------------------------- failure ------------------------------ */

/* Out of memory: an operation whose name has no try_ says so on stderr, with what was wanted, and aborts, as in
 * Rust. Its try_ form returns NULL or false instead, with ENOMEM, and leaves every owner as it was.
 * An index out of range, a value that is not there, a count that overflows: the same report and end. */
FH_API void fh_own_no_memory(const char *what, size_t size) __attribute__((noreturn, cold));
FH_API void fh_own_stop(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));
FH_API void fh_own_out_of_range(const char *what, size_t index, size_t len) __attribute__((noreturn, cold));

/* ---------------------------------------------------------------- blocks for owners -------------------- */

/* The paths that box.h, rc.h and arc.h inline: as fh_alloc_const and fh_free_const, with slow functions of
 * their own, so that the checked mode (where every bin is closed) sees each owner, and what kind it is. Not for
 * direct use. */
FH_API void *fh_own_new_slow(size_t size, size_t align, const char *what) __attribute__((malloc, cold));
FH_API void *fh_own_try_slow(size_t size, size_t align, const char *what) __attribute__((malloc, cold));
FH_API void fh_own_free_slow(void *p, size_t size, size_t align) __attribute__((cold));

/* The newest block of the calling thread's bin for this constant size, NULL when the slow path must be asked.
 * */
FH_INLINE void *fh_own_pop(size_t size, size_t align) {
    size_t need = fh_aligned_size(size, align);
    if (need > FH_SMALL_MAX) return NULL;
    struct fh_bin *bin = &fh_bins[fh_class_of(need)];
    void **top = bin->top;
    void *block = top[-1];
    if (FH_LIKELY(block != NULL)) bin->top = top - 1;
    return block;
}

FH_INLINE void *fh_own_new(size_t size, size_t align, const char *what) {
    void *block = fh_own_pop(size, align);
    return FH_LIKELY(block != NULL) ? block : fh_own_new_slow(size, align, what);
}

FH_INLINE void *fh_own_try(size_t size, size_t align, const char *what) {
    void *block = fh_own_pop(size, align);
    return FH_LIKELY(block != NULL) ? block : fh_own_try_slow(size, align, what);
}

FH_INLINE void fh_own_free(void *p, size_t size, size_t align) {
    size_t need = fh_aligned_size(size, align);
    if (need <= FH_SMALL_MAX) {
        struct fh_bin *bin = &fh_bins[fh_class_of(need)];
        void **top = bin->top;
        if (FH_LIKELY(top != bin->end)) {
            *top = p;
            bin->top = top + 1;
            return;
        }
    }
    fh_own_free_slow(p, size, align);
}

/* ---------------------------------------------------------------- long chains -------------------------- */

/* Drop glue is recursive: a list's first node drops the second. So that ten million nodes do not need ten
 * million stack frames, a Box that comes last in its struct is followed in a loop (type.h), and else glue
 * counts how deep it stands, and below FH_DROP_DEPTH hands the rest to fh_drop_later, which keeps a list of
 * what is still to be dropped and works through it in a loop: at most 2 * FH_DROP_DEPTH frames of glue ever
 * stand. Only types that own something count. */
#define FH_DROP_DEPTH 100u
extern FH_API __thread unsigned fh_drop_depth __attribute__((tls_model("initial-exec")));

/* Runs run(p, len, cap) now or, when called from within such a run, before the outermost one returns. */
FH_API void fh_drop_later(void (*run)(void *p, size_t len, size_t cap), void *p, size_t len, size_t cap);

/* The same for what does not fit into three words: run(copy, whether the copy is to be freed, 0). */
FH_API void fh_drop_copied(void (*run)(void *p, size_t copied, size_t unused), void *p, size_t size);

FH_INLINE void fh_drop_guarded(void (*run)(void *, size_t, size_t), void *p, size_t len, size_t cap) {
    unsigned depth = fh_drop_depth;
    if (FH_LIKELY(depth < FH_DROP_DEPTH)) {
        fh_drop_depth = depth + 1;
        run(p, len, cap);
        fh_drop_depth = depth;
    } else {
        fh_drop_later(run, p, len, cap);
    }
}

/* ---------------------------------------------------------------- the checked mode's eyes -------------- */

/* A place in a program that was built with -DFH_CHECKED. */
struct fh_site {
    const char *file;
    int line;
    const char *function; /* __func__: its address also tells functions apart */
    const char *text;     /* what stands there */
};

/* The scope of an fh_own, as -DFH_CHECKED declares one before each. */
struct fh_scope {
    const void *frame;
    const struct fh_site *site;
    size_t size;   /* of the owner */
    size_t number; /* of all scopes of the thread: tells this one from one that stood here before longjmp */
};

/* The calling thread's latest site, "here" in reports; and the drop() or set() that is being carried out, NULL
 * when none is. */
extern FH_API __thread const struct fh_site *fh_here __attribute__((tls_model("initial-exec")));
extern FH_API __thread const struct fh_site *fh_dropping __attribute__((tls_model("initial-exec")));

FH_INLINE const struct fh_site *fh_at(const struct fh_site *site) { return fh_here = site; }
/* What it returns is to stand at `at`. */
FH_API struct fh_scope fh_scope_enter(struct fh_scope *at, const void *frame, const struct fh_site *site,
                                      size_t size);
FH_API void fh_scope_leave(struct fh_scope *scope);
/* The owner of `size` bytes at p, written `site->text`, is moved from; stops when it was moved from before.
 * by_own: it is a variable that fh_own declared. */
FH_API void fh_note_move(const void *p, size_t size, const void *frame, const struct fh_site *site,
                         bool by_own);
/* The owner at p is used; stops when it was moved from and not set since. */
FH_API void fh_note_use(const void *p, size_t size, const struct fh_site *site);
/* The owner at p gets a value, perhaps an empty one: from now on it may be used. */
FH_API void fh_note_set(const void *p);
/* The owner at p is used, and handed on. */
FH_INLINE void *fh_used(const void *p, size_t size, const struct fh_site *site) {
    fh_note_use(p, size, site);
    return (void *)(uintptr_t)p;
}
/* The owner at p is dropped now, empty or not: a variable ends. */
FH_API void fh_note_gone(const void *p, size_t size);
/* A handle that is written `name` is used by value and was empty; stops when a variable of that name was moved
 * from in this frame. */
FH_API void fh_note_empty(const char *name, const void *frame, const struct fh_site *site);
FH_INLINE const void *fh_value_used(const void *value, const char *name, const void *frame,
                                    const struct fh_site *site) {
    if (value == NULL) fh_note_empty(name, frame, site);
    return value;
}
/* Something with elements was changed while the loop at `loop` walks it: stops in checked mode. */
FH_API void fh_note_changed(const struct fh_site *loop) __attribute__((cold));
/* What the owner at p holds shall not count as leaked. */
FH_API void fh_note_forget(const void *p);

#ifdef __cplusplus
}
#endif
#endif
