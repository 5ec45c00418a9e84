/* trees.c - trees of Boxes, Vecs and tagged unions beside plain ones: see program.h.
 *
 * The plain tree says what is dropped with a root, and in which order: what stands first in the struct first.
 * From some depth on the order is another, and only what is dropped is compared.
 */
#include "witness.h"

#include <errno.h>
#include <string.h>

enum { NODES = 400, KIDS = 5, ROOTS = 4, DEEP = 40 };

enum value_kind { NOTHING, TEXT, WITNESS };
TYPE(Value);
struct Value {
    enum value_kind kind;
    union {
        Str text;
        Witness witness;
    };
};
DROP_ENUM(Value, kind, (TEXT, Str, text), (WITNESS, Witness, witness))
CLONE_ENUM(Value, kind, (TEXT, Str, text), (WITNESS, Witness, witness))

TYPE(Node);
struct Node {
    Witness witness;
    Value value;
    Vec(Box(Node)) kids;
    Box(Node) next;
};
DROP(Node, (Witness, witness), (Value, value), (Vec(Box(Node)), kids), (Box(Node), next))
CLONE(Node, (Witness, witness), (Value, value), (Vec(Box(Node)), kids), (Box(Node), next))

struct trees {
    Box(Node) roots[ROOTS];
    unsigned plain_roots[ROOTS]; /* 0: none */
    struct plain {
        unsigned id, value_id; /* value_id 0: no Witness in the value */
        unsigned kids[KIDS], count, next;
        bool used;
    } plain[NODES];
    unsigned next_id;
};

static struct trees threads[4];

static void *begin(unsigned number, bool alone) {
    (void)alone;
    struct trees *m = &threads[number];
    memset(m, 0, sizeof *m);
    return m;
}

/* ---- the plain tree ---- */

static unsigned new_plain(struct trees *m) {
    for (unsigned i = 1; i < NODES; i++)
        if (!m->plain[i].used) {
            m->plain[i] = (struct plain){.used = true};
            return i;
        }
    return 0;
}

struct fall {
    unsigned ids[2 * NODES];
    size_t count;
    unsigned deepest;
};

/* All that falls with plain node i, in order. */
static void fall(struct trees *m, unsigned i, unsigned depth, bool gone, struct fall *out) {
    if (depth > out->deepest) out->deepest = depth;
    for (unsigned next; i != 0; i = next) {
        struct plain *p = &m->plain[i];
        next = p->next;
        out->ids[out->count++] = p->id;
        if (p->value_id) out->ids[out->count++] = p->value_id;
        for (unsigned k = 0; k < p->count; k++) fall(m, p->kids[k], depth + 1, gone, out);
        if (gone) p->used = false;
    }
}

static void has_fallen(struct trees *m, unsigned i, bool gone) {
    static __thread struct fall out;
    out.count = out.deepest = 0;
    fall(m, i, 0, gone, &out);
    if (out.deepest < DEEP) drops_were(out.ids, out.count);
    else drops_were_in_any_order(out.ids, out.count);
}

static void verify_tree(const struct trees *m, const Node *node, unsigned i) {
    for (;; node = node->next, i = m->plain[i].next) {
        CHECK((node == NULL) == (i == 0));
        if (node == NULL) return;
        const struct plain *p = &m->plain[i];
        witness_verify(&node->witness, p->id);
        CHECK((node->value.kind == WITNESS) == (p->value_id != 0) && node->kids.len == p->count);
        if (p->value_id) witness_verify(&node->value.witness, p->value_id);
        for (unsigned k = 0; k < p->count; k++) verify_tree(m, node->kids.ptr[k], p->kids[k]);
    }
}

static void verify(void *model) {
    struct trees *m = model;
    for (unsigned i = 0; i < ROOTS; i++) verify_tree(m, m->roots[i], m->plain_roots[i]);
}

/* ---- making and joining ---- */

/* A new node with a Witness, and with a value of one of the kinds. */
static Box(Node) make(struct trees *m, unsigned *number, uint32_t value, bool may_fail) {
    Node node = {.value.kind = (enum value_kind)(value % 3)};
    struct plain *p;
    if ((*number = new_plain(m)) == 0) return NULL;
    p = &m->plain[*number];
    p->used = false;
    if (!witness_make(&node.witness, p->id = ++m->next_id, may_fail)) return NULL;
    if (node.value.kind == WITNESS && !witness_make(&node.value.witness, p->value_id = ++m->next_id, may_fail))
        node.value.kind = NOTHING, p->value_id = 0;
    if (node.value.kind == TEXT &&
        !str_try_from(&node.value.text, view("a text of a value, long enough for a block")))
        refused(may_fail, "a text", 40);
    Box(Node) made = try_box_of(Node, node);
    if (made == NULL) {
        refused(may_fail, "a node", sizeof node);
        has_fallen(m, *number, true);
        return NULL;
    }
    p->used = true;
    return made;
}

/* The end of a way through a tree that the value's digits choose. */
static Node *walk(const struct trees *m, Node *node, unsigned *number, uint32_t value) {
    for (;; value /= 3) {
        const struct plain *p = &m->plain[*number];
        if (value % 3 < 2 && node->next) {
            node = node->next;
            *number = p->next;
        } else if (value % 3 > 0 && p->count) {
            unsigned k = value / 3 % p->count;
            node = node->kids.ptr[k];
            *number = p->kids[k];
        } else {
            return node;
        }
    }
}

/* Below the end of such a way, as the next or as a child; at the root where there is none. False: *in is as it
 * was. */
static bool join(struct trees *m, unsigned root, Box(Node) * in, unsigned number, uint32_t value,
                 bool may_fail) {
    unsigned at = m->plain_roots[root];
    if (at == 0) {
        m->roots[root] = move(*in);
        m->plain_roots[root] = number;
        return true;
    }
    Node *node = walk(m, m->roots[root], &at, value);
    struct plain *p = &m->plain[at];
    if (node->next == NULL && value % 5 < 2) {
        node->next = move(*in);
        p->next = number;
        return true;
    }
    if (p->count == KIDS) return false;
    if (!vec_try_push(&node->kids, *in)) {
        refused(may_fail, "a child", sizeof *in);
        return false;
    }
    forget(*in);
    p->kids[p->count++] = number;
    return true;
}

static void add(struct trees *m, unsigned root, uint32_t value, bool may_fail) {
    unsigned number;
    Box(Node) made = make(m, &number, value, may_fail);
    if (made == NULL || join(m, root, &made, number, value / 3, may_fail)) return;
    drop(Box(Node), &made);
    has_fallen(m, number, true);
}

static void join_roots(struct trees *m, unsigned root, unsigned other, uint32_t value, bool may_fail) {
    if (root == other || m->roots[other] == NULL) return;
    if (join(m, root, &m->roots[other], m->plain_roots[other], value, may_fail)) m->plain_roots[other] = 0;
}

/* A branch of a tree becomes a tree of its own. */
static void take_off(struct trees *m, unsigned root, unsigned other, uint32_t value) {
    unsigned at = m->plain_roots[root];
    if (at == 0 || m->roots[other]) return;
    Node *node = m->roots[root];
    for (value /= 7; value > 0 && node->next; value /= 2) {
        node = node->next;
        at = m->plain[at].next;
    }
    struct plain *p = &m->plain[at];
    if (p->count) {
        unsigned k = value % p->count;
        m->roots[other] = vec_remove(&node->kids, k);
        m->plain_roots[other] = p->kids[k];
        memmove(p->kids + k, p->kids + k + 1, (p->count - k - 1) * sizeof *p->kids);
        p->count--;
    } else {
        m->roots[other] = take(node->next);
        m->plain_roots[other] = p->next;
        p->next = 0;
    }
}

/* ---- dropping ---- */

static void drop_root(struct trees *m, unsigned root) {
    drop(Box(Node), &m->roots[root]);
    has_fallen(m, m->plain_roots[root], true);
    m->plain_roots[root] = 0;
}

static void set_root(struct trees *m, unsigned root, unsigned other) {
    if (root == other) return;
    set(Box(Node), &m->roots[root], take(m->roots[other]));
    has_fallen(m, m->plain_roots[root], true);
    m->plain_roots[root] = m->plain_roots[other];
    m->plain_roots[other] = 0;
}

static void swap_roots(struct trees *m, unsigned root, unsigned other) {
    unsigned number = m->plain_roots[root];
    swap(&m->roots[root], &m->roots[other]);
    m->plain_roots[root] = m->plain_roots[other];
    m->plain_roots[other] = number;
}

static void copy(struct trees *m, unsigned root) {
    Box(Node) other = clone(Box(Node), &m->roots[root]);
    verify_tree(m, other, m->plain_roots[root]);
    drop(Box(Node), &other);
    has_fallen(m, m->plain_roots[root], false);
}

/* Out of its Box and into another. */
static void rebox(struct trees *m, unsigned root) {
    if (m->roots[root] == NULL) return;
    Node node = unbox(m->roots[root]);
    CHECK(m->roots[root] == NULL);
    m->roots[root] = box_of(Node, node);
}

/* The value of the root changes. */
static void set_value(struct trees *m, unsigned root, bool may_fail) {
    Witness w;
    if (m->roots[root] == NULL || !witness_make(&w, ++m->next_id, may_fail)) return;
    struct plain *p = &m->plain[m->plain_roots[root]];
    set(Value, &m->roots[root]->value, (Value){.kind = WITNESS, .witness = w});
    drops_were(&p->value_id, p->value_id != 0);
    p->value_id = w.id;
}

/* ---- cells and options, which hold a Witness for the time of a step ---- */

static void borrow_it(struct trees *m, uint32_t value) {
    unsigned id = ++m->next_id;
    Witness w;
    CHECK(witness_make(&w, id, false));
    {
        own(Rc(RefCell(Witness))) cell = rc_of(RefCell(Witness), refcell_of(Witness, w));
        if (value & 1) {
            own(Ref(Witness)) one = borrow(cell);
            own(Ref(Witness)) two = try_borrow(cell);
            own(RefMut(Witness)) three = try_borrow_mut(cell);
            CHECK(two.ptr == one.ptr && three.ptr == NULL);
            witness_verify(two.ptr, id);
        } else {
            own(RefMut(Witness)) one = borrow_mut(cell);
            own(Ref(Witness)) two = try_borrow(cell);
            own(RefMut(Witness)) three = try_borrow_mut(cell);
            CHECK(two.ptr == NULL && three.ptr == NULL);
            witness_verify(one.ptr, id);
        }
        own(RefMut(Witness)) last = try_borrow_mut(cell);
        CHECK(last.ptr == &cell->value);
        drops_were(NULL, 0);
    }
    drops_were(&id, 1);
}

static void perhaps(struct trees *m, uint32_t value) {
    unsigned id = ++m->next_id;
    Witness w;
    CHECK(witness_make(&w, id, false));
    if (value & 1) {
        own(Option(Witness)) maybe = some(Witness, w);
        own(Option(Witness)) taken = option_take(&maybe);
        CHECK(!maybe.some && taken.some);
        if (value & 2) {
            own(Witness) out = unwrap(move(taken));
            witness_verify(&out, id);
        }
    } else {
        own(Result(Witness)) good = ok(Witness, w), bad = err(Witness, EDOM);
        CHECK(good.error == 0 && bad.error == EDOM);
        if (value & 2) {
            own(Witness) out = unwrap_ok(move(good));
            witness_verify(&out, id);
        }
    }
    drops_were(&id, 1);
}

static void step(void *model, const struct step *s, bool may_fail) {
    struct trees *m = model;
    unsigned root = s->slot % ROOTS, other = s->slot / ROOTS % ROOTS;
    switch (s->what % 16) {
        case 5: join_roots(m, root, other, s->value, may_fail); break;
        case 6: take_off(m, root, other, s->value); break;
        case 7:
            if (s->value % 4 == 0) drop_root(m, root);
            break;
        case 8:
            if (s->value % 4 == 0) set_root(m, root, other);
            break;
        case 9: swap_roots(m, root, other); break;
        case 10:
            if (!may_fail) copy(m, root);
            break;
        case 11:
            if (!may_fail) rebox(m, root);
            break;
        case 12: set_value(m, root, may_fail); break;
        case 13:
            if (!may_fail) borrow_it(m, s->value);
            break;
        case 14:
            if (!may_fail) perhaps(m, s->value);
            break;
        case 15: verify(m); break;
        default: add(m, root, s->value, may_fail);
    }
    drops_were(NULL, 0);
}

static void end(void *model) {
    struct trees *m = model;
    verify(m);
    for (unsigned i = 0; i < ROOTS; i++) drop_root(m, i);
}

const struct part trees = {begin, step, verify, end};
