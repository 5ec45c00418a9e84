"""The numbers of src/heap that the model works with, read from the sources, so that the two cannot drift apart. A number that
is not found where it stood ends the program: then the code has changed, and whether the model still fits must be looked at."""

import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Changed(Exception):
    """The sources do not say what the model expects of them."""


def _find(file, pattern):
    with open(os.path.join(os.environ.get("FREEHOLD_SOURCE", TOP), file), encoding="utf-8") as f:
        match = re.search(pattern, f.read())
    if not match:
        raise Changed(f"{file} has nothing like {pattern}: look whether bench/cores still models it")
    return match.group(1)


def _number(file, pattern):
    value = 1
    for factor in _find(file, pattern).split("*"):
        value *= int(factor)
    return value


def _named(file, name):
    return _number(file, rf"\b{name}\s*=\s*([\d *]+\d)")


GRANULE = 1 << _number("src/heap/space.h", r"FH_GRANULE_SHIFT (\d+)")
WORDS = _number("src/heap/space.h", r"FH_WORDS (\d+)")
HEAD = _named("src/heap/magazine.h", "FH_MAGAZINE_HEAD")
SPARE = _named("src/heap/magazine.h", "FH_MAGAZINES_SPARE")
SPARE_BYTES = _named("src/heap/magazine.c", "MOST_BYTES")
FIRST_CAPACITY = _named("src/heap/bin.c", "FIRST_CAPACITY")
FIRST_BATCH = _named("src/heap/bin.c", "FIRST_BATCH")
KEPT = _number("src/heap/bin.c", r"keep = book->capacity / (\d+)u")  # a part of a full bin that a flush leaves
FULL_BATCH = _number("src/heap/bin.c", r"most = book->capacity / (\d+)u")  # a part of the bin is the largest refill
BIN_BYTES = _named("src/heap/class.c", "BIN_BYTES")
BIN_MANY = _named("src/heap/class.c", "BIN_MANY")
BIN_LARGE = _named("src/heap/class.c", "BIN_LARGE")
BIN_BLOCKS = _named("src/heap/class.c", "BIN_BLOCKS")
BIN_FEWEST = _named("src/heap/class.c", "BIN_FEWEST")
ONE_WAY = _number("src/heap/class.c", r"bin_one_way = \(uint16_t\)bin_most\(size, BIN_BYTES / (\d+)\)")
DEPOT_LEAST = _named("src/heap/depot.c", "LEAST_BYTES")
DEPOT_MOST = _named("src/heap/depot.c", "MOST_BYTES")
SHARDS = _named("src/heap/depot.c", "SHARDS")
HEAPS_A_SHARD = _named("src/heap/depot.c", "HEAPS_A_SHARD")
LOOKS = _named("src/heap/depot.c", "LOOKS")
MOST_EMPTIES = _named("src/heap/depot.c", "MOST_EMPTIES")
OVERFLOW_TIMES = _named("src/heap/depot.c", "TIMES")
REST_ALWAYS = _number("src/heap/span.c", r"ALWAYS = (\d+), PART")
REST_PART = _number("src/heap/span.c", r"ALWAYS = \d+, PART = (\d+)")
REST_MOST = _number("src/heap/span.c", r"ALWAYS = \d+, PART = \d+, MOST = (\d+)")
DEPOT_PART = _number("src/heap/depot.c", r"most = spans \* class->blocks / (\d+)")
TOO_MANY = _named("src/heap/span.c", "TOO_MANY")  # touched spans that make a freeing thread do the owner's work
WORTH = [(int(least), int(shift)) for least, shift in
         re.findall(r"(\d+) \? (\d+)", _find("src/heap/class.c", r"class->worth = (.*? : 0);"))]

# What the model takes for granted, in the words of the sources.
_find("src/heap/depot.c", r"(bool nothing = blocks_in\(depot\) == 0 && overflow_of\(depot\) == 0;)")
_find("src/heap/depot.c", r"(if \(blocks_in\(depot\) == 0 \|\| !fh_trylock\(&depot->lock\)\) return NULL;)")
_find("src/heap/bin.c", r"(if \(!only_frees && !fh_span_is_own\(heap, p\)\) book->credit--;)")
_find("src/heap/span.c", r"(if \(book->ended\) \{\s+book->ended--;)")
_find("src/heap/span.c", r"(if \(heap->resting\) end_one_resting\(heap\);)")
_find("src/heap/depot.c", r"(if \(fh_trylock\(&depot->lock\)\) \{\s+done = change_full)")
_find("src/heap/magazine.c", r"(unsigned half = most_spare\(capacity\) / 2;\s+return half > 0 \? half : 1;)")
_find("src/heap/magazine.c", r"(if \(at_hand->count\[size\] == 0 && !fetch\(at_hand, capacity\)\) return NULL;)")
_find("src/heap/magazine.c", r"(if \(at_hand->count\[size\] == most\) give_back\(at_hand, capacity\);)")
_find("src/heap/span.c", r"(before = atomic_fetch_or\(&remote->bits\[w\], mask\))")
MOST_CREDIT = _named("src/heap/bin.c", "MOST_CREDIT")
_find("src/heap/bin.c", r"(!grow\(heap, c, most\) && !\(only_frees && hand_over\(heap, c, bin, book\)\))")
_find("src/heap/heap.c", r"(heap->next_parked = parked_first;)")


def bin_bytes(size):
    """As in class.c: what a bin may hold at most."""
    return min(max(size * BIN_MANY, BIN_BYTES), BIN_LARGE * BIN_BYTES)


def bin_most(size, bytes_at_most=None):
    """As in class.c: the largest 2^k - 2 that keeps a bin within its bounds."""
    most = BIN_FEWEST
    bytes_at_most = bytes_at_most or bin_bytes(size)
    while most * 2 + 2 <= BIN_BLOCKS and (most * 2 + 4) * size <= bytes_at_most:
        most = most * 2 + 2
    return most


def bin_one_way(size):
    return bin_most(size, BIN_BYTES // ONE_WAY)


def most_spare(capacity):
    """As in magazine.c: how many magazines of one size a heap keeps at hand."""
    return min(SPARE, SPARE_BYTES // ((capacity + HEAD) * 8))


def depot_most(size, spans, shards):
    """As in depot.c; `spans`: how many there are of the class."""
    least = max(DEPOT_LEAST // size, 2 * bin_most(size))
    return max(least, min(spans * (GRANULE // size) // DEPOT_PART // shards, DEPOT_MOST // size))


def worth(blocks):
    return next((shift for least, shift in WORTH if blocks >= least), 0)
