/* frames.c - frames and pushes beside a model: see program.h. */
#include "program.h"

#include <errno.h>
#include <string.h>

enum { REGION = 1 << 20 };

static void verify_push(const struct push *push) { pattern_verify(push->p, push->size, SIZE_MAX, push->tag); }

static void keep(struct frames_model *m, char *p, size_t size, size_t align, unsigned frame) {
    CHECKF(((uintptr_t)p & (align - 1)) == 0, "%p is not aligned to %zu", (void *)p, align);
    for (unsigned i = 0; i < m->count; i++) {
        const struct push *other = &m->pushes[i];
        CHECKF(p + size <= other->p || other->p + other->size <= p, "pushes %p and %p overlap", (void *)p,
               (void *)other->p);
    }
    pattern_fill(p, size, m->next_tag);
    m->pushes[m->count++] = (struct push){p, size, m->next_tag++, frame};
}

/* May a push be refused? On a region of 1 MiB it may. */
static bool is_narrow(const struct frames_model *m) {
    for (unsigned i = 0; i < m->depth; i++)
        if (m->kinds[i] == FRAME_ON) return true;
    return m->may_fail;
}

static void push(struct frames_model *m, const struct step *s, unsigned frame) {
    static const char zeros[64];
    size_t align = 16, size = s->size;
    char *p = NULL;
    if (m->count == PUSHES) return;
    errno = 0;
    switch (s->what / 16 % 4) {
        case 0: p = fh_push_bytes(size); break;
        case 1:
            align = s->align;
            p = fh_push_aligned(size, align);
            break;
        case 2:
            align = 1;
            p = fh_push_many_zero(size / 8 + 1, 8, 8);
            size = (size / 8 + 1) * 8;
            if (p) zero_verify(p, size);
            break;
        default:
            align = 1;
            size = s->value % sizeof zeros;
            p = fh_push_copy(zeros, size);
            if (p && size) CHECK(memcmp(p, zeros, size) == 0);
    }
    if (p == NULL) refused(is_narrow(m), "a push", size);
    else keep(m, p, size, align, frame);
}

static void open_frame(struct frames_model *m, enum frame_kind kind) {
    if (m->depth == OPEN_FRAMES) return;
    if (kind == FRAME_ON && m->region == NULL) {
        m->region = fh_region_new(REGION);
        if (m->region == NULL) {
            refused(m->may_fail, "a region", REGION);
            return;
        }
    }
    struct fh_frame *frame = &m->frames[m->depth];
    if (kind == FRAME_PLAIN) fh_frame_open(frame, FH_SITE);
    else if (kind == FRAME_SCRATCH) fh_scratch_open(frame, FH_SITE);
    else fh_frame_open_on(frame, FH_SITE, m->region);
    m->kinds[m->depth++] = kind;
}

static void close_frame(struct frames_model *m) {
    if (m->depth == 0) return;
    unsigned left = 0, frame = m->depth - 1;
    for (unsigned i = 0; i < m->count; i++) {
        verify_push(&m->pushes[i]);
        if (m->pushes[i].frame != frame) m->pushes[left++] = m->pushes[i];
    }
    m->count = left;
    fh_frame_close(&m->frames[frame]);
    m->depth--;
}

/* Do pushes go to the own region with only the first `depth` frames open? */
static bool is_on_region(const struct frames_model *m, unsigned depth) {
    while (depth > 0 && m->kinds[depth - 1] == FRAME_PLAIN) depth--;
    return depth > 0 && m->kinds[depth - 1] == FRAME_ON;
}

static void push_outside(struct frames_model *m, const struct step *s) {
    struct fh_frame outside;
    if (m->depth < 2 || m->kinds[m->depth - 1] == FRAME_PLAIN) return;
    if (m->kinds[m->depth - 1] == FRAME_ON && is_on_region(m, m->depth - 1))
        return; /* no way out: see frame.h */
    fh_outside_open(&outside, FH_SITE);
    push(m, s, m->depth - 2);
    fh_frame_close(&outside);
}

static void trim_and_count(const struct frames_model *m) {
    struct fh_region_info info;
    if (m->depth == 0) return;
    fh_region_trim(NULL);
    fh_region_stats(NULL, &info);
    CHECK(info.used <= info.size);
    frames_verify(m);
}

void frames_step(struct frames_model *m, const struct step *s) {
    switch (s->what % 16) {
        case 0:
        case 1: open_frame(m, FRAME_PLAIN); break;
        case 2: open_frame(m, FRAME_SCRATCH); break;
        case 3: open_frame(m, FRAME_ON); break;
        case 4:
        case 5:
        case 6:
        case 7: close_frame(m); break;
        case 8:
        case 9: push_outside(m, s); break;
        case 10: trim_and_count(m); break;
        default:
            if (m->depth) push(m, s, m->depth - 1);
    }
}

void frames_verify(const struct frames_model *m) {
    for (unsigned i = 0; i < m->count; i++) verify_push(&m->pushes[i]);
}

void frames_end(struct frames_model *m) {
    while (m->depth) close_frame(m);
    CHECK(m->count == 0);
    fh_region_delete(m->region);
    m->region = NULL;
}
