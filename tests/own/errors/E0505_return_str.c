/* E0505_return_str.c - a Str returned without move, and used by the caller. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]|returned without move|E0505_return_str.c
 * plain_gcc: error[E0505]: use of Str after it was dropped|If it was to be returned:
 */
#include <freehold/names.h>
#include <stdio.h>

static Str greeting(void) {
    own(Str) text = str_from("hello");
    str_push(&text, ", world");
    return text; /* wrong: `return move(text);` was meant */
}

int main(void) {
    own(Str) line = greeting();
    puts(str_c(&line)); /* with Clang: an empty line */
    return 0;
}
