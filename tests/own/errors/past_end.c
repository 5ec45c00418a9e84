/* past_end.c - a byte read past the end of a Str. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[bounds]: access 0 bytes past the end of Str|used here|created here
 * plain: error[bounds]: access 0 bytes past the end of Str|used here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Str) s = str_from("text");
    return s.ptr[5]; /* wrong: four letters and the NUL */
}
