/* rcs.c - Rc and Weak beside a model: see counted.h. */
#include "program.h"

#include <freehold/names.h>

#define HANDLE(T) Rc(T)
#define WEAK(T) Weak(T)
#define TRY_MAKE(...) try_rc(__VA_ARGS__)
#define MORE(r) rc_clone(r)
#define TO_WEAK(T, r) rc_downgrade(T, r)
#define TO_STRONG(w) weak_upgrade(w)
#define STRONG_COUNT(r) rc_strong_count(r)
#define WEAK_COUNT(r) rc_weak_count(r)
#define GET_MUT(r) rc_get_mut(r)
#define BETWEEN_THREADS 0

#include "counted.h"

const struct part rcs = {begin, step, verify, end};

void rcs_over(void) { over(); }
