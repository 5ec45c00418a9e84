/* own_seed_vec.c - a Vec grows on the heap while its owner stays on the stack. own_seed_vec.rs is the same in
 * Rust. */
#include <freehold/names.h>

#include "own_where.h"

static int sum_of(Vec(int) in) { /* by value: takes ownership, and drops it at its end */
    own(Vec(int)) numbers = move(in);
    int sum = 0;
    vec_each(n, &numbers) sum += *n;
    return sum;
}

int main(void) {
    own(Vec(int)) v = {0};
    show("v, the owner", &v);
    printf("the owner takes %zu bytes; empty, it holds no memory: %s\n", sizeof v, v.cap == 0 ? "yes" : "no");
    for (int i = 0; i < 1000; i++) vec_push(&v, i * i);
    show("v's elements", v.ptr);
    show("v, where it was", &v);
    printf("%zu elements, the last is %d\n", v.len, *vec_last(&v));

    own(Vec(Str)) names = vec_of(Str, str_from("stack"), str_from("heap"));
    vec_push(&names, str_from("owner"));
    show("names' elements", names.ptr);
    show("names[0]'s bytes", names.ptr[0].ptr);
    vec_each(s, &names) printf("%s ", str_c(s));
    printf("\nsum: %d\n", sum_of(move(v)));
    return 0;
} /* each name is dropped, then the elements' memory */
