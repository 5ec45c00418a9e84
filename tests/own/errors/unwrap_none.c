/* unwrap_none.c - unwrap of an Option that has no value. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: unwrap_none.c:12 (main): unwrap of none: nothing
 * plain: unwrap_none.c:12 (main): unwrap of none: nothing
 */
#include <freehold/names.h>
#include <stdio.h>

int main(void) {
    own(Option(int)) nothing = none(int);
    printf("%d\n", unwrap(nothing)); /* wrong: option_or, or a look at nothing.some */
    return 0;
}
