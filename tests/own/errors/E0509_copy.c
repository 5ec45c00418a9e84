/* E0509_copy.c - a field copied out of a type with a drop of its own. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Str dropped twice|first dropped here|created here
 * plain: error[E0382]: Str dropped twice|first dropped here|created here
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
    own(Str) path = f->path; /* wrong: the File owns it still */
    return path.len == 1 ? 0 : 1;
}
