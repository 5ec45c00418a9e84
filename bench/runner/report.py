"""The results as Markdown and as JSON.

The JSON holds every sample and everything the Markdown and the chart say; both are made from it alone, so
that `bench/run --from results.json` draws them again without measuring."""

from . import frames, owners, stats

MEASURES = [("cpu", "CPU time", "s"), ("wall", "wall time", "s"), ("rss", "peak RSS", "MiB")]


def as_data(results, typed, about):
    """Plain data for json.dump: what was measured, by row and allocator."""
    rows = []
    for r in results:
        rows.append({
            "name": r.row.name, "kind": r.row.kind, "about": r.row.about, "checksum": r.checksum,
            "failures": r.failures,
            "samples": {n: [[s.user, s.system, s.wall, s.rss / 1024] for s in got] for n, got in r.samples.items()},
        })
    return {**about, "rows": rows, "typed": typed}


def values(row, name, what):
    """The samples of one allocator in one row, as numbers; none when it failed there."""
    if name in row["failures"]:
        return []
    pick = {"cpu": lambda s: s[0] + s[1], "wall": lambda s: s[2], "rss": lambda s: s[3]}[what]
    return [pick(s) for s in row["samples"].get(name, [])]


def medians(row, names, what):
    found = {n: values(row, n, what) for n in names}
    return {n: stats.median(v) if v else None for n, v in found.items()}


def row_ratios(data, what):
    return [stats.ratios(medians(r, data["allocators"], what), data["subject"]) for r in data["rows"]]


def means(data, what):
    """({allocator: geometric mean}, number of rows)."""
    return stats.means_over_rows(row_ratios(data, what), list(data["allocators"]))


# ------------------------------------------------------------------ Markdown ---------------------------------


def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1)]
    out += ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join(out) + "\n"


def number(value, digits=2):
    return "-" if value is None else "%.*f" % (digits, value)


def cell(row, name, what, ratio, subject, peer):
    """One ratio with its spread; bold for a subject that is level with the best peer or ahead."""
    if name in row["failures"]:
        return "**FAILED**"
    if ratio is None:
        return "-"
    text = "%.2f" % ratio
    if name == subject and ratio <= 1.0 or name == peer:
        text = "**%s**" % text
    many = values(row, name, what)
    return text + (" ±%.0f%%" % (100 * stats.spread(many)) if len(many) > 1 else "")


def rows_table(data, what, unit):
    names, subject = list(data["allocators"]), data["subject"]
    lines = []
    for row in data["rows"]:
        mid = medians(row, names, what)
        ratio, best = stats.ratios(mid, subject), stats.best_peer(mid, subject)
        peer = best[0] if best else None
        first = "%s %s" % (peer, number(best[1])) if best else "-"
        lines.append([row["name"], first] + [cell(row, n, what, ratio[n], subject, peer) for n in names])
    mean, count = means(data, what)
    lines.append(["**geometric mean** of %d" % count, ""] + ["**%s**" % number(mean[n], 3) for n in names])
    return table(["row", "best peer, " + unit] + names, lines)


def summary_table(data):
    names = list(data["allocators"])
    lines = []
    for n in names:
        cost = [r[n] for r in row_ratios(data, "cpu") if r[n] is not None]
        behind = "%d of %d" % (sum(c > 1.05 for c in cost), len(cost)) if cost else "-"
        lines.append([n] + [number(means(data, m)[0][n], 3) for m, _, _ in MEASURES]
                     + [behind, number(max(cost), 2) if cost else "-", data["allocators"][n]])
    head = ["allocator", "CPU time", "wall time", "peak RSS", "rows > 1.05 on CPU", "worst row", "version"]
    return table(head, lines)


def verdict(value, limit):
    if limit is None:
        return "%.3f" % value
    return "%.3f, %s" % (value, "met" if value <= limit else "**not met**")


def lean(data):
    """The subject's peak RSS to that of the leanest among the fast peers of each row; geometric mean."""
    names, subject, found = list(data["allocators"]), data["subject"], []
    for row in data["rows"]:
        rss = medians(row, names, "rss")
        least = stats.leanest_fast(medians(row, names, "cpu"), rss, subject)
        if least and rss[subject] is not None:
            found.append(rss[subject] / least)
    return stats.geomean(found)


def targets(data):
    """The measures that the subject is held to, as (words, value, limit); only those that can be computed. Without a
    limit: what a reader would ask next."""
    names, subject = list(data["allocators"]), data["subject"]
    peers = [n for n in names if n != subject]
    more = frames.targets(data["frames"]) if data.get("frames") else []
    if subject not in names or not peers:
        return more
    out = []
    cost, rss = means(data, "cpu")[0], means(data, "rss")[0]
    if cost[subject] is not None:
        best = min(cost[n] for n in peers)
        out.append(("CPU time: geometric mean / that of the best peer", cost[subject] / best, 0.95))
        out.append(("CPU time: geometric mean / virtual best", cost[subject], 1.00))
        out.append(("peak RSS: geometric mean / virtual best", rss[subject], 1.00))
        out.append(("peak RSS: geometric mean / the leanest fast peer", lean(data), 1.00))
        if "jemalloc" in peers:
            out.append(("peak RSS: geometric mean / that of jemalloc", rss[subject] / rss["jemalloc"], 1.00))
    single = [r[subject] for r in row_ratios(data, "cpu") if r[subject] is not None]
    if single:
        out.append(("CPU time: worst row / its best peer", max(single), 1.05))
    against = [(medians(r, names, "cpu"), r) for r in data["rows"]]
    libc = [m[subject] / m["libc"] for m, _ in against if m.get(subject) and m.get("libc")]
    if libc:
        out.append(("CPU time: worst row / libc", max(libc), 1.00))
    return out + typed_targets(data) + more


def typed_targets(data):
    """The typed path against malloc/free of the best peer and against Rust, from the typed table."""
    typed, subject = data.get("typed") or {}, data["subject"]
    out = []
    for loop, limit in (("pair", 1 / 4), ("bulk", 1 / 2.5)):
        lines = typed.get("loops", {}).get(loop, {})
        ours = lines.get("freehold typed")
        peers = [v for n, v in lines.items() if n.startswith("malloc: ") and n != "malloc: " + subject and v]
        if ours and peers:
            out.append(("typed %s / the best peer's malloc and free" % loop, ours / min(peers), limit))
        rust = {n: v for n, v in lines.items() if n.startswith("rust: ") and n != "rust: " + subject and v}
        if ours and "rust: libc" in rust and loop == "pair":
            out.append(("typed pair / Rust's Box", ours / rust["rust: libc"], 1 / 6))
            out.append(("typed pair / Rust's Box with the fastest peer below it", ours / min(rust.values()), None))
    return out


def targets_table(data):
    lines = [[words, "≤ %.2f" % limit if limit else "none", verdict(value, limit)]
             for words, value, limit in targets(data)]
    return table(["measure", "target", "measured"], lines) if lines else ""


def typed_table(data):
    loops = data["typed"]["loops"]
    names = sorted({n for lines in loops.values() for n in lines}, key=data["typed"]["order"].index)
    lines = [[n] + [number(loops[loop].get(n)) for loop in loops] for n in names]
    head = ["what allocates"] + ["%s, ns/%s" % (loop, data["typed"]["unit"][loop]) for loop in loops]
    return table(head, lines) + "".join("\n%s: not installed\n" % n for n in data["typed"]["missing"])


def failures(data):
    lines = ["- **%s** on **%s**: %s" % (r["name"], n, text)
             for r in data["rows"] for n, text in r["failures"].items()]
    typed = (data.get("typed") or {}).get("failures", {})
    lines += ["- **the typed table** on **%s**: %s" % failed for failed in typed.items()]
    return "\n".join(lines) + "\n" if lines else "None: every run ended well and gave its row's checksum.\n"


HEAD = """# Benchmark results

Made by `make bench`; do not edit. [bench/README.md](../../bench/README.md) says what each row is and how to
read this.

- machine: %(machine)s
- system: %(system)s
- compiled with %(compiler)s
- date: %(date)s; %(rounds)d rounds, interleaved; scale %(scale)g; %(minutes).1f minutes
- load average when it began: %(load)s

Every number below is a ratio to the **best peer** of its row (the best of all allocators but %(subject)s), so 1.00
is level with the best of the others and less is better. `±` is half the range of the rounds, relative to the median.
"""


def markdown(data):
    parts = [HEAD % data, "![cost and memory](chart.svg)\n", "## Summary\n\nGeometric means over all rows.\n",
             summary_table(data)]
    goal = targets_table(data)
    if goal:
        parts += ["## Targets\n", goal]
    if data["missing"]:
        parts.append("Not measured: %s.\n" % "; ".join(data["missing"]))
    parts += ["## Failures\n", failures(data)]
    for what, title, unit in MEASURES:
        parts += ["## %s\n" % (title[0].upper() + title[1:]), rows_table(data, what, unit)]
    if data.get("typed"):
        parts += ["## The typed path\n\nThe same loops with malloc and free on each allocator, with `fh_new` and "
                  "`fh_delete`, and in Rust; nanoseconds, the least of all repetitions.\n", typed_table(data)]
    if data.get("owners"):
        parts.append(owners.markdown(data["owners"]))
    if data.get("frames"):
        parts += ["## Frames\n\nn bytes of working memory for the time of one call: the first byte written (bare), or all "
                  "(written). Nanoseconds, the least of all repetitions, as the mean of four places where in a line of the "
                  "cache the function begins (bumpalo: where it happens to). alloca-probed is alloca compiled with "
                  "-fstack-clash-protection, so that it cannot jump over the guard page.\n", frames.markdown(data["frames"])]
    return "\n".join(parts)


# ------------------------------------------------------------------ the terminal -----------------------------


def line(result, subject):
    """One row as a line for the terminal: the ratios of CPU time and of peak RSS."""
    cpu, rss = result.medians("cpu"), result.medians("rss")
    cost, memory = stats.ratios(cpu, subject), stats.ratios(rss, subject)
    best = stats.best_peer(cpu, subject)
    cells = "  ".join("%s %s/%s" % (n, number(cost[n]), number(memory[n])) for n in cost)
    return "%-18s %6ss  %s" % (result.row.name, number(best[1]) if best else "-", cells)


def closing(data):
    """The geometric means as lines for the terminal."""
    lines = []
    for what, title, _ in MEASURES:
        mean, count = means(data, what)
        if count:
            cells = "  ".join("%s %s" % (n, number(v, 3)) for n, v in mean.items())
            lines.append("%-10s geometric mean of %d rows to the best peer of each: %s" % (title, count, cells))
    return "\n".join(lines)
