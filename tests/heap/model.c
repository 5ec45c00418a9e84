/* model.c - see model.h. */
#include "model.h"
#include "names.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- typed blocks ---- */

struct type_ops {
    size_t size, align;
    void *(*make)(void);
    void *(*make_zero)(void);
    void (*drop)(void *p);
};

#ifdef TEST_FH_NAMES
/* clang-format off */
#define TYPES(X) \
    X(1, 1) X(8, 8) X(16, 16) X(24, 8) X(40, 8) X(64, 64) X(72, 8) X(100, 4) X(128, 16) X(129, 1) \
    X(200, 8) X(256, 128) X(520, 8) X(1024, 32) X(3000, 4) X(4096, 4096) X(9000, 8) X(32768, 16) \
    X(32769, 1) X(70000, 64)
/* clang-format on */
#define TYPE(bytes, alignment)                                                         \
    struct typed_##bytes {                                                             \
        _Alignas(alignment) char at[bytes];                                            \
    };                                                                                 \
    static void *make_##bytes(void) { return fh_new(struct typed_##bytes); }           \
    static void *make_zero_##bytes(void) { return fh_new_zero(struct typed_##bytes); } \
    static void drop_##bytes(void *p) { fh_delete((struct typed_##bytes *)p); }
TYPES(TYPE)
#define TYPE_ROW(bytes, alignment) \
    {sizeof(struct typed_##bytes), alignment, make_##bytes, make_zero_##bytes, drop_##bytes},
static const struct type_ops types[] = {TYPES(TYPE_ROW)};
#define TYPE_COUNT (sizeof types / sizeof *types)
#else
static const struct type_ops types[1];
#define TYPE_COUNT 0
#endif

/* ---------------------------------------------------------------- decoding ---- */

enum op {
    OP_MALLOC,
    OP_CALLOC,
    OP_REALLOC,
    OP_REALLOCARRAY,
    OP_ALIGNED,
    OP_MEMALIGN,
    OP_NEW,
    OP_FREE,
    OP_FREE_SIZED,
    OP_VERIFY,
    OP_USABLE,
    OP_TRIM,
    OP_POST,
    OP_TAKE,
    OP_ABSURD,
    OP_NONE
};

static const char *const op_names[] = {
    "malloc",     "calloc", "realloc", "reallocarray", "aligned_alloc", "memalign", "new",    "free",
    "free sized", "verify", "usable",  "trim",         "post",          "take",     "absurd", "none"};

/* 32 entries: how often each operation comes. */
static const unsigned char op_table[32] = {
    OP_MALLOC,  OP_MALLOC,   OP_MALLOC,  OP_MALLOC,     OP_MALLOC,     OP_CALLOC,       OP_CALLOC,
    OP_CALLOC,  OP_REALLOC,  OP_REALLOC, OP_REALLOC,    OP_REALLOC,    OP_REALLOCARRAY, OP_ALIGNED,
    OP_ALIGNED, OP_MEMALIGN, OP_NEW,     OP_NEW,        OP_NEW,        OP_FREE,         OP_FREE,
    OP_FREE,    OP_FREE,     OP_FREE,    OP_FREE_SIZED, OP_FREE_SIZED, OP_FREE_SIZED,   OP_VERIFY,
    OP_POST,    OP_POST,     OP_TAKE,    OP_TAKE};

struct call {
    enum op op;
    unsigned slot;
    size_t size, align;
    uint32_t value;
};

static size_t size_of_shape(unsigned shape, uint32_t value) {
    switch (shape & 15) {
        case 0:
        case 1:
        case 2: return value % 129;
        case 3:
        case 4:
        case 5: return value % 1025;
        case 6:
        case 7: return value % 32769;
        case 8:
        case 9: return fh_class_size(value % (FH_CLASS_COUNT - 1) + 1) + (value >> 8) % 3 - 1;
        case 10: return value % 262144;
        case 11: return (size_t)(value % 64 + 1) * 4096 + (value >> 8) % 33 - 16;
        case 12: return (value >> 24) < 32 ? value % (4u << 20) : value % 20000;
        case 13: return ((size_t)1 << value % 21) + (value >> 8) % 3 - 1;
        case 14:
            return (value >> 16) % 8 == 0 ? (size_t)(value % 40 + 1) * 65536 + (value >> 8) % 9 - 4
                                          : value % 48;
        default: return 32768 + (value % 9) - 4;
    }
}

static size_t align_of_shape(unsigned shape, uint32_t value) {
    unsigned log = shape >> 4;
    if (log == 15 && (value >> 8) % 8 == 0) log = 15 + value % 6; /* up to 1 MiB */
    return (size_t)1 << log;
}

static struct call decode(const unsigned char step[STEP_BYTES]) {
    struct call c;
    memcpy(&c.value, step + 4, 4);
    c.op = (enum op)op_table[step[0] & 31];
    if (step[0] == 0xff && step[1] < 24) c.op = OP_TRIM;
    if (step[0] == 0xfe || step[0] == 0xfd) c.op = OP_ABSURD;
    if (c.op == OP_NEW && TYPE_COUNT == 0) c.op = OP_MALLOC;
    c.slot = (step[1] | (unsigned)step[2] << 8) % SLOT_COUNT;
    c.size = size_of_shape(step[3], c.value);
    c.align = align_of_shape(step[3], c.value);
    return c;
}

void model_describe(char *buf, size_t size, const unsigned char step[STEP_BYTES]) {
    struct call c = decode(step);
    snprintf(buf, size, "%s slot %u size %zu align %zu value %#x", op_names[c.op], c.slot, c.size, c.align,
             c.value);
}

/* ---------------------------------------------------------------- intervals ---- */

/* The first live interval that begins at or after `at`. */
static size_t find_interval(const struct model *m, uintptr_t at) {
    size_t low = 0, high = m->live_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (m->live[mid].begin < at) low = mid + 1;
        else high = mid;
    }
    return low;
}

static void add_interval(struct model *m, const struct block *b) {
    uintptr_t begin = (uintptr_t)b->p, end = begin + b->usable;
    size_t i = find_interval(m, begin);
    CHECKF(i == m->live_count || m->live[i].begin >= end,
           "new block %p (asked %zu, usable %zu) overlaps the live block %p", (void *)b->p, b->size, b->usable,
           (void *)m->live[i].begin);
    CHECKF(i == 0 || m->live[i - 1].end <= begin,
           "new block %p (asked %zu, usable %zu) stands inside the live block %p", (void *)b->p, b->size,
           b->usable, (void *)m->live[i - 1].begin);
    CHECK(m->live_count < SLOT_COUNT);
    memmove(&m->live[i + 1], &m->live[i], (m->live_count - i) * sizeof *m->live);
    m->live[i] = (struct interval){begin, end};
    m->live_count++;
}

static void remove_interval(struct model *m, const struct block *b) {
    size_t i = find_interval(m, (uintptr_t)b->p);
    CHECK(i < m->live_count && m->live[i].begin == (uintptr_t)b->p);
    m->live_count--;
    memmove(&m->live[i], &m->live[i + 1], (m->live_count - i) * sizeof *m->live);
}

/* ---------------------------------------------------------------- blocks ---- */

static void verify_block(const struct block *b) {
    CHECKF(t_usable_size(b->p) == b->usable, "usable size of %p was %zu and is %zu", (void *)b->p, b->usable,
           t_usable_size(b->p));
    pattern_verify(b->p, b->usable, SIZE_MAX, b->tag);
}

/* Takes a block that the heap has given into the model. */
static void own_block(struct model *m, unsigned slot, struct block b) {
    CHECKF(((uintptr_t)b.p & (b.align - 1)) == 0, "%p is not aligned to %zu (size %zu)", (void *)b.p, b.align,
           b.size);
    if ((heap_is_freehold() && !heap_is_checked()) || b.size >= 16)
        CHECKF(((uintptr_t)b.p & 15) == 0, "%p is not aligned to 16", (void *)b.p);
    b.usable = t_usable_size(b.p);
    CHECKF(b.usable >= b.size, "asked for %zu, usable are %zu", b.size, b.usable);
    b.tag = m->next_tag++;
    add_interval(m, &b);
    pattern_fill(b.p, b.usable, b.tag);
    m->asked += b.size;
    m->slots[slot] = b;
}

static void disown_block(struct model *m, struct block *b) {
    remove_interval(m, b);
    m->asked -= b->size;
    b->p = NULL;
}

/* The call gave NULL: may it? */
static void check_refusal(struct model *m, const char *what, size_t size) {
    CHECKF(m->may_fail, "%s of %zu bytes gives NULL, errno %d", what, size, errno);
    CHECKF(errno == ENOMEM, "%s of %zu bytes gives NULL, and errno %d instead of ENOMEM", what, size, errno);
    m->failed_calls++;
}

static void release(const struct block *b, bool sized) {
    if (b->kind == BLOCK_TYPED && sized) types[b->type].drop(b->p);
    else if (b->kind == BLOCK_ALIGNED && sized) t_free_aligned_sized(b->p, b->align, b->size);
    else if (b->kind == BLOCK_PLAIN && sized) t_free_sized(b->p, b->size);
    else t_free(b->p);
}

static void step_free(struct model *m, unsigned slot, bool sized) {
    struct block *b = &m->slots[slot];
    if (b->p == NULL) return;
    verify_block(b);
    struct block gone = *b;
    disown_block(m, b);
    errno = 4711;
    release(&gone, sized);
    CHECKF(errno == 4711, "free set errno to %d", errno);
}

/* ---------------------------------------------------------------- steps ---- */

static void step_alloc(struct model *m, const struct call *c) {
    struct block b = {.size = c->size, .align = 1, .kind = BLOCK_PLAIN};
    step_free(m, c->slot, c->value & 1);
    if (c->op != OP_NEW && m->asked + c->size > m->asked_limit) return;
    bool zero = false;
    errno = 0;
    switch (c->op) {
        case OP_CALLOC: {
            size_t n = c->value % 7 + 1;
            b.size = c->size / n * n;
            b.p = t_calloc(n, b.size / n);
            zero = true;
            break;
        }
        case OP_ALIGNED:
            b.align = c->align;
            b.kind = BLOCK_ALIGNED;
            b.p = t_aligned_alloc(b.align, b.size);
            break;
        case OP_MEMALIGN:
            b.align = c->align < sizeof(void *) ? sizeof(void *) : c->align;
            b.kind = BLOCK_MEMALIGN;
#ifdef TEST_FH_NAMES
            b.p = t_aligned_alloc(b.align, b.size);
#else
            {
                void *p = NULL;
                int error = posix_memalign(&p, b.align, b.size);
                b.p = p;
                CHECK((error == 0) == (p != NULL));
                if (error) errno = error;
            }
#endif
            break;
        case OP_NEW:
            b.type = c->value % (TYPE_COUNT + (TYPE_COUNT == 0));
            b.size = types[b.type].size;
            b.align = types[b.type].align;
            b.kind = BLOCK_TYPED;
            zero = c->value >> 8 & 1;
            b.p = zero ? types[b.type].make_zero() : types[b.type].make();
            break;
        default: b.p = t_malloc(b.size);
    }
    if (b.p == NULL) {
        check_refusal(m, op_names[c->op], b.size);
        return;
    }
    if (zero) zero_verify(b.p, b.size);
    own_block(m, c->slot, b);
}

static void step_realloc(struct model *m, const struct call *c) {
    struct block *slot = &m->slots[c->slot];
    if (m->asked - slot->size * (slot->p != NULL) + c->size > m->asked_limit) return;
    size_t n = c->op == OP_REALLOCARRAY ? c->value % 5 + 1 : 1, size = c->size / n * n;
    if (size == 0 && !heap_is_freehold()) size = n; /* realloc(p, 0) frees on other heaps */
    struct block old = *slot;
    if (old.p) verify_block(&old);
    errno = 0;
    char *p = c->op == OP_REALLOCARRAY ? t_reallocarray(old.p, n, size / n) : t_realloc(old.p, size);
    if (p == NULL) {
        check_refusal(m, op_names[c->op], size);
        if (old.p) verify_block(&old);
        return;
    }
    if (old.p) {
        disown_block(m, slot);
        pattern_verify(p, old.usable, old.usable < size ? old.usable : size, old.tag);
    }
    own_block(m, c->slot, (struct block){.p = p, .size = size, .align = 1, .kind = BLOCK_PLAIN});
}

/* Requests that no heap can meet. */
static void step_absurd(struct model *m, const struct call *c) {
    size_t size = hidden(SIZE_MAX - c->value % 100000);
    if (c->value & 1) size = hidden((size_t)PTRDIFF_MAX + 1 + c->size);
    struct block *b = &m->slots[c->slot];
    void *p = NULL;
    errno = 0;
    switch (c->value >> 1 & 7) {
        case 0: p = t_malloc(size); break;
        case 1: p = t_calloc(size, 1); break;
        case 2: p = t_calloc(size / 2, 3); break;
        case 3: p = t_realloc(b->p, size); break;
        case 4: p = t_reallocarray(b->p, size / 5, 6); break;
        case 5: p = t_aligned_alloc(c->align < 16 ? 16 : c->align, size); break;
        case 6: p = t_realloc(NULL, size); break;
        default: p = t_calloc(1, size);
    }
    CHECKF(p == NULL, "an absurd request of %zu bytes was met: %p", size, p);
    CHECKF(errno == ENOMEM || !heap_is_freehold(), "an absurd request of %zu bytes: errno %d", size, errno);
    if (b->p) verify_block(b);
}

/* ---- mailboxes ---- */

static bool mailbox_enter(struct mailbox *box) {
    int free_now = 0;
    return atomic_compare_exchange_strong(&box->busy, &free_now, 1);
}

/* Gives the slot's block to whoever comes; takes and frees what was there. */
static void step_post(struct model *m, const struct call *c, bool give) {
    if (m->mailboxes == NULL) {
        step_free(m, c->slot, c->value & 1);
        return;
    }
    struct mailbox *box = &m->mailboxes[c->value % MAILBOX_COUNT];
    if (!mailbox_enter(box)) return;
    struct block got = box->block, *slot = &m->slots[c->slot];
    box->block = (struct block){.p = NULL};
    if (give && slot->p) {
        box->block = *slot;
        disown_block(m, slot);
    }
    atomic_store(&box->busy, 0);
    if (got.p == NULL) return;
    verify_block(&got);
    release(&got, c->value >> 8 & 1);
}

void mailboxes_empty(struct mailbox *mailboxes) {
    for (int i = 0; i < MAILBOX_COUNT; i++) {
        struct block b = mailboxes[i].block;
        if (b.p == NULL) continue;
        verify_block(&b);
        t_free(b.p);
        mailboxes[i].block.p = NULL;
    }
}

void model_step(struct model *m, const unsigned char step[STEP_BYTES]) {
    struct call c = decode(step);
    if (m->trace) {
        char text[200];
        model_describe(text, sizeof text, step);
        fprintf(stderr, "%llu: %s (slot holds %p, %zu bytes)\n", (unsigned long long)m->steps, text,
                (void *)m->slots[c.slot].p, m->slots[c.slot].size);
    }
    m->steps++;
    switch (c.op) {
        case OP_MALLOC:
        case OP_CALLOC:
        case OP_ALIGNED:
        case OP_MEMALIGN:
        case OP_NEW: step_alloc(m, &c); break;
        case OP_REALLOC:
        case OP_REALLOCARRAY: step_realloc(m, &c); break;
        case OP_FREE: step_free(m, c.slot, false); break;
        case OP_FREE_SIZED: step_free(m, c.slot, true); break;
        case OP_VERIFY:
            if (m->slots[c.slot].p) verify_block(&m->slots[c.slot]);
            break;
        case OP_POST: step_post(m, &c, true); break;
        case OP_TAKE: step_post(m, &c, false); break;
        case OP_ABSURD: step_absurd(m, &c); break;
        case OP_TRIM:
#ifdef TEST_FH_NAMES
            fh_trim();
#elif defined(__GLIBC__)
            malloc_trim(0);
#endif
            break;
        default: break;
    }
}

/* ---------------------------------------------------------------- runs ---- */

#ifdef TEST_FH_NAMES
static size_t live_now(void) {
    static __thread struct fh_stats s;
    fh_stats_now(&s);
    return s.live;
}

void model_check_stats(struct model *m, bool exact) {
    static __thread struct fh_stats s;
    fh_stats_now(&s);
    size_t sum = s.live + s.cached + s.free_in_spans + s.span_tail + s.free_extents + s.metadata;
    CHECKF(
        s.held == sum,
        "held %zu, and its parts are %zu: live %zu cached %zu free_in_spans %zu span_tail %zu free_extents %zu "
        "metadata %zu",
        s.held, sum, s.live, s.cached, s.free_in_spans, s.span_tail, s.free_extents, s.metadata);
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *k = &s.classes[c];
        CHECKF(k->blocks == k->live + k->cached + k->free,
               "class %u: %zu blocks, %zu live, %zu cached, %zu free", c, k->blocks, k->live, k->cached,
               k->free);
        CHECK(k->block_size == fh_class_size(c));
    }
    if (!exact || heap_is_checked()) return; /* held back blocks count as live */
    size_t own = 0;
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        if (m->slots[i].p) own += m->slots[i].usable;
    CHECKF(s.live == m->baseline + own, "fh_stats says %zu bytes are live, the model has %zu + %zu", s.live,
           m->baseline, own);
}
#else
static size_t live_now(void) { return 0; }
void model_check_stats(struct model *m, bool exact) { (void)m, (void)exact; }
#endif

void model_begin(struct model *m, uint64_t tag_base, struct mailbox *mailboxes) {
    memset(m, 0, sizeof *m);
    m->asked_limit = (size_t)24 << 20;
    m->next_tag = tag_base << 40;
    m->mailboxes = mailboxes;
    m->baseline = live_now();
}

void model_verify(struct model *m) {
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        if (m->slots[i].p) verify_block(&m->slots[i]);
}

void model_end(struct model *m) {
    model_verify(m);
    for (unsigned i = 0; i < SLOT_COUNT; i++) step_free(m, i, i & 1);
    CHECK(m->live_count == 0 && m->asked == 0);
}

void model_run(struct model *m, const unsigned char *bytes, size_t size) {
    for (size_t at = 0; at + STEP_BYTES <= size; at += STEP_BYTES) model_step(m, bytes + at);
}

/* Phases of 4096 steps: all slots, a few slots (so that the same blocks come and go), mostly one size shape (so
 * that spans of one class fill up), mostly frees. */
void model_make_step(unsigned char step[STEP_BYTES], struct rng *rng, uint64_t i) {
    uint64_t r = rng_next(rng);
    memcpy(step, &r, STEP_BYTES);
    uint64_t phase = i / 4096;
    switch (phase % 4) {
        case 1: step[1] &= 31, step[2] = 0; break;
        case 2:
            if (step[0] & 0xc0) {
                step[3] = (unsigned char)(8 + (phase * 5) % 8);
                uint32_t value = (uint32_t)(phase * 2654435761u) ^ (step[4] & 3);
                memcpy(step + 4, &value, 4);
            }
            break;
        case 3:
            if (step[0] & 0x60) step[0] = (unsigned char)(19 + step[0] % 8);
            break;
        default: break;
    }
}

void model_run_seed(struct model *m, uint64_t seed, uint64_t steps) {
    struct rng rng = {.state = seed};
    unsigned char step[STEP_BYTES];
    check_seed = seed;
    for (uint64_t i = 0; i < steps; i++) {
        model_make_step(step, &rng, i);
        check_step = i;
        model_step(m, step);
    }
    check_seed = check_step = 0;
}
