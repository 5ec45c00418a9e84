/* inside_character.c - text cut inside a character. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: inside_character.c:12 (main): str_part: byte 2 is inside a character
 * plain: inside_character.c:12 (main): str_part: byte 2 is inside a character
 */
#include <freehold/names.h>
#include <stdio.h>

int main(void) {
    own(Str) s = str_from("b\xc3\xa4r");
    StrView v = str_part(&s, 0, 2); /* wrong: the second character has two bytes */
    printf("%.*s\n", (int)v.len, v.ptr);
    return 0;
}
