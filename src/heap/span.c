/* span.c - blocks out of spans and into them.
 *
 * A span is a granule cut into blocks of one class. Which blocks are free stands in a bitmap outside it, a bit
 * a block, and a summary tells which words of the bitmap are not zero:
 *
 *     head.summary  ...0101          words[0], words[2] have bits set
 *     words[0]      ...00110000      blocks 4 and 5 are free
 *
 * Taking walks the set bits from the lowest address up; giving sets bits, a run of neighbours within a word in
 * one store. Neither touches the blocks.
 *
 * A heap keeps its spans that have free blocks in lists by the power of two of how many are free. Blocks are
 * taken from the fullest span that is worth the visit: so nearly empty spans get the time to become empty, and
 * then their pages are everybody's again. (Fullest first is Hoard's rule; the threshold is ours: a visit for a
 * single block costs more than the block.)
 *
 * Frees by other threads. A thread that does not own the span sets bits in its remote bitmap by atomic OR, then
 * makes sure that the span is in the owner's list of touched spans:
 *
 *     freeing thread                          collecting thread (holds the owner's lock)
 *     1  bits[w] |= mask                      a  queued = 0
 *     2  summary |= 1 << w                    b  s = exchange(summary, 0)
 *     3  if queued == 0:                      c  for each w in s: mask = exchange(bits[w], 0)
 *            if exchange(queued, 1) == 0: push
 *
 * All are sequentially consistent. If 3 reads 1, then a comes later in the one order of all of these, so b sees
 * 2 and c sees 1; if it reads 0 the span is pushed, and the next collection sees them. So nothing is lost, and
 * an atomic read-modify-write happens once a run of neighbours in the common case. 2 is skipped by the same
 * argument where the bit is already set.
 *
 * A span may become empty and change its owner, or its life, between 2 and a late push. The fields `next` and
 * `queued` belong to the granule, not to the span's life, so the push is harmless: who finds a touched span of
 * another owner passes it on, and one without owner is dropped.
 *
 * In checked mode no block that lies, or begins, in the first 64 bytes of a granule is handed out if blocks are
 * up to 1 KiB long: so each block has one before it, whose last byte is a canary (canary.h), and who looks at
 * the last 64 bytes of a block need not ask where it begins. That is one block of 64 at most.
 *
 * A span whose blocks are all free may rest: it stays what it is, in its list, where it is taken last. Else it
 * ends, and is everybody's.
 *
 *     In fast mode, where its heap's thread frees and allocates so much of its class in turn that spans would
 *     end and begin all the time: that takes the extents' lock, and writes to the table of classes, which each
 *     free of every thread reads. A span that begins where one has ended shortly before says so, and one more of
 *     the class may rest from now on, until the next tidying. A heap's resting spans are few, and the first to
 *     go when it needs a span of another class.
 *
 *     In checked mode always, for a while, with its fills and its marks: so a late write to one of its blocks is
 *     seen still, when it is used again or at exit, and a late free is told as what it is. What rests is limited
 *     over all heaps; the one of a class that has rested longest goes first.
 */
#include "heap.h"

#include "../base/assume.h"
#include "../base/report.h"
#include "check.h"
#include "extent.h"
#include "private.h"

#include <string.h>

static struct fh_head *head_of(uint32_t g) { return &fh_space.heads[g]; }

/* ---- the lists ---- */

/* A heap of the program's own has a list of its full spans, too: it must find all when it is dropped. */
static uint32_t *list_of(struct fh_heap *heap, unsigned c, unsigned bucket) {
    return bucket == FH_FULL_BUCKET ? &heap->private->full : &heap->lists[c][bucket];
}

static void unlink_span(struct fh_heap *heap, struct fh_head *head) {
    unsigned c = head->class, b = head->bucket;
    if (b == FH_NO_BUCKET) return;
    uint32_t *list = list_of(heap, c, b);
    *(head->prev ? &head_of(head->prev)->next : list) = head->next;
    if (head->next) head_of(head->next)->prev = head->prev;
    if (*list == 0 && b != FH_FULL_BUCKET) heap->filled[c] &= (uint16_t) ~(1u << b);
    head->bucket = FH_NO_BUCKET;
}

static void link_span(struct fh_heap *heap, uint32_t g, struct fh_head *head, unsigned bucket) {
    uint32_t *list = list_of(heap, head->class, bucket);
    head->bucket = (uint8_t)bucket;
    head->prev = 0;
    head->next = *list;
    if (*list) head_of(*list)->prev = g;
    *list = g;
    if (bucket != FH_FULL_BUCKET) heap->filled[head->class] |= (uint16_t)(1u << bucket);
}

static unsigned bucket_for(const struct fh_heap *heap, const struct fh_head *head) {
    if (head->free) return 31u - (unsigned)__builtin_clz(head->free);
    return heap->private ? FH_FULL_BUCKET : FH_NO_BUCKET;
}

/* Puts the span into the list where it belongs now. */
static void resettle(struct fh_heap *heap, uint32_t g, struct fh_head *head) {
    unsigned bucket = bucket_for(heap, head);
    if (bucket == head->bucket) return;
    unlink_span(heap, head);
    if (bucket != FH_NO_BUCKET) link_span(heap, g, head, bucket);
}

/* ---- resting ---- */

static _Atomic uint32_t resting; /* spans of all heaps, in checked mode */

static void rest(struct fh_heap *heap, struct fh_head *head) {
    head->rests = true;
    if (fh_space.marked) {
        atomic_fetch_add_explicit(&resting, 1, memory_order_relaxed);
    } else {
        heap->books[head->class].resting++;
        heap->resting++;
    }
}

static void wake(struct fh_heap *heap, struct fh_head *head) {
    if (!head->rests) return;
    head->rests = false;
    if (fh_space.marked) {
        atomic_fetch_sub_explicit(&resting, 1, memory_order_relaxed);
    } else {
        heap->books[head->class].resting--;
        heap->resting--;
    }
}

/* In fast mode. */
static bool may_rest(const struct fh_heap *heap, const struct fh_head *head) {
    enum { ALWAYS = 8, PART = 8, MOST = 64 }; /* half a MiB, and an eighth of what the heap has up to 4 MiB */
    const struct fh_bin_book *book = &heap->books[head->class];
    uint32_t part = heap->all_spans < MOST * PART ? heap->all_spans / PART : MOST;
    return book->resting < book->may_rest && heap->resting < ALWAYS + part;
}

static bool too_many_rest(void) {
    enum { ALWAYS = 64 }; /* 4 MiB */
    return atomic_load_explicit(&resting, memory_order_relaxed) > ALWAYS + fh_space.mapped / 16;
}

uint32_t fh_span_resting(void) { return atomic_load_explicit(&resting, memory_order_relaxed); }

/* The one that rests longest, or nearly, in a list of all that have as many free blocks. */
static uint32_t longest_resting(uint32_t list) {
    enum { FEW = 128 };
    uint32_t found = 0;
    for (unsigned looked = 0; list && looked < FEW; looked++, list = head_of(list)->next)
        if (head_of(list)->rests) found = list;
    return found;
}

/* ---- a span's life ---- */

/* Of the blocks of a span, how many are never handed out: they are the first ones. */
static unsigned set_aside(const struct fh_class *class) {
    enum { SET_ASIDE = 64 };
    if (fh_space.marked == NULL || class->size > FH_PLAIN_MOST) return 0;
    return (SET_ASIDE + class->size - 1) / class->size;
}

/* The list in which a span of class c is when all of its blocks are free. */
static unsigned full_bucket(unsigned c) {
    return 31u - (unsigned)__builtin_clz(fh_classes[c].blocks - set_aside(&fh_classes[c]));
}

static void fill_bitmap(uint32_t g, struct fh_head *head) {
    uint64_t *words = fh_space.bits[g];
    unsigned whole = head->blocks / 64u, rest = head->blocks % 64u;
    for (unsigned w = 0; w < whole; w++) words[w] = ~(uint64_t)0;
    if (rest) words[whole] = ((uint64_t)1 << rest) - 1;
    unsigned count = whole + (rest != 0);
    head->summary = count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
    words[0] &= ~(uint64_t)0 << (head->blocks - head->usable);
    head->free = head->usable;
}

/* Will the next span of class c be used up to the last page? A heap wants one only when all that it has of the
 * class are used up: if these are a MiB, it will. And a block below half a page, once used, leaves no page of
 * it out. */
static bool will_be_filled(const struct fh_heap *heap, unsigned c) {
    enum { MANY = 8, HALF_PAGE = 2048 };
    return heap->spans[c] >= MANY && fh_classes[c].size <= HALF_PAGE;
}

/* An extent for a span. A private heap's blocks have class 0 in the table of classes: so no bin ever gets one.
 * */
static uint32_t take_extent(struct fh_heap *heap, unsigned c) {
    struct fh_range dirty;
    if (heap->private && !fh_private_may_hold(heap->private, FH_GRANULE)) return 0;
    if (will_be_filled(heap, c)) fh_extent_prefer_huge(1);
    uint32_t g = fh_extent_take(1, 1, FH_SPAN, heap->private ? 0 : (uint8_t)c, &dirty);
    if (g && heap->private) fh_private_hold(heap->private, FH_GRANULE);
    return g;
}

/* The same, in checked mode with marks. */
static uint32_t take_marked(struct fh_heap *heap, unsigned c) {
    if (fh_space.marked == NULL) return take_extent(heap, c);
    unsigned blocks = fh_classes[c].blocks;
    struct fh_mark *marks = fh_check_new_marks(blocks);
    uint32_t g = marks ? take_extent(heap, c) : 0;
    if (g) fh_check_begin_span(g, heap->private ? 0 : c, marks);
    else if (marks) fh_check_give_marks(marks, blocks);
    return g;
}

static void end_span(struct fh_heap *heap, uint32_t g, struct fh_head *head) {
    unlink_span(heap, head);
    wake(heap, head);
    heap->spans[head->class]--;
    heap->all_spans--;
    atomic_fetch_sub_explicit(&fh_class_spans[head->class], 1, memory_order_relaxed);
    if (heap->private) heap->private->held -= FH_GRANULE;
    atomic_store(&head->owner, NULL);
    if (fh_space.marked) fh_check_end_span(g, head->blocks);
    fh_extent_give(g, false);
}

/* The first in a list that rests. */
static uint32_t first_resting(uint32_t list) {
    while (list && !head_of(list)->rests) list = head_of(list)->next;
    return list;
}

/* Of which class does not matter. Not in checked mode. */
static void end_one_resting(struct fh_heap *heap) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        if (heap->books[c].resting == 0) continue;
        uint32_t g = first_resting(heap->lists[c][full_bucket(c)]);
        end_span(heap, g, head_of(g));
        return;
    }
}

/* What a heap has learned when it needs a new span of class c: that one more would better have rested, and that
 * of what rests in other classes it has too much. */
static void learn(struct fh_heap *heap, unsigned c) {
    struct fh_bin_book *book = &heap->books[c];
    if (book->ended) {
        book->ended--;
        if (book->may_rest < UINT8_MAX) book->may_rest++;
    }
    if (heap->resting) end_one_resting(heap);
}

/* A new span of class c, in its list. 0 when there is no memory. */
static uint32_t new_span(struct fh_heap *heap, unsigned c) {
    const struct fh_class *class = &fh_classes[c];
    learn(heap, c);
    uint32_t g = take_marked(heap, c);
    if (g == 0) return 0;
    struct fh_head *head = head_of(g);
    head->class = (uint8_t)c;
    head->blocks = class->blocks;
    head->usable = (uint16_t)(class->blocks - set_aside(class));
    head->rests = false;
    head->bucket = FH_NO_BUCKET;
    fill_bitmap(g, head);
    resettle(heap, g, head);
    heap->spans[c]++;
    heap->all_spans++;
    atomic_fetch_add_explicit(&fh_class_spans[c], 1, memory_order_relaxed);
    if (heap->private) head->private = heap;
    else atomic_store(&head->owner, heap);
    return g;
}

static void rest_or_end(struct fh_heap *heap, uint32_t g, struct fh_head *head) {
    if (head->rests) return; /* somebody's late push made it be looked at again */
    if (heap->bins && may_rest(heap, head)) {
        rest(heap, head);
        return;
    }
    struct fh_bin_book *book = &heap->books[head->class];
    if (book->ended < UINT8_MAX) book->ended++;
    end_span(heap, g, head);
}

static void rest_in_checked_mode(struct fh_heap *heap, struct fh_head *head) {
    if (!head->rests) rest(heap, head);
    uint32_t longest = too_many_rest() ? longest_resting(heap->lists[head->class][head->bucket]) : 0;
    if (longest) end_span(heap, longest, head_of(longest));
}

/* After blocks came back: the span moves to its list, and rests or ends when all its blocks are free. (No span
 * is kept because it is the last of its class with free blocks: that would be 64 KiB of each, in every thread.)
 */
static void settle_after_give(struct fh_heap *heap, uint32_t g, struct fh_head *head) {
    resettle(heap, g, head);
    if (head->free < head->usable) return;
    if (heap->private) end_span(heap, g, head);
    else if (fh_space.marked == NULL) rest_or_end(heap, g, head);
    else rest_in_checked_mode(heap, head);
}

void fh_span_end(struct fh_heap *heap, uint32_t g) { end_span(heap, g, head_of(g)); }

void fh_span_end_empty(struct fh_heap *heap, unsigned c, bool resting_too) {
    for (uint32_t g = heap->lists[c][full_bucket(c)], next; g; g = next) {
        struct fh_head *head = head_of(g);
        next = head->next;
        if (head->free == head->usable && (resting_too || !head->rests || fh_space.marked == NULL))
            end_span(heap, g, head);
    }
}

static void end_resting(struct fh_heap *heap, void *unused) {
    (void)unused;
    if (fh_space.marked == NULL && heap->resting == 0) return;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        if (heap->filled[c] && !heap->private) fh_span_end_empty(heap, c, true);
}

bool fh_span_end_resting(void) {
    if (fh_space.marked && atomic_load_explicit(&resting, memory_order_relaxed) == 0) return false;
    fh_heap_each(end_resting, NULL);
    return true;
}

bool fh_span_move(struct fh_heap *from, struct fh_heap *to, unsigned c) {
    if (from->filled[c] == 0) return false;
    unsigned bucket = 31u - (unsigned)__builtin_clz(from->filled[c]);
    uint32_t g = from->lists[c][bucket];
    struct fh_head *head = head_of(g);
    unlink_span(from, head);
    FH_ASSUME(fh_space.marked || !head->rests); /* in fast mode, spans of a heap without a thread do not */
    from->spans[c]--;
    to->spans[c]++;
    from->all_spans--;
    to->all_spans++;
    link_span(to, g, head, bucket);
    atomic_store(&head->owner, to);
    return true;
}

/* ---- taking ---- */

/* The span of class c to take from next, 0 when none of the heap's has a free block. */
static uint32_t pick(const struct fh_heap *heap, unsigned c) {
    unsigned filled = heap->filled[c], worthy = filled >> fh_classes[c].worth << fh_classes[c].worth;
    if (worthy) return heap->lists[c][__builtin_ctz(worthy)];
    if (filled) return heap->lists[c][31 - __builtin_clz(filled)];
    return 0;
}

/* Puts `n` neighbours below end, the lowest first. Four at a time: a burst of allocations consists of this. */
static void **put_run(void **end, char *at, size_t size, unsigned n) {
    for (; n >= 4; n -= 4, at += 4 * size) {
        end -= 4;
        end[3] = at;
        end[2] = at + size;
        end[1] = at + 2 * size;
        end[0] = at + 3 * size;
    }
    for (; n; n--, at += size) *--end = at;
    return end;
}

/* How many of the lowest bits are set, one after another. */
static unsigned ones(uint64_t word) { return ~word ? (unsigned)__builtin_ctzll(~word) : 64; }

/* Puts the blocks of the set bits of `word` below end, the lowest bit's first. `at` is block 0's address. */
static void **put_blocks(void **end, char *at, size_t size, uint64_t word) {
    while (word & word >> 1 & word >> 2 & word >> 3) { /* four neighbours somewhere: by runs */
        unsigned skip = (unsigned)__builtin_ctzll(word), n = ones(word >> skip);
        end = put_run(end, at + skip * size, size, n);
        if (skip + n == 64) return end;
        word = word >> (skip + n) << (skip + n);
    }
    for (; word; word &= word - 1) *--end = at + (size_t)__builtin_ctzll(word) * size;
    return end;
}

/* The lowest `n` set bits of word, which has more than n. */
static uint64_t lowest_bits(uint64_t word, unsigned n) {
    uint64_t rest = word;
    unsigned skip = (unsigned)__builtin_ctzll(word);
    if (ones(word >> skip) >= n) return n ? ~(uint64_t)0 >> (64 - n) << skip : 0;
    while (n--) rest &= rest - 1;
    return word ^ rest;
}

static unsigned take_from(struct fh_heap *heap, uint32_t g, struct fh_head *head, void **end, unsigned want) {
    uint64_t *words = fh_space.bits[g];
    size_t size = fh_classes[head->class].size;
    char *start = fh_granule_address(g);
    unsigned left = want;
    wake(heap, head);
    while (left && head->summary) {
        unsigned w = (unsigned)__builtin_ctzll(head->summary);
        uint64_t word = words[w];
        unsigned count = fh_count_bits(word);
        if (count > left) {
            word = lowest_bits(word, left);
            count = left;
        }
        end = put_blocks(end, start + (size_t)w * 64 * size, size, word);
        words[w] ^= word;
        if (words[w] == 0) head->summary &= head->summary - 1;
        left -= count;
    }
    head->free = (uint16_t)(head->free - (want - left));
    return want - left;
}

unsigned fh_span_take(struct fh_heap *heap, unsigned c, void **end, unsigned want) {
    unsigned got = 0;
    while (got < want) {
        uint32_t g = pick(heap, c);
        if (g == 0) {
            if (got) break; /* what there is will do: a new span only for who would get nothing */
            if (!heap->private && fh_heap_scavenge(heap, c)) continue;
            g = new_span(heap, c);
            if (g == 0) break;
        }
        struct fh_head *head = head_of(g);
        got += take_from(heap, g, head, end - got, want - got);
        resettle(heap, g, head);
    }
    return got;
}

/* ---- mistakes of the program that show here ---- */

static _Noreturn void report_bad_block(struct fh_heap *heap, const void *p, const char *what) {
    fh_heap_let_go(heap);
    fh_fatal("%s: %p", what, p);
}

static _Noreturn void report_twice(struct fh_heap *heap, uint32_t g, unsigned block) {
    report_bad_block(heap, fh_granule_address(g) + (size_t)block * fh_classes[head_of(g)->class].size,
                     "block freed twice");
}

static _Noreturn void report_not_a_block(struct fh_heap *heap, const void *p, unsigned c) {
    unsigned real = fh_space.classes[fh_space_offset(p) >> FH_GRANULE_SHIFT];
    fh_heap_let_go(heap);
    if (real == 0) fh_fatal("free of %p, which is no block in use: freed twice, or never allocated", p);
    fh_fatal("sized free of %p as a block of %zu bytes, but it is one of %zu", p, fh_class_size(c),
             fh_class_size(real));
}

/* ---- giving ---- */

/* Puts the span on its owner's list of touched spans if it is on none. */
static void touch(uint32_t g, struct fh_remote *remote) {
    struct fh_heap *owner;
    do {
        if (atomic_load(&remote->queued) || atomic_exchange(&remote->queued, 1)) return;
        owner = atomic_load(&head_of(g)->owner);
        if (owner) break;
        atomic_store(&remote->queued,
                     0); /* it has ended, and all of its frees were collected; unless a new span */
    } while (atomic_load(&head_of(g)->owner)); /* began here meanwhile, for which someone relied on our 1 */
    if (owner == NULL) return;
    uint32_t first = atomic_load_explicit(&owner->touched, memory_order_relaxed);
    do atomic_store_explicit(&remote->next, first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&owner->touched, &first, g));
    atomic_fetch_add_explicit(&owner->touched_count, 1, memory_order_relaxed);
}

/* Too many frees that their owner did not look at: its thread may sleep for ever, so this one does its work. */
static void help(struct fh_heap *heap, struct fh_heap *owner) {
    enum { TOO_MANY = 16 };
    if (owner == NULL || atomic_load_explicit(&owner->touched_count, memory_order_relaxed) < TOO_MANY) return;
    if (!fh_trylock(&owner->lock)) return; /* it is awake */
    fh_span_collect_for(heap, owner);
    fh_unlock(&owner->lock);
}

static void add_to_bitmap(struct fh_heap *heap, uint32_t g, struct fh_head *head, unsigned w, uint64_t mask) {
    uint64_t *word = &fh_space.bits[g][w];
    if (*word & mask) report_twice(heap, g, w * 64u + (unsigned)__builtin_ctzll(*word & mask));
    *word |= mask;
    head->summary |= (uint64_t)1 << w;
    head->free = (uint16_t)(head->free + fh_count_bits(mask));
}

/* Sets the bits of a remote bitmap that are set in `words`, of which `summary` tells the words; they are zero
 * after. */
static void add_to_remote(struct fh_heap *heap, uint32_t g, uint64_t *words, uint64_t summary) {
    struct fh_remote *remote = &fh_space.remotes[g];
    for (uint64_t left = summary; left; left &= left - 1) {
        unsigned w = (unsigned)__builtin_ctzll(left);
        uint64_t mask = words[w], before = atomic_fetch_or(&remote->bits[w], mask);
        words[w] = 0;
        if (before & mask) report_twice(heap, g, w * 64u + (unsigned)__builtin_ctzll(before & mask));
    }
    if (summary & ~atomic_load(&remote->summary)) atomic_fetch_or(&remote->summary, summary);
    touch(g, remote);
}

/* `count` blocks from number `block` on are free now: their bits in `words`, and the words' in the summary that
 * is returned. */
static uint64_t set_range(struct fh_heap *heap, uint32_t g, uint64_t *words, unsigned block, unsigned count) {
    uint64_t summary = 0;
    while (count) {
        unsigned w = block / 64, bit = block % 64, n = 64 - bit < count ? 64 - bit : count;
        FH_ASSUME(n >= 1 && n <= 64);
        uint64_t mask = (~(uint64_t)0 >> (64 - n)) << bit;
        if (words[w] & mask) report_twice(heap, g, w * 64u + (unsigned)__builtin_ctzll(words[w] & mask));
        words[w] |= mask;
        summary |= (uint64_t)1 << w;
        block += n;
        count -= n;
    }
    return summary;
}

/* How many of the blocks, from the first on, lie `step` bytes behind one another. Four at a time, as in
 * put_run. */
static unsigned run_length(void *const *blocks, unsigned count, uintptr_t step) {
    unsigned n = 1;
    uintptr_t next = (uintptr_t)blocks[0] + step;
    for (; count - n >= 4; n += 4, next += 4 * step) {
        const uintptr_t *at = (const uintptr_t *)(const void *)(blocks + n);
        if ((at[0] ^ next) | (at[1] ^ (next + step)) | (at[2] ^ (next + 2 * step)) |
            (at[3] ^ (next + 3 * step)))
            break;
    }
    for (; n < count && (uintptr_t)blocks[n] == next; n++) next += step;
    return n;
}

/* What was allocated in a burst is mostly freed in a burst: are the next LEAST_RUN blocks a run of neighbours,
 * up or down? The first two tell nearly always. */
enum { LEAST_RUN = 4 };
static inline bool is_run(void *const *at, size_t size) {
    uintptr_t first = (uintptr_t)at[0], step = (uintptr_t)at[1] - first;
    if (step != size && step != -size) return false;
    return (uintptr_t)at[2] - first == 2 * step && (uintptr_t)at[3] - first == 3 * step;
}

/* The span that blocks on their way back lie in. */
struct target {
    uint32_t g;
    struct fh_head *head;
    uintptr_t start; /* address of its first block */
    size_t length;   /* bytes in all of its blocks */
};

/* Blocks that follow each other in memory, up or down, from number `block` of the span on. Returns how many
 * they were; their bits are set. (Not inlined, as it would take the registers of the loop that calls it.) */
static __attribute__((noinline)) unsigned mark_run(struct fh_heap *heap, const struct target *to,
                                                   uint64_t *words, uint64_t *summary, unsigned block,
                                                   void *const *blocks, unsigned count) {
    bool down = blocks[1] < blocks[0];
    unsigned most = down ? block + 1 : to->head->blocks - block; /* a run ends where the span does */
    if (most > count) most = count;
    uintptr_t size = fh_classes[to->head->class].size;
    unsigned run = run_length(blocks, most, down ? -size : size);
    *summary |= set_range(heap, to->g, words, down ? block + 1 - run : block, run);
    return run;
}

/* mark_free in checked mode, where neighbours come in random order: each would wait for the store of the bit
 * before its own. So a word of the bitmap is held in a register until a block of another one comes. */
static __attribute__((noinline)) unsigned mark_free_mixed(struct fh_heap *heap, const struct target *to,
                                                          uint64_t *words, uint64_t *summary,
                                                          void *const *blocks, unsigned count) {
    const struct fh_class *class = &fh_classes[to->head->class];
    const uintptr_t start = to->start;
    const uint32_t in_granule = class->in_granule;
    const size_t length = to->length;
    unsigned i = 0;
    uint64_t w = fh_block_number(class, (uint32_t)((uintptr_t)blocks[0] - start)) / 64; /* it lies there */
    uint64_t word = words[w], touched = (uint64_t)1 << w;
    for (; i < count; i++) {
        size_t within = (uintptr_t)blocks[i] - start;
        if (within >= length) break;
        uint32_t number;
        if (FH_UNLIKELY(!fh_block_in_granule(in_granule, (uint32_t)within, &number)))
            report_bad_block(heap, blocks[i], "free of a pointer into the middle of a block");
        uint64_t block = number, bit = (uint64_t)1 << block % 64;
        if (block / 64 != w) {
            words[w] = word;
            w = block / 64;
            word = words[w];
            touched |= (uint64_t)1 << w;
        }
        if (FH_UNLIKELY(word & bit)) report_twice(heap, to->g, number);
        word |= bit;
    }
    words[w] = word;
    *summary = touched;
    return i;
}

/* Sets the bits of the blocks, from the first on, that lie in the target. Returns how many. (Its values stand
 * in variables of their own because the compiler must take it that a store to `words` changes what they are
 * from.) */
static unsigned mark_free(struct fh_heap *heap, const struct target *to, uint64_t *words, uint64_t *summary,
                          void *const *blocks, unsigned count) {
    const struct fh_class class = fh_classes[to->head->class];
    const uintptr_t start = to->start;
    const size_t length = to->length;
    uint64_t touched = 0;
    if (fh_space.marked) return mark_free_mixed(heap, to, words, summary, blocks, count);
    void *const *at = blocks, *const *end = blocks + count;
    void *const *no_run = count >= LEAST_RUN ? end - LEAST_RUN + 1 : blocks; /* from here on there is none */
    while (at < end) {
        size_t within = (uintptr_t)*at - start;
        if (within >= length) break;
        unsigned block;
        if (FH_UNLIKELY(!fh_block_in_granule(class.in_granule, (uint32_t)within, &block)))
            report_bad_block(heap, *at, "free of a pointer into the middle of a block");
        if (at < no_run && is_run(at, class.size)) {
            at += mark_run(heap, to, words, &touched, block, at, (unsigned)(end - at));
            continue;
        }
        uint64_t bit = (uint64_t)1 << block % 64, word = words[block / 64];
        if (FH_UNLIKELY(word & bit)) report_twice(heap, to->g, block);
        words[block / 64] = word | bit;
        touched |= (uint64_t)1 << block / 64;
        at++;
    }
    *summary = touched;
    return (unsigned)(at - blocks);
}

/* The span in which block p of class c lies. */
static struct target aim(struct fh_heap *heap, unsigned c, const void *p) {
    size_t offset = fh_space_offset(p);
    uint32_t g = (uint32_t)(offset >> FH_GRANULE_SHIFT);
    if (offset >= fh_space.size) report_bad_block(heap, p, "free of something that is not from this heap");
    if (g >= fh_space.mapped || fh_space.classes[g] != c) report_not_a_block(heap, p, c);
    struct fh_head *head = head_of(g);
    size_t start = (size_t)g << FH_GRANULE_SHIFT, length = (size_t)head->blocks * fh_classes[c].size;
    if (offset - start >= length) report_bad_block(heap, p, "free of a pointer into the middle of a block");
    return (struct target){g, head, fh_space.base + start, length};
}

/* Gives those of the blocks that lie in the target, which is the heap's own. Returns how many, at least one. */
static unsigned give_own(struct fh_heap *heap, const struct target *to, void *const *blocks, unsigned count) {
    uint64_t summary;
    unsigned given = mark_free(heap, to, fh_space.bits[to->g], &summary, blocks, count);
    to->head->summary |= summary;
    to->head->free = (uint16_t)(to->head->free + given);
    settle_after_give(heap, to->g, to->head);
    return given;
}

/* The same for another heap's span: gathered in `scratch`, which is zero and will be zero again, then handed
 * over a word at a time. */
static unsigned give_remote(struct fh_heap *heap, const struct target *to, uint64_t *scratch,
                            void *const *blocks, unsigned count) {
    uint64_t summary;
    unsigned given = mark_free(heap, to, scratch, &summary, blocks, count);
    add_to_remote(heap, to->g, scratch, summary);
    return given;
}

/* Do the next blocks lie in the same span? */
static inline bool may_be_group(void *const *at, void *const *end) {
    if (end - at < LEAST_RUN) return false;
    uintptr_t first = (uintptr_t)at[0];
    return ((first ^ (uintptr_t)at[1]) | (first ^ (uintptr_t)at[LEAST_RUN - 1])) < FH_GRANULE;
}

/* Gives blocks from the first on that are the heap's own, each by itself: the way of what is freed in no order,
 * where one block's span is not the next one's. Ends before a block that others of its span seem to follow, is
 * another heap's, or should not be there: those are for give_group. (What it needs of the tables stands in
 * variables because the compiler must take it that a store to a bitmap changes them.) */
static void *const *give_scattered(struct fh_heap *heap, unsigned c, void *const *at, void *const *end) {
    const struct fh_class class = fh_classes[c];
    const struct fh_space space = fh_space;
    for (; at < end; at++) {
        size_t offset = (uintptr_t)*at - space.base;
        uint32_t g = (uint32_t)(offset >> FH_GRANULE_SHIFT);
        if (offset >= space.size || space.classes[g] != c || may_be_group(at, end)) break;
        struct fh_head *head = &space.heads[g];
        if (atomic_load_explicit(&head->owner, memory_order_relaxed) != heap) break;
        unsigned block;
        if (!fh_block_in_granule(class.in_granule, (uint16_t)offset, &block)) break;
        uint64_t bit = (uint64_t)1 << block % 64, *word = &space.bits[g][block / 64];
        if (block >= head->blocks || *word & bit) break;
        *word |= bit;
        head->summary |= (uint64_t)1 << block / 64;
        unsigned free = ++head->free;
        if ((free & (free - 1)) == 0 || free == head->usable) settle_after_give(heap, g, head);
    }
    return at;
}

/* Gives blocks from the first on that lie in one span. Returns how many, at least one. */
static unsigned give_group(struct fh_heap *heap, unsigned c, void *const *blocks, unsigned count,
                           struct fh_heap **other, uint64_t *scratch) {
    struct target to = aim(heap, c, blocks[0]);
    struct fh_heap *owner = atomic_load_explicit(&to.head->owner, memory_order_relaxed);
    if (owner == heap) return give_own(heap, &to, blocks, count);
    if (*other == NULL) memset(scratch, 0, FH_WORDS * sizeof *scratch);
    *other = owner;
    return give_remote(heap, &to, scratch, blocks, count);
}

void fh_span_give(struct fh_heap *heap, unsigned c, void **blocks, unsigned count) {
    uint64_t scratch[FH_WORDS];
    struct fh_heap *other = NULL;
    void *const *at = blocks, *const *end = blocks + count;
    while ((at = give_scattered(heap, c, at, end)) < end)
        at += give_group(heap, c, at, (unsigned)(end - at), &other, scratch);
    if (other) help(heap, other);
}

bool fh_span_is_own(const struct fh_heap *heap, const void *block) {
    uint32_t g = fh_span_first(block); /* 0, whose owner is nobody, when its span has ended meanwhile */
    return atomic_load_explicit(&head_of(g)->owner, memory_order_relaxed) == heap;
}

void fh_span_give_private(struct fh_heap *heap, uint32_t g, unsigned block) {
    struct fh_head *head = head_of(g);
    add_to_bitmap(heap, g, head, block / 64, (uint64_t)1 << block % 64);
    settle_after_give(heap, g, head);
}

/* ---- collecting ---- */

static void collect_span(struct fh_heap *heap, uint32_t g) {
    struct fh_remote *remote = &fh_space.remotes[g];
    struct fh_head *head = head_of(g);
    uint64_t words = atomic_exchange(&remote->summary, 0);
    for (; words; words &= words - 1) {
        unsigned w = (unsigned)__builtin_ctzll(words);
        uint64_t mask = atomic_exchange(&remote->bits[w], 0);
        if (mask) add_to_bitmap(heap, g, head, w, mask);
    }
    settle_after_give(heap, g, head);
}

void fh_span_collect(struct fh_heap *heap) {
    if (atomic_load_explicit(&heap->touched, memory_order_relaxed) == 0) return;
    atomic_store_explicit(&heap->touched_count, 0, memory_order_relaxed);
    uint32_t g = atomic_exchange(&heap->touched, 0);
    while (g) {
        struct fh_remote *remote = &fh_space.remotes[g];
        uint32_t next = atomic_load_explicit(&remote->next, memory_order_relaxed);
        atomic_store(&remote->queued, 0);
        if (atomic_load(&head_of(g)->owner) == heap) collect_span(heap, g);
        else touch(g, remote); /* it has moved to another heap, or is gone */
        g = next;
    }
}

void fh_span_collect_for(struct fh_heap *heap, struct fh_heap *other) {
    other->visitor = heap;
    fh_span_collect(other);
    other->visitor = NULL;
}

uint32_t fh_span_first(const void *p) {
    uint32_t granule = (uint32_t)(fh_space_offset(p) >> FH_GRANULE_SHIFT);
    if (fh_space_offset(p) >= fh_space.size || granule == 0 || granule >= fh_space.mapped) return 0;
    uint8_t kind = head_of(granule)->kind;
    return kind == FH_SPAN || kind == FH_LARGE ? granule : 0;
}
