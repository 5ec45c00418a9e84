/* malloc_info.c - glibc's questions about the heap, answered from fh_stats.
 *
 * Each answer gives our numbers under the name that comes nearest in glibc's terms:
 *
 *     arena      bytes held in spans and free extents     hblks, hblkhd   large blocks, and their bytes
 *     uordblks   bytes of small blocks in use             fordblks        bytes held and not in use
 *     keepcost   what malloc_trim would give back at least
 */
#include "../base/report.h"

#include <freehold/heap.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

struct info { /* glibc's struct mallinfo2; struct mallinfo is the same in ints */
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct small_info {
    int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

FH_API struct info mallinfo2(void);
FH_API struct small_info mallinfo(void);
FH_API void malloc_stats(void);
FH_API int malloc_info(int options, FILE *file);
FH_API int malloc_trim(size_t pad);
FH_API int mallopt(int parameter, int value);

static size_t free_blocks(const struct fh_stats *stats) {
    size_t blocks = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) blocks += stats->classes[c].cached + stats->classes[c].free;
    return blocks;
}

struct info mallinfo2(void) {
    struct fh_stats stats;
    fh_stats_now(&stats);
    return (struct info){
        .arena = stats.held - stats.large_live - stats.metadata,
        .ordblks = free_blocks(&stats),
        .hblks = stats.large_blocks,
        .hblkhd = stats.large_live,
        .uordblks = stats.live - stats.large_live,
        .fordblks = stats.held - stats.live - stats.metadata,
        .keepcost = stats.free_extents,
    };
}

/* Numbers that do not fit an int become the largest: wrapped ones would mislead more. */
static int clip(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

struct small_info mallinfo(void) {
    struct info info = mallinfo2();
    return (struct small_info){
        .arena = clip(info.arena),
        .ordblks = clip(info.ordblks),
        .hblks = clip(info.hblks),
        .hblkhd = clip(info.hblkhd),
        .uordblks = clip(info.uordblks),
        .fordblks = clip(info.fordblks),
        .keepcost = clip(info.keepcost),
    };
}

void malloc_stats(void) {
    struct fh_stats stats;
    fh_stats_now(&stats);
    fh_print(2, "freehold: held %H (peak %H), in use %H, cached %H, holes %H, free %H\n", stats.held,
             stats.held_peak, stats.live, stats.cached, stats.free_in_spans, stats.free_extents);
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *class = &stats.classes[c];
        if (class->spans == 0) continue;
        fh_print(2, "freehold: %7zu B: %zu spans, %zu in use, %zu cached, %zu free\n", class->block_size,
                 class->spans, class->live, class->cached, class->free);
    }
    if (stats.large_blocks)
        fh_print(2, "freehold: large: %zu blocks, %H\n", stats.large_blocks, stats.large_live);
}

int malloc_info(int options, FILE *file) {
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    struct fh_stats stats;
    fh_stats_now(&stats);
    fprintf(file, "<malloc version=\"freehold-1\">\n<sizes>\n");
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *class = &stats.classes[c];
        if (class->spans == 0) continue;
        fprintf(file, "<size size=\"%zu\" spans=\"%zu\" live=\"%zu\" cached=\"%zu\" free=\"%zu\"/>\n",
                class->block_size, class->spans, class->live, class->cached, class->free);
    }
    fprintf(file, "</sizes>\n<large count=\"%zu\" size=\"%zu\"/>\n", stats.large_blocks, stats.large_live);
    fprintf(file, "<total type=\"live\" size=\"%zu\"/>\n<total type=\"cached\" size=\"%zu\"/>\n", stats.live,
            stats.cached);
    fprintf(file, "<total type=\"holes\" size=\"%zu\"/>\n<total type=\"free\" size=\"%zu\"/>\n",
            stats.free_in_spans + stats.span_tail, stats.free_extents);
    fprintf(file, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n</malloc>\n",
            stats.held, stats.held_peak);
    return 0;
}

int malloc_trim(size_t pad) {
    (void)pad; /* there is no top of the heap at which a pad could be left */
    return fh_trim() > 0;
}

/* glibc's tuning knobs have no counterpart here: accepted, as by other replacements, and without effect. */
int mallopt(int parameter, int value) {
    (void)parameter;
    (void)value;
    return 1;
}
