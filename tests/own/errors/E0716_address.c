/* E0716_address.c - a temporary that is borrowed. (This program fails on purpose.)
 *
 * compiler: error
 */
#include <freehold/names.h>

int main(void) {
    const char *text = str_c(&str_from("gone at once")); /* wrong: give it a name, with own() */
    return text[0];
}
