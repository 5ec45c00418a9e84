/* maps.c - Maps of owners beside tables of their numbers: see program.h. */
#include "witness.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 150 };

MAP(Str, Witness)
MAP_CLONE(Str, Witness)
MAP(uint64_t, Witness)
MAP_CLONE(uint64_t, Witness)

struct maps {
    Map(Str, Witness) by_name;
    Map(uint64_t, Witness) by_number;
    unsigned named[MOST], numbered[MOST]; /* 0: the key is not there */
    size_t named_count, numbered_count;
    unsigned next_id;
};

static struct maps threads[4];

static void *begin(unsigned number, bool alone) {
    (void)alone;
    struct maps *m = &threads[number];
    memset(m, 0, sizeof *m);
    return m;
}

/* Keys of all lengths: the hash takes short, medium and long ones by different ways. */
static StrView key_of(unsigned key, char room[200]) {
    int n = snprintf(
        room, 200, "%u%.*s", key, (int)(key * 37 % 150),
        "................................................................................................"
        "............................................................");
    return view_n(room, (size_t)n);
}
static uint64_t number_of(unsigned key) { return (uint64_t)key << (key % 5 * 12); }

/* ---- by name ---- */

static void put_by_name(struct maps *m, unsigned key, bool whole, bool may_fail) {
    char room[200];
    Witness w;
    unsigned old = m->named[key];
    if (!witness_make(&w, ++m->next_id, may_fail)) return;
    if (whole) {
        map_insert(Map(Str, Witness), &m->by_name, str_from_view(key_of(key, room)), w);
    } else {
        Witness *at = map_try_entry(&m->by_name, key_of(key, room));
        if (at == NULL) {
            refused(may_fail, "an entry of a Map", 0);
            drop(Witness, &w);
            drops_were(&m->next_id, 1);
            return;
        }
        CHECK(at->id == old);
        set(Witness, at, w);
    }
    drops_were(&old, old != 0);
    m->named_count += old == 0;
    m->named[key] = m->next_id;
}

static void remove_by_name(struct maps *m, unsigned key, bool handed_over) {
    char room[200];
    unsigned old = m->named[key];
    if (handed_over) {
        Witness w = map_remove(&m->by_name, key_of(key, room));
        CHECK(w.id == old);
        drops_were(NULL, 0);
        drop(Witness, &w);
    } else {
        CHECK(map_delete(Map(Str, Witness), &m->by_name, key_of(key, room)) == (old != 0));
    }
    drops_were(&old, old != 0);
    m->named_count -= old != 0;
    m->named[key] = 0;
}

static void verify_named(const struct maps *m, const Map(Str, Witness) * map) {
    char room[200];
    size_t seen = 0;
    CHECK(map->len == m->named_count);
    for (unsigned key = 0; key < MOST; key++) {
        const Witness *w = map_get(map, key_of(key, room));
        CHECK((w != NULL) == (m->named[key] != 0));
        if (w) witness_verify(w, m->named[key]);
    }
    map_each(e, map) {
        unsigned key = 0;
        CHECK(sscanf(str_c(&e->key), "%u", &key) == 1 && key < MOST);
        CHECK(view_equal(str_as_view(&e->key), key_of(key, room)) && e->value.id == m->named[key]);
        seen++;
    }
    CHECK(seen == m->named_count);
}

/* ---- by number ---- */

static void put_by_number(struct maps *m, unsigned key, bool whole, bool may_fail) {
    Witness w;
    unsigned old = m->numbered[key];
    if (!witness_make(&w, ++m->next_id, may_fail)) return;
    if (whole) {
        map_insert(Map(uint64_t, Witness), &m->by_number, number_of(key), w);
    } else {
        Witness *at = map_try_entry(&m->by_number, number_of(key));
        if (at == NULL) {
            refused(may_fail, "an entry of a Map", 0);
            drop(Witness, &w);
            drops_were(&m->next_id, 1);
            return;
        }
        CHECK(at->id == old);
        set(Witness, at, w);
    }
    drops_were(&old, old != 0);
    m->numbered_count += old == 0;
    m->numbered[key] = m->next_id;
}

static void remove_by_number(struct maps *m, unsigned key, bool handed_over) {
    unsigned old = m->numbered[key];
    if (handed_over) {
        Witness w = map_remove(&m->by_number, number_of(key));
        CHECK(w.id == old);
        drops_were(NULL, 0);
        drop(Witness, &w);
    } else {
        CHECK(map_delete(Map(uint64_t, Witness), &m->by_number, number_of(key)) == (old != 0));
    }
    drops_were(&old, old != 0);
    m->numbered_count -= old != 0;
    m->numbered[key] = 0;
}

static void verify_numbered(const struct maps *m, const Map(uint64_t, Witness) * map) {
    size_t seen = 0;
    unsigned sum = 0;
    CHECK(map->len == m->numbered_count);
    for (unsigned key = 0; key < MOST; key++) {
        const Witness *w = map_get(map, number_of(key));
        CHECK((w != NULL) == (m->numbered[key] != 0));
        if (w) witness_verify(w, m->numbered[key]);
        sum += m->numbered[key];
    }
    map_each(e, map) sum -= e->value.id, seen++;
    CHECK(seen == m->numbered_count && sum == 0);
}

/* ---- both ---- */

/* The numbers that are there, for a drop of all of them. */
static size_t list(const unsigned *table, unsigned ids[MOST]) {
    size_t n = 0;
    for (unsigned key = 0; key < MOST; key++)
        if (table[key]) ids[n++] = table[key];
    return n;
}

static void clear(struct maps *m, bool named) {
    unsigned ids[MOST];
    size_t n = list(named ? m->named : m->numbered, ids);
    if (named) map_clear(Map(Str, Witness), &m->by_name);
    else map_clear(Map(uint64_t, Witness), &m->by_number);
    drops_were_in_any_order(ids, n);
    memset(named ? m->named : m->numbered, 0, sizeof m->named);
    *(named ? &m->named_count : &m->numbered_count) = 0;
}

static void copy(struct maps *m, bool named) {
    unsigned ids[MOST];
    size_t n = list(named ? m->named : m->numbered, ids);
    if (named) {
        Map(Str, Witness) other = clone(Map(Str, Witness), &m->by_name);
        verify_named(m, &other);
        drop(Map(Str, Witness), &other);
    } else {
        Map(uint64_t, Witness) other = clone(Map(uint64_t, Witness), &m->by_number);
        verify_numbered(m, &other);
        drop(Map(uint64_t, Witness), &other);
    }
    drops_were_in_any_order(ids, n);
}

static void verify(void *model) {
    struct maps *m = model;
    verify_named(m, &m->by_name);
    verify_numbered(m, &m->by_number);
}

static void step(void *model, const struct step *s, bool may_fail) {
    struct maps *m = model;
    unsigned key = s->value % MOST;
    bool named = s->slot & 1, whole = s->slot & 2 && !may_fail;
    switch (s->what % 16) {
        case 10:
            if (!may_fail && named) map_reserve(&m->by_name, s->size % 500);
            else if (!may_fail) map_reserve(&m->by_number, s->size % 500);
            break;
        case 11:
            if (s->value % 4 == 0) clear(m, named);
            break;
        case 12:
            if (!may_fail) copy(m, named);
            break;
        case 13: {
            Map(Str, Witness) held = take(m->by_name);
            CHECK(map_get(&m->by_name, view("0")) == NULL && m->by_name.len == 0);
            m->by_name = held;
            break;
        }
        case 14: verify(m); break;
        case 6:
        case 7:
        case 8:
        case 9:
            if (named) remove_by_name(m, key, s->slot & 4);
            else remove_by_number(m, key, s->slot & 4);
            break;
        default:
            if (named) put_by_name(m, key, whole, may_fail);
            else put_by_number(m, key, whole, may_fail);
    }
    drops_were(NULL, 0);
}

static void end(void *model) {
    struct maps *m = model;
    unsigned ids[MOST];
    verify(m);
    drop(Map(Str, Witness), &m->by_name);
    drops_were_in_any_order(ids, list(m->named, ids));
    drop(Map(uint64_t, Witness), &m->by_number);
    drops_were_in_any_order(ids, list(m->numbered, ids));
}

const struct part maps = {begin, step, verify, end};
