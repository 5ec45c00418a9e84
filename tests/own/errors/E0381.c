/* E0381.c - an owner that was never initialised. (This program fails on purpose.)
 *
 * compiler: gcc:uninitialized
 * flags: -ftrivial-auto-var-init=pattern
 * checked: error[E0381]: dropped an owner that holds no block of an owner
 * plain: error[E0381]
 */
#include <freehold/names.h>

static int __attribute__((noinline)) use(int fill) {
    own(Vec(int)) v;
    if (fill) v = vec_of(int, 1);
    return fill; /* wrong: v was never filled, and is dropped */
}

int main(void) { return use(0); }
