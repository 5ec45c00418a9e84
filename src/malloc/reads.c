/* reads.c - checked and guard mode: blocks that the C library's quickest functions are given to read.
 *
 * Of a small block that was freed a program may read on unseen: what it reads is the fill, as pages are closed
 * for large blocks and for the first ones alone. Much of what programs read they let the C library read: they
 * copy, compare and look for the end of text. So these calls are taken over as those of system.c are, and the
 * first byte is looked at, which the function would read anyway:
 *
 *     program ──> strlen ──> ours: is it the fill? ── no, as a rule ──> the C library's
 *                              └─ yes: is this a freed block? (a byte of any block may have that value)
 *
 * A comparison is all that a call costs. A copy of a page and more is looked at as what is handed to the system
 * is: if it begins in a block all of it must lie there, at either end. Beside the copy that is little.
 *
 * In fast mode nothing is taken over. What the compiler does by itself, and what the C library calls within
 * itself, is not seen.
 */
#include "reads.h"

#include "../heap/canary.h"
#include "../heap/check.h"
#include "../heap/misuse.h"

#include <dlfcn.h>
#include <string.h>

#define HERE ((uintptr_t)__builtin_return_address(0))

/* Where the first byte may not be touched they are where the fault is: reports leave them out. */
#define STANDS_IN static __attribute__((section("fh_reads")))
extern const char __start_fh_reads[] __attribute__((visibility("hidden"))),
    __stop_fh_reads[] __attribute__((visibility("hidden"))); /* the linker's */

enum { MEMCPY, MEMMOVE, MEMCMP, STRLEN, STRCMP, STRNCMP, STRCPY, STRNCPY, STRCAT, STRCHR, CALLS };
_Static_assert((int)CALLS == (int)FH_READS, "as many as reads.h says");
static union {
    void *found;
    void *(*copy)(void *, const void *, size_t);
    int (*compare)(const void *, const void *, size_t);
    size_t (*length)(const char *);
    int (*compare_text)(const char *, const char *);
    int (*compare_some)(const char *, const char *, size_t);
    char *(*copy_text)(char *, const char *);
    char *(*copy_some)(char *, const char *, size_t);
    char *(*find)(const char *, int);
} real[CALLS];

static void __attribute__((noinline, cold)) look_closely(const char *name, const void *from, uintptr_t caller) {
    fh_check_look_at_source(name, from, 1, caller);
}

FH_INLINE void look(const char *name, const void *from, uintptr_t caller) {
    if (FH_UNLIKELY(*(const volatile unsigned char *)from == fh_freed_fill)) look_closely(name, from, caller);
}

/* ---- bytes ---- */

enum { LONG = 4096 };

static void *copy_much(unsigned call, const char *name, void *to, const void *from, size_t size,
                       uintptr_t caller) {
    fh_check_look_at_source(name, from, size, caller);
    fh_check_look_at_source(name, to, size, caller);
    return real[call].copy(to, from, size);
}
STANDS_IN void *our_memcpy(void *to, const void *from, size_t size) {
    if (FH_UNLIKELY(size >= LONG)) return copy_much(MEMCPY, "memcpy", to, from, size, HERE);
    if (size) look("memcpy", from, HERE);
    return real[MEMCPY].copy(to, from, size);
}
STANDS_IN void *our_memmove(void *to, const void *from, size_t size) {
    if (FH_UNLIKELY(size >= LONG)) return copy_much(MEMMOVE, "memmove", to, from, size, HERE);
    if (size) look("memmove", from, HERE);
    return real[MEMMOVE].copy(to, from, size);
}
STANDS_IN int our_memcmp(const void *a, const void *b, size_t size) {
    if (size) look("memcmp", a, HERE);
    if (size) look("memcmp", b, HERE);
    return real[MEMCMP].compare(a, b, size);
}

/* ---- text ---- */

STANDS_IN size_t our_strlen(const char *text) {
    look("strlen", text, HERE);
    return real[STRLEN].length(text);
}
STANDS_IN int our_strcmp(const char *a, const char *b) {
    look("strcmp", a, HERE);
    look("strcmp", b, HERE);
    return real[STRCMP].compare_text(a, b);
}
STANDS_IN int our_strncmp(const char *a, const char *b, size_t most) {
    if (most) look("strncmp", a, HERE);
    if (most) look("strncmp", b, HERE);
    return real[STRNCMP].compare_some(a, b, most);
}
STANDS_IN char *our_strcpy(char *to, const char *text) {
    look("strcpy", text, HERE);
    return real[STRCPY].copy_text(to, text);
}
STANDS_IN char *our_strncpy(char *to, const char *text, size_t most) {
    if (most) look("strncpy", text, HERE);
    return real[STRNCPY].copy_some(to, text, most);
}
STANDS_IN char *our_strcat(char *to, const char *text) {
    look("strcat", to, HERE);
    look("strcat", text, HERE);
    return real[STRCAT].copy_text(to, text);
}
STANDS_IN char *our_strchr(const char *text, int c) {
    look("strchr", text, HERE);
    return real[STRCHR].find(text, c);
}

/* ---- taking over ---- */

static const struct {
    const char *name;
    void (*ours)(void);
} calls[CALLS] = {
#define CALL(number, name, function) [number] = {name, (void (*)(void))(function)}
    CALL(MEMCPY, "memcpy", our_memcpy), CALL(MEMMOVE, "memmove", our_memmove),
    CALL(MEMCMP, "memcmp", our_memcmp), CALL(STRLEN, "strlen", our_strlen),
    CALL(STRCMP, "strcmp", our_strcmp), CALL(STRNCMP, "strncmp", our_strncmp),
    CALL(STRCPY, "strcpy", our_strcpy), CALL(STRNCPY, "strncpy", our_strncpy),
    CALL(STRCAT, "strcat", our_strcat), CALL(STRCHR, "strchr", our_strchr),
#undef CALL
};

void fh_reads_take_part(struct fh_os_rebinding *list) {
    fh_misuse_leave_out(__start_fh_reads, __stop_fh_reads);
    for (unsigned i = 0; i < CALLS; i++) {
        void *seen = dlsym(RTLD_DEFAULT, calls[i].name);
        real[i].found = dlsym(RTLD_NEXT, calls[i].name);
        if (seen == NULL || seen != real[i].found) continue;
        list[i] = (struct fh_os_rebinding){calls[i].name, (uintptr_t)seen, (uintptr_t)calls[i].ours, true};
    }
}
