/* E0515.c - a reference to a local returned. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of Str after it was dropped|dropped here|created here
 * plain: error[E0505]: use of Str after it was dropped
 */
#include <freehold/names.h>

static __attribute__((noinline)) const char *greet(void) {
    own(Str) s = str_from("hello");
    return str_c(&s); /* wrong: s is dropped on the way out */
}

int main(void) { return greet()[0] == 'h' ? 0 : 1; }
