#!/usr/bin/env bash
# neighbour_glib.sh - builds and runs neighbour_glib.c with the real GLib, on both heaps: ours and the C library's. Skipped without GLib.
set -eu
flags=$(pkg-config --cflags --libs glib-2.0 2>/dev/null) || { echo "skipped: GLib is not here"; exit 77; }
# shellcheck disable=SC2086
"$CC" -std=gnu11 -g -O1 -Wall -Wextra -I"$FREEHOLD_SOURCE/include" "$FREEHOLD_SOURCE/tests/own/neighbour_glib.c" \
    "$FREEHOLD_LIB" -Wl,-rpath,"$(dirname "$FREEHOLD_LIB")" $flags -o neighbour_glib
./neighbour_glib
FREEHOLD=mode=checked ./neighbour_glib
