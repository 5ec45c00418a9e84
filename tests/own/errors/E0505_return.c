/* E0505_return.c - returned without move, and used by the caller. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of Box(Line) after it was dropped|E0505_return.c:25 (main): used here|was it returned without move?
 * plain: error[E0505]|E0505_return.c:25 (main): used here|(greeting): dropped here|If it was to be returned:
 */
#include <freehold/names.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char text[40];
} Line;
PLAIN(Line)

static Box(Line) greeting(void) {
    own(Box(Line)) line = box_zero(Line);
    strcpy(line->text, "hello");
    return line; /* wrong: dropped here, and `return move(line);` was meant */
}

int main(void) {
    own(Box(Line)) line = greeting();
    puts("the place that is told is not in the C library:");
    puts(line->text);
    return 0;
}
