/* tool.c - messages, and memory that is there or the command ends. */
#include "tool/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* One write for a line, so that it stays whole beside the lines of the program that runs. */
static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) {
        fputs("freehold: out of memory\n", stderr);
        return;
    }
    fprintf(stderr, "freehold: %s\n", text);
    free(text);
}

void fh_tool_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void fh_tool_fail(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    exit(status);
}

static void *there(void *p) {
    if (p == NULL) fh_tool_fail(FH_EXIT_OWN, "out of memory");
    return p;
}

void *fh_tool_new(size_t n, size_t size) { return there(calloc(n, size)); }

void *fh_tool_resize(void *p, size_t n, size_t size) { return there(reallocarray(p, n, size)); }

char *fh_tool_text(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return there(length < 0 ? NULL : text);
}
