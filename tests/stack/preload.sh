#!/bin/bash
# preload.sh PROGRAM - the setting stack_report=on gives an unchanged program the report.
set -u
program=$1
failed=0
if nm -D "$FREEHOLD_LIB" 2>/dev/null | grep -q '__asan_init\|__tsan_init'; then exit 77; fi

check() { # what, pattern, text
    if ! grep -q -- "$2" <<<"$3"; then
        printf 'FAILED %s: no "%s" in\n%s\n' "$1" "$2" "$3"
        failed=1
    fi
}

run() {
    said=$(FREEHOLD=$1 LD_PRELOAD=$FREEHOLD_LIB timeout 150 "${@:2}" 2>&1)
    status=$?
}

run stack_report=on "$program"
[ $status = 139 ] || { echo "FAILED main: status $status"; failed=1; }
check main 'freehold: stack overflow in thread' "$said"
check main 'recursion    endless, ' "$said"
check main 'main thread' "$said"

run stack_report=on "$program" thread
[ $status = 139 ] || { echo "FAILED thread: status $status"; failed=1; }
check thread 'recursion    endless, ' "$said"
check thread 'start_thread\|thread+' "$said"

run stack_report=on "$program" c11
[ $status = 139 ] || { echo "FAILED c11: status $status"; failed=1; }
check c11 'recursion    endless, ' "$said"
check c11 ' c11_thread' "$said"

for on in on off; do
    run stack_report=$on "$program" result
    [ $status = 0 ] || { echo "FAILED result with stack_report=$on: status $status"; failed=1; }
done

for what in null none; do
    run stack_report=on "$program" $what
    if grep -q freehold: <<<"$said"; then echo "FAILED $what: it spoke: $said"; failed=1; fi
done

run count=off "$program"
if grep -q freehold: <<<"$said"; then echo "FAILED off: it spoke: $said"; failed=1; fi
[ $status = 139 ] || { echo "FAILED off: status $status"; failed=1; }
exit $failed
