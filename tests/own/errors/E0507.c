/* E0507.c - moved out of a shared borrow. (This program fails on purpose.)
 *
 * compiler: error
 */
#include <freehold/names.h>

static Str steal(const Str *lent) { return move(*lent); /* wrong: lent to look at only */ }

int main(void) {
    own(Str) s = str_from("mine");
    own(Str) t = steal(&s);
    return 0;
}
