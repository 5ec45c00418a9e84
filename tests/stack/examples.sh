#!/bin/bash
# examples.sh - the examples of the stack print what happens, with addresses; those that overflow it are reported.
set -u
failed=0
examples=$FREEHOLD_BUILD/examples
if nm "$FREEHOLD_BUILD/libfreehold.a" 2>/dev/null | grep -q '__asan_init\|__tsan_init'; then exit 77; fi
[ -x "$examples/stack_overflow" ] || exit 77
ulimit -c 0

run() { # status wanted, program and arguments
    said=$("$examples/${@:2:1}" "${@:3}" 2>&1)
    status=$?
    what=${*:2}
    [ $status = "$1" ] || { echo "FAILED $what: status $status"; failed=1; }
}
want() { # pattern
    if ! grep -q -- "$1" <<<"$said"; then
        printf 'FAILED %s: no "%s" in\n%s\n' "$what" "$1" "$said"
        failed=1
    fi
}

run 139 stack_overflow
want 'call 3: its variables are at 0x[0-9a-f]*, [0-9]* KiB are left'
want 'stack overflow in thread "stack_overflow" ([0-9]*, the main thread)'
want '  recursion    recurse, [0-9 ]* times, '
run 139 stack_overflow thread
want '  stack        64.0 KiB, '
want '  recursion    recurse, [0-9 ]* times, '

run 139 json_deep --plain
want '  recursion    parse_value, [0-9 ]* times, '
want 'If it must go this deep: fh_stack_grow() in parse_value'
run 0 json_deep --plain 1000
want '1000 values, nested 1000 deep'

for program in stack_frames stack_block stack_only; do
    run 0 $program
    want '0x[0-9a-f]*'
done
exit $failed
