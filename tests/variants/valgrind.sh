# valgrind.sh PROGRAM... - runs test programs of this build under memcheck; any error that it finds is a failure.
set -eu

if ! command -v valgrind >/dev/null; then
    echo "skipped: there is no valgrind"
    exit 77
fi
export TEST_UNMEASURABLE=1 TEST_SECONDS=2
for program in "$@"; do
    echo "$(basename "$program")"
    if ! valgrind --quiet --error-exitcode=99 "$program" >valgrind.log 2>&1; then
        cat valgrind.log
        exit 1
    fi
done
