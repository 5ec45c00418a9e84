/* bench/work/main.c - runs one workload.
 *
 *     bench-work list                 the names, a line each
 *     bench-work NAME [SCALE]         runs it, prints "NAME checksum"
 *
 * Nothing is timed here: the runner measures the process from outside, so that start, exit and what the
 * allocator does in both are part of the cost, as they are for users. */
#include "work.h"

static const struct work *const families[] = {
    works_pair,     works_bulk,     works_list,    works_tree,       works_life,   works_replace, works_larson,
    works_queue,    works_exchange, works_churn,   works_threadtest, works_share,  works_grow,    works_large,
    works_fragment, works_calloc,   works_aligned, works_strings,    works_server,
};
#define FAMILIES (sizeof families / sizeof families[0])

static void list(void) {
    for (size_t i = 0; i < FAMILIES; i++)
        for (const struct work *w = families[i]; w->name; w++) printf("%s\t%s\n", w->name, w->about);
}

static const struct work *find(const char *name) {
    for (size_t i = 0; i < FAMILIES; i++)
        for (const struct work *w = families[i]; w->name; w++)
            if (strcmp(w->name, name) == 0) return w;
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    const struct work *work = argc == 2 || argc == 3 ? find(argv[1]) : NULL;
    double scale = argc == 3 ? atof(argv[2]) : 1.0;
    if (!work || !(scale > 0 && scale <= 1000)) {
        fputs("usage: bench-work list | NAME [SCALE]   (0 < SCALE <= 1000)\n", stderr);
        return 2;
    }
    printf("%s %016llx\n", work->name, (unsigned long long)work->run(scale));
    return 0;
}
