/* owners.c - the loops of the owners' table, with Freehold: see loops.h. owners.cpp, owners.rs and
 * owners_glib.c do the same work. */
#include "loops.h"

#include <freehold/names.h>

#include <pthread.h>
#include <unistd.h>

TYPE(Node);
struct Node {
    Box(Node) next;
    uint64_t value;
};
DROP(Node, (Box(Node), next))
MAP(uint64_t, uint64_t)
MAP(Str, uint64_t)

static uint64_t box_pair(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        own(Box(uint64_t)) b = box(uint64_t, i);
        keep(b);
        sum += *b;
    }
    return sum;
}

static uint64_t box_bulk(void) {
    uint64_t sum = 0;
    Box(uint64_t) all[BULK];
    for (int round = 0; round < PAIRS / BULK; round++) {
        for (uint64_t i = 0; i < BULK; i++) all[i] = box(uint64_t, i);
        keep(all);
        for (int i = 0; i < BULK; i++) {
            sum += *all[i];
            drop(Box(uint64_t), &all[i]);
        }
    }
    return sum;
}

static uint64_t box_list(void) {
    uint64_t sum = 0;
    own(Box(Node)) list = NULL;
    for (uint64_t i = 0; i < LIST; i++) list = box(Node, .next = take(list), .value = i);
    for (const Node *n = list; n; n = n->next) sum += n->value;
    return sum;
}

static uint64_t rc_pair(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        own(Rc(uint64_t)) r = rc(uint64_t, i);
        keep(r);
        sum += *r;
    }
    return sum;
}

static uint64_t rc_share(void) {
    uint64_t sum = 0;
    own(Rc(uint64_t)) first = rc(uint64_t, 1);
    for (uint64_t i = 0; i < PAIRS; i++) {
        own(Rc(uint64_t)) r = rc_clone(first);
        keep(r);
        sum += *r;
    }
    return sum;
}

static uint64_t arc_pair(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        own(Arc(uint64_t)) a = arc(uint64_t, i);
        keep(a);
        sum += *a;
    }
    return sum;
}

static uint64_t arc_share(void) {
    uint64_t sum = 0;
    own(Arc(uint64_t)) first = arc(uint64_t, 1);
    for (uint64_t i = 0; i < PAIRS; i++) {
        own(Arc(uint64_t)) a = arc_clone(first);
        keep(a);
        sum += *a;
    }
    return sum;
}

/* The same in a process of two threads; this one sleeps until the end. */
static void *sleeper(void *unused) {
    for (;;) pause();
    return unused;
}
static uint64_t arc_threads(void) {
    static pthread_t thread;
    if (!thread && pthread_create(&thread, NULL, sleeper, NULL) != 0) exit(1);
    return arc_share();
}

static uint64_t vec_push_loop(void) {
    own(Vec(uint64_t)) v = {0};
    for (uint64_t i = 0; i < PUSHES; i++) vec_push(&v, i);
    keep(v.ptr);
    return v.len + v.ptr[PUSHES / 2];
}

static uint64_t vec_short(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PUSHES / 8; i++) {
        own(Vec(uint64_t)) v = {0};
        for (uint64_t j = 0; j < 8; j++) vec_push(&v, i + j);
        keep(v.ptr);
        sum += v.ptr[3];
    }
    return sum;
}

static uint64_t str_push_loop(void) {
    own(Str) s = {0};
    for (uint64_t i = 0; i < PUSHES; i++) str_push(&s, "hello, ");
    keep(s.ptr);
    return s.len;
}

static uint64_t str_short(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PUSHES; i++) {
        own(Str) s = str_from("a short text");
        keep(s.ptr);
        sum += s.len;
    }
    return sum;
}

static uint64_t map_insert_loop(void) {
    own(Map(uint64_t, uint64_t)) m = {0};
    random_state = 1;
    for (uint64_t i = 0; i < KEYS; i++) *map_entry(&m, next_random()) = i;
    keep(&m);
    return m.len;
}

/* The table that the look-up loops use, made once. */
static uint64_t map_lookup_loop(void) {
    static Map(uint64_t, uint64_t) m;
    random_state = 1;
    if (m.len == 0)
        for (uint64_t i = 0; i < KEYS; i++) *map_entry(&m, next_random()) = i;
    uint64_t sum = 0;
    random_state = 1;
    for (uint64_t i = 0; i < KEYS; i++) sum += *map_get(&m, next_random());
    return sum;
}

static char words[KEYS][16];
static void make_words(void) {
    random_state = 7;
    for (int i = 0; i < KEYS; i++)
        snprintf(words[i], sizeof words[i], "w%u", (unsigned)(next_random() % (KEYS / 4)));
}

static uint64_t map_words(void) {
    own(Map(Str, uint64_t)) m = {0};
    for (int i = 0; i < KEYS; i++) ++*map_entry(&m, view_of(words[i]));
    return m.len;
}

static uint64_t map_words_lookup(void) {
    static Map(Str, uint64_t) m;
    if (m.len == 0)
        for (int i = 0; i < KEYS; i++) ++*map_entry(&m, view_of(words[i]));
    uint64_t sum = 0;
    for (int i = 0; i < KEYS; i++) sum += *map_get(&m, view_of(words[i]));
    return sum;
}

static const struct loop loops[] = {
    {"box", box_pair, PAIRS},
    {"box-bulk", box_bulk, PAIRS},
    {"box-list", box_list, LIST},
    {"rc", rc_pair, PAIRS},
    {"rc-clone", rc_share, PAIRS},
    {"arc", arc_pair, PAIRS},
    {"arc-clone", arc_share, PAIRS},
    {"vec-push", vec_push_loop, PUSHES},
    {"vec-short", vec_short, PUSHES / 8},
    {"str-push", str_push_loop, PUSHES},
    {"str-short", str_short, PUSHES},
    {"map-insert", map_insert_loop, KEYS},
    {"map-get", map_lookup_loop, KEYS},
    {"words-count", map_words, KEYS},
    {"words-get", map_words_lookup, KEYS},
    {"arc-threads", arc_threads, PAIRS}, /* the last: the others have one thread */
};

int main(int argc, char **argv) {
    make_words();
    return time_loops(loops, sizeof loops / sizeof *loops, argc, argv);
}
