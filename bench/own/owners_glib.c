/* owners_glib.c - the loops of owners.c with GLib: g_new and g_rc_box, GArray, GString, GHashTable; see
 * loops.h. */
#include "loops.h"

#include <glib.h>
#include <pthread.h>
#include <unistd.h>

typedef struct Node Node;
struct Node {
    Node *next;
    uint64_t value;
};

static uint64_t box_pair(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        g_autofree uint64_t *b = g_new(uint64_t, 1);
        *b = i;
        keep(b);
        sum += *b;
    }
    return sum;
}

static uint64_t box_bulk(void) {
    uint64_t sum = 0, *all[BULK];
    for (int round = 0; round < PAIRS / BULK; round++) {
        for (uint64_t i = 0; i < BULK; i++) {
            all[i] = g_new(uint64_t, 1);
            *all[i] = i;
        }
        keep(all);
        for (int i = 0; i < BULK; i++) {
            sum += *all[i];
            g_free(all[i]);
        }
    }
    return sum;
}

static uint64_t box_list(void) {
    uint64_t sum = 0;
    Node *list = NULL;
    for (uint64_t i = 0; i < LIST; i++) {
        Node *n = g_new(Node, 1);
        n->next = list;
        n->value = i;
        list = n;
    }
    for (Node *n = list, *next; n; n = next) {
        sum += n->value;
        next = n->next;
        g_free(n);
    }
    return sum;
}

#define COUNTED(name, make, less)              \
    static uint64_t name##_pair(void) {        \
        uint64_t sum = 0;                      \
        for (uint64_t i = 0; i < PAIRS; i++) { \
            uint64_t *r = make(sizeof *r);     \
            *r = i;                            \
            keep(r);                           \
            sum += *r;                         \
            less(r);                           \
        }                                      \
        return sum;                            \
    }
#define SHARED(name, make, more, less)                  \
    static uint64_t name##_share(void) {                \
        uint64_t sum = 0, *first = make(sizeof *first); \
        *first = 1;                                     \
        for (uint64_t i = 0; i < PAIRS; i++) {          \
            uint64_t *r = more(first);                  \
            keep(r);                                    \
            sum += *r;                                  \
            less(r);                                    \
        }                                               \
        less(first);                                    \
        return sum;                                     \
    }
COUNTED(rc, g_rc_box_alloc, g_rc_box_release)
SHARED(rc, g_rc_box_alloc, g_rc_box_acquire, g_rc_box_release)
COUNTED(arc, g_atomic_rc_box_alloc, g_atomic_rc_box_release)
SHARED(arc, g_atomic_rc_box_alloc, g_atomic_rc_box_acquire, g_atomic_rc_box_release)

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
    g_autoptr(GArray) v = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (uint64_t i = 0; i < PUSHES; i++) g_array_append_val(v, i);
    keep(v->data);
    return v->len + g_array_index(v, uint64_t, PUSHES / 2);
}

static uint64_t vec_short(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PUSHES / 8; i++) {
        g_autoptr(GArray) v = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        for (uint64_t j = 0; j < 8; j++) {
            uint64_t n = i + j;
            g_array_append_val(v, n);
        }
        keep(v->data);
        sum += g_array_index(v, uint64_t, 3);
    }
    return sum;
}

static uint64_t str_push_loop(void) {
    g_autoptr(GString) s = g_string_new(NULL);
    for (uint64_t i = 0; i < PUSHES; i++) g_string_append(s, "hello, ");
    keep(s->str);
    return s->len;
}

static uint64_t str_short(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PUSHES; i++) {
        g_autoptr(GString) s = g_string_new("a short text");
        keep(s->str);
        sum += s->len;
    }
    return sum;
}

/* Keys and values in the pointers themselves where they fit: GLib's best case. */
static GHashTable *filled(void) {
    GHashTable *m = g_hash_table_new(g_direct_hash, g_direct_equal);
    random_state = 1;
    for (uint64_t i = 0; i < KEYS; i++) g_hash_table_insert(m, (void *)next_random(), (void *)i);
    return m;
}
static uint64_t map_insert_loop(void) {
    g_autoptr(GHashTable) m = filled();
    return g_hash_table_size(m);
}
static uint64_t map_lookup_loop(void) {
    static GHashTable *m;
    if (m == NULL) m = filled();
    uint64_t sum = 0;
    random_state = 1;
    for (uint64_t i = 0; i < KEYS; i++) sum += (uint64_t)g_hash_table_lookup(m, (void *)next_random());
    return sum;
}

static char words[KEYS][16];
static GHashTable *count(void) {
    GHashTable *m = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int i = 0; i < KEYS; i++) {
        void *n = g_hash_table_lookup(m, words[i]);
        if (n) g_hash_table_replace(m, g_strdup(words[i]), (char *)n + 1);
        else g_hash_table_insert(m, g_strdup(words[i]), (void *)1);
    }
    return m;
}
static uint64_t map_words(void) {
    g_autoptr(GHashTable) m = count();
    return g_hash_table_size(m);
}
static uint64_t map_words_lookup(void) {
    static GHashTable *m;
    if (m == NULL) m = count();
    uint64_t sum = 0;
    for (int i = 0; i < KEYS; i++) sum += (uint64_t)g_hash_table_lookup(m, words[i]);
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
    {"arc-threads", arc_threads, PAIRS},
};

int main(int argc, char **argv) {
    random_state = 7;
    for (int i = 0; i < KEYS; i++)
        snprintf(words[i], sizeof words[i], "w%u", (unsigned)(next_random() % (KEYS / 4)));
    return time_loops(loops, sizeof loops / sizeof *loops, argc, argv);
}
