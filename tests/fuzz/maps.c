/* maps.c - Maps of owners beside tables of their numbers: see program.h. */
#include "witness.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 150 };

MAP(Str, Witness)
MAP_CLONE(Str, Witness)
MAP(uint64_t, Witness)
MAP_CLONE(uint64_t, Witness)

struct table {          /* what a map should hold */
    unsigned ids[MOST]; /* 0: the key is not there */
    size_t count;
};

struct maps {
    Map(Str, Witness) by_name;
    Map(uint64_t, Witness) by_number;
    struct table named, numbered;
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

/* ---- the calls, on one map or the other ---- */

static void insert(struct maps *m, bool named, unsigned key, Witness w) {
    char room[200];
    if (named) map_insert(Map(Str, Witness), &m->by_name, str_from_view(key_of(key, room)), w);
    else map_insert(Map(uint64_t, Witness), &m->by_number, number_of(key), w);
}

static Witness *try_entry(struct maps *m, bool named, unsigned key) {
    char room[200];
    return named ? map_try_entry(&m->by_name, key_of(key, room)) : map_try_entry(&m->by_number, number_of(key));
}

static Witness hand_over(struct maps *m, bool named, unsigned key) {
    char room[200];
    return named ? map_remove(&m->by_name, key_of(key, room)) : map_remove(&m->by_number, number_of(key));
}

static bool delete (struct maps *m, bool named, unsigned key) {
    char room[200];
    return named ? map_delete(Map(Str, Witness), &m->by_name, key_of(key, room))
                 : map_delete(Map(uint64_t, Witness), &m->by_number, number_of(key));
}

static void reserve(struct maps *m, bool named, size_t n) {
    if (named) map_reserve(&m->by_name, n);
    else map_reserve(&m->by_number, n);
}

static void clear(struct maps *m, bool named) {
    if (named) map_clear(Map(Str, Witness), &m->by_name);
    else map_clear(Map(uint64_t, Witness), &m->by_number);
}

static void end_one(struct maps *m, bool named) {
    if (named) drop(Map(Str, Witness), &m->by_name);
    else drop(Map(uint64_t, Witness), &m->by_number);
}

/* ---- and on the table beside it ---- */

static struct table *table_of(struct maps *m, bool named) { return named ? &m->named : &m->numbered; }

/* The key's number is `id` now, and what was there is gone. */
static void note(struct table *table, unsigned key, unsigned id) {
    unsigned old = table->ids[key];
    drops_were(&old, old != 0);
    table->count = table->count - (old != 0) + (id != 0);
    table->ids[key] = id;
}

/* All that is there was dropped, in this or that order. */
static void note_all_gone(const struct table *table) {
    unsigned ids[MOST];
    size_t n = 0;
    for (unsigned key = 0; key < MOST; key++)
        if (table->ids[key]) ids[n++] = table->ids[key];
    drops_were_in_any_order(ids, n);
}

static void put(struct maps *m, bool named, unsigned key, bool whole, bool may_fail) {
    Witness w, *at;
    struct table *table = table_of(m, named);
    if (!witness_make(&w, ++m->next_id, may_fail)) return;
    if (whole) {
        insert(m, named, key, w);
    } else if ((at = try_entry(m, named, key)) != NULL) {
        CHECK(at->id == table->ids[key]);
        set(Witness, at, w);
    } else {
        refused(may_fail, "an entry of a Map", 0);
        drop(Witness, &w);
        drops_were(&m->next_id, 1);
        return;
    }
    note(table, key, m->next_id);
}

static void remove_one(struct maps *m, bool named, unsigned key, bool handed_over) {
    struct table *table = table_of(m, named);
    if (handed_over) {
        Witness w = hand_over(m, named, key);
        CHECK(w.id == table->ids[key]);
        drops_were(NULL, 0);
        drop(Witness, &w);
    } else {
        CHECK(delete (m, named, key) == (table->ids[key] != 0));
    }
    note(table, key, 0);
}

static void remove_all(struct maps *m, bool named) {
    struct table *table = table_of(m, named);
    clear(m, named);
    note_all_gone(table);
    *table = (struct table){0};
}

/* ---- looking ---- */

static void verify_entry(const struct table *table, unsigned key, const Witness *w) {
    CHECK((w != NULL) == (table->ids[key] != 0));
    if (w) witness_verify(w, table->ids[key]);
}

static void verify_named(const struct table *table, const Map(Str, Witness) * map) {
    char room[200];
    size_t seen = 0;
    CHECK(map->len == table->count);
    for (unsigned key = 0; key < MOST; key++) verify_entry(table, key, map_get(map, key_of(key, room)));
    map_each(e, map) {
        unsigned key = 0;
        CHECK(sscanf(str_c(&e->key), "%u", &key) == 1 && key < MOST);
        CHECK(view_equal(str_as_view(&e->key), key_of(key, room)) && e->value.id == table->ids[key]);
        seen++;
    }
    CHECK(seen == table->count);
}

static void verify_numbered(const struct table *table, const Map(uint64_t, Witness) * map) {
    size_t seen = 0;
    unsigned sum = 0;
    CHECK(map->len == table->count);
    for (unsigned key = 0; key < MOST; key++) {
        verify_entry(table, key, map_get(map, number_of(key)));
        sum += table->ids[key];
    }
    map_each(e, map) sum -= e->value.id, seen++;
    CHECK(seen == table->count && sum == 0);
}

static void copy(struct maps *m, bool named) {
    if (named) {
        Map(Str, Witness) other = clone(Map(Str, Witness), &m->by_name);
        verify_named(&m->named, &other);
        drop(Map(Str, Witness), &other);
    } else {
        Map(uint64_t, Witness) other = clone(Map(uint64_t, Witness), &m->by_number);
        verify_numbered(&m->numbered, &other);
        drop(Map(uint64_t, Witness), &other);
    }
    note_all_gone(table_of(m, named));
}

static void verify(void *model) {
    struct maps *m = model;
    verify_named(&m->named, &m->by_name);
    verify_numbered(&m->numbered, &m->by_number);
}

/* ---- a program ---- */

static void step(void *model, const struct step *s, bool may_fail) {
    struct maps *m = model;
    unsigned key = s->value % MOST;
    bool named = s->slot & 1, whole = s->slot & 2 && !may_fail;
    switch (s->what % 16) {
        case 10:
            if (!may_fail) reserve(m, named, s->size % 500);
            break;
        case 11:
            if (s->value % 4 == 0) remove_all(m, named);
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
        case 9: remove_one(m, named, key, s->slot & 4); break;
        default: put(m, named, key, whole, may_fail);
    }
    drops_were(NULL, 0);
}

static void end(void *model) {
    struct maps *m = model;
    verify(m);
    for (int named = 0; named < 2; named++) {
        end_one(m, named);
        note_all_gone(table_of(m, named));
    }
}

const struct part maps = {begin, step, verify, end};
