/* vectors.c - Vecs of owners beside lists of their numbers: see program.h. */
#include "witness.h"

#include <string.h>

enum { MOST = 200 };

struct vectors {
    Vec(Witness) all[2];
    unsigned ids[2][MOST];
    size_t counts[2];
    unsigned next_id;
};

/* The Vec that a step is about, and its list. */
struct row {
    Vec(Witness) * vec;
    unsigned *ids;
    size_t *count;
};

static struct vectors threads[4];

static void *begin(unsigned number, bool alone) {
    (void)alone;
    struct vectors *m = &threads[number];
    memset(m, 0, sizeof *m);
    return m;
}

static struct row row_of(struct vectors *m, unsigned i) {
    return (struct row){&m->all[i], m->ids[i], &m->counts[i]};
}

static void verify_row(struct row r) {
    CHECK(r.vec->len == *r.count && r.vec->len <= r.vec->cap);
    size_t i = 0;
    vec_each(w, r.vec) witness_verify(w, r.ids[i++]);
    CHECK(i == *r.count);
}

static void verify(void *model) {
    for (unsigned i = 0; i < 2; i++) verify_row(row_of(model, i));
}

static bool has_room(struct row r, size_t more, bool may_fail) {
    if (*r.count + more > MOST) return false;
    if (vec_try_reserve(r.vec, more)) return true;
    refused(may_fail, "room in a Vec", more * sizeof(Witness));
    return false;
}

static void put_in(struct row r, size_t i, unsigned id) {
    memmove(r.ids + i + 1, r.ids + i, (*r.count - i) * sizeof *r.ids);
    r.ids[i] = id;
    ++*r.count;
}

static void take_out(struct row r, size_t from, size_t to) {
    memmove(r.ids + from, r.ids + to, (*r.count - to) * sizeof *r.ids);
    *r.count -= to - from;
}

static void add(struct vectors *m, struct row r, bool may_fail) {
    Witness w;
    if (*r.count == MOST || !witness_make(&w, ++m->next_id, may_fail)) return;
    if (vec_try_push(r.vec, w)) {
        put_in(r, *r.count, w.id);
        return;
    }
    refused(may_fail, "a push to a Vec", sizeof w);
    drop(Witness, &w);
    drops_were(&m->next_id, 1);
}

static void insert(struct vectors *m, struct row r, size_t i, bool may_fail) {
    Witness w;
    if (!has_room(r, 1, may_fail) || !witness_make(&w, ++m->next_id, may_fail)) return;
    vec_insert(r.vec, i, w);
    put_in(r, i, w.id);
}

/* One comes out, by whichever way, and is dropped here. */
static void check_out(Witness *w, unsigned id) {
    witness_verify(w, id);
    drops_were(NULL, 0);
    drop(Witness, w);
    drops_were(&id, 1);
}

static void remove_one(struct row r, size_t i, bool by_swap) {
    if (i == *r.count) return;
    unsigned id = r.ids[i], last = r.ids[*r.count - 1];
    Witness w;
    if (by_swap) {
        w = vec_swap_remove(r.vec, i);
        r.ids[i] = last;
        --*r.count;
    } else {
        w = vec_remove(r.vec, i);
        take_out(r, i, i + 1);
    }
    check_out(&w, id);
}

static void remove_last(struct row r) {
    Witness w = vec_pop(r.vec);
    if (*r.count == 0) {
        CHECK(w.id == 0 && w.name.cap == 0);
        return;
    }
    check_out(&w, r.ids[--*r.count]);
}

static void drain(struct row r, size_t from, size_t to) {
    Vec(Witness) part = vec_drain(r.vec, from, to);
    verify_row((struct row){&part, r.ids + from, &(size_t){to - from}});
    drops_were(NULL, 0);
    drop(Vec(Witness), &part);
    drops_were(r.ids + from, to - from);
    take_out(r, from, to);
}

/* The end of one Vec becomes the end of the other, or its own again. */
static void split(struct row r, struct row other, size_t at) {
    size_t n = *r.count - at;
    Vec(Witness) end = vec_split_off(r.vec, at);
    CHECK(end.len == n && r.vec->len == at);
    if (*other.count + n > MOST) {
        vec_append(r.vec, &end);
    } else {
        vec_append(other.vec, &end);
        memcpy(other.ids + *other.count, r.ids + at, n * sizeof *r.ids);
        *other.count += n;
        *r.count = at;
    }
    CHECK(end.len == 0);
    drop(Vec(Witness), &end);
}

static void cut(struct row r, size_t at) {
    if (at == 0) vec_clear(Vec(Witness), r.vec);
    else vec_truncate(Vec(Witness), r.vec, at);
    drops_were(r.ids + at, *r.count - at);
    *r.count = at;
}

static void turn(struct row r) {
    vec_reverse(r.vec);
    for (size_t i = 0; i < *r.count / 2; i++) {
        unsigned id = r.ids[i];
        r.ids[i] = r.ids[*r.count - 1 - i];
        r.ids[*r.count - 1 - i] = id;
    }
}

static int by_id(const Witness *a, const Witness *b) { return (a->id > b->id) - (a->id < b->id); }

/* Numbers of elements differ, so there is one order. */
static void sort(struct row r, unsigned wanted) {
    vec_sort(r.vec, by_id);
    for (size_t i = 1; i < *r.count; i++)
        for (size_t k = i; k > 0 && r.ids[k - 1] > r.ids[k]; k--) {
            unsigned id = r.ids[k];
            r.ids[k] = r.ids[k - 1];
            r.ids[k - 1] = id;
        }
    bool is_in = false;
    for (size_t i = 0; i < *r.count; i++) is_in |= r.ids[i] == wanted;
    const Witness key = {.id = wanted}, *found = vec_search(r.vec, &key, by_id);
    CHECK((found != NULL) == is_in && (!is_in || found->id == wanted));
}

static void look(struct row r, size_t from, size_t to) {
    size_t n = *r.count;
    CHECK(vec_get(r.vec, n) == NULL && vec_get(r.vec, SIZE_MAX) == NULL);
    CHECK((vec_first(r.vec) == NULL) == (n == 0) && (vec_last(r.vec) == NULL) == (n == 0));
    if (n > 0) witness_verify(vec_first(r.vec), r.ids[0]);
    if (n > 0) witness_verify(vec_last(r.vec), r.ids[n - 1]);
    if (from < n) CHECK(vec_at(r.vec, from) == vec_get(r.vec, from));
    Slice(Witness) part = slice(r.vec, from, to);
    CHECK(part.len == to - from);
    for (size_t i = 0; i < part.len; i++) witness_verify(vec_at(&part, i), r.ids[from + i]);
}

static void copy(struct row r) {
    Vec(Witness) other = clone(Vec(Witness), r.vec);
    verify_row((struct row){&other, r.ids, r.count});
    drop(Vec(Witness), &other);
    drops_were(r.ids, *r.count);
}

/* Plain elements: copies of a part of itself at the end. */
static void extend(uint32_t value) {
    int few[] = {(int)value, 2, 3, 4, 5}, plain[128];
    size_t n = value % 5 + 1;
    own(Vec(int)) v = value & 1 ? vec_from(int, few, n) : vec_with(int, n);
    memcpy(plain, few, sizeof few);
    if (v.len == 0) vec_extend(&v, few, n);
    while (n < 64) {
        size_t from = value / 8 % n, more = n - from;
        vec_extend(&v, v.ptr + from, more);
        memcpy(plain + n, plain + from, more * sizeof *plain);
        n += more;
        value = value / 3 + 1;
    }
    CHECK(v.len == n && memcmp(v.ptr, plain, n * sizeof *plain) == 0);
    own(Vec(int)) three = vec_of(int, few[0], few[1], few[2]);
    CHECK(three.len == 3 && memcmp(three.ptr, few, 3 * sizeof *few) == 0);
}

/* The Vecs themselves are moved, and change places. */
static void move_about(struct vectors *m, unsigned i, uint32_t value) {
    if (value & 1) {
        Vec(Witness) held = take(m->all[i]);
        CHECK(m->all[i].len == 0 && m->all[i].cap == 0);
        Vec(Witness) empty = replace(m->all[i], held);
        CHECK(empty.ptr == NULL && empty.cap == 0);
        return;
    }
    unsigned ids[MOST];
    size_t n = m->counts[0];
    swap(&m->all[0], &m->all[1]);
    memcpy(ids, m->ids[0], sizeof ids);
    memcpy(m->ids[0], m->ids[1], sizeof ids);
    memcpy(m->ids[1], ids, sizeof ids);
    m->counts[0] = m->counts[1];
    m->counts[1] = n;
}

static void step(void *model, const struct step *s, bool may_fail) {
    struct vectors *m = model;
    struct row r = row_of(m, s->slot % 2);
    size_t n = *r.count, from = s->value % (n + 1), to = from + s->value / 256 % (n - from + 1);
    switch (s->what % 16) {
        case 0:
        case 1: add(m, r, may_fail); break;
        case 2: insert(m, r, from, may_fail); break;
        case 3: remove_one(r, from, false); break;
        case 4: remove_one(r, from, true); break;
        case 5: remove_last(r); break;
        case 6:
            if (!may_fail) drain(r, from, to);
            break;
        case 7:
            if (!may_fail) split(r, row_of(m, 1 - s->slot % 2), from);
            break;
        case 8: cut(r, s->value & 1 ? from : 0); break;
        case 9: turn(r); break;
        case 10: sort(r, n ? r.ids[from % n] + s->value / 256 % 2 : 1); break;
        case 11: look(r, from, to); break;
        case 12: vec_shrink(r.vec); break;
        case 13:
            if (!may_fail) copy(r);
            break;
        case 14:
            if (!may_fail) extend(s->value);
            break;
        default: move_about(m, s->slot % 2, s->value);
    }
    drops_were(NULL, 0);
}

static void end(void *model) {
    struct vectors *m = model;
    verify(m);
    for (unsigned i = 0; i < 2; i++) {
        drop(Vec(Witness), &m->all[i]);
        drops_were(m->ids[i], m->counts[i]);
    }
}

const struct part vectors = {begin, step, verify, end};
