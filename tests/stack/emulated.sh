#!/bin/bash
# emulated.sh - under qemu-user a program runs in every mode: the emulator's own threads are among the process's, and a signal of
# ours would end it. The emulator shows a program that may lie anywhere (a PIE, as most are) where the program truly lies.
library=$FREEHOLD_BUILD/libfreehold.so
emulator=$(command -v "qemu-$(uname -m)" || command -v "qemu-$(uname -m)-static") && [ -e "$library" ] || exit 77
if nm -D "$library" | grep -q '__asan_init\|__tsan_init\|__ubsan_'; then exit 77; fi
said=$("$emulator" /bin/echo hello) && [ "$said" = hello ] || exit 77 # not on this machine
failed=0
for mode in fast checked guard; do
    said=$("$emulator" -E "FREEHOLD=mode=$mode" -E "LD_PRELOAD=$library" /bin/echo hello 2>&1)
    status=$?
    if [ "$said" != hello ]; then
        echo "mode=$mode: exit status $status, it says: $said"
        failed=1
    fi
done
exit $failed
