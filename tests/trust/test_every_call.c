/* test_every_call.c - each mistake at each call that it can be made at: one report, of the right kind, in the
 * name of the call, and the program goes on.
 *
 *                  take with         give to                             mistakes
 *     malloc       malloc, fh_malloc free, free_sized, realloc ...       a write behind, far behind, before
 *     new          each form of it   each form of delete          x      given twice
 *     typed        fh_new            fh_delete                           an address inside, an odd one, a wild one
 *                                                                        another size, kind or alignment
 *
 * for sizes of each way that checked mode has, in the mode that the environment says (on_error=report). What is
 * put right is looked at with it: after each mistake blocks of the size are taken and given without another
 * word.
 *
 * And a write to a freed block is told by whichever call the block is handed out again.
 */
#include "../heap/support.h"

#include <fcntl.h>
#include <freehold/heap.h>
#include <freehold/heaps.h>
#include <freehold/settings.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);
void *_Znwm(size_t size);
void *_Znam(size_t size);
void *_ZnwmSt11align_val_t(size_t size, size_t align);
void *_ZnamSt11align_val_t(size_t size, size_t align);
void _ZdlPv(void *p);
void _ZdaPv(void *p);
void _ZdlPvm(void *p, size_t size);
void _ZdaPvm(void *p, size_t size);
void _ZdlPvSt11align_val_t(void *p, size_t align);
void _ZdaPvSt11align_val_t(void *p, size_t align);
void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t align);
void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t align);
void _ZdlPvRKSt9nothrow_t(void *p, const void *nothrow);

enum { ALIGN = 64, GRANULE = 65536 };

/* Volatile, so that the compiler knows nothing of where it leads. */
static void *volatile hidden;
static void *hide(void *p) {
    hidden = p;
    return hidden;
}

/* ---- the calls ---- */

static void *take_aligned(size_t size) { return aligned_alloc(ALIGN, size); }
static void *take_typed(size_t size) { return fh_alloc_slow(size, 1); }
static void *take_new_aligned(size_t size) { return _ZnwmSt11align_val_t(size, ALIGN); }
static void *take_array_aligned(size_t size) { return _ZnamSt11align_val_t(size, ALIGN); }
static void *take_calloc(size_t size) { return calloc(1, size); }
static void *take_realloc(size_t size) { return realloc(NULL, size); }
static void *take_memalign(size_t size) { return memalign(ALIGN, size); }
static void *take_fh_calloc(size_t size) { return fh_calloc(1, size); }

static void *take_own(size_t size) {
    static struct fh_heap *heap;
    static size_t last;
    if (heap == NULL) heap = fh_heap_new(0);
    if (size != last) CHECK(fh_heap_malloc(heap, last = size)); /* so that no span ends */
    return fh_heap_malloc(heap, size);
}

static void give_free(void *p, size_t size) { (void)size, free(p); }
static void give_fh_free(void *p, size_t size) { (void)size, fh_free(p); }
static void give_sized(void *p, size_t size) { free_sized(p, size); }
static void give_aligned_sized(void *p, size_t size) { free_aligned_sized(p, ALIGN, size); }
static void give_typed(void *p, size_t size) { fh_free_slow(p, size, 1); }
static void give_untyped(void *p, size_t size) { (void)size, fh_free_slow(p, 0, 1); }
static void give_larger(void *p, size_t size) { free(realloc(p, size * 2)); }
static void give_smaller(void *p, size_t size) { free(realloc(p, size - size / 8)); }
static void give_array(void *p, size_t size) { free(reallocarray(p, size, 3)); }
static void give_delete(void *p, size_t size) { (void)size, _ZdlPv(p); }
static void give_delete_sized(void *p, size_t size) { _ZdlPvm(p, size); }
static void give_delete_nothrow(void *p, size_t size) { (void)size, _ZdlPvRKSt9nothrow_t(p, NULL); }
static void give_delete_aligned(void *p, size_t size) { (void)size, _ZdlPvSt11align_val_t(p, ALIGN); }
static void give_delete_both(void *p, size_t size) { _ZdlPvmSt11align_val_t(p, size, ALIGN); }
static void give_delete_array(void *p, size_t size) { (void)size, _ZdaPv(p); }
static void give_array_sized(void *p, size_t size) { _ZdaPvm(p, size); }
static void give_array_aligned(void *p, size_t size) { (void)size, _ZdaPvSt11align_val_t(p, ALIGN); }
static void give_array_both(void *p, size_t size) { _ZdaPvmSt11align_val_t(p, size, ALIGN); }
static void only_ask(void *p, size_t size) { (void)size, (void)malloc_usable_size(p); }

enum { FREES = 1, SIZED = 2, ALIGNED = 4 };

static const struct call {
    const char *name, *word; /* as reports name it */
    void *(*take)(size_t size);
    void (*give)(void *p, size_t size);
    unsigned flags;
} calls[] = {
    {"free", "free", malloc, give_free, FREES},
    {"fh_free", "free", fh_malloc, give_fh_free, FREES},
    {"free of calloc", "free", take_calloc, give_free, FREES},
    {"free of an aligned block", "free", take_aligned, give_free, FREES},
    {"free of an own heap's block", "free", take_own, give_free, FREES},
    {"free_sized", "free", malloc, give_sized, FREES | SIZED},
    {"free_aligned_sized", "free", take_aligned, give_aligned_sized, FREES | SIZED | ALIGNED},
    {"fh_delete", "free", take_typed, give_typed, FREES | SIZED},
    {"fh_delete without size", "free", take_typed, give_untyped, FREES},
    {"realloc, larger", "realloc", malloc, give_larger, 0},
    {"realloc, smaller", "realloc", malloc, give_smaller, 0},
    {"reallocarray", "realloc", malloc, give_array, 0},
    {"delete", "delete", _Znwm, give_delete, FREES},
    {"delete, sized", "delete", _Znwm, give_delete_sized, FREES | SIZED},
    {"delete, nothrow", "delete", _Znwm, give_delete_nothrow, FREES},
    {"delete, aligned", "delete", take_new_aligned, give_delete_aligned, FREES | ALIGNED},
    {"delete, aligned and sized", "delete", take_new_aligned, give_delete_both, FREES | SIZED | ALIGNED},
    {"delete[]", "delete[]", _Znam, give_delete_array, FREES},
    {"delete[], sized", "delete[]", _Znam, give_array_sized, FREES | SIZED},
    {"delete[], aligned", "delete[]", take_array_aligned, give_array_aligned, FREES | ALIGNED},
    {"delete[], aligned and sized", "delete[]", take_array_aligned, give_array_both, FREES | SIZED | ALIGNED},
};
enum { CALLS = sizeof calls / sizeof *calls };

static const size_t sizes[] = {24, 100, 300, 515, 901, 2001, 20001, 100001};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- reports ---- */

static char reports[300]; /* error_file */
static int file;
static bool guarded, kinds_are_checked;

/* What has been reported since the last look. */
static const char *told(void) {
    static char text[1 << 16];
    ssize_t n = read(file, text, sizeof text - 1);
    CHECK(n >= 0);
    text[n] = 0;
    return text;
}

static unsigned times(const char *text, const char *word) {
    unsigned n = 0;
    for (; (text = strstr(text, word)) != NULL; text++) n++;
    return n;
}

static void expect(const char *kind, const char *call, const char *mistake, const char *where, size_t size) {
    char wanted[100];
    const char *text = told();
    unsigned n = times(text, "\"heap-misuse\"");
    if (kind == NULL) {
        CHECKF(n == 0, "%s at %s, %zu bytes: %s", mistake, where, size, text);
        return;
    }
    snprintf(wanted, sizeof wanted, "\"kind\":\"%s\"", kind);
    CHECKF(n == 1 && times(text, wanted) == 1, "%s at %s, %zu bytes: %u reports, wanted %s: %s", mistake, where,
           size, n, kind, text);
    snprintf(wanted, sizeof wanted, "\"call\":\"%s\"", call);
    CHECKF(times(text, wanted) == 1, "%s at %s, %zu bytes: not in the name of %s: %s", mistake, where, size,
           call, text);
}

/* ---- mistakes ---- */

/* One of several neighbours, as the first block of a span has nothing before it. */
static unsigned char *take_block(const struct call *call, size_t size) {
    enum { MOST = 8 };
    unsigned char *taken[MOST], *p;
    unsigned n = 0;
    for (;;) {
        CHECK((p = hide(call->take(size))) != NULL);
        if ((uintptr_t)p % GRANULE || size >= GRANULE) break;
        CHECK(n < MOST);
        taken[n++] = p;
    }
    while (n > 0) call->give(taken[--n], size);
    memset(p, 0x21, size);
    return p;
}

static void write_behind(const struct call *call, size_t size) {
    unsigned char *p = take_block(call, size);
    ((volatile unsigned char *)p)[size] ^= 1;
    call->give(p, size);
    expect("overflow", call->word, "a write behind", call->name, size);
}

/* The last byte that is surely the block's own. */
static void write_far_behind(const struct call *call, size_t size) {
    size_t far = size == 515 ? 60 : size == 300 ? 19 : 0; /* of 640 and 320 bytes */
    if (far == 0 || guarded || call->flags & ALIGNED || call->take == take_aligned) return;
    unsigned char *p = take_block(call, size);
    ((volatile unsigned char *)p)[size + far] ^= 1;
    call->give(p, size);
    expect("overflow", call->word, "a write far behind", call->name, size);
}

static void write_before(const struct call *call, size_t size) {
    unsigned char *p = take_block(call, size);
    if (size % 64 == 0) return;
    ((volatile unsigned char *)p)[-1] ^= 1;
    call->give(p, size);
    expect("underflow", call->word, "a write before", call->name, size);
}

static void give_twice(const struct call *call, size_t size) {
    bool frees = call->flags & FREES;
    bool stays = frees && call->take != take_own;
    if (!stays && size > GRANULE) return; /* where it was there is no block any more */
    unsigned char *p = take_block(call, size);
    call->give(p, size);
    expect(NULL, "", "what is right", call->name, size);
    call->give(hide(p), size);
    expect(frees ? "double-free" : "use-after-free", call->word, "given twice", call->name, size);
    only_ask(hide(p), size);
    expect("use-after-free", "malloc_usable_size", "asked for afterwards", call->name, size);
    call->give(hide(p + 16), size);
    expect("interior-free", call->word, "an address inside a freed one", call->name, size);
}

static void give_address(const struct call *call, size_t size, unsigned char *p, ptrdiff_t off,
                         const char *kind, const char *mistake) {
    call->give(hide(p + off), size);
    expect(kind, call->word, mistake, call->name, size);
    only_ask(hide(p + off), size);
    expect(kind, "malloc_usable_size", mistake, call->name, size);
}

static void give_wrong_address(const struct call *call, size_t size) {
    unsigned char *p = take_block(call, size), local[64] = {0};
    give_address(call, size, p, 16, "interior-free", "an address inside");
    give_address(call, size, p, 1, "interior-free", "an odd address");
    if (size < GRANULE) give_address(call, size, p, (ptrdiff_t)size - 1, "interior-free", "its last byte");
    give_address(call, size, local, 16, "invalid-free", "an address on the stack");
    give_address(call, size, p, (ptrdiff_t)10 << 20, "invalid-free", "an address where no block is");
    give_address(call, size, p, (ptrdiff_t)10 << 30, "invalid-free", "an address where no memory is");
    if (size == 100 && !guarded) /* its class, 112, is no divisor of 65536 */
        give_address(call, size, (unsigned char *)((uintptr_t)p | (GRANULE - 1)), -7, "invalid-free",
                     "an address behind the last block of a span");
    call->give(p, size);
    expect(NULL, "", "freed in the end", call->name, size);
}

static void say_wrong_size(const struct call *call, size_t size) {
    if (!(call->flags & SIZED)) return;
    for (int off = -1; off <= 1; off += 2) {
        unsigned char *p = take_block(call, size);
        call->give(p, size + (size_t)off);
        expect("size-mismatch", call->word, "a wrong size", call->name, size);
    }
}

/* malloc's, new's or new[]'s. */
static const char *family_of(const struct call *call) {
    return strcmp(call->word, "realloc") == 0 ? "free" : call->word;
}

/* What is taken by this call is given to each other. free and realloc take what is aligned, too. */
static const char *disagreement(const struct call *taken, const struct call *given) {
    const char *family = family_of(given);
    bool aligned = taken->flags & ALIGNED || taken->take == take_aligned, names = given->flags & ALIGNED;
    if (!kinds_are_checked) return NULL;
    if (strcmp(family_of(taken), family) != 0) return "kind-mismatch";
    if (strcmp(family, "free") == 0 && !(given->flags & SIZED)) return NULL;
    return aligned == names ? NULL : "alignment-mismatch";
}

/* Not what fh_malloc gave: where the library is built without optimisation, its caller seems to be the library,
 * which has an operator new of its own (src/heap/foreign.c). */
static void give_elsewhere(const struct call *call, size_t size) {
    if (call->take == fh_malloc || call->take == take_typed || call->take == take_own) return;
    for (const struct call *other = calls; other < calls + CALLS; other++) {
        if (other->give == give_fh_free || other->give == give_array) continue;
        unsigned char *p = take_block(call, size);
        other->give(p, size);
        expect(disagreement(call, other), other->word, call->name, other->name, size);
    }
}

/* ---- what was freed, and written to ---- */

static const struct {
    const char *name;
    void *(*take)(size_t size);
    void (*give)(void *p, size_t size);
} takes[] = {
    {"malloc", malloc, give_free},
    {"calloc", take_calloc, give_free},
    {"realloc of NULL", take_realloc, give_free},
    {"memalign", take_memalign, give_free},
    {"fh_malloc", fh_malloc, give_fh_free},
    {"fh_calloc", take_fh_calloc, give_fh_free},
    {"fh_new", take_typed, give_typed},
    {"new", _Znwm, give_delete},
    {"new[]", _Znam, give_delete_array},
    {"new, aligned", take_new_aligned, give_delete_aligned},
};
enum { TAKES = sizeof takes / sizeof *takes, MOST_TAKEN = 4000 };

/* What realloc to nothing gave may be freed as either. */
static void resize_to_nothing(void) {
    for (size_t said = 0; said < 2; said++) {
        void *p = hide(malloc(24));
        p = hide(realloc(p, 0));
        if (p) free_sized(p, said);
        expect(NULL, "", "a block of nothing", "free_sized", said);
    }
}

/* Of the blocks that are taken until it comes again some are given, so that what waits goes on. */
static void write_after_free(unsigned t, size_t size, size_t at) {
    static void *kept[MOST_TAKEN];
    unsigned n = 0;
    void *p = hide(takes[t].take(size)), *last = NULL;
    takes[t].give(p, size);
    ((volatile unsigned char *)hide(p))[at] ^= 1;
    for (unsigned i = 0; last != p; i++) {
        CHECKF(n < MOST_TAKEN && (last = takes[t].take(size)) != NULL, "%s, %zu bytes: it does not come again",
               takes[t].name, size);
        if (last != p && i % 4 == 0) takes[t].give(last, size);
        else kept[n++] = last;
        if (last == p || i % 4) memset(last, 0x21, size);
    }
    if (at < size) expect("write-after-free", "malloc", "a write after free", takes[t].name, size);
    else /* or by who frees the block behind it, before which it lies */
        CHECKF(times(told(), "\"heap-misuse\"") == 1, "a write to the last byte, %s", takes[t].name);
    while (n) takes[t].give(kept[--n], size);
    expect(NULL, "", "freed after that", takes[t].name, size);
}

/* ---- all of it ---- */

static void use_them(size_t size) {
    enum { MANY = 300, MANY_GUARDED = 20, KEPT = 16 };
    static void *kept[KEPT];
    for (unsigned i = 0; i < (guarded ? MANY_GUARDED : MANY); i++) {
        void **p = &kept[i % KEPT];
        if (*p) pattern_verify(*p, size, size, i % KEPT);
        free(*p);
        CHECK((*p = malloc(size)) != NULL);
        pattern_fill(*p, size, i % KEPT);
    }
    for (unsigned k = 0; k < KEPT; k++) {
        free(kept[k]);
        kept[k] = NULL;
    }
}

static void (*const mistakes[])(const struct call *call,
                                size_t size) = {write_behind,       write_far_behind, write_before,  give_twice,
                                                give_wrong_address, say_wrong_size,   give_elsewhere};

static void at_each_call(size_t size) {
    for (const struct call *call = calls; call < calls + CALLS; call++) {
        for (unsigned m = 0; m < sizeof mistakes / sizeof *mistakes; m++) {
            mistakes[m](call, size);
            if (size < 100000 || m == 0) use_them(size);
            expect(NULL, "", "used again", call->name, size);
        }
    }
}

/* Nothing stands in front of an aligned block of more than 1 KiB: so the first of a span, with which there is
 * nothing before it at all, is handed out only when there is no other. Here there is, as the sizes are new. */
static void aligned_ones_are_no_firsts(void) {
    static const size_t new_sizes[] = {1100, 1400, 2200,  2700,  3300,  4200, 5300,
                                       6300, 8500, 11000, 13000, 15000, 23000};
    for (unsigned i = 0; i < sizeof new_sizes / sizeof *new_sizes; i++) {
        void *p = take_aligned(new_sizes[i]);
        CHECKF((uintptr_t)p % GRANULE, "%zu bytes at the start of a span", new_sizes[i]);
        free(p);
    }
}

int main(void) {
    char value[64];
    fh_get("mode", value, sizeof value);
    guarded = strcmp(value, "guard") == 0;
    fh_get("check_kinds", value, sizeof value);
    kinds_are_checked = strcmp(value, "on") == 0;
    fh_get("error_file", reports, sizeof reports);
    unlink(reports);
    CHECK((file = open(reports, O_CREAT | O_RDONLY, 0600)) >= 0);
    if (!guarded) aligned_ones_are_no_firsts();
    for (unsigned s = 0; s < SIZES; s++) {
        at_each_call(sizes[s]);
        for (unsigned t = 0; !guarded && t < TAKES && sizes[s] < 10000; t++) {
            write_after_free(t, sizes[s], sizes[s] / 2);
            if (sizes[s] == 24) write_after_free(t, sizes[s], 31); /* the last byte of its place, which is 32 */
        }
    }
    resize_to_nothing();
    unlink(reports);
    return 0;
}
