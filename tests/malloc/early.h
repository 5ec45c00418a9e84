/* early.h - blocks that are made at one moment of a program's life and given up at a later one. */
#ifndef TEST_EARLY_H
#define TEST_EARLY_H

#include "../heap/support.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct early_blocks {
    bool made;
    char *small[50], *large;
};

static inline void early_make(struct early_blocks *b) {
    for (size_t i = 0; i < 50; i++) {
        CHECK((b->small[i] = (char *)malloc(i * 50)) != NULL);
        memset(b->small[i], (int)i, i * 50);
    }
    CHECK((b->large = (char *)calloc(1, 500000)) != NULL);
    zero_verify(b->large, 500000);
    free(malloc(1000));
    b->made = true;
}

static inline void early_drop(struct early_blocks *b) {
    CHECK(b->made);
    for (size_t i = 0; i < 50; i++) {
        for (size_t k = 0; k < i * 50; k++) CHECK(b->small[i][k] == (char)i);
        CHECK((b->small[i] = (char *)realloc(b->small[i], i * 80 + 1)) != NULL);
        free(b->small[i]);
    }
    zero_verify(b->large, 500000);
    free(b->large);
    b->made = false;
}

#endif
