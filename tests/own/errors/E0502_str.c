/* E0502_str.c - a view of a Str kept over a push. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: Str: an element pointer was used|grown here|created here|take the pointer again after
 * plain: error[E0502]: Str: an element pointer was used|grown here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Str) s = str_from("hello world");
    StrView word = str_part(&s, 0, 5);
    str_push(&s, "!");
    return word.ptr[0] == 'h' ? 0 : 1; /* wrong: the text may have moved */
}
