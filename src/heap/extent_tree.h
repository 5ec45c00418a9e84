/* extent_tree.h - free extents in order of size.
 *
 * A treap (Aragon and Seidel 1989): a search tree by (length, place) that is a heap by a pseudo-random
 * priority, which is a hash of the place, so that no field is needed for it. Nodes are granule numbers; their
 * links stand in the granules' heads. Expected O(log n) steps, where n is the number of free extents: small,
 * because neighbours are always merged.
 *
 * "Best fit, lowest address first" is then the smallest key not below (length wanted, 0): of all extents that
 * are large enough the tightest, and among equals the lowest. It keeps what is used together at the low end of
 * the window.
 */
#ifndef FH_HEAP_EXTENT_TREE_H
#define FH_HEAP_EXTENT_TREE_H

#include "space.h"

static inline uint64_t fh_tree_key(uint32_t g) { return (uint64_t)fh_space.heads[g].granules << 32 | g; }

static inline uint32_t fh_tree_priority(uint32_t g) {
    uint32_t x = g * 0x9E3779B1u; /* Fibonacci hashing, then a mix so that low bits matter too */
    return x ^ x >> 15;
}

/* Cuts the tree at `key` into those below and those above it. */
static inline void fh_tree_split(uint32_t tree, uint64_t key, uint32_t *below, uint32_t *above) {
    while (tree) {
        if (fh_tree_key(tree) < key) {
            *below = tree;
            below = &fh_space.heads[tree].right;
            tree = *below;
        } else {
            *above = tree;
            above = &fh_space.heads[tree].left;
            tree = *above;
        }
    }
    *below = *above = 0;
}

static inline void fh_tree_insert(uint32_t *tree, uint32_t g) {
    struct fh_head *head = &fh_space.heads[g];
    uint64_t key = fh_tree_key(g);
    uint32_t priority = fh_tree_priority(g);
    while (*tree && fh_tree_priority(*tree) > priority) {
        struct fh_head *at = &fh_space.heads[*tree];
        tree = key < fh_tree_key(*tree) ? &at->left : &at->right;
    }
    fh_tree_split(*tree, key, &head->left, &head->right);
    *tree = g;
}

static inline void fh_tree_remove(uint32_t *tree, uint32_t g) {
    uint64_t key = fh_tree_key(g);
    while (*tree != g) {
        struct fh_head *at = &fh_space.heads[*tree];
        tree = key < fh_tree_key(*tree) ? &at->left : &at->right;
    }
    uint32_t left = fh_space.heads[g].left, right = fh_space.heads[g].right;
    while (left && right) { /* the two subtrees become one */
        if (fh_tree_priority(left) > fh_tree_priority(right)) {
            *tree = left;
            tree = &fh_space.heads[left].right;
            left = *tree;
        } else {
            *tree = right;
            tree = &fh_space.heads[right].left;
            right = *tree;
        }
    }
    *tree = left ? left : right;
}

/* The first extent whose key is `key` or above; 0 when there is none. */
static inline uint32_t fh_tree_from(uint32_t tree, uint64_t key) {
    uint32_t best = 0;
    while (tree) {
        if (fh_tree_key(tree) >= key) {
            best = tree;
            tree = fh_space.heads[tree].left;
        } else {
            tree = fh_space.heads[tree].right;
        }
    }
    return best;
}

/* The tightest, then lowest, extent of at least `granules`; 0 when there is none. */
static inline uint32_t fh_tree_best(uint32_t tree, uint32_t granules) {
    return fh_tree_from(tree, (uint64_t)granules << 32);
}

/* The extent that comes before `key` in the order: the next shorter one, or the next lower of the same length.
 * */
static inline uint32_t fh_tree_before(uint32_t tree, uint64_t key) {
    uint32_t before = 0;
    while (tree) {
        if (fh_tree_key(tree) < key) {
            before = tree;
            tree = fh_space.heads[tree].right;
        } else {
            tree = fh_space.heads[tree].left;
        }
    }
    return before;
}

/* The length of the longest extent in the tree, 0 when it is empty. */
static inline uint32_t fh_tree_longest(uint32_t tree) {
    uint32_t longest = 0;
    for (; tree; tree = fh_space.heads[tree].right) longest = fh_space.heads[tree].granules;
    return longest;
}

#endif
