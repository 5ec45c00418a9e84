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

wrong=0
for file in "${files[@]}"; do
    [ -f "$file" ] || continue
    if ! difference=$("$tool" "$file" | diff -u --label "$file" --label "$file, formatted" "$file" -); then
        wrong=$((wrong + 1))
        head -n 15 <<<"$difference"
    fi
done
[ $wrong = 0 ] || echo "$wrong files are not in the project's layout: \`make format\` puts them right."
exit $((wrong > 0))
