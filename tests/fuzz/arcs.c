/* arcs.c - Arc and ArcWeak, also from thread to thread, beside a model: see counted.h. */
#include "program.h"

#include <freehold/names.h>

#define HANDLE(T) Arc(T)
#define WEAK(T) ArcWeak(T)
#define TRY_MAKE(...) try_arc(__VA_ARGS__)
#define MORE(r) arc_clone(r)
#define TO_WEAK(T, r) arc_downgrade(T, r)
#define TO_STRONG(w) arc_upgrade(w)
#define STRONG_COUNT(r) arc_strong_count(r)
#define WEAK_COUNT(r) arc_weak_count(r)
#define GET_MUT(r) arc_get_mut(r)
#define BETWEEN_THREADS 1

#include "counted.h"

const struct part arcs = {begin, step, verify, end};

void arcs_over(void) { over(); }
