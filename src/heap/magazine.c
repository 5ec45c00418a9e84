/* magazine.c - see magazine.h. */
#include "magazine.h"

#include "meta.h"

#include <stdbool.h>
#include <string.h>

static size_t bytes_of(unsigned capacity) { return (capacity + FH_MAGAZINE_HEAD) * sizeof(void *); }

/* 4 words are size 0, 8 are size 1, and so on. */
static unsigned size_of(unsigned capacity) {
    return 29u - (unsigned)__builtin_clz(capacity + FH_MAGAZINE_HEAD);
}

static unsigned most_spare(unsigned capacity) {
    enum { MOST_BYTES = 4096 };
    size_t most = MOST_BYTES / bytes_of(capacity);
    return most < FH_MAGAZINES_SPARE ? (unsigned)most : FH_MAGAZINES_SPARE;
}

/* How many come from the books, or go there, at a time. */
static unsigned some(unsigned capacity) {
    unsigned half = most_spare(capacity) / 2;
    return half > 0 ? half : 1;
}

static bool fetch(struct fh_magazines *at_hand, unsigned capacity) {
    void *pieces[FH_MAGAZINES_SPARE];
    unsigned size = size_of(capacity);
    unsigned count = fh_meta_take_some(bytes_of(capacity), pieces, some(capacity));
    for (unsigned i = 0; i < count; i++) at_hand->spare[size][i] = (void **)pieces[i] + FH_MAGAZINE_HEAD;
    at_hand->count[size] = (uint8_t)count;
    return count > 0;
}

/* The older half: what came last is still in the cache. */
static void give_back(struct fh_magazines *at_hand, unsigned capacity) {
    void *pieces[FH_MAGAZINES_SPARE];
    unsigned size = size_of(capacity), count = some(capacity), rest = at_hand->count[size] - count;
    void ***spare = at_hand->spare[size];
    for (unsigned i = 0; i < count; i++) pieces[i] = spare[i] - FH_MAGAZINE_HEAD;
    memmove(spare, spare + count, rest * sizeof *spare);
    at_hand->count[size] = (uint8_t)rest;
    fh_meta_give_some(pieces, count, bytes_of(capacity));
}

void **fh_magazine_new(struct fh_magazines *at_hand, unsigned capacity) {
    unsigned size = size_of(capacity);
    if (at_hand->count[size] == 0 && !fetch(at_hand, capacity)) return NULL;
    void **base = at_hand->spare[size][--at_hand->count[size]];
    base[-1] = NULL;
    return base;
}

void fh_magazine_end(struct fh_magazines *at_hand, void **base, unsigned capacity) {
    unsigned size = size_of(capacity), most = most_spare(capacity);
    if (most == 0) {
        fh_meta_give(base - FH_MAGAZINE_HEAD, bytes_of(capacity));
        return;
    }
    if (at_hand->count[size] == most) give_back(at_hand, capacity);
    at_hand->spare[size][at_hand->count[size]++] = base;
}
