/* arenas.c - arenas and what owners place in them, beside a model: see program.h. */
#include "witness.h"

#include <errno.h>
#include <string.h>

enum { THINGS = 96, SQUARES = 400 };

struct thing {
    char *p;
    size_t size;
    uint64_t tag; /* of its pattern; a Witness has its number instead */
    unsigned id;
};

struct arenas {
    struct one {
        fh_arena arena;
        struct fh_heap *heap; /* that it stands in; NULL: the general one */
        bool limited;
        struct thing things[THINGS];
        unsigned count;
        VecIn(int) squares;
        int plain[SQUARES];
    } all[2];
    uint64_t next_tag;
    unsigned next_id;
};

static struct arenas threads[4];

static void *begin(unsigned number, bool alone) {
    (void)alone;
    struct arenas *m = &threads[number];
    memset(m, 0, sizeof *m);
    m->next_tag = (uint64_t)(16 + number) << 40;
    return m;
}

static void verify_thing(const struct thing *t) {
    if (t->id) witness_verify((const Witness *)(void *)t->p, t->id);
    else pattern_verify(t->p, t->size, SIZE_MAX, t->tag);
}

static void keep(struct one *a, struct thing t, size_t align) {
    CHECKF(((uintptr_t)t.p & (align - 1)) == 0, "%p is not aligned to %zu", (void *)t.p, align);
    for (unsigned i = 0; i < a->count; i++)
        CHECKF(t.p + t.size <= a->things[i].p || a->things[i].p + a->things[i].size <= t.p,
               "things %p and %p overlap", (void *)t.p, (void *)a->things[i].p);
    if (!t.id) pattern_fill(t.p, t.size, t.tag);
    a->things[a->count++] = t;
}

/* Bytes, by the arena itself or by the allocator that it is. */
static void get(struct arenas *m, struct one *a, const struct step *s, bool may_fail) {
    size_t size = s->size + 1;
    if (a->count == THINGS) return;
    errno = 0;
    char *p =
        s->value & 1 ? fh_arena_get(&a->arena, size, s->align) : fh_alloc_get(&a->arena.alloc, size, s->align);
    if (p) keep(a, (struct thing){p, size, m->next_tag++, 0}, s->align);
    else refused(may_fail || a->limited, "room in an arena", size);
}

static void add(struct arenas *m, struct one *a, bool may_fail) {
    Witness w;
    if (a->count == THINGS || !witness_make(&w, ++m->next_id, may_fail)) return;
    errno = 0;
    Witness *placed = try_place(Witness, &a->arena, w.id, w.twice, w.name);
    if (placed) {
        keep(a, (struct thing){(char *)placed, sizeof w, 0, w.id}, _Alignof(Witness));
        return;
    }
    refused(may_fail || a->limited, "a place in an arena", sizeof w);
    drops_were(&w.id, 1);
}

static void push_square(struct one *a, const struct step *s, bool may_fail) {
    size_t n = a->squares.len;
    a->squares.alloc = &a->arena.alloc;
    errno = 0;
    if (s->slot & 16) {
        if (!vec_try_reserve(&a->squares, s->size % 300))
            refused(may_fail || a->limited, "room in a VecIn", s->size);
    } else if (s->slot & 32) {
        if (a->squares.cap) vec_shrink(&a->squares);
    } else if (n < SQUARES) {
        if (vec_try_push(&a->squares, (int)s->value)) a->plain[n] = (int)s->value;
        else refused(may_fail || a->limited, "a push to a VecIn", sizeof(int));
    }
    for (size_t i = 0; i < a->squares.len; i++) CHECK(a->squares.ptr[i] == a->plain[i]);
}

/* A Box in the arena, one on the heap, and one that nobody holds but the arena. */
static void boxes(struct arenas *m, struct one *a) {
    Witness w;
    CHECK(witness_make(&w, ++m->next_id, false));
    unsigned id = w.id;
    struct fh_alloc *alloc = id & 1 ? &a->arena.alloc : NULL;
    {
        own(BoxIn(Witness)) boxed = box_in(Witness, alloc, w.id, w.twice, w.name);
        witness_verify(boxed.ptr, id);
        drops_were(NULL, 0);
    }
    drops_were(&id, 1);
    if (a->count == THINGS || !witness_make(&w, ++m->next_id, false)) return;
    Witness *placed = place(Witness, &a->arena, w.id, w.twice, w.name);
    keep(a, (struct thing){(char *)placed, sizeof w, 0, w.id}, _Alignof(Witness));
}

/* What was placed is dropped, newest first; then the memory goes. */
static void drop_arena(struct one *a) {
    unsigned ids[THINGS];
    size_t n = 0;
    for (unsigned i = a->count; i-- > 0;) {
        verify_thing(&a->things[i]);
        if (a->things[i].id) ids[n++] = a->things[i].id;
    }
    drop(VecIn(int), &a->squares);
    drop(Arena, &a->arena);
    drops_were(ids, n);
    CHECK(a->arena.chunks == NULL && a->arena.kept == NULL && a->arena.heap == NULL);
    memset(a, 0, sizeof *a);
}

static void begin_in_heap(struct one *a, const struct step *s, bool may_fail) {
    if (a->count || a->heap || a->squares.cap || a->arena.chunks) return;
    a->limited = s->value & 1;
    a->heap = fh_heap_new(a->limited ? ((size_t)1 << 18) + s->size : 0);
    if (a->heap) a->arena = fh_arena_in_heap(a->heap);
    else refused(may_fail, "a heap", 0);
}

/* An arena for the time of a frame. The frame may be on a narrow region. */
static void in_frame(struct arenas *m, const struct step *s, bool may_fail) {
    static __thread struct one a;
    memset(&a, 0, sizeof a);
    FH_FRAME {
        a.arena = arena_in_frame();
        a.limited = true;
        for (unsigned i = 0; i <= s->value % 8; i++) {
            struct step part = *s;
            part.size = s->size / (i + 1);
            part.value = s->value >> i;
            if (i % 3 == 0) get(m, &a, &part, may_fail);
            else if (i % 3 == 1) add(m, &a, may_fail);
            else push_square(&a, &part, may_fail);
        }
        drop_arena(&a);
    }
}

static void verify(void *model) {
    struct arenas *m = model;
    for (unsigned i = 0; i < 2; i++) {
        struct one *a = &m->all[i];
        for (unsigned k = 0; k < a->count; k++) verify_thing(&a->things[k]);
        for (size_t k = 0; k < a->squares.len; k++) CHECK(a->squares.ptr[k] == a->plain[k]);
        if (a->heap && a->count && a->things[0].p) CHECK(fh_heap_of(a->things[0].p) == a->heap);
    }
}

static void step(void *model, const struct step *s, bool may_fail) {
    struct arenas *m = model;
    struct one *a = &m->all[s->slot % 2];
    switch (s->what % 16) {
        case 0:
        case 1:
        case 2:
        case 3: get(m, a, s, may_fail); break;
        case 4:
        case 5:
        case 6: add(m, a, may_fail); break;
        case 7:
        case 8:
        case 9: push_square(a, s, may_fail); break;
        case 10:
            if (!may_fail && !a->limited) boxes(m, a);
            break;
        case 11:
        case 12: in_frame(m, s, may_fail); break;
        case 13: begin_in_heap(a, s, may_fail); break;
        case 14: drop_arena(a); break;
        default: verify(m);
    }
    drops_were(NULL, 0);
}

static void end(void *model) {
    struct arenas *m = model;
    for (unsigned i = 0; i < 2; i++) drop_arena(&m->all[i]);
}

const struct part arenas = {begin, step, verify, end};
