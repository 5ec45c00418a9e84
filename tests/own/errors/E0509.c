/* E0509.c - a field moved out of a type with a drop of its own. (This program fails on purpose.)
 *
 * compiler: silent
 * checked:
 * plain:
 */
#include <freehold/names.h>

TYPE(File);
struct File {
    Str path;
    int open;
};
static void file_close(File *f) { f->open = 0; }
DROP_WITH(File, file_close, (Str, path))

int main(void) {
    own(Box(File)) f = box(File, .path = str_from("a"), .open = 1);
    own(Str) path = move(f->path); /* harmless here: the field is left empty, which the drop takes */
    return path.len == 1 && f->path.len == 0 ? 0 : 1;
}
