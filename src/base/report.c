/* report.c - the formatter behind everything that the library says.
 *
 * printf is out of the question here: it may allocate, it takes stdio's locks, and it is not safe in a signal
 * handler. So this is a small formatter over a sink:
 *
 *     characters ──> put ──> buffer ──(full, or at the end)──> fh_os_write      a sink with a descriptor
 *                                 └───(full)──> only counted                    a sink in memory
 *
 * A conversion is read into a `struct spec`, its text is made (digits are made from the right in a small
 * array), and `pad` puts it into the sink with its width. Texts up to the buffer's size leave in one write, so
 * that lines of several threads do not mix; longer ones leave in as many writes as they need, and nothing is
 * ever cut.
 */
#include "base/report.h"

#include "os/os.h"

#include <errno.h>
#include <limits.h>

enum { BUFFER = 512, DIGITS = 24, STDERR = 2, MEMORY = -1 };

struct sink {
    char *buf;
    size_t room;  /* characters that buf takes                              */
    size_t used;  /* characters in buf now: used <= room                    */
    size_t total; /* characters put so far, kept or not                     */
    int fd;       /* where a full buffer goes; MEMORY: nowhere, the rest is only counted */
};

struct spec {
    size_t width;
    size_t precision; /* most characters of a %s */
    bool left;        /* -: pad on the right     */
    bool zeros;       /* 0: pad with zeros       */
    char length;      /* 0, 'l', 'L' (ll), 'z'   */
    char conversion;
};

static void flush(struct sink *sink) {
    fh_os_write(sink->fd, sink->buf, sink->used);
    sink->used = 0;
}

static void put(struct sink *sink, char c) {
    sink->total++;
    if (sink->used == sink->room) {
        if (sink->fd == MEMORY) return;
        flush(sink);
    }
    sink->buf[sink->used++] = c;
}

static void repeat(struct sink *sink, char c, size_t n) {
    while (n-- > 0) put(sink, c);
}

/* The text with its padding. A sign or "0x" (the first `head` characters) stays in front of padding zeros. */
static void pad(struct sink *sink, const struct spec *spec, const char *text, size_t len, size_t head) {
    size_t fill = spec->width > len ? spec->width - len : 0;
    bool zeros = spec->zeros && !spec->left;
    if (!spec->left && !zeros) repeat(sink, ' ', fill);
    for (size_t i = 0; i < head; i++) put(sink, text[i]);
    if (zeros) repeat(sink, '0', fill);
    for (size_t i = head; i < len; i++) put(sink, text[i]);
    if (spec->left) repeat(sink, ' ', fill);
}

static void put_text(struct sink *sink, struct spec *spec, const char *text) {
    if (text == NULL) text = "(null)";
    size_t len = 0;
    while (len < spec->precision && text[len] != '\0') len++;
    spec->zeros = false;
    pad(sink, spec, text, len, 0);
}

/* The digits of `value` in base `base`, written so that they end before `end`; returns where they begin. */
static char *digits(char *end, unsigned long long value, unsigned base) {
    do {
        *--end = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    return end;
}

/* `prefix` is "", "-" or "0x". */
static void put_number(struct sink *sink, const struct spec *spec, unsigned long long value, unsigned base,
                       const char *prefix) {
    char buf[DIGITS];
    char *end = buf + DIGITS;
    char *begin = digits(end, value, base);
    size_t head = prefix[0] == '\0' ? 0 : prefix[1] == '\0' ? 1 : 2;
    for (size_t i = head; i-- > 0;) *--begin = prefix[i];
    pad(sink, spec, begin, (size_t)(end - begin), head);
}

/* A size for people: bytes below 1024, else one decimal of the largest unit that leaves at least 1.
 *
 *     size = whole * 2^shift + rest,   tenth = rest * 10 / 2^shift, rounded;   ten tenths are one more whole
 */
static void put_size(struct sink *sink, struct spec *spec, unsigned long long size) {
    static const char units[] = "BKMGTPE";
    char buf[DIGITS];
    char *end = buf + DIGITS, *begin = end;
    unsigned unit = 0;
    while (unit < 6 && (size >> (10 * unit)) >= 1024) unit++;
    unsigned shift = 10 * unit;
    unsigned long long whole = size >> shift, tenth = 0;
    if (unit > 0) {
        unsigned long long rest = size & ((1ull << shift) - 1);
        tenth = (rest * 10 + (1ull << (shift - 1))) >> shift;
        whole += tenth / 10;
        tenth %= 10;
        if (whole == 1024 && unit < 6) {
            whole = 1;
            unit++;
        }
    }
    *--begin = 'B';
    if (unit > 0) {
        *--begin = 'i';
        *--begin = units[unit];
    }
    *--begin = ' ';
    if (unit > 0) {
        *--begin = (char)('0' + tenth);
        *--begin = '.';
    }
    begin = digits(begin, whole, 10);
    spec->zeros = false;
    pad(sink, spec, begin, (size_t)(end - begin), 0);
}

/* Reads a specification after its '%'; returns the place behind its conversion, or NULL when the format ends in
 * it. */
static const char *read_spec(const char *f, struct spec *spec, va_list *args) {
    *spec = (struct spec){.precision = SIZE_MAX};
    for (; *f == '-' || *f == '0'; f++) {
        if (*f == '-') spec->left = true;
        else spec->zeros = true;
    }
    if (*f == '*') {
        int width = va_arg(*args, int);
        spec->left |= width < 0;
        spec->width = width < 0 ? 0u - (unsigned)width : (unsigned)width;
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++) spec->width = spec->width * 10 + (size_t)(*f - '0');
    if (f[0] == '.' && f[1] == '*') {
        int precision = va_arg(*args, int);
        if (precision >= 0) spec->precision = (size_t)precision;
        f += 2;
    } else if (*f == '.') {
        spec->precision = 0;
        for (f++; *f >= '0' && *f <= '9'; f++) spec->precision = spec->precision * 10 + (size_t)(*f - '0');
    }
    if (f[0] == 'l' && f[1] == 'l') {
        spec->length = 'L';
        f += 2;
    } else if (*f == 'l' || *f == 'z') {
        spec->length = *f++;
    }
    spec->conversion = *f;
    return *f == '\0' ? NULL : f + 1;
}

static long long take_signed(char length, va_list *args) {
    switch (length) {
        case 'L': return va_arg(*args, long long);
        case 'l':
        case 'z': return va_arg(*args, long); /* size_t is as wide as long on every system that we know */
        default: return va_arg(*args, int);
    }
}

static unsigned long long take_unsigned(char length, va_list *args) {
    switch (length) {
        case 'L': return va_arg(*args, unsigned long long);
        case 'l': return va_arg(*args, unsigned long);
        case 'z': return va_arg(*args, size_t);
        default: return va_arg(*args, unsigned);
    }
}

static void convert(struct sink *sink, struct spec *spec, va_list *args) {
    char c;
    long long n;
    switch (spec->conversion) {
        case 's': put_text(sink, spec, va_arg(*args, const char *)); break;
        case 'c':
            c = (char)va_arg(*args, int);
            spec->zeros = false;
            pad(sink, spec, &c, 1, 0);
            break;
        case 'd':
        case 'i':
            n = take_signed(spec->length, args);
            put_number(sink, spec, n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n, 10,
                       n < 0 ? "-" : "");
            break;
        case 'u': put_number(sink, spec, take_unsigned(spec->length, args), 10, ""); break;
        case 'x': put_number(sink, spec, take_unsigned(spec->length, args), 16, ""); break;
        case 'p': put_number(sink, spec, (uintptr_t)va_arg(*args, void *), 16, "0x"); break;
        case 'H': put_size(sink, spec, va_arg(*args, size_t)); break;
        case '%': put(sink, '%'); break;
        default: /* a mistake in our own format: show it, so that it is found */
            put(sink, '%');
            put(sink, spec->conversion);
    }
}

/* A va_list that is a parameter may be an array and then decays; a struct holds it so that a pointer to it is
 * one type everywhere. */
struct args {
    va_list list;
};

static void format_to(struct sink *sink, const char *f, va_list list) {
    struct args args;
    va_copy(args.list, list);
    while (*f != '\0') {
        if (*f != '%') {
            put(sink, *f++);
            continue;
        }
        struct spec spec;
        f = read_spec(f + 1, &spec, &args.list);
        if (f == NULL) {
            put(sink, '%');
            break;
        }
        convert(sink, &spec, &args.list);
    }
    va_end(args.list);
}

size_t fh_vformat(char *buf, size_t size, const char *format, va_list args) {
    struct sink sink = {.buf = buf, .room = size > 0 ? size - 1 : 0, .fd = MEMORY};
    format_to(&sink, format, args);
    if (size > 0) buf[sink.used] = '\0';
    return sink.total;
}

size_t fh_format(char *buf, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t len = fh_vformat(buf, size, format, args);
    va_end(args);
    return len;
}

static void say(const char *format, va_list args) {
    char buf[BUFFER];
    struct sink sink = {.buf = buf, .room = sizeof buf, .fd = STDERR};
    int saved = errno;
    for (const char *p = "freehold: "; *p != '\0'; p++) put(&sink, *p);
    format_to(&sink, format, args);
    put(&sink, '\n');
    flush(&sink);
    errno = saved;
}

void fh_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void fh_fatal(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    fh_os_abort();
}

void fh_print(int fd, const char *format, ...) {
    char buf[BUFFER];
    struct sink sink = {.buf = buf, .room = sizeof buf, .fd = fd};
    int saved = errno;
    va_list args;
    va_start(args, format);
    format_to(&sink, format, args);
    va_end(args);
    flush(&sink);
    errno = saved;
}
