/* freehold/frame.h - the region stack: memory that is freed at the end of a scope, all at once.
 *
 *     #include <freehold/frame.h>
 *     #include <stdio.h>
 *
 *     static char *greeting(const char *name) {            // opens no frame: the text is its caller's
 *         return fh_push_format("hello, %s", name);
 *     }
 *
 *     int main(void) {
 *         FH_FRAME {
 *             char *text = greeting("world");
 *             int *squares = fh_push_array(int, 100);
 *             if (!text || !squares) return 1;             // no memory is NULL and ENOMEM; return closes the frame
 *             for (int i = 0; i < 100; i++) squares[i] = i * i;
 *             printf("%s %d\n", text, squares[99]);
 *         }                                                // text and squares are gone here
 *         return 0;
 *     }
 *
 * Each thread has a stack of its own for data whose size is known only at run time, beside the call stack: a
 * range of addresses (setting region, 1 GiB), of which memory is taken as it is first touched. A *frame*
 * remembers where the top was; closing it puts the top back there, and with that frees all that was pushed
 * since. A push is as cheap as alloca(), and unlike alloca() it has a limit that is reported (NULL and ENOMEM),
 * takes sizes in the gigabytes, works in loops, and can hand results to the caller:
 *
 *     struct list *read_list(FILE *file) {
 *         struct list *list = NULL;
 *         FH_SCRATCH {                                     // working memory of this function ...
 *             char *line = fh_push_array(char, 65536);
 *             while (line && fgets(line, 65536, file)) {
 *                 FH_OUTSIDE list = cons(fh_push_str(line), list);     // ... results in the frame of the caller
 *             }
 *         }                                                // line is gone, the list stays where it is: no copy
 *         return list;
 *     }
 *
 * (A thread has two such regions. A scratch frame opens on the one that the caller's frame is not on; so both
 * can grow at the same time, and nothing that was handed out ever moves.)
 *
 * How a scope is left does not matter: its end, return, goto, break. As FH_FRAME { } is a loop that runs once,
 * break and continue inside it leave the frame and not a loop around it, and a compiler may want a return
 * behind it in a function that returns from inside; FH_FRAME_HERE; has no such effects. longjmp and
 * pthread_exit run no cleanups in C: fh_frame_mark and fh_frame_unwind are for the former, the end of a thread
 * frees its regions anyway. C++ exceptions close frames.
 *
 * Frames are closed in the reverse order of opening. A frame that is closed out of order, twice, or without
 * having been opened stops the program with a report that names the functions of the frames. A pointer that is
 * used after its frame was closed is caught in checked mode (FREEHOLD=mode=checked), under AddressSanitizer,
 * and under Valgrind; there the reports also name the file and the line.
 *
 * All of this is per thread and takes no lock. None of it may be called from a signal handler.
 */
#ifndef FREEHOLD_FRAME_H
#define FREEHOLD_FRAME_H

#include <freehold/heap.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- the parts ---------------------------- */

struct fh_region; /* a stack of memory: each thread's own two, or one that fh_region_new or fh_region_in made */

/* Where a frame was opened, for reports. */
struct fh_frame_site {
    const char *file;
    const char *function;
    int line;
};

/* An open frame. The fields are the library's own. A frame is a local variable as a rule: it must stay where it
 * is while it is open, and where it lies tells reports the function that it belongs to.
 *
 * The region's top stands in the innermost frame: opening copies it from the frame around, and closing has only
 * to go back to that one, whose top is still what it was. So the thread's own memory is written twice for each
 * frame and not at all for a push. (The two first fields, which each frame with a push stores, lie in the same
 * 16 bytes: processors write neighbours together.) */
struct fh_frame {
    uintptr_t outer; /* the word that led to the innermost frame when this one opened; the first field */
    char *top;       /* of the region, while this frame is the innermost                              */
    char *top_while_watched;
    const struct fh_frame_site *site; /* stored only where each push is seen, else undefined            */
    void *mark; /* this one, and own: written only by the library's slow paths                  */
    void *own[5];
} __attribute__((aligned(16)));

/* What push, open and close work on.
 *
 *     base ......... top ......... limit
 *     |  pushed      |  free       |
 *
 *     a push fits when  its size < limit - top       (limit is one more than the last address the top may have)
 *     a frame may be closed when  frame == its address
 *
 * Both tests are the only ways into the rest of the library. Whoever must see pushes keeps limit equal to top;
 * a frame that is opened then notes its place in the source, too. Whoever must see the closing of a frame adds
 * 8 to the word that leads to it ("watched"). Its top is then found 8 bytes further on, too. So what is off
 * costs nothing. */
struct fh_frames {
    uintptr_t frame; /* the innermost, or a frame of the library's own that is never closed         */
    char *limit;     /* for the region in use                                                       */
    void *thread;    /* the thread's regions, once it has any                                       */
};
extern FH_API __thread struct fh_frames fh_frames __attribute__((tls_model("initial-exec")));

/* ---------------------------------------------------------------- frames ------------------------------- */

/* FH_FRAME { ... }       a block with a frame of its own
 * FH_FRAME_HERE;         a frame from here to the end of the enclosing scope: for functions, and for the bodies of loops in
 *                        which break and continue shall mean the loop
 * FH_SCRATCH { ... }     a frame for working memory, inside which FH_OUTSIDE pushes into the frame around it
 * FH_SCRATCH_HERE;       the same to the end of the enclosing scope
 * FH_OUTSIDE statement   for one statement or block inside a scratch frame, pushes go to the frame around that
 *                        scratch frame: the caller's, when the function opened no other
 * FH_FRAME_ON(region) { ... }   a frame on a region of your own; FH_OUTSIDE works in it too, unless the frame around it is
 *                        on the same region: that is reported, and so are a region that is NULL and a thread without
 *                        memory for its books; then abort
 */
#define FH_FRAME FH_BLOCK_(FH_UNIQUE_(fh_frame_), fh_frame_open, )
#define FH_FRAME_HERE FH_HERE_(FH_UNIQUE_(fh_frame_), fh_frame_open, )
#define FH_SCRATCH FH_BLOCK_(FH_UNIQUE_(fh_frame_), fh_scratch_open, )
#define FH_SCRATCH_HERE FH_HERE_(FH_UNIQUE_(fh_frame_), fh_scratch_open, )
#define FH_OUTSIDE FH_BLOCK_(FH_UNIQUE_(fh_frame_), fh_outside_open, )
#define FH_FRAME_ON(region) FH_BLOCK_(FH_UNIQUE_(fh_frame_), fh_frame_open_on, FH_ARGUMENT_(region))
#define FH_FRAME_ON_HERE(region) FH_HERE_(FH_UNIQUE_(fh_frame_), fh_frame_open_on, FH_ARGUMENT_(region))

/* The same by hand, where a frame's life is not a scope: open(&frame, FH_SITE) ... fh_frame_close(&frame). Each
 * returns its argument. */
FH_INLINE struct fh_frame *fh_frame_open(struct fh_frame *frame, const struct fh_frame_site *site);
FH_API struct fh_frame *fh_scratch_open(struct fh_frame *frame, const struct fh_frame_site *site);
FH_API struct fh_frame *fh_outside_open(struct fh_frame *frame, const struct fh_frame_site *site);
FH_API struct fh_frame *fh_frame_open_on(struct fh_frame *frame, const struct fh_frame_site *site,
                                         struct fh_region *region);
FH_INLINE void fh_frame_close(struct fh_frame *frame);

/* The place in the source where it stands, as a const struct fh_frame_site *. */
#define FH_SITE                                                                      \
    (__extension__({                                                                 \
        static const struct fh_frame_site fh_site_ = {__FILE__, __func__, __LINE__}; \
        &fh_site_;                                                                   \
    }))

/* A place to come back to. After longjmp or the like has left scopes without closing their frames,
 * fh_frame_unwind closes all frames that were opened since the mark was set and frees what was pushed since, in
 * O(1). The frame in which the mark was set must still be open. A mark may be unwound to more than once. */
struct fh_frames_mark {
    struct fh_frames frames;
    void *own[7];
};
FH_API void fh_frame_mark(struct fh_frames_mark *mark);
FH_API void fh_frame_unwind(const struct fh_frames_mark *mark);

/* ---------------------------------------------------------------- pushes ------------------------------- */

/* What is pushed belongs to the innermost open frame; without one, to the thread. All give NULL and ENOMEM when
 * it does not fit (or, by the setting region_abort=on, a report and abort). Addresses are aligned to 16 bytes,
 * and to the type's alignment where that is larger. Contents are undefined unless said otherwise. A size of
 * zero gives a valid address.
 *
 *     fh_push(T)                   a T *: room for one
 *     fh_push_zero(T)              one, all bytes zero
 *     fh_push_value(T, ...)        one, with the initialiser { ... }: fh_push_value(struct point, .x = 1, .y = 2)
 *     fh_push_array(T, n)          n of them; NULL and ENOMEM also when n * sizeof(T) overflows
 *     fh_push_array_zero(T, n)     n of them, all bytes zero
 *     fh_push_array_copy(T, from, n)   n of them, copied from there
 */
#define fh_push(T) ((T *)fh_push_aligned(sizeof(T), FH_ALIGNOF(T)))
#define fh_push_zero(T) ((T *)fh_zeroed_(fh_push(T), sizeof(T)))
#define fh_push_array(T, n) ((T *)fh_push_many((n), sizeof(T), FH_ALIGNOF(T)))
#define fh_push_array_zero(T, n) ((T *)fh_push_many_zero((n), sizeof(T), FH_ALIGNOF(T)))
#define fh_push_array_copy(T, from, n) FH_PUSH_COPY_(FH_UNIQUE_(fh_from_), T, from, n)
#define fh_push_value(T, ...) FH_PUSH_VALUE_(FH_UNIQUE_(fh_new_), T, __VA_ARGS__)

/* Bytes; bytes at an alignment (a power of two, else NULL and EINVAL); a copy of bytes. */
FH_INLINE void *fh_push_bytes(size_t size);
FH_INLINE void *fh_push_aligned(size_t size, size_t align);
FH_INLINE void *fh_push_copy(const void *from, size_t size);

/* A copy of a string; of its first n bytes at most, with a NUL behind them; text made as printf would. NULL in,
 * NULL and EINVAL out. A format that fails gives NULL and the errno of vsnprintf. */
FH_API char *fh_push_str(const char *text);
FH_API char *fh_push_strn(const char *text, size_t n);
FH_API char *fh_push_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
FH_API char *fh_push_vformat(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* ---------------------------------------------------------------- regions ------------------------------ */

/* A region of your own, of `size` bytes rounded up to pages, with guard pages around it; the memory is taken as
 * it is touched. NULL and ENOMEM when there is no room. To be given back with fh_region_delete when no frame is
 * open on it. */
FH_API struct fh_region *fh_region_new(size_t size) __attribute__((warn_unused_result));

/* A region inside memory of yours, which must outlive it: the books take the first FH_REGION_BOOKS bytes, the
 * rest is the stack, both ends of it at multiples of 16. Nothing is reserved, guarded or given back. NULL and
 * EINVAL when that leaves nothing behind the books. fh_region_delete ends it without touching your memory
 * further. */
#define FH_REGION_BOOKS 256u
FH_API struct fh_region *fh_region_in(void *memory, size_t size) __attribute__((warn_unused_result));

/* Ends the region. NULL is allowed. With a frame open on it: a report and abort. */
FH_API void fh_region_delete(struct fh_region *region);

/* Gives the memory above the top back to the system, of the calling thread's regions (NULL) or of one of your
 * own. (This happens by itself after a deep moment.) */
FH_API void fh_region_trim(struct fh_region *region);

/* A region in numbers, bytes. NULL: the one that the calling thread's pushes go to now. */
struct fh_region_info {
    size_t size; /* the most that can be pushed                                               */
    size_t used; /* pushed now, rounding included                                              */
    size_t held; /* from the base to the highest address that a push has reached since memory
                    was given back last, in pages: what may be resident                       */
};
FH_API void fh_region_stats(const struct fh_region *region, struct fh_region_info *out);

/* ---------------------------------------------------------------- how it is done ----------------------- */

/* What the inlined paths call when a test fails. Not for direct use. (Not "cold": GCC would move the calls into
 * another section, and jumps that far take four bytes more each.) */
FH_API void *fh_push_slow(size_t size, size_t align) __attribute__((noinline));
FH_API void fh_frame_close_slow(struct fh_frame *frame) __attribute__((noinline));

/* The top, in the frame that the word leads to. Said as a field, and not as an offset that is added, compilers
 * see that it is not the thread's memory, whose limit they then load only once; and in a type that may lie at
 * any multiple of 8, because a watched word leads there. */
struct fh_frame_head_ {
    uintptr_t outer;
    char *top;
};
FH_INLINE char **fh_top_(uintptr_t frame) { return &((struct fh_frame_head_ *)frame)->top; }

/* The thread's word is written first: a push, or a long write, then follows on the frame's own lines. The test
 * is one that a push which follows makes anyway; and as it stands between them, no compiler makes one vector
 * store of the outer frame and the top, which were both just loaded: the load at the closing would wait for
 * that. */
FH_INLINE struct fh_frame *fh_frame_open(struct fh_frame *frame, const struct fh_frame_site *site) {
    uintptr_t outer = fh_frames.frame;
    char *top = *fh_top_(outer);
    fh_frames.frame = (uintptr_t)frame;
    frame->outer = outer;
    if (!FH_LIKELY(fh_frames.limit != top)) frame->site = site;
    *fh_top_((uintptr_t)frame) = top;
    return frame;
}

/* Closing, as it would be said in C, is the second of the two. On x86-64 the first says the same in assembly,
 * for what compilers do around it: they would keep the address of the frame and the place of fh_frames across
 * the slow paths, in two registers that every call of the function must then save and restore. Here both are
 * made anew. Stores are what a frame costs (docs/STACK.md): those were two of eight. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(__code_model_large__)
FH_INLINE void fh_frame_close(struct fh_frame *frame) {
    uintptr_t at, *outer; /* offset of fh_frames from the thread pointer; of the frame, its address */
    int innermost;
    __asm__ volatile("{movq fh_frames@gottpoff(%%rip), %0|mov %0, QWORD PTR fh_frames@gottpoff[rip]}\n\t"
                     "{leaq %3, %1|lea %1, %3}\n\t"
                     "{cmpq %1, %%fs:(%0)|cmp QWORD PTR fs:[%0], %1}"
                     : "=&r"(at), "=&r"(outer), "=@cce"(innermost)
                     : "m"(frame->outer)
                     : "memory");
    if (FH_LIKELY(innermost)) {
        __asm__ volatile("{movq %1, %%fs:(%0)|mov QWORD PTR fs:[%0], %1}" : : "r"(at), "r"(*outer) : "memory");
        return;
    }
    fh_frame_close_slow((struct fh_frame *)(void *)outer);
}
#else
FH_INLINE void fh_frame_close(struct fh_frame *frame) {
    if (FH_LIKELY(fh_frames.frame == (uintptr_t)frame)) {
        fh_frames.frame = frame->outer;
        return;
    }
    fh_frame_close_slow(frame);
}
#endif

/* Where the compiler knows the frame, because it is opened in the same function (its address is then known to
 * be a multiple of 16), the new top is stored before the test and taken back if it does not fit: so the copy
 * that the opening has made is overwritten in any case, and compilers leave that store out. Elsewhere the frame
 * may be the one at the beginning of all threads, in which nothing is ever to be written.
 *
 * The top and the region's end are multiples of 16: what fits, fits rounded up to that too. What was pushed is
 * never NULL, which is said so that the program's test of it costs nothing where the push fits. */
FH_INLINE void *fh_push_in_(uintptr_t frame, size_t size, size_t align) {
    int known = __builtin_constant_p(frame & 15);
    char **at = fh_top_(frame), *top = *at;
    size_t skip = align > 16 ? -(uintptr_t)top & (align - 1) : 0;
    char *place = (char *)((uintptr_t)top + skip);
    char *after = (char *)(((uintptr_t)place + size + 15) & ~(uintptr_t)15);
    if (known) *at = after;
    size_t room = (size_t)((uintptr_t)fh_frames.limit - (uintptr_t)top);
    if (FH_LIKELY(skip < room && size < room - skip)) {
        if (!known) *at = after;
        if (place == NULL) __builtin_unreachable();
        return place;
    }
    if (known) *at = top;
    return fh_push_slow(size, align);
}

FH_INLINE void *fh_push_bytes(size_t size) { return fh_push_in_(fh_frames.frame, size, 16); }

/* With the alignment a constant, as it is for types, the tests of it are decided by the compiler. */
FH_INLINE void *fh_push_aligned(size_t size, size_t align) {
    if (align == 0 || (align & (align - 1)) != 0) return fh_push_slow(size, align);
    return fh_push_in_(fh_frames.frame, size, align);
}

FH_INLINE void *fh_zeroed_(void *p, size_t size) { return p ? __builtin_memset(p, 0, size) : p; }

FH_INLINE void *fh_push_copy(const void *from, size_t size) {
    void *p = fh_push_bytes(size);
    return p && size ? __builtin_memcpy(p, from, size) : p;
}

/* n * size bytes, or a size that cannot be had. */
FH_INLINE size_t fh_product_(size_t n, size_t size) {
    size_t product;
    return __builtin_mul_overflow(n, size, &product) ? SIZE_MAX : product;
}
FH_INLINE void *fh_push_many(size_t n, size_t size, size_t align) {
    return fh_push_aligned(fh_product_(n, size), align);
}
FH_INLINE void *fh_push_many_zero(size_t n, size_t size, size_t align) {
    return fh_zeroed_(fh_push_many(n, size, align), n * size);
}
FH_INLINE void *fh_push_many_copy(const void *from, size_t n, size_t size, size_t align) {
    void *p = fh_push_many(n, size, align);
    return p && n ? __builtin_memcpy(p, from, n * size) : p;
}

#define FH_PUSH_COPY_(name, T, from, n)                                                 \
    (__extension__({                                                                    \
        const T *name = (from); /* a pointer of another type is a compile error here */ \
        (T *)fh_push_many_copy(name, (n), sizeof(T), FH_ALIGNOF(T));                    \
    }))
#define FH_PUSH_VALUE_(name, T, ...)        \
    (__extension__({                        \
        T *name = fh_push(T);               \
        if (name) *name = (T){__VA_ARGS__}; \
        name;                               \
    }))

/* A block is a loop that runs once: the only statement of C that takes a declaration in front of a block. */
#define FH_BLOCK_(name, open, ...) FH_BLOCK__(name, open, __VA_ARGS__)
#define FH_BLOCK__(name, open, ...)                                                            \
    for (struct fh_frame name __attribute__((cleanup(fh_frame_close))),                        \
         *name##_once = (open(&name, FH_SITE __VA_ARGS__), &name); /* so it is known to run */ \
         name##_once; name##_once = NULL)
#define FH_HERE_(name, open, ...) FH_HERE__(name, open, __VA_ARGS__)
#define FH_HERE__(name, open, ...)                                         \
    struct fh_frame name __attribute__((cleanup(fh_frame_close), unused)); \
    (void)open(&name, FH_SITE __VA_ARGS__)
#define FH_ARGUMENT_(x) , (x)
#define FH_UNIQUE_(prefix) FH_UNIQUE__(prefix, __COUNTER__)
#define FH_UNIQUE__(prefix, n) FH_UNIQUE___(prefix, n)
#define FH_UNIQUE___(prefix, n) prefix##n

#ifdef __cplusplus
}
#endif
#endif
