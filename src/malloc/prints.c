/* prints.c - checked and guard mode: text that is given to printf and its kin.
 *
 * What a program prints it hands to somebody else: of a block that was freed, or of one that is not long enough
 * for its text, that is what it should show least. So the functions that print are taken over as those of
 * reads.c are. The format says what the arguments are, so it is gone through as printf itself will do, and of
 * each text
 *
 *     %s      the whole of it, with its 0, must be in one block, if it begins in one
 *     %.5s    the bytes up to its 0, five at most
 *
 * and the block must not be freed. So must not be that of the format itself. Beside what printing takes that is
 * little. Where the format says something that is not known here, or numbers its arguments, what follows is not
 * looked at.
 *
 * Programs that were compiled with -D_FORTIFY_SOURCE call other functions (__printf_chk), which get two numbers
 * more; those with a list of arguments call a third and a fourth kind. In fast mode nothing is taken over.
 */
#include "prints.h"

#include "../heap/check.h"
#include "../heap/misuse.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define HERE ((uintptr_t)__builtin_return_address(0))
#define STANDS_IN static __attribute__((section("fh_reads")))

/* In a struct, so that its address can be handed on wherever a list is an array. */
struct arguments {
    va_list list;
};

/* ---- a format ---- */

/* A conversion: %-10.*ls. */
struct conversion {
    bool known;
    bool is_long; /* l, ll, j, z or t */
    bool is_long_double;
    int precision; /* < 0: none */
    char letter;
};

/* A number that stands in the format, or among the arguments. */
static const char *read_number(const char *at, struct arguments *arguments, int *number) {
    if (*at == '*') {
        *number = va_arg(arguments->list, int);
        return at + 1;
    }
    enum { MOST = 1 << 24 };
    for (*number = 0; *at >= '0' && *at <= '9'; at++)
        if (*number < MOST) *number = *number * 10 + (*at - '0');
    return at;
}

/* Reads what stands behind a %, up to its letter. */
static const char *read_conversion(const char *at, struct arguments *arguments, struct conversion *c) {
    int width;
    *c = (struct conversion){.known = true, .precision = -1};
    at += strspn(at, "-+ #0'I");
    at = read_number(at, arguments, &width);
    if (*at == '.') at = read_number(at + 1, arguments, &c->precision);
    for (; *at && strchr("hlqLjzt", *at); at++) {
        c->is_long |= *at != 'h' && *at != 'L';
        c->is_long_double |= *at == 'L';
    }
    c->letter = *at; /* $: it is numbered */
    return *at ? at + 1 : at;
}

static void look_at_text(const char *name, const char *text, int precision, uintptr_t caller) {
    if (text == NULL || precision == 0) return;
    if (precision < 0) {
        fh_check_look_at_text(name, text, caller);
        return;
    }
    fh_check_look_at_source(name, text, 1, caller);
    size_t length = strnlen(text, (size_t)precision);
    fh_check_look_at_source(name, text, length + (length < (size_t)precision), caller);
}

/* Takes the argument, or all that are of it; false: nobody knows what it is. */
static bool take_argument(const char *name, const struct conversion *c, struct arguments *arguments,
                          uintptr_t caller) {
    switch (c->letter) {
        case 'd':
        case 'i':
        case 'o':
        case 'u':
        case 'x':
        case 'X':
            if (c->is_long || c->is_long_double) (void)va_arg(arguments->list, long long);
            else (void)va_arg(arguments->list, int);
            return true;
        case 'c': (void)va_arg(arguments->list, wint_t); return true;
        case 'a':
        case 'A':
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G':
            if (c->is_long_double) (void)va_arg(arguments->list, long double);
            else (void)va_arg(arguments->list, double);
            return true;
        case 's': {
            const char *text = va_arg(arguments->list, const char *);
            if (c->is_long && text) fh_check_look_at_source(name, text, 1, caller);
            else if (!c->is_long) look_at_text(name, text, c->precision, caller);
            return true;
        }
        case 'p':
        case 'n': (void)va_arg(arguments->list, void *); return true;
        case 'm':
        case '%': return true;
        default: return false;
    }
}

static void look_at_format(const char *name, const char *format, struct arguments *arguments,
                           uintptr_t caller) {
    struct conversion c;
    fh_check_look_at_source(name, format, 1, caller);
    for (const char *at = format; (at = strchr(at, '%'));) {
        at = read_conversion(at + 1, arguments, &c);
        if (!take_argument(name, &c, arguments, caller)) return;
    }
}

/* The arguments stay as they are for who prints them. */
static void look_at(const char *name, const char *format, va_list list, uintptr_t caller) {
    struct arguments arguments;
    if (format == NULL) return;
    va_copy(arguments.list, list);
    look_at_format(name, format, &arguments, caller);
    va_end(arguments.list);
}

/* ---- those that print ---- */

enum kind { PRINTF, FPRINTF, DPRINTF, SPRINTF, SNPRINTF, ASPRINTF, KINDS };
/* The C library's, of each kind: those that take a list, and those of them that programs compiled with
 * -D_FORTIFY_SOURCE call. */
static union {
    void *found;
    int (*printf)(const char *, va_list);
    int (*fprintf)(void *, const char *, va_list);
    int (*dprintf)(int, const char *, va_list);
    int (*sprintf)(char *, const char *, va_list);
    int (*snprintf)(char *, size_t, const char *, va_list);
    int (*printf_fortified)(int, const char *, va_list);
    int (*fprintf_fortified)(void *, int, const char *, va_list);
    int (*dprintf_fortified)(int, int, const char *, va_list);
    int (*sprintf_fortified)(char *, int, size_t, const char *, va_list);
    int (*snprintf_fortified)(char *, size_t, int, size_t, const char *, va_list);
} plain[KINDS], fortified[KINDS];

/* Each of them with arguments and with a list of them. `parameters`, and what is handed on, in brackets. */
#define HANDED_ON(...) __VA_ARGS__
#define PRINTS(ours, name, real, parameters, handed_on)                             \
    STANDS_IN int ours(HANDED_ON parameters, const char *format, ...) {             \
        va_list list;                                                               \
        va_start(list, format);                                                     \
        look_at(name, format, list, HERE);                                          \
        int result = real(HANDED_ON handed_on, format, list);                       \
        va_end(list);                                                               \
        return result;                                                              \
    }                                                                               \
    STANDS_IN int v##ours(HANDED_ON parameters, const char *format, va_list list) { \
        look_at("v" name, format, list, HERE);                                      \
        return real(HANDED_ON handed_on, format, list);                             \
    }

STANDS_IN int our_printf(const char *format, ...) {
    va_list list;
    va_start(list, format);
    look_at("printf", format, list, HERE);
    int result = plain[PRINTF].printf(format, list);
    va_end(list);
    return result;
}
STANDS_IN int vour_printf(const char *format, va_list list) {
    look_at("vprintf", format, list, HERE);
    return plain[PRINTF].printf(format, list);
}
PRINTS(our_fprintf, "fprintf", plain[FPRINTF].fprintf, (void *to), (to))
PRINTS(our_dprintf, "dprintf", plain[DPRINTF].dprintf, (int to), (to))
PRINTS(our_sprintf, "sprintf", plain[SPRINTF].sprintf, (char *to), (to))
PRINTS(our_snprintf, "snprintf", plain[SNPRINTF].snprintf, (char *to, size_t size), (to, size))
PRINTS(our_asprintf, "asprintf", plain[ASPRINTF].fprintf, (void *to), (to))
PRINTS(our_printf_fortified, "printf", fortified[PRINTF].printf_fortified, (int flag), (flag))
PRINTS(our_fprintf_fortified, "fprintf", fortified[FPRINTF].fprintf_fortified, (void *to, int flag), (to, flag))
PRINTS(our_dprintf_fortified, "dprintf", fortified[DPRINTF].dprintf_fortified, (int to, int flag), (to, flag))
PRINTS(our_sprintf_fortified, "sprintf", fortified[SPRINTF].sprintf_fortified,
       (char *to, int flag, size_t room), (to, flag, room))
PRINTS(our_snprintf_fortified, "snprintf", fortified[SNPRINTF].snprintf_fortified,
       (char *to, size_t size, int flag, size_t room), (to, size, flag, room))
PRINTS(our_asprintf_fortified, "asprintf", fortified[ASPRINTF].fprintf_fortified, (void *to, int flag),
       (to, flag))

/* ---- taking over ---- */

static const struct {
    const char *name, *with_list;
    void (*ours)(void), (*ours_with_list)(void);
} calls[2 * KINDS] = {
#define CALL(number, name, with_list, function) \
    [number] = {name, with_list, (void (*)(void))(our_##function), (void (*)(void))(vour_##function)}
    CALL(PRINTF, "printf", "vprintf", printf),
    CALL(FPRINTF, "fprintf", "vfprintf", fprintf),
    CALL(DPRINTF, "dprintf", "vdprintf", dprintf),
    CALL(SPRINTF, "sprintf", "vsprintf", sprintf),
    CALL(SNPRINTF, "snprintf", "vsnprintf", snprintf),
    CALL(ASPRINTF, "asprintf", "vasprintf", asprintf),
    CALL(KINDS + PRINTF, "__printf_chk", "__vprintf_chk", printf_fortified),
    CALL(KINDS + FPRINTF, "__fprintf_chk", "__vfprintf_chk", fprintf_fortified),
    CALL(KINDS + DPRINTF, "__dprintf_chk", "__vdprintf_chk", dprintf_fortified),
    CALL(KINDS + SPRINTF, "__sprintf_chk", "__vsprintf_chk", sprintf_fortified),
    CALL(KINDS + SNPRINTF, "__snprintf_chk", "__vsnprintf_chk", snprintf_fortified),
    CALL(KINDS + ASPRINTF, "__asprintf_chk", "__vasprintf_chk", asprintf_fortified),
#undef CALL
};
_Static_assert(4 * KINDS == FH_PRINTS, "as many as prints.h says");

static struct fh_os_rebinding taken(const char *name, void (*ours)(void)) {
    void *seen = dlsym(RTLD_DEFAULT, name);
    bool is_first = seen && seen == dlsym(RTLD_NEXT, name);
    return (struct fh_os_rebinding){name, is_first ? (uintptr_t)seen : 0, (uintptr_t)ours, true};
}

void fh_prints_take_part(struct fh_os_rebinding *list) {
    for (unsigned i = 0; i < 2 * KINDS; i++) {
        void *real = dlsym(RTLD_NEXT, calls[i].with_list);
        if (i < KINDS) plain[i].found = real;
        else fortified[i - KINDS].found = real;
        if (real == NULL) continue;
        list[2 * i] = taken(calls[i].name, calls[i].ours);
        list[2 * i + 1] = taken(calls[i].with_list, calls[i].ours_with_list);
    }
}
