/* bench/work/list.c - a linked list of a million nodes, built and freed.
 *
 * The plainest data structure at a size that fits no bin and no second-level cache: every block comes from
 * the slow path's stock and goes back to it. What counts is how many nodes one refill brings, whether
 * neighbours in the list are neighbours in memory, and what a flush costs for a block. */
#include "work.h"

struct node {
    struct node *next;
    uint64_t value, more;
};

static uint64_t list_million(double scale) {
    size_t rounds = scaled(70, scale, 1);
    uint64_t sum = 0;
    for (size_t r = 0; r < rounds; r++) {
        struct node *head = NULL;
        for (size_t i = 0; i < 1000000; i++) {
            struct node *n = must(malloc(sizeof *n));
            *n = (struct node){head, i + r, i};
            head = n;
        }
        while (head) {
            struct node *next = head->next;
            sum += head->value + head->more;
            free(head);
            head = next;
        }
    }
    return sum;
}

/* The same with a few lists growing at once, so that the nodes of each lie apart, as in a hash table with
 * chains: freeing one list leaves holes among the others. */
static uint64_t list_woven(double scale) {
    enum { LISTS = 64 };
    size_t rounds = scaled(6, scale, 1);
    uint64_t sum = 0;
    struct rng r = {5};
    for (size_t n = 0; n < rounds; n++) {
        struct node *head[LISTS] = {0};
        for (size_t i = 0; i < 1000000; i++) {
            struct node *x = must(malloc(sizeof *x));
            struct node **where = &head[rng_below(&r, LISTS)];
            *x = (struct node){*where, i, n};
            *where = x;
        }
        for (size_t i = 0; i < LISTS; i++)
            for (struct node *x = head[i], *next; x; x = next) {
                next = x->next;
                sum += x->value + x->more;
                free(x);
            }
    }
    return sum;
}

const struct work works_list[] = {
    {"list-million", "a list of a million nodes of 24 bytes, built and freed", list_million},
    {"list-woven", "64 lists with a million nodes, built woven, freed one by one", list_woven},
    {0},
};
