/* walk.c - every block of every heap, with its state.
 *
 * Everything is held still for a moment (the same locks as for a fork), and what describes the blocks is
 * copied: for each granule a line of facts, for each span its bitmap of free blocks and a second one of those
 * in bins and depots, in checked mode its marks. Then the locks are given back and the copy is walked, so that
 * the visitor may do what it likes.
 *
 *     free bit set -> FREE     else cached bit set -> CACHED     else its mark says freed -> QUARANTINED   else LIVE
 */
#include "../os/os.h"
#include "check.h"
#include "count.h"
#include "depot.h"
#include "heap.h"
#include "large.h"

#include <freehold/heaps.h>

#include <errno.h>
#include <string.h>

struct fact { /* about a granule; kind INSIDE: nothing begins here */
    uint8_t kind, class;
    uint16_t blocks, usable;
    uint32_t granules, marks; /* where its marks begin in the picture's */
    struct fh_heap *private;
    size_t asked; /* LARGE, in checked mode: bytes asked for, and canaries in front of them */
    uint16_t front;
};

/* The copy: three tables with an entry a granule. Entries of granules where no span begins stay untouched, and
 * cost nothing. */
struct picture {
    uint32_t granules;
    struct fact *facts;
    uint64_t (*free)[FH_WORDS];
    uint64_t (*cached)[FH_WORDS];
    size_t size;           /* of all three, in bytes        */
    struct fh_mark *marks; /* of all spans; NULL without    */
    size_t marks_size;
};

static size_t whole_pages(size_t size) {
    size_t page = fh_os_page_size();
    return (size + page - 1) & ~(page - 1);
}

static bool open_picture(struct picture *picture, uint32_t granules) {
    size_t facts = whole_pages(granules * sizeof *picture->facts), bits = granules * sizeof *picture->free;
    picture->marks = NULL;
    picture->size = facts + 2 * whole_pages(bits);
    char *at = fh_os_map(picture->size);
    if (at == NULL) return false;
    picture->granules = granules;
    picture->facts = (struct fact *)(void *)at;
    picture->free = (uint64_t(*)[FH_WORDS])(void *)(at + facts);
    picture->cached = (uint64_t(*)[FH_WORDS])(void *)(at + facts + whole_pages(bits));
    return true;
}

static void close_picture(struct picture *picture) {
    fh_os_unmap(picture->facts, picture->size);
    if (picture->marks) fh_os_unmap(picture->marks, picture->marks_size);
}

/* ---- taking the picture; everything is locked ---- */

static void mark_cached(struct picture *picture, const void *block) {
    uint32_t first = fh_span_first(block);
    if (first == 0 || first >= picture->granules) return;
    const struct fh_class *class = &fh_classes[fh_space.heads[first].class];
    unsigned number = fh_block_number(class, (uint32_t)(fh_space_offset(block) % FH_GRANULE));
    if (number < class->blocks) picture->cached[first][number / 64] |= (uint64_t)1 << number % 64;
}

/* Another thread may be at its bin meanwhile: what is read was true a moment ago. */
__attribute__((no_sanitize("thread"))) static void mark_bin(struct picture *picture, const struct fh_bin *bin,
                                                            const struct fh_bin_book *book) {
    void **top = *(void **volatile const *)&bin->top;
    if (book->base == NULL || top < book->base || top > book->base + book->capacity) return;
    for (void **slot = book->base; slot < top; slot++) mark_cached(picture, *slot);
}

static void mark_depot(void *picture, void *const *blocks, unsigned count) {
    for (unsigned i = 0; i < count; i++) mark_cached(picture, blocks[i]);
}

static void copy_granule(struct picture *picture, uint32_t g) {
    const struct fh_head *head = &fh_space.heads[g];
    if (head->kind != FH_SPAN && head->kind != FH_LARGE) return;
    picture->facts[g] = (struct fact){.kind = head->kind, .granules = head->granules, .private = head->private};
    if (head->kind == FH_LARGE) {
        picture->facts[g].asked = head->asked;
        picture->facts[g].front = head->mark.slack;
        return;
    }
    picture->facts[g].class = head->class;
    picture->facts[g].blocks = head->blocks;
    picture->facts[g].usable = head->usable;
    memcpy(picture->free[g], fh_space.bits[g], (head->blocks + 63u) / 64u * sizeof(uint64_t));
}

static void collect(struct fh_heap *heap, void *unused) {
    (void)unused;
    fh_span_collect(heap);
}

/* A span may end, and its marks with it, as soon as the locks are given back. How many there are is known only
 * now. */
static bool copy_marks(struct picture *picture) {
    size_t count = 0;
    for (uint32_t g = 1; g < picture->granules; g++) {
        if (picture->facts[g].blocks == 0) continue;
        picture->facts[g].marks = (uint32_t)count;
        count += picture->facts[g].blocks;
    }
    if (count == 0) return true;
    picture->marks_size = whole_pages(count * sizeof *picture->marks);
    picture->marks = fh_os_map(picture->marks_size);
    if (picture->marks == NULL) return false;
    for (uint32_t g = 1; g < picture->granules; g++)
        for (unsigned i = 0; i < picture->facts[g].blocks; i++)
            picture->marks[picture->facts[g].marks + i] = fh_mark_read(fh_space_marks(g) + i);
    return true;
}

static bool take_picture(struct picture *picture) {
    fh_heap_each(collect, NULL); /* remote frees become free bits; those that come later show as live */
    fh_heap_lock_everything();
    for (uint32_t g = 1; g < picture->granules; g++) copy_granule(picture, g);
    for (const struct fh_heap *heap = fh_heap_first(); heap; heap = heap->next)
        for (unsigned c = 1; heap->bins && c < FH_CLASS_COUNT; c++)
            mark_bin(picture, &heap->bins[c], &heap->books[c]);
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fh_depot_show(c, mark_depot, picture);
    bool done = fh_space.marked == NULL || copy_marks(picture);
    fh_heap_unlock_everything();
    return done;
}

/* ---- walking it ---- */

static enum fh_block_state state_of(const struct picture *picture, uint32_t g, unsigned block) {
    uint64_t bit = (uint64_t)1 << block % 64;
    if (picture->free[g][block / 64] & bit) return FH_BLOCK_FREE;
    return picture->cached[g][block / 64] & bit ? FH_BLOCK_CACHED : FH_BLOCK_LIVE;
}

/* In checked mode: freed, and in a quarantine. */
static bool waits(const struct fh_mark *mark) { return fh_mark_state(mark) == FH_MARK_FREED; }

/* What the program has of a place with canaries in front of the block and behind it. */
static void settle_live(struct fh_block *block, size_t front, size_t asked) {
    block->address = (char *)block->address + front;
    block->size = block->asked = asked;
}

/* By its mark the block, in use as it seems, is one that waits, or one of which so many bytes were asked for.
 * */
static void settle_marked(struct fh_block *block, const struct fh_mark *mark) {
    if (waits(mark)) block->state = FH_BLOCK_QUARANTINED;
    else settle_live(block, mark->state & FH_MARK_FRONT ? FH_SMALL_FRONT : 0, fh_mark_asked(mark, block->size));
}

typedef int visitor(const struct fh_block *, void *);

static int walk_span(const struct picture *picture, uint32_t g, visitor *visit, void *arg) {
    const struct fact *fact = &picture->facts[g];
    size_t size = fh_classes[fact->class].size;
    struct fh_block block = {.size_class = fact->class, .heap = fact->private};
    int result = 0;
    for (unsigned i = fact->blocks - fact->usable; i < fact->blocks && result == 0; i++) {
        block.address = fh_granule_address(g) + i * size;
        block.size = size;
        block.state = state_of(picture, g, i);
        block.asked = 0;
        if (block.state == FH_BLOCK_LIVE && picture->marks)
            settle_marked(&block, &picture->marks[fact->marks + i]);
        else if (block.state == FH_BLOCK_LIVE && fh_seen)
            block.asked = fh_count_asked(block.address, fact->class);
        result = visit(&block, arg);
    }
    return result;
}

static int walk_large(const struct picture *picture, uint32_t g, visitor *visit, void *arg) {
    const struct fact *fact = &picture->facts[g];
    struct fh_block block = {.address = fh_granule_address(g),
                             .size = (size_t)fact->granules << FH_GRANULE_SHIFT,
                             .state = FH_BLOCK_LIVE,
                             .heap = fact->private};
    if (fh_space.marked && waits(&fh_space.heads[g].mark)) block.state = FH_BLOCK_QUARANTINED;
    else if (fh_space.marked) settle_live(&block, fact->front, fact->asked);
    else if (fh_seen) block.asked = fh_count_asked(block.address, 0);
    return visit(&block, arg);
}

int fh_heap_walk(struct fh_heap *heap, visitor *visit, void *arg) {
    struct picture picture;
    int result = 0;
    fh_heap_mine();
    if (!open_picture(&picture, fh_space.mapped)) {
        errno = ENOMEM;
        return -1;
    }
    if (!take_picture(&picture)) {
        close_picture(&picture);
        errno = ENOMEM;
        return -1;
    }
    for (uint32_t g = 1; g < picture.granules && result == 0; g++) {
        const struct fact *fact = &picture.facts[g];
        if (fact->kind == FH_INSIDE || (heap && fact->private != heap)) continue;
        result =
            fact->kind == FH_SPAN ? walk_span(&picture, g, visit, arg) : walk_large(&picture, g, visit, arg);
    }
    close_picture(&picture);
    return result;
}
