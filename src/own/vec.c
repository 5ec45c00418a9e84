/* vec.c - the parts of Vec that are not worth inlining: growth, gaps, cuts. Elements are bytes here.
 *
 * Growth: twice the capacity, at least 4 elements and 64 bytes, at least what is asked; then rounded up to what
 * the heap's block holds anyway (in checked mode a short Vec has no room to spare: buffer.h). realloc extends
 * in place or remaps pages where it can.
 */
#include <freehold/vec.h>

#include "own/buffer.h"
#include "own/checked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fh_alloc *alloc_of(const struct fh_raw_vec *v, size_t whole) {
    return whole >= sizeof(struct fh_raw_vec) ? v->alloc : NULL;
}

static void *resize(struct fh_raw_vec *v, size_t size, size_t align, size_t whole, size_t cap) {
    struct fh_alloc *alloc = alloc_of(v, whole);
    if (alloc == NULL) return fh_buffer_resize(v->ptr, v->cap * size, cap * size, align, "Vec");
    char *ptr = fh_alloc_get(alloc, cap * size, align);
    if (ptr == NULL) return NULL;
    if (v->ptr != NULL) {
        memcpy(ptr, v->ptr, (v->len < cap ? v->len : cap) * size);
        fh_alloc_give(alloc, v->ptr, v->cap * size, align);
    }
    return ptr;
}

static size_t capacity(const struct fh_raw_vec *v, size_t size, size_t least, size_t most) {
    if (fh_buffer_is_tight(least * size)) return least;
    size_t cap = v->cap > most / 2 ? most : v->cap * 2;
    if (cap < 64 / size) cap = 64 / size;
    if (cap < 4) cap = 4;
    if (cap < least) cap = least;
    return cap * size <= PTRDIFF_MAX / 2 ? fh_good_size(cap * size) / size : cap;
}

static bool make_room(struct fh_raw_vec *v, size_t size, size_t align, size_t whole, size_t n) {
    if (n <= v->cap - v->len) return true;
    size_t most = PTRDIFF_MAX / size;
    if (n > most - v->len) {
        errno = ENOMEM;
        return false;
    }
    size_t cap = capacity(v, size, v->len + n, most);
    void *ptr = resize(v, size, align, whole, cap);
    if (ptr == NULL) return false;
    v->ptr = ptr;
    v->cap = cap;
    return true;
}

bool fh_vec_try_room(void *vec, size_t size, size_t align, size_t whole, size_t n) {
    FH_ENTER;
    return make_room(vec, size, align, whole, n);
}

static void need_room(struct fh_raw_vec *v, size_t size, size_t align, size_t whole, size_t n) {
    if (FH_UNLIKELY(!make_room(v, size, align, whole, n))) {
        size_t bytes;
        fh_own_no_memory("Vec", __builtin_mul_overflow(v->len + n, size, &bytes) ? SIZE_MAX : bytes);
    }
}

void fh_vec_room(void *vec, size_t size, size_t align, size_t whole, size_t n) {
    FH_ENTER;
    need_room(vec, size, align, whole, n);
}

const void *fh_vec_room_for(void *vec, size_t size, size_t align, size_t whole, size_t n, const void *from) {
    FH_ENTER;
    struct fh_raw_vec *v = vec;
    size_t inside = v->cap > 0 ? (uintptr_t)from - (uintptr_t)v->ptr : SIZE_MAX;
    need_room(v, size, align, whole, n);
    return inside < v->len * size ? v->ptr + inside : from;
}

void fh_vec_free(void *vec, size_t size, size_t align, size_t whole) {
    struct fh_raw_vec *v = vec;
    struct fh_alloc *alloc = alloc_of(v, whole);
    if (alloc != NULL) fh_alloc_give(alloc, v->ptr, v->cap * size, align);
    else if (v->cap > 0) fh_buffer_free(v->ptr, v->cap * size, align);
    v->ptr = NULL;
    v->len = v->cap = 0;
}

void fh_vec_put_back(void *vec, const void *aside, size_t size, size_t align, size_t whole) {
    FH_ENTER;
    struct fh_raw_vec old = {0}, *v = vec;
    memcpy(&old, aside, whole);
    if (v->len > 0) {
        need_room(&old, size, align, whole, v->len);
        memcpy(old.ptr + old.len * size, v->ptr, v->len * size);
        old.len += v->len;
    }
    fh_vec_free(v, size, align, whole);
    memcpy(v, &old, whole);
}

/* Memory that is not used goes back; when the smaller block cannot be had, nothing happens. */
void fh_vec_fit(void *vec, size_t size, size_t align, size_t whole, size_t unused) {
    (void)unused;
    FH_ENTER;
    struct fh_raw_vec *v = vec;
    if (v->cap == v->len) return;
    if (v->len == 0) {
        fh_vec_free(v, size, align, whole);
        return;
    }
    void *ptr = resize(v, size, align, whole, v->len);
    if (ptr == NULL) return;
    v->ptr = ptr;
    v->cap = v->len;
}

void fh_vec_open_gap(void *vec, size_t size, size_t i) {
    struct fh_raw_vec *v = vec;
    memmove(v->ptr + (i + 1) * size, v->ptr + i * size, (v->len - i) * size);
    v->len++;
}

void fh_vec_close_gap(void *vec, size_t size, size_t i) {
    struct fh_raw_vec *v = vec;
    v->len--;
    memmove(v->ptr + i * size, v->ptr + (i + 1) * size, (v->len - i) * size);
}

void fh_vec_fill_gap(void *vec, size_t size, size_t i) {
    struct fh_raw_vec *v = vec;
    v->len--;
    if (i != v->len) memcpy(v->ptr + i * size, v->ptr + v->len * size, size);
}

void fh_vec_cut(void *vec, void *out, size_t size, size_t align, size_t whole, size_t from, size_t to) {
    struct fh_raw_vec *v = vec, *cut = out;
    if (to > v->len) fh_own_out_of_range("vec_drain", to, v->len);
    if (from > to) fh_own_out_of_range("vec_drain", from, to);
    memset(cut, 0, whole);
    if (whole >= sizeof *v) cut->alloc = v->alloc;
    if (from == to) return;
    FH_ENTER;
    need_room(cut, size, align, whole, to - from);
    memcpy(cut->ptr, v->ptr + from * size, (to - from) * size);
    cut->len = to - from;
    memmove(v->ptr + from * size, v->ptr + to * size, (v->len - to) * size);
    v->len -= to - from;
}

void fh_vec_turn(void *vec, size_t size, size_t align, size_t whole, size_t unused) {
    (void)align, (void)whole, (void)unused;
    struct fh_raw_vec *v = vec;
    if (v->len < 2) return;
    for (char *a = v->ptr, *b = v->ptr + (v->len - 1) * size; a < b; a += size, b -= size)
        for (size_t i = 0; i < size; i++) {
            char t = a[i];
            a[i] = b[i];
            b[i] = t;
        }
}

void *fh_vec_search_raw(const void *ptr, size_t len, size_t size, const void *key,
                        int (*compare)(const void *, const void *)) {
    return len == 0 ? NULL : bsearch(key, ptr, len, size, compare);
}
