#!/bin/bash
# tools.sh - AddressSanitizer, Valgrind and gdb understand what we do: pointers past their frame are reported with the frame's
# name, and a backtrace goes through further stacks. Each tool that is missing is left out.
set -u
if nm "$FREEHOLD_BUILD/libfreehold.a" 2>/dev/null | grep -q '__asan_init\|__tsan_init\|__ubsan_'; then exit 77; fi
failed=0
cat >stale.c <<'END'
#include <freehold/stack.h>
#include <stdio.h>
#include <string.h>
#ifdef WITHOUT_MALLOC
const char fh_standard_names = 1; /* else the library insists on its malloc */
#endif
static char *keep(int n) {
    char *kept = NULL;
    FH_FRAME { kept = fh_push_format("number %d", n); }
    return kept;
}
int main(int argc, char **argv) {
    FH_FRAME {
        char *good = fh_push_str("good");
        if (argc > 2) good[16 * argc] = 1;
        puts(good);
    }
    char *stale = keep(7);
    char *other = NULL;
    FH_FRAME { other = fh_push_str("other data at the same place, were it used again at once"); (void)other; }
    if (argc > 1) return strcmp(stale, argv[1]) == 0;
    return 0;
}
END
cat >deep.c <<'END'
#include <freehold/stack.h>
#ifdef WITHOUT_MALLOC
const char fh_standard_names = 1;
#endif
static volatile int sink;
void bottom(void);
__attribute__((noinline)) void bottom(void) { sink = 1; }
static void dig(void *context) {
    int *n = context;
    volatile char array[300];
    array[0] = 1;
    if (++*n == 500) bottom();
    else fh_stack_grow(fh_stack_left() > 40000 ? 16384 : 1 << 20, 64 << 10, dig, n);
    sink = array[0];
}
int main(void) {
    int n = 0;
    fh_stack_grow(fh_stack_left() + 1, 64 << 10, dig, &n);
    return n != 500 || fh_stack_left() == 0 || fh_stack_left() >= fh_stack_size();
}
END

build() { # output, sources and flags
    "$CC" -g -O1 -D_GNU_SOURCE -I"$FREEHOLD_SOURCE/include" -o "$@" "$FREEHOLD_BUILD/libfreehold.a" -pthread -ldl
}
want() { # what, pattern
    if ! grep -q -- "$2" <<<"$said"; then
        printf 'FAILED %s: no "%s" in\n%s\n' "$1" "$2" "$said"
        failed=1
    fi
}

# Checked mode
if build stale stale.c; then
    said=$(FREEHOLD=mode=checked ./stale x 2>&1)
    want checked 'use of memory after its frame was closed'
    want checked 'the frame of keep() at stale.c:9'
    want checked 'main+'
    said=$(FREEHOLD=region_check=on ./stale 2>&1) || { echo "FAILED checked: a good run fails"; failed=1; }
fi

# AddressSanitizer. Its malloc is the program's, so the library goes in without its own.
cp "$FREEHOLD_BUILD/libfreehold.a" nomalloc.a && ar d nomalloc.a $(cd "$FREEHOLD_SOURCE/src/malloc" && ls -- *.c | sed 's/$/.o/')
if "$CC" -g -O1 -fsanitize=address -DWITHOUT_MALLOC -D_GNU_SOURCE -I"$FREEHOLD_SOURCE/include" -o stale-asan stale.c nomalloc.a \
    -pthread -ldl 2>asan.log; then
    said=$(./stale-asan x 2>&1)
    want asan 'AddressSanitizer: use-after-poison'
    want asan 'the frame of keep() at stale.c:9'
    said=$(./stale-asan x y 2>&1)
    want 'asan past the end' 'AddressSanitizer: use-after-poison'
    said=$(./stale-asan 2>&1) || { echo "FAILED asan: a good run fails: $said"; failed=1; }
    if "$CC" -g -O1 -fsanitize=address -DWITHOUT_MALLOC -D_GNU_SOURCE -I"$FREEHOLD_SOURCE/include" -o deep-asan deep.c \
        nomalloc.a -pthread -ldl; then
        said=$(./deep-asan 2>&1) || { echo "FAILED asan deep: $said"; failed=1; }
    fi
else
    echo "no AddressSanitizer here: $(head -3 asan.log)"
fi

if command -v gdb >/dev/null && build deep deep.c; then
    said=$(gdb -q -nx -batch -ex 'break bottom' -ex run -ex 'bt -5' ./deep 2>&1)
    want gdb 'main () at deep.c:'
    want gdb 'fh_os_call_on'
    if grep -q 'corrupt stack\|inner to this frame' <<<"$said"; then echo "FAILED gdb: $said"; failed=1; fi
fi
if command -v valgrind >/dev/null && [ -e /usr/include/valgrind/memcheck.h ]; then
    said=$(valgrind --error-exitcode=9 ./stale x 2>&1)
    if grep -q 'debuginfo reader: Possibly corrupted' <<<"$said"; then # older than the compiler's DWARF
        echo "this Valgrind does not read this compiler's debug information"
        exit $failed
    fi
    want valgrind 'Invalid read of size'
    want valgrind 'closed frame of keep() at stale.c:9'
    said=$(valgrind --error-exitcode=9 ./stale 2>&1) || { echo "FAILED valgrind: a good run has errors: $said"; failed=1; }
    if build deep deep.c; then
        said=$(valgrind --error-exitcode=9 ./deep 2>&1) || { echo "FAILED valgrind deep: $said"; failed=1; }
        if grep -q 'client switching stacks' <<<"$said"; then echo "FAILED valgrind: stacks not known: $said"; failed=1; fi
    fi
fi
exit $failed
