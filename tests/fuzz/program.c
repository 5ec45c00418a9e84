/* program.c - see program.h: deals the steps to the parts. */
#include "program.h"

#include <freehold/settings.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct part *const parts[PARTS] = {&texts, &vectors, &maps, &rcs, &arcs, &arenas, &trees, &calls};

void refused(bool may, const char *what, size_t size) {
    CHECKF(may, "%s of %zu bytes is refused, errno %d", what, size, errno);
    CHECKF(errno == ENOMEM, "%s of %zu bytes is refused with errno %d instead of ENOMEM", what, size, errno);
}

static size_t size_of(uint32_t value) {
    switch (value >> 29) {
        case 0:
        case 1:
        case 2: return value % 257;
        case 3:
        case 4: return value % 2049;
        case 5: return value % 40000;
        case 6: return ((size_t)1 << value % 18) + (value >> 8) % 3 - 1;
        default: return value % 8 ? value % 4097 : value % 300000;
    }
}

void program_begin(struct program *p, unsigned number, struct mailbox *mailboxes) {
    memset(p, 0, sizeof *p);
    model_begin(&p->blocks, 4 * number + 1, mailboxes);
    p->heaps.next_tag = (uint64_t)(4 * number + 2) << 40;
    p->frames.next_tag = (uint64_t)(4 * number + 3) << 40;
    p->owners = owners_begin(number);
    p->alone = mailboxes == NULL;
    for (unsigned i = 0; i < PARTS; i++) p->parts[i] = parts[i]->begin(number, p->alone);
}

static void share_may_fail(struct program *p) {
    p->blocks.may_fail = p->heaps.may_fail = p->frames.may_fail = p->may_fail || p->limited;
}

/* The heap may hold a little more than it does, or as much as it likes. */
static void limit_step(struct program *p, uint32_t value) {
    static __thread struct fh_stats stats;
    char text[40] = "0";
    if (!p->may_limit) return;
    p->limited = !p->limited && value;
    if (p->limited) {
        fh_stats_now(&stats);
        snprintf(text, sizeof text, "%zu", stats.held + value % (4u << 20));
    }
    CHECK(fh_set("limit", text) == 0);
    share_may_fail(p);
}

/* The other parts: of the last one, one step in eight is about the limit. */
static void other_step(struct program *p, unsigned part, const struct step *s) {
    if (part == PARTS - 1 && s->what % 8 == 7) limit_step(p, s->value);
    else parts[part]->step(p->parts[part], s, p->may_fail || p->limited);
}

static void run_step(struct program *p, const unsigned char step[STEP_BYTES]) {
    unsigned part = step[1] & 15, other = step[1] >> 4;
    struct step s = {.what = step[0], .slot = step[2]};
    memcpy(&s.value, step + 4, 4);
    s.size = size_of(s.value);
    s.align = (size_t)1 << (step[3] & 15) % 13;
    if (part < 8) model_step(&p->blocks, step);
    else if (part < 11) heaps_step(&p->heaps, &s);
    else if (part < 13) frames_step(&p->frames, &s);
    else if (other % 2 == 0) other_step(p, other / 2, &s);
    else owners_step(p->owners, &s, p->may_fail || p->limited);
}

void program_run(struct program *p, const unsigned char *bytes, size_t size) {
    for (size_t at = 0; at + STEP_BYTES <= size; at += STEP_BYTES) {
        check_step = at / STEP_BYTES;
        run_step(p, bytes + at);
    }
}

void program_run_seed(struct program *p, uint64_t seed, unsigned steps) {
    struct rng rng = {.state = seed};
    check_seed = seed;
    for (unsigned i = 0; i < steps; i++) {
        uint64_t step = rng_next(&rng);
        check_step = i;
        run_step(p, (const unsigned char *)&step);
    }
    check_seed = check_step = 0;
}

void program_may_fail(struct program *p, bool may) {
    p->may_fail = may;
    share_may_fail(p);
}

void program_verify(struct program *p) {
    model_verify(&p->blocks);
    heaps_verify(&p->heaps);
    frames_verify(&p->frames);
    owners_verify(p->owners);
    for (unsigned i = 0; i < PARTS; i++) parts[i]->verify(p->parts[i]);
}

void program_end(struct program *p) {
    program_verify(p);
    if (p->limited) limit_step(p, 0);
    frames_end(&p->frames);
    owners_end(p->owners);
    for (unsigned i = 0; i < PARTS; i++) parts[i]->end(p->parts[i]);
    heaps_end(&p->heaps);
    model_end(&p->blocks);
    if (p->alone) programs_over();
}

void programs_over(void) {
    rcs_over();
    arcs_over();
}
