/* meta.c - see meta.h. */
#include "meta.h"

#include "../os/os.h"

enum { SMALLEST_SHIFT = 6, SIZES = 11 }; /* 64 bytes ... 64 KiB */
#define STRETCH ((size_t)256 * 1024)

struct piece {
    struct piece *next;
};

static struct fh_lock lock;
static struct piece *pieces[SIZES];
static char *fresh, *fresh_end;
static _Atomic size_t bytes; /* cut so far, those given back included */

static unsigned index_of(size_t size) {
    unsigned i = 0;
    while (((size_t)1 << (SMALLEST_SHIFT + i)) < size) i++;
    return i;
}

static void *cut(size_t size) {
    if ((size_t)(fresh_end - fresh) < size) { /* what is left of the old stretch is lost: less than one piece */
        char *stretch = fh_os_map(STRETCH);
        if (stretch == NULL) return NULL;
        fresh = stretch;
        fresh_end = stretch + STRETCH;
    }
    void *piece = fresh;
    fresh += size;
    atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
    return piece;
}

static void put(unsigned i, void *memory) {
    struct piece *piece = memory;
    piece->next = pieces[i];
    pieces[i] = piece;
}

/* The front of the smallest larger piece that nobody uses; the rest of it goes to the lists. NULL without one.
 * */
static void *split(unsigned i) {
    unsigned from = i;
    while (from < SIZES && pieces[from] == NULL) from++;
    if (from == SIZES) return NULL;
    struct piece *piece = pieces[from];
    pieces[from] = piece->next;
    while (from-- > i) put(from, (char *)piece + ((size_t)1 << (SMALLEST_SHIFT + from)));
    return piece;
}

unsigned fh_meta_take_some(size_t size, void **taken, unsigned most) {
    unsigned i = index_of(size), count = 0;
    fh_lock(&lock);
    void *piece = split(i);
    if (piece == NULL) piece = cut((size_t)1 << (SMALLEST_SHIFT + i));
    if (piece) taken[count++] = piece;
    for (; pieces[i] && count < most; count++) taken[count] = split(i);
    fh_unlock(&lock);
    return count;
}

void fh_meta_give_some(void *const *given, unsigned count, size_t size) {
    unsigned i = index_of(size);
    fh_lock(&lock);
    while (count > 0) put(i, given[--count]);
    fh_unlock(&lock);
}

void *fh_meta_take(size_t size) {
    void *piece;
    return fh_meta_take_some(size, &piece, 1) ? piece : NULL;
}

void fh_meta_give(void *memory, size_t size) { fh_meta_give_some(&memory, 1, size); }

size_t fh_meta_bytes(void) { return atomic_load_explicit(&bytes, memory_order_relaxed); }

void fh_meta_lock(void) { fh_lock(&lock); }
void fh_meta_unlock(void) { fh_unlock(&lock); }
