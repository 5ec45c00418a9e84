/* out_of_range.c - an element asked for that is not there. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: out_of_range.c:12 (main): index out of range in vec_at: the index is 3, the length 3
 * plain: out_of_range.c:12 (main): index out of range in vec_at: the index is 3, the length 3
 */
#include <freehold/names.h>
#include <stdio.h>

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    printf("%d\n", *vec_at(&v, v.len)); /* wrong: the last is v.len - 1 */
    return 0;
}
