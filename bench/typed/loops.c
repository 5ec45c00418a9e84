/* bench/typed/loops.c - the typed path against malloc and free, in the same four loops.
 *
 * Compiled twice from this one text: plain, with malloc and free, to be run on each allocator; and with
 * -DTYPED, with fh_new and fh_delete from <freehold/heap.h>, whose size class is a constant and whose fast
 * path is inlined. loops.rs says the same in Rust.
 *
 *     pair    a new object of 32 bytes, written, dropped at once                ns per object
 *     bulk    1000 objects of 32 bytes made, then dropped in the same order     ns per object
 *     list    a list of a million nodes of 24 bytes built, then dropped         ns per node
 *     vec     an array grown from nothing to 1000 numbers by doubling           ns per number
 *
 * Each loop is repeated and the fastest repetition counts: the loops are short, so what disturbs them only ever
 * adds. Prints "name nanoseconds checksum", a line each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef TYPED
#include <freehold/heap.h>
#define NEW(T) fh_new(T)
#define DELETE(p) fh_delete(p)
#define GROW(p, bytes) fh_realloc(p, bytes)
#define DROP_ARRAY(p, bytes) fh_free_sized(p, bytes)
#else
#define NEW(T) ((T *)malloc(sizeof(T)))
#define DELETE(p) free(p)
#define GROW(p, bytes) realloc(p, bytes)
#define DROP_ARRAY(p, bytes) free(p)
#endif

struct item {
    uint64_t a, b, c, d;
};

struct node {
    struct node *next;
    uint64_t a, b;
};

/* The compiler must believe that somebody looks at *p. */
#define SEEN(p) __asm__ volatile("" : : "r"(p) : "memory")

static void *must(void *p) {
    if (__builtin_expect(p == NULL, 0)) {
        fputs("loops: out of memory\n", stderr);
        exit(3);
    }
    return p;
}

static uint64_t pair(size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        struct item *p = must(NEW(struct item));
        *p = (struct item){i, i, i, i};
        SEEN(p);
        sum += p->b;
        DELETE(p);
    }
    return sum;
}

static uint64_t bulk(size_t n) {
    static struct item *item[1000];
    uint64_t sum = 0;
    for (size_t r = 0; r < n / 1000; r++) {
        for (size_t i = 0; i < 1000; i++) {
            item[i] = must(NEW(struct item));
            *item[i] = (struct item){i, i, i, r};
            SEEN(item[i]);
        }
        for (size_t i = 0; i < 1000; i++) {
            sum += item[i]->c;
            DELETE(item[i]);
        }
    }
    return sum;
}

static uint64_t list(size_t n) {
    struct node *head = NULL;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        struct node *x = must(NEW(struct node));
        *x = (struct node){head, i, i};
        SEEN(x);
        head = x;
    }
    while (head) {
        struct node *next = head->next;
        sum += head->a;
        DELETE(head);
        head = next;
    }
    return sum;
}

static uint64_t vec(size_t n) {
    uint64_t sum = 0;
    for (size_t r = 0; r < n / 1000; r++) {
        uint64_t *array = NULL;
        size_t room = 0;
        for (size_t i = 0; i < 1000; i++) {
            if (i == room) {
                room = room ? 2 * room : 4;
                array = must(GROW(array, room * sizeof *array));
            }
            array[i] = i + r;
            SEEN(array);
        }
        sum += array[999];
        DROP_ARRAY(array, room * sizeof *array);
    }
    return sum;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void best_of(const char *name, uint64_t (*loop)(size_t), size_t n, int repetitions) {
    double best = 0;
    uint64_t sum = 0;
    for (int i = 0; i < repetitions; i++) {
        double begin = now();
        sum = loop(n);
        double took = (now() - begin) / (double)n;
        if (i == 0 || took < best) best = took;
    }
    printf("%s %.3f %llu\n", name, best, (unsigned long long)sum);
}

int main(int argc, char **argv) {
    int repetitions = argc == 2 ? atoi(argv[1]) : 10;
    if (repetitions < 1) return 2;
    best_of("pair", pair, 3000000, repetitions);
    best_of("bulk", bulk, 3000000, repetitions);
    best_of("list", list, 1000000, repetitions);
    best_of("vec", vec, 3000000, repetitions);
    return 0;
}
