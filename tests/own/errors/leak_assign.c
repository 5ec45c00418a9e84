/* leak_assign.c - a live owner assigned over. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[leak]: 1 owner was never dropped
 * plain: error[leak]: 1 owner was never dropped
 */
#include <freehold/names.h>

int main(void) {
    own(Str) s = str_from("the first");
    s = str_from("the second"); /* wrong: set(Str, &s, ...) drops the first */
    return s.len == 10 ? 0 : 1;
}
