/* goto_past.c - a goto past an owner's initialiser. (This program fails on purpose.)
 *
 * compiler: clang:error gcc:jump-misses-init
 * flags: -Wjump-misses-init
 */
#include <freehold/names.h>

int main(int argc, char **argv) {
    (void)argv;
    if (argc < 5) goto out; /* wrong: s is dropped, and was never initialised */
    own(Str) s = str_from("x");
    if (s.len == 1) return 2;
out:
    return 0;
}
