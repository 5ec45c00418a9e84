/* E0716.c - a temporary that nobody owns. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[leak]: 1 owner was never dropped|created here
 * plain: error[leak]: 1 owner was never dropped
 */
#include <freehold/names.h>

static size_t measure(const Str *s) { return s->len; }

int main(void) {
    Str temporary = str_from("nobody drops me");
    return measure(&temporary) == 15 ? 0 : 1; /* wrong: Rust would drop it here */
}
