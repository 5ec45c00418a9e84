/* calls.c - further stacks, marks, regions in memory of the program's own, texts in frames: see program.h.
 *
 * All of it begins and ends within a step, inside whatever frames are open then. The innermost of them may be
 * on a narrow region, so a push may always be refused.
 */
#include "program.h"

#include <freehold/stack.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 8192, BURIED = 6 };

static struct calls {
    _Alignas(16) char memory[ROOM]; /* for a region */
    uint64_t next_tag;
} threads[4];

static void *begin(unsigned number, bool alone) {
    (void)alone;
    threads[number].next_tag = (uint64_t)(32 + number) << 40;
    return &threads[number];
}

/* ---- further stacks ---- */

struct dig {
    struct calls *m;
    const struct step *s;
    unsigned depth, reached;
    bool may_fail;
};

static void deeper(void *arg) {
    struct dig *d = arg;
    const struct step *s = d->s;
    char local[512];
    uint64_t tag = d->m->next_tag++;
    size_t left = fh_stack_left(), red_zone = s->value & 1 << d->depth ? left + s->size : s->size % 4096;
    d->reached++;
    CHECK((left > 0 && left <= fh_stack_size()) || d->may_fail); /* 0: it could not be found out */
    pattern_fill(local, sizeof local, tag);
    FH_FRAME {
        char *pushed = fh_push_bytes(s->size);
        if (pushed) pattern_fill(pushed, s->size, tag + 1);
        else refused(true, "a push", s->size);
        if (d->depth-- > 0) {
            unsigned before = d->reached;
            errno = 0;
            int result = fh_stack_grow(red_zone, s->size, deeper, d);
            if (result != 0) refused(d->may_fail && result == -1, "a further stack", s->size);
            CHECK((result == 0) == (d->reached > before));
        }
        if (pushed) pattern_verify(pushed, s->size, SIZE_MAX, tag + 1);
    }
    pattern_verify(local, sizeof local, SIZE_MAX, tag);
    CHECK(fh_stack_left() == left || left == 0);
}

static void dig(struct calls *m, const struct step *s, bool may_fail) {
    struct dig d = {.m = m, .s = s, .depth = s->slot % BURIED, .may_fail = may_fail};
    deeper(&d);
    if (s->value % 16 == 0) CHECK(fh_stack_peak() >= sizeof d);
}

/* ---- marks ---- */

static size_t used_now(void) {
    struct fh_region_info info;
    fh_region_stats(NULL, &info);
    return info.used;
}

static void unwind(struct calls *m, const struct step *s) {
    struct fh_frame first, more[BURIED];
    struct fh_frames_mark mark;
    uint64_t tag = m->next_tag++;
    size_t size = s->size % 4096;
    fh_frame_open(&first, FH_SITE);
    char *kept = fh_push_bytes(size);
    if (kept) pattern_fill(kept, size, tag);
    fh_frame_mark(&mark);
    size_t used = used_now();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < s->slot % BURIED; i++) {
            if (s->value >> i & 1) fh_scratch_open(&more[i], FH_SITE);
            else fh_frame_open(&more[i], FH_SITE);
            char *lost = fh_push_bytes(size / (i + 1));
            if (lost) pattern_fill(lost, size / (i + 1), tag + i);
        }
        fh_frame_unwind(&mark);
        CHECKF(used_now() == used, "%zu bytes are pushed after the unwinding, %zu were", used_now(), used);
    }
    if (kept) pattern_verify(kept, size, SIZE_MAX, tag);
    fh_frame_close(&first);
}

/* ---- regions ---- */

static void fill_region(struct calls *m, struct fh_region *region, const struct step *s) {
    struct fh_region_info info;
    char *pushed[64];
    size_t size = s->size % 512, count = 0;
    uint64_t tag = m->next_tag;
    FH_FRAME_ON(region) {
        while (count < 64 &&
               (pushed[count] = fh_push_aligned(size, s->align % 512 + (s->align % 512 == 0))) != NULL)
            pattern_fill(pushed[count++], size, m->next_tag++);
        if (count < 64) refused(true, "a push", size);
        fh_region_stats(region, &info);
        CHECK(info.used >= count * size && info.used <= info.size);
        for (size_t i = 0; i < count; i++) pattern_verify(pushed[i], size, SIZE_MAX, tag + i);
    }
    fh_region_stats(region, &info);
    CHECK(info.used == 0);
}

static void region_in_memory(struct calls *m, const struct step *s) {
    size_t size = FH_REGION_BOOKS + s->value % (ROOM - FH_REGION_BOOKS);
    errno = 0;
    CHECK(fh_region_in(m->memory, s->value % FH_REGION_BOOKS) == NULL && errno == EINVAL);
    struct fh_region *region = fh_region_in(m->memory, size);
    CHECK((region != NULL) == (size >= FH_REGION_BOOKS + 16) && (region || errno == EINVAL));
    if (region == NULL) return;
    fill_region(m, region, s);
    fh_region_delete(region);
}

static void region_of_its_own(struct calls *m, const struct step *s, bool may_fail) {
    errno = 0;
    struct fh_region *region = fh_region_new(s->size);
    if (region == NULL) {
        refused(may_fail, "a region", s->size);
        return;
    }
    fill_region(m, region, s);
    fh_region_trim(region);
    fill_region(m, region, s);
    fh_region_delete(region);
}

/* ---- what is pushed by type, and texts ---- */

struct point {
    double x, y;
};

/* A number that the compiler does not know. */
static size_t hidden_size(size_t size) {
    volatile size_t hidden = size;
    return hidden;
}

static void push_things(uint32_t value) {
    static const int numbers[] = {1, 2, 3, 4, 5, 6, 7};
    FH_FRAME {
        struct point *p = fh_push_value(struct point, .x = value, .y = 2);
        struct point *zero = fh_push_zero(struct point);
        int *copies = fh_push_array_copy(int, numbers, value % 8);
        int *zeros = fh_push_array_zero(int, value % 2000);
        struct point *many = fh_push_array(struct point, value % 100), *one = fh_push(struct point);
        if (many) memset(many, 1, value % 100 * sizeof *many);
        if (one) memset(one, 2, sizeof *one);
        if (zeros) zero_verify(zeros, value % 2000 * sizeof *zeros);
        if (zero) zero_verify(zero, sizeof *zero);
        if (copies) CHECK(memcmp(copies, numbers, value % 8 * sizeof *copies) == 0);
        if (p) CHECK(p->x >= value && p->x <= value && p->y >= 2 && p->y <= 2);
        errno = 0;
        CHECK(fh_push_array(struct point, hidden_size(SIZE_MAX / 8 + value % 100)) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(fh_push_aligned(8, hidden_size(value % 64 * 2 + 3)) == NULL && errno == EINVAL);
    }
}

static void push_texts(uint32_t value) {
    static const char text[] =
        "a text of which a part, or all of it, is to be pushed onto the region of this thread";
    size_t n = value % (2 * sizeof text), part = n < sizeof text - 1 ? n : sizeof text - 1;
    FH_FRAME {
        char *whole = fh_push_str(text), *begun = fh_push_strn(text, n),
             *made = fh_push_format("%u %s", value, text);
        char room[120];
        snprintf(room, sizeof room, "%u %s", value, text);
        if (whole) CHECK(strcmp(whole, text) == 0);
        if (begun) CHECK(strlen(begun) == part && memcmp(begun, text, part) == 0);
        if (made) CHECK(strcmp(made, room) == 0);
        errno = 0;
        CHECK(fh_push_str(NULL) == NULL && errno == EINVAL);
        CHECK(fh_push_strn(NULL, n) == NULL && errno == EINVAL);
    }
}

static void step(void *model, const struct step *s, bool may_fail) {
    struct calls *m = model;
    switch (s->what % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4: dig(m, s, may_fail); break;
        case 5:
        case 6:
        case 7: unwind(m, s); break;
        case 8:
        case 9:
            if (!may_fail)
                region_in_memory(m, s); /* a frame on one stops where there is no memory for its books */
            break;
        case 10:
        case 11: region_of_its_own(m, s, may_fail); break;
        case 12:
        case 13: push_texts(s->value); break;
        default: push_things(s->value);
    }
}

static void verify(void *model) { (void)model; }

const struct part calls = {begin, step, verify, verify};
