# variant.sh - configures and builds the sources in a folder of their own, and runs the core tests there.
#
#     variant.sh NAME "COMMANDS THAT MUST BE THERE" CMAKE-ARGUMENT...
#
# Ends with 77 (skipped) where one of the commands is not to be had.
set -eu

name=$1
needs=$2
shift 2

for command in $needs; do
    if ! command -v "$command" >/dev/null; then
        echo "skipped: there is no $command"
        exit 77
    fi
done

unset CC CXX LD_PRELOAD FREEHOLD # the arguments say which compiler

if ! cmake -S "$FREEHOLD_SOURCE" -B "$name" -DFREEHOLD_VARIANT="$name" "$@" >"$name.log" 2>&1 ||
    ! cmake --build "$name" --parallel 2 --target core_tests >>"$name.log" 2>&1; then
    tail -40 "$name.log"
    exit 1
fi
ctest --test-dir "$name" -L core --output-on-failure --parallel 2 --no-tests=error
