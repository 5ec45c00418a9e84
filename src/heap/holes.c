/* holes.c - pages inside spans in use, given back when that is asked for.
 *
 * A span serves its class as long as one of its blocks is in use. When a program has freed most of what it had,
 * and a little here and there remains, most pages of its spans hold free blocks only:
 *
 *     blocks   |x . .|. . .|. . .|. x .|. . .|. . .|       x in use, . free, | a page begins
 *     pages     stays  goes  goes  stays  goes  goes
 *
 * Free blocks hold nothing: their bits stand outside (span.c), and nobody reads what is in them. So these pages
 * can go at any time, and the blocks stay as free as they were; whoever gets one finds new pages, which costs a
 * fault for each. Hence only in fh_trim, for who says that he would rather have the memory.
 *
 * Not in checked mode, where a free block's content shows whether it was written to.
 */
#include "heap.h"

#include "../os/os.h"

static _Atomic size_t given_back;

size_t fh_holes_given_back(void) { return atomic_load_explicit(&given_back, memory_order_relaxed); }

static bool is_free(const uint64_t *words, unsigned block) { return words[block / 64] >> block % 64 & 1; }

/* Do only free blocks lie in these bytes of the span? What is behind the last block is nobody's. */
static bool is_unused(const struct fh_head *head, const uint64_t *words, size_t from, size_t to) {
    const struct fh_class *class = &fh_classes[head->class];
    unsigned block = fh_block_number(class, (uint32_t)from), last = fh_block_number(class, (uint32_t)(to - 1));
    if (last >= head->blocks) last = head->blocks - 1u;
    while (block <= last && is_free(words, block)) block++;
    return block > last;
}

/* Gives the pages back if they can be. The bytes that were resident. */
static size_t give(char *start, size_t size, size_t page) {
    unsigned char there[FH_GRANULE / 4096];
    size_t resident = 0;
    if (!fh_os_resident(start, size, there)) return 0;
    for (size_t i = 0; i < size / page; i++) resident += there[i] & 1 ? page : 0;
    return resident > 0 && fh_os_purge(start, size) ? resident : 0;
}

/* Run by run, so that it takes few system calls. */
static size_t purge_span(uint32_t g) {
    const struct fh_head *head = &fh_space.heads[g];
    const uint64_t *words = fh_space.bits[g];
    size_t page = fh_os_page_size(), given = 0, from = 0;
    char *start = fh_granule_address(g);
    for (size_t at = 0; at <= FH_GRANULE; at += page) {
        if (at < FH_GRANULE && is_unused(head, words, at, at + page)) continue;
        if (from < at) given += give(start + from, at - from, page);
        from = at + page;
    }
    return given;
}

size_t fh_holes_purge(struct fh_heap *heap) {
    size_t given = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        for (unsigned buckets = heap->filled[c]; buckets; buckets &= buckets - 1)
            for (uint32_t g = heap->lists[c][__builtin_ctz(buckets)]; g; g = fh_space.heads[g].next)
                given += purge_span(g);
    atomic_fetch_add_explicit(&given_back, given, memory_order_relaxed);
    return given;
}
