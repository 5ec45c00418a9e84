/* counted.h - handles that share a thing, and handles that do not keep it alive, beside a model of who holds
 * what. For rcs.c and arcs.c, each of which says what its operations are called:
 *
 *     HANDLE(T) WEAK(T) TRY_MAKE MORE TO_WEAK TO_STRONG STRONG_COUNT WEAK_COUNT GET_MUT     the operations
 *     BETWEEN_THREADS     1: handles are handed over between the threads of a program
 *
 * Each thing has a fate, which all threads see. Two numbers embrace its count of owners at every moment:
 *
 *     lower     is raised after an owner was made, and lowered before one is dropped
 *     upper     is raised before, and lowered after (not for an owner that another thing holds)
 *
 * So whatever other threads do meanwhile: when a thing is dropped, lower is 0, and it is dropped once; an
 * upgrade that gives nothing has lower at 0 ever after; one that gives an owner had upper above 0 before. Where
 * there is one thread, the counts are lower and `weaks` exactly.
 */
#ifndef TEST_FUZZ_COUNTED_H
#define TEST_FUZZ_COUNTED_H

#include "witness.h"

#include <stdatomic.h>
#include <string.h>

enum { HANDLES = 8, FATES = 2000, HANDS = 8 };

TYPE(Shared);
struct Shared {
    unsigned fate;
    uint32_t value;
    Str name;
    HANDLE(Shared) next;
};
static void shared_gone(Shared *s);
DROP_WITH(Shared, shared_gone, (Str, name), (HANDLE(Shared), next))

struct handles {
    HANDLE(Shared) strong[HANDLES];
    WEAK(Shared) weak[HANDLES];
    unsigned weak_fates[HANDLES];
    bool alone;
};

static struct fate {
    _Atomic int lower, upper, weaks, dropped;
    _Atomic uint32_t value;
} fates[FATES];
static _Atomic unsigned made;

static struct handles threads[4];

static void *begin(unsigned number, bool alone) {
    struct handles *m = &threads[number];
    memset(m, 0, sizeof *m);
    m->alone = alone;
    return m;
}

static void check_alive(const Shared *s) {
    char room[80];
    CHECKF(s->fate < FATES, "this is no thing that was shared: %u", s->fate);
    const struct fate *fate = &fates[s->fate];
    CHECKF(fate->dropped == 0, "thing %u has an owner and was dropped", s->fate);
    CHECK(s->value == fate->value && str_is(&s->name, witness_text(s->fate, room)));
}

static void shared_gone(Shared *s) {
    struct fate *fate = &fates[s->fate];
    check_alive(s);
    CHECKF(fate->lower == 0, "thing %u is dropped and has %d owners", s->fate, fate->lower);
    CHECK(fate->dropped++ == 0);
    if (s->next) fates[s->next->fate].lower--;
}

/* ---- owners ---- */

static HANDLE(Shared) one_more(HANDLE(Shared) owner) {
    struct fate *fate = &fates[owner->fate];
    fate->upper++;
    HANDLE(Shared) another = MORE(owner);
    fate->lower++;
    CHECK(another == owner);
    return another;
}

static void make(struct handles *m, unsigned at, const struct step *s, bool may_fail) {
    char room[80];
    if (m->strong[at] || made >= FATES) return;
    unsigned number = made++;
    if (number >= FATES) return;
    struct fate *fate = &fates[number];
    Shared *before = m->strong[s->slot / 16 % HANDLES];
    Shared init = {.fate = number, .value = s->value};
    fate->value = s->value;
    fate->upper = 1;
    const char *text = witness_text(number, room);
    if (text && !str_try_from(&init.name, view_of(text))) {
        refused(may_fail, "a text", strlen(text));
        fate->dropped = 1; /* it never was */
        return;
    }
    if (s->value & 1 && before) init.next = one_more(before);
    HANDLE(Shared) owner = TRY_MAKE(Shared, init.fate, init.value, init.name, init.next);
    if (owner == NULL) {
        refused(may_fail, "a thing to share", sizeof(Shared));
        CHECK(fate->dropped == 1);
        return;
    }
    fate->lower++;
    m->strong[at] = owner;
}

static void drop_strong(struct handles *m, unsigned at) {
    if (m->strong[at] == NULL) return;
    struct fate *fate = &fates[m->strong[at]->fate];
    check_alive(m->strong[at]);
    int left = --fate->lower;
    drop(HANDLE(Shared), &m->strong[at]);
    fate->upper--;
    CHECK(m->strong[at] == NULL && (!m->alone || fate->dropped == (left == 0)));
}

static void look(struct handles *m, unsigned at, uint32_t value) {
    Shared *owner = m->strong[at];
    if (owner == NULL) return;
    struct fate *fate = &fates[owner->fate];
    check_alive(owner);
    size_t strong = STRONG_COUNT(owner), weak = WEAK_COUNT(owner);
    CHECK(strong >= 1 && (!m->alone || (strong == (size_t)fate->lower && weak == (size_t)fate->weaks)));
    Shared *only = GET_MUT(owner);
    CHECK(only == owner || (only == NULL && (!m->alone || strong > 1 || weak > 0)));
    if (only == NULL) return;
    CHECK(fate->lower == 1 && (!m->alone || (strong == 1 && weak == 0)));
    fate->value = value;
    only->value = value;
}

/* ---- handles that do not keep it alive ---- */

static void keep_weak(struct handles *m, unsigned at, WEAK(Shared) weak, unsigned number) {
    fates[number].weaks++;
    m->weak[at] = weak;
    m->weak_fates[at] = number;
}

static void drop_weak(struct handles *m, unsigned at) {
    if (m->weak[at].fh_weak == NULL) return;
    drop(WEAK(Shared), &m->weak[at]);
    CHECK(m->weak[at].fh_weak == NULL);
    fates[m->weak_fates[at]].weaks--;
}

static void upgrade(struct handles *m, unsigned from, unsigned to) {
    if (m->weak[from].fh_weak == NULL || m->strong[to]) return;
    struct fate *fate = &fates[m->weak_fates[from]];
    int before = fate->upper++;
    bool was_alive = fate->lower > 0;
    HANDLE(Shared) owner = TO_STRONG(m->weak[from]);
    CHECK(!m->alone || (owner != NULL) == was_alive);
    if (owner == NULL) {
        fate->upper--;
        CHECKF(fate->lower == 0, "thing %u has %d owners and gives none", m->weak_fates[from], fate->lower);
        return;
    }
    CHECKF(before > 0, "thing %u was gone and has an owner", m->weak_fates[from]);
    fate->lower++;
    CHECK(owner->fate == m->weak_fates[from]);
    check_alive(owner);
    m->strong[to] = owner;
}

/* ---- from thread to thread ---- */

#if BETWEEN_THREADS
static struct hand {
    _Atomic int busy;
    HANDLE(Shared) strong;
    WEAK(Shared) weak;
    unsigned weak_fate;
} hands[HANDS];

/* What lies there and what is in the slot change places. */
static void exchange(struct handles *m, struct hand *hand, unsigned at, bool strong) {
    if (atomic_exchange(&hand->busy, 1)) return;
    if (strong) {
        swap(&hand->strong, &m->strong[at]);
    } else {
        unsigned number = hand->weak_fate;
        swap(&hand->weak, &m->weak[at]);
        hand->weak_fate = m->weak_fates[at];
        m->weak_fates[at] = number;
    }
    atomic_store(&hand->busy, 0);
    if (m->strong[at]) check_alive(m->strong[at]);
}

/* All threads have ended: what nobody has taken goes with a model that takes all. */
static void empty_hands(void) {
    static struct handles last;
    memset(&last, 0, sizeof last);
    for (unsigned i = 0; i < HANDS; i++) {
        exchange(&last, &hands[i], 0, true);
        exchange(&last, &hands[i], 0, false);
        drop_strong(&last, 0);
        drop_weak(&last, 0);
    }
}
#endif

static void step(void *model, const struct step *s, bool may_fail) {
    struct handles *m = model;
    unsigned at = s->slot % HANDLES, other = s->value % HANDLES;
    Shared *owner = m->strong[at];
    switch (s->what % 16) {
        case 0:
        case 1: make(m, at, s, may_fail); break;
        case 2:
        case 3:
            if (owner && m->strong[other] == NULL) m->strong[other] = one_more(owner);
            break;
        case 4:
        case 5:
        case 6: drop_strong(m, at); break;
        case 7:
        case 8:
            if (owner && m->weak[other].fh_weak == NULL)
                keep_weak(m, other, TO_WEAK(Shared, owner), owner->fate);
            break;
        case 9:
            if (m->weak[at].fh_weak && m->weak[other].fh_weak == NULL)
                keep_weak(m, other, clone(WEAK(Shared), &m->weak[at]), m->weak_fates[at]);
            break;
        case 10: drop_weak(m, at); break;
        case 11:
        case 12: upgrade(m, at, other); break;
        case 13: look(m, at, s->value); break;
        default:
#if BETWEEN_THREADS
            exchange(m, &hands[s->value / 16 % HANDS], at, s->what % 2);
#else
            look(m, other, s->value);
#endif
    }
}

static void verify(void *model) {
    struct handles *m = model;
    for (unsigned i = 0; i < HANDLES; i++)
        if (m->strong[i]) check_alive(m->strong[i]);
}

static void end(void *model) {
    struct handles *m = model;
    verify(m);
    for (unsigned i = 0; i < HANDLES; i++) drop_strong(m, i);
    for (unsigned i = 0; i < HANDLES; i++) drop_weak(m, i);
}

/* All threads have ended: everything was dropped once. */
static void over(void) {
#if BETWEEN_THREADS
    empty_hands();
#endif
    unsigned n = made < FATES ? made : FATES;
    for (unsigned i = 0; i < n; i++) {
        const struct fate *fate = &fates[i];
        CHECKF(fate->dropped == 1 && fate->lower == 0 && fate->weaks == 0,
               "at the end thing %u was dropped %d times, has %d owners and %d others", i, fate->dropped,
               fate->lower, fate->weaks);
    }
    memset(fates, 0, sizeof fates);
    made = 0;
}

#endif
