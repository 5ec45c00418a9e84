"""What is computed from samples: medians, spreads, ratios to the best peer, geometric means.

The words, as the tables use them:

    sample        one run of one row on one allocator: CPU seconds, wall seconds, peak RSS
    median        of the samples of one row and allocator
    spread        half of (largest - smallest), relative to the median: 0.02 is "+-2 %"
    best peer     of a row: the smallest median among all allocators but the subject (Freehold)
    ratio         median / the best peer's median, so that 1.00 is level with the best of the others
    fast peers    of a row: those whose CPU time is at most 1.25 times the least of a peer
    virtual best  an allocator that would be the best peer in every row: the ratio 1.00 everywhere
    geometric mean of the ratios over the rows where every allocator gave a result
"""

import math


def median(values):
    """The middle of the values; of an even number, the mean of the middle two."""
    if not values:
        raise ValueError("median of nothing")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def spread(values):
    """Half the range, relative to the median. 0 for one value."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


def geomean(values):
    """The geometric mean of positive numbers."""
    if not values:
        raise ValueError("geometric mean of nothing")
    return math.exp(sum(math.log(v) for v in values) / len(values))


def best_peer(medians, subject):
    """(name, value) of the smallest median that is not the subject's. `medians` maps allocator to number or
    None. With no peer that has a value, the subject itself is its own measure; with no value at all, None."""
    peers = {n: v for n, v in medians.items() if n != subject and v is not None}
    pool = peers or {n: v for n, v in medians.items() if v is not None}
    if not pool:
        return None
    name = min(pool, key=lambda n: (pool[n], n))
    return name, pool[name]


FAST = 1.25


def leanest_fast(cost, rss, subject):
    """The least of the fast peers' medians in `rss`, by their medians in `cost`; None where there is none."""
    peers = {n: v for n, v in cost.items() if n != subject and v is not None and rss.get(n) is not None}
    if not peers:
        return None
    best = min(peers.values())
    return min(rss[n] for n, v in peers.items() if v <= FAST * best)


def ratios(medians, subject):
    """Each allocator's median over the best peer's; None where it has none."""
    best = best_peer(medians, subject)
    if best is None:
        return {n: None for n in medians}
    return {n: (v / best[1] if v is not None and best[1] > 0 else None) for n, v in medians.items()}


def means_over_rows(rows, names):
    """Geometric mean of each allocator's ratios over the rows in which all of `names` have one, and how many
    rows those are. `rows` is a list of {allocator: ratio or None}."""
    whole = [r for r in rows if all(r.get(n) is not None for n in names)]
    if not whole:
        return {n: None for n in names}, 0
    return {n: geomean([r[n] for r in whole]) for n in names}, len(whole)
