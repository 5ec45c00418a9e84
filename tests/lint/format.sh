#!/usr/bin/env bash
# format.sh - the layout of the C and C++ code is that of .clang-format.
#
#     format.sh            says which files differ; status 1 when one does, 77 without clang-format 14
#     format.sh --fix      mends them
set -eu
cd "${FREEHOLD_SOURCE:-$(dirname "$0")/../..}"

tool=$(command -v clang-format-14 || command -v clang-format || true)
case $("${tool:-true}" --version) in
    *"version 14."*) ;;
    *)
        echo "skipped: the layout is that of clang-format 14, which is not here"
        exit 77
        ;;
esac

mapfile -d '' files < <(git -c safe.directory="$PWD" ls-files -z '*.c' '*.h' '*.cc' '*.cpp')
if [ "${1-}" = --fix ]; then
    "$tool" -i "${files[@]}"
    python3 tests/lint/wrap.py "${files[@]}"
    exit
fi

present=()
for file in "${files[@]}"; do
    [ ! -f "$file" ] || present+=("$file")
done

# One process looks at all; which files differ, and how, is asked only of those that it names.
wrong=0
mapfile -t differ < <("$tool" --dry-run "${present[@]}" 2>&1 | sed -n 's/^\(.*\):[0-9]*:[0-9]*: warning: .*/\1/p' | sort -u)
for file in "${differ[@]}"; do
    wrong=$((wrong + 1))
    "$tool" "$file" | diff -u --label "$file" --label "$file, formatted" "$file" - | head -n 15 || true
done
[ $wrong = 0 ] || echo "$wrong files are not in the project's layout: \`make format\` puts them right."
exit $((wrong > 0))
