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
 * A comparison is all that a call costs. A copy of 1 KiB and more is looked at as what is handed to the system
 * is: if it begins in a block all of it must lie there, at either end. Beside the copy that is little. So is an
 * array that is to be sorted.
 *
 * Text whose first byte is the fill though its block is in use is text that nobody has written: a function that
 * goes on to its 0 will leave the block, if that has none.
 *
 * Programs that were compiled with -D_FORTIFY_SOURCE call functions of other names (__memcpy_chk), which are
 * told how much room there is. They look themselves whether that is enough, and end the process; so here they
 * are looked at as the plain ones.
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

enum {
    MEMCPY,
    MEMMOVE,
    MEMCMP,
    MEMCHR,
    STRLEN,
    STRCMP,
    STRNCMP,
    STRCASECMP,
    STRNCASECMP,
    STRCPY,
    STPCPY,
    STRNCPY,
    STRCAT,
    STRNCAT,
    STRCHR,
    STRRCHR,
    STRSTR,
    STRTOL,
    STRTOUL,
    STRTOD,
    QSORT,
    MEMCPY_CHK,
    MEMMOVE_CHK,
    STRCPY_CHK,
    STPCPY_CHK,
    STRNCPY_CHK,
    STRCAT_CHK,
    STRNCAT_CHK,
    CALLS
};
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
    char *(*find_text)(const char *, const char *);
    void *(*find_in)(const void *, int, size_t);
    long (*number)(const char *, char **, int);
    double (*fraction)(const char *, char **);
    void (*sort)(void *, size_t, size_t, int (*)(const void *, const void *));
    void *(*copy_within)(void *, const void *, size_t, size_t);
    char *(*copy_text_within)(char *, const char *, size_t);
    char *(*copy_some_within)(char *, const char *, size_t, size_t);
} real[CALLS];

static void __attribute__((noinline, cold)) look_closely(const char *name, const void *from, uintptr_t caller) {
    fh_check_look_at_source(name, from, 1, caller);
}

FH_INLINE void look(const char *name, const void *from, uintptr_t caller) {
    if (FH_UNLIKELY(*(const volatile unsigned char *)from == fh_freed_fill)) look_closely(name, from, caller);
}

static void __attribute__((noinline, cold))
look_at_text_closely(const char *name, const char *text, uintptr_t caller) {
    fh_check_look_at_text(name, text, caller);
}

/* Where all of the text is read. */
FH_INLINE void look_at_text(const char *name, const char *text, uintptr_t caller) {
    if (FH_UNLIKELY(*(const volatile unsigned char *)text == fh_freed_fill))
        look_at_text_closely(name, text, caller);
}

/* ---- bytes ---- */

enum { LONG = 1024 };

static void look_at_much(const char *name, const void *to, const void *from, size_t size, uintptr_t caller) {
    fh_check_look_at_source(name, from, size, caller);
    fh_check_look_at_source(name, to, size, caller);
}
static void *copy_much(unsigned call, const char *name, void *to, const void *from, size_t size,
                       uintptr_t caller) {
    look_at_much(name, to, from, size, caller);
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

STANDS_IN void *our_memchr(const void *bytes, int c, size_t size) {
    if (size) look("memchr", bytes, HERE);
    return real[MEMCHR].find_in(bytes, c, size);
}
STANDS_IN void our_qsort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *)) {
    size_t whole;
    if (!__builtin_mul_overflow(count, size, &whole)) fh_check_look_at_source("qsort", array, whole, HERE);
    real[QSORT].sort(array, count, size, compare);
}
STANDS_IN void *our_memcpy_chk(void *to, const void *from, size_t size, size_t room) {
    if (FH_UNLIKELY(size >= LONG)) look_at_much("memcpy", to, from, size, HERE);
    else if (size) look("memcpy", from, HERE);
    return real[MEMCPY_CHK].copy_within(to, from, size, room);
}
STANDS_IN void *our_memmove_chk(void *to, const void *from, size_t size, size_t room) {
    if (FH_UNLIKELY(size >= LONG)) look_at_much("memmove", to, from, size, HERE);
    else if (size) look("memmove", from, HERE);
    return real[MEMMOVE_CHK].copy_within(to, from, size, room);
}

/* ---- text ---- */

STANDS_IN size_t our_strlen(const char *text) {
    look_at_text("strlen", text, HERE);
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
    look_at_text("strcpy", text, HERE);
    return real[STRCPY].copy_text(to, text);
}
STANDS_IN char *our_strncpy(char *to, const char *text, size_t most) {
    if (most) look("strncpy", text, HERE);
    return real[STRNCPY].copy_some(to, text, most);
}
STANDS_IN char *our_strcat(char *to, const char *text) {
    look_at_text("strcat", to, HERE);
    look_at_text("strcat", text, HERE);
    return real[STRCAT].copy_text(to, text);
}
STANDS_IN char *our_strchr(const char *text, int c) {
    look("strchr", text, HERE);
    return real[STRCHR].find(text, c);
}
STANDS_IN char *our_strrchr(const char *text, int c) {
    look_at_text("strrchr", text, HERE);
    return real[STRRCHR].find(text, c);
}
STANDS_IN char *our_strstr(const char *text, const char *part) {
    look("strstr", text, HERE);
    look("strstr", part, HERE);
    return real[STRSTR].find_text(text, part);
}
STANDS_IN int our_strcasecmp(const char *a, const char *b) {
    look("strcasecmp", a, HERE);
    look("strcasecmp", b, HERE);
    return real[STRCASECMP].compare_text(a, b);
}
STANDS_IN int our_strncasecmp(const char *a, const char *b, size_t most) {
    if (most) look("strncasecmp", a, HERE);
    if (most) look("strncasecmp", b, HERE);
    return real[STRNCASECMP].compare_some(a, b, most);
}
STANDS_IN char *our_stpcpy(char *to, const char *text) {
    look_at_text("stpcpy", text, HERE);
    return real[STPCPY].copy_text(to, text);
}
STANDS_IN char *our_strncat(char *to, const char *text, size_t most) {
    look_at_text("strncat", to, HERE);
    if (most) look("strncat", text, HERE);
    return real[STRNCAT].copy_some(to, text, most);
}
STANDS_IN long our_strtol(const char *text, char **end, int base) {
    look("strtol", text, HERE);
    return real[STRTOL].number(text, end, base);
}
STANDS_IN long our_strtoul(const char *text, char **end, int base) {
    look("strtoul", text, HERE);
    return real[STRTOUL].number(text, end, base);
}
STANDS_IN double our_strtod(const char *text, char **end) {
    look("strtod", text, HERE);
    return real[STRTOD].fraction(text, end);
}
STANDS_IN char *our_strcpy_chk(char *to, const char *text, size_t room) {
    look_at_text("strcpy", text, HERE);
    return real[STRCPY_CHK].copy_text_within(to, text, room);
}
STANDS_IN char *our_stpcpy_chk(char *to, const char *text, size_t room) {
    look_at_text("stpcpy", text, HERE);
    return real[STPCPY_CHK].copy_text_within(to, text, room);
}
STANDS_IN char *our_strncpy_chk(char *to, const char *text, size_t most, size_t room) {
    if (most) look("strncpy", text, HERE);
    return real[STRNCPY_CHK].copy_some_within(to, text, most, room);
}
STANDS_IN char *our_strcat_chk(char *to, const char *text, size_t room) {
    look_at_text("strcat", to, HERE);
    look_at_text("strcat", text, HERE);
    return real[STRCAT_CHK].copy_text_within(to, text, room);
}
STANDS_IN char *our_strncat_chk(char *to, const char *text, size_t most, size_t room) {
    look_at_text("strncat", to, HERE);
    if (most) look("strncat", text, HERE);
    return real[STRNCAT_CHK].copy_some_within(to, text, most, room);
}

/* ---- taking over ---- */

static const struct {
    const char *name;
    void (*ours)(void);
} calls[CALLS] = {
#define CALL(number, name, function) [number] = {name, (void (*)(void))(function)}
    CALL(MEMCPY, "memcpy", our_memcpy),
    CALL(MEMMOVE, "memmove", our_memmove),
    CALL(MEMCMP, "memcmp", our_memcmp),
    CALL(MEMCHR, "memchr", our_memchr),
    CALL(STRLEN, "strlen", our_strlen),
    CALL(STRCMP, "strcmp", our_strcmp),
    CALL(STRNCMP, "strncmp", our_strncmp),
    CALL(STRCASECMP, "strcasecmp", our_strcasecmp),
    CALL(STRNCASECMP, "strncasecmp", our_strncasecmp),
    CALL(STRCPY, "strcpy", our_strcpy),
    CALL(STPCPY, "stpcpy", our_stpcpy),
    CALL(STRNCPY, "strncpy", our_strncpy),
    CALL(STRCAT, "strcat", our_strcat),
    CALL(STRNCAT, "strncat", our_strncat),
    CALL(STRCHR, "strchr", our_strchr),
    CALL(STRRCHR, "strrchr", our_strrchr),
    CALL(STRSTR, "strstr", our_strstr),
    CALL(STRTOL, "strtol", our_strtol),
    CALL(STRTOUL, "strtoul", our_strtoul),
    CALL(STRTOD, "strtod", our_strtod),
    CALL(QSORT, "qsort", our_qsort),
    CALL(MEMCPY_CHK, "__memcpy_chk", our_memcpy_chk),
    CALL(MEMMOVE_CHK, "__memmove_chk", our_memmove_chk),
    CALL(STRCPY_CHK, "__strcpy_chk", our_strcpy_chk),
    CALL(STPCPY_CHK, "__stpcpy_chk", our_stpcpy_chk),
    CALL(STRNCPY_CHK, "__strncpy_chk", our_strncpy_chk),
    CALL(STRCAT_CHK, "__strcat_chk", our_strcat_chk),
    CALL(STRNCAT_CHK, "__strncat_chk", our_strncat_chk),
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
