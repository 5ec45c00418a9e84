/* program.c - see program.h: deals the steps to the parts. */
#include "program.h"

#include <errno.h>
#include <string.h>

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
}

static void run_step(struct program *p, const unsigned char step[STEP_BYTES]) {
    unsigned part = step[1] & 15;
    struct step s = {.what = step[0], .slot = step[2]};
    memcpy(&s.value, step + 4, 4);
    s.size = size_of(s.value);
    s.align = (size_t)1 << (step[3] & 15) % 13;
    if (part < 8) model_step(&p->blocks, step);
    else if (part < 11) heaps_step(&p->heaps, &s);
    else if (part < 13) frames_step(&p->frames, &s);
    else owners_step(p->owners, &s, p->may_fail);
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
    p->may_fail = p->blocks.may_fail = p->heaps.may_fail = p->frames.may_fail = may;
}

void program_verify(struct program *p) {
    model_verify(&p->blocks);
    heaps_verify(&p->heaps);
    frames_verify(&p->frames);
    owners_verify(p->owners);
}

void program_end(struct program *p) {
    program_verify(p);
    frames_end(&p->frames);
    owners_end(p->owners);
    heaps_end(&p->heaps);
    model_end(&p->blocks);
}
