/* own_seed_allocate.c - the program in pseudo-code, with ALLOCATE and DEALLOCATE by hand, and what is lost when
 * DEALLOCATE is forgotten; then with an owner, which cannot forget. own_seed_allocate.rs is the same in Rust.
 *
 *     FUNCTION stack_and_heap {
 *         INTEGER d = 5
 *         POINTER e = ALLOCATE INTEGER 7
 *         DEALLOCATE e
 *     }
 */
#include <freehold/names.h>

#include "own_where.h"

static int allocated; /* how many integers are on the heap now: counted by the two words of the pseudo-code */

static int *ALLOCATE_INTEGER(int value) {
    int *p = fh_new(int);
    if (p == NULL) fh_own_no_memory("an integer", sizeof *p);
    *p = value;
    allocated++;
    return p;
}
static void DEALLOCATE(int *p) {
    fh_delete(p);
    allocated--;
}

static void stack_and_heap(bool forget) {
    int d = 5;
    int *e = ALLOCATE_INTEGER(7);
    show("    d", &d);
    show("    e, a plain pointer", &e);
    show("    *e", e);
    if (!forget) DEALLOCATE(e);
} /* the pointer leaves the stack in any case; the integer does not leave the heap by itself */

/* The same integer with an owner: DEALLOCATE is its drop. */
typedef struct {
    int *ptr;
} Integer;
static void Integer_drop(Integer *i) {
    if (i->ptr) DEALLOCATE(i->ptr);
    i->ptr = NULL;
}
static void stack_and_heap_owned(void) {
    own(Integer) e = {ALLOCATE_INTEGER(7)};
    printf("    owned: %d\n", *e.ptr);
} /* dropped here, whatever happens above */

static void stack_only(int b, bool forget) {
    int c = 3;
    printf("  b = %d, c = %d\n", b, c);
    stack_and_heap(forget);
}

int main(void) {
    int a = 2;
    stack_only(a, false);
    printf("with DEALLOCATE: %d left on the heap\n", allocated);
    for (int i = 0; i < 3; i++) stack_only(a, true);
    printf("DEALLOCATE forgotten 3 times: %d left on the heap, and nobody knows where\n", allocated);
    for (int i = 0; i < 3; i++) stack_and_heap_owned();
    printf("with an owner, 3 times: still %d\n", allocated);
    return 0;
}
