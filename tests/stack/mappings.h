/* mappings.h - how many stretches of memory the process has mapped, and a condition that ends it. */
#ifndef TEST_STACK_MAPPINGS_H
#define TEST_STACK_MAPPINGS_H

#include <stdio.h>
#include <unistd.h>

#define MUST(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)

static inline size_t mappings(void) {
    size_t lines = 0;
    int c;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && (c = getc(maps)) != EOF) lines += c == '\n';
    if (maps) fclose(maps);
    return lines;
}

#endif
