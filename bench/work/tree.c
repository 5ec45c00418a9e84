/* bench/work/tree.c - binary trees: built, walked, freed.
 *
 * The pattern of Boehm's GCBench and of the "binary trees" of language shoot-outs: one tree lives long while
 * many smaller ones come and go. Trees are built from the top and freed from the leaves, so that the order
 * of frees is neither that of the allocations nor its reverse. */
#include "work.h"

struct tree {
    struct tree *left, *right;
    uint64_t key;
};

static struct tree *build(unsigned depth, uint64_t key) {
    struct tree *t = must(malloc(sizeof *t));
    t->key = key;
    t->left = depth ? build(depth - 1, 2 * key) : NULL;
    t->right = depth ? build(depth - 1, 2 * key + 1) : NULL;
    return t;
}

static uint64_t walk(const struct tree *t) { return t ? t->key + walk(t->left) - (walk(t->right) >> 1) : 0; }

static void drop(struct tree *t) {
    if (!t) return;
    drop(t->left);
    drop(t->right);
    free(t);
}

static uint64_t tree(double scale) {
    enum { LONG_DEPTH = 17, LEAST = 4, MOST = 18 };
    size_t work = scaled(1 << 22, scale, 1 << 10); /* nodes built at each depth */
    struct tree *keep = build(LONG_DEPTH, 1);
    uint64_t sum = 0;
    for (unsigned depth = LEAST; depth <= MOST; depth += 2) {
        size_t count = (work >> depth) + 1;
        for (size_t i = 0; i < count; i++) {
            struct tree *t = build(depth, i + 1);
            sum += walk(t);
            drop(t);
        }
    }
    sum += walk(keep);
    drop(keep);
    return sum;
}

const struct work works_tree[] = {
    {"tree", "binary trees of depth 4 to 18 built, walked, freed beside a long-lived one", tree},
    {0},
};
