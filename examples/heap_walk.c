/* heap_walk.c - what a heap looks like from within: its blocks and holes, drawn with fh_heap_walk.
 *
 * A heap of the program's own gets blocks of three sizes, some of them are freed, and the walk shows each block
 * in the order of addresses: one letter a block.
 *
 *     #  live     .  free: a hole     o  kept at hand in a thread's bin     q  freed, and held back (mode=checked)
 *
 * The bins of threads serve fh_malloc alone, so `o` is seen in the second picture only: that of all heaps
 * together, where every size class has a line.
 */
#include <freehold/heaps.h>

#include <stdio.h>

enum { WIDTH = 64, MOST = 3000, STATES = 4 };

static const char letters[STATES] = {
    [FH_BLOCK_LIVE] = '#', [FH_BLOCK_FREE] = '.', [FH_BLOCK_CACHED] = 'o', [FH_BLOCK_QUARANTINED] = 'q'};

/* ---- one heap, block by block ---- */

struct picture {
    unsigned size_class; /* of the blocks in the row that is being drawn */
    unsigned column, rows;
    size_t live, holes; /* bytes */
};

static void end_row(struct picture *picture) {
    if (picture->column) printf("\n");
    picture->column = 0;
}

static int draw_block(const struct fh_block *block, void *arg) {
    struct picture *picture = arg;
    enum { ROWS = 4 }; /* of each size; the rest is holes here */
    if (block->state == FH_BLOCK_LIVE) picture->live += block->size;
    else picture->holes += block->size;
    if (block->size_class != picture->size_class) {
        end_row(picture);
        picture->size_class = block->size_class;
        picture->rows = 0;
    }
    if (picture->rows == ROWS) return 0;
    if (picture->column == 0) {
        if (picture->rows == 0) printf("%7zu bytes  ", fh_class_size(block->size_class));
        else printf("%13s  ", "");
    }
    putchar(letters[block->state]);
    if (++picture->column == WIDTH) {
        end_row(picture);
        picture->rows++;
    }
    return 0;
}

static int draw(struct fh_heap *heap, const char *title) {
    struct picture picture = {0};
    struct fh_heap_stats stats;
    printf("%s\n", title);
    if (fh_heap_walk(heap, draw_block, &picture) != 0) return 0;
    end_row(&picture);
    fh_heap_stats_now(heap, &stats);
    printf("%13s  live %zu bytes in %zu blocks, holes %zu bytes\n\n", "", stats.live, stats.blocks,
           picture.holes);
    return picture.live == stats.live; /* the walk and the heap's own count are two ways to one number */
}

/* ---- all heaps, a line for each size class ---- */

struct line {
    size_t all, blocks[STATES];
};

static int count_block(const struct fh_block *block, void *arg) {
    struct line *line = (struct line *)arg + block->size_class;
    line->all++;
    line->blocks[block->state]++;
    return 0;
}

/* A bar of WIDTH letters in proportion to the counts; what there is at all gets a letter. */
static void draw_bar(const struct line *line) {
    static const enum fh_block_state order[STATES] = {FH_BLOCK_LIVE, FH_BLOCK_QUARANTINED, FH_BLOCK_CACHED,
                                                      FH_BLOCK_FREE};
    size_t drawn = 0;
    for (int i = 0; i < STATES; i++) {
        size_t n = line->blocks[order[i]], width = i == STATES - 1 ? WIDTH - drawn : n * WIDTH / line->all;
        if (n && width == 0) width = 1;
        for (size_t k = 0; n && k < width && drawn < WIDTH; k++, drawn++) putchar(letters[order[i]]);
    }
}

static int draw_all(const char *title) {
    struct line lines[FH_CLASS_COUNT] = {{0}};
    printf("%s\n", title);
    if (fh_heap_walk(NULL, count_block, lines) != 0) return 0;
    for (unsigned c = 0; c < FH_CLASS_COUNT; c++) {
        const struct line *line = &lines[c];
        if (line->all == 0) continue;
        if (c) printf("%7zu bytes  ", fh_class_size(c));
        else printf("%13s  ", "large");
        draw_bar(line);
        printf("  %zu live, %zu at hand, %zu free\n", line->blocks[FH_BLOCK_LIVE],
               line->blocks[FH_BLOCK_CACHED], line->blocks[FH_BLOCK_FREE]);
    }
    printf("\n");
    return 1;
}

int main(void) {
    static void *small[240], *middle[100], *big[20], *mine[MOST];
    struct fh_heap *heap = fh_heap_new(0);
    if (heap == NULL) return 1;
    for (int i = 0; i < 240; i++) small[i] = fh_heap_malloc(heap, 48);
    for (int i = 0; i < 100; i++) middle[i] = fh_heap_malloc(heap, 500);
    for (int i = 0; i < 20; i++) big[i] = fh_heap_malloc(heap, 5000);
    int good = draw(heap, "A heap with 240 blocks of 48 bytes, 100 of 500 and 20 of 5000");

    for (int i = 0; i < 240; i++)
        if (i % 3 == 0) fh_free(small[i]);
    for (int i = 20; i < 70; i++) fh_free(middle[i]);
    for (int i = 0; i < 20; i += 2) fh_free(big[i]);
    good &= draw(heap, "Every third small block is freed, a stretch of the middle ones, every other big one");

    for (int i = 0; i < 60; i++) good &= fh_heap_malloc(heap, 48) != NULL;
    for (int i = 0; i < 30; i++) good &= fh_heap_malloc(heap, 500) != NULL;
    good &= draw(heap, "60 small blocks and 30 middle ones more: the lowest holes are filled first");
    fh_heap_drop(heap);

    for (int i = 0; i < MOST; i++) mine[i] = fh_malloc((size_t)(i % 50 < 2 ? 1000 : 32));
    for (int i = 0; i < MOST; i += 2) fh_free(mine[i]);
    void *large = fh_malloc(1 << 20);
    good &= draw_all("The heap was dropped at once. The thread's own: #  live   o  in its bin   .  free");
    fh_free(large);
    for (int i = 1; i < MOST; i += 2) fh_free(mine[i]);
    return good ? 0 : 1;
}
