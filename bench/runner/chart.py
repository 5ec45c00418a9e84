"""The chart: cost and memory of each allocator, row by row, as an SVG that needs nothing but a browser.

Two panels side by side, CPU time and peak RSS. Each allocator has a line of dots, one a row (its name shows when the
pointer rests on it); across lies the ratio to the row's best peer, logarithmic, so that twice as good and twice as
bad are equally far from 1. A bar and a number mark the geometric mean. Colours follow the reader's light or dark
setting; the text has a background of its own, so it can be read on any page."""

import math
from html import escape

from . import report

WIDTH, LEFT, RIGHT, GAP = 960, 104, 24, 40
TOP, LINE, BOTTOM = 106, 62, 62
PANEL = (WIDTH - LEFT - RIGHT - GAP) / 2
TICKS = [0.25, 0.35, 0.5, 0.7, 1, 1.5, 2, 3, 5, 8]
LEAST, MOST = 0.5, 8.0
DOT = 3.1

STYLE = """
  svg { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
  .page { fill: #ffffff; } .band { fill: #eef6f5; } .title { fill: #14212b; font-size: 17px; font-weight: 600; }
  .small { fill: #5a6872; font-size: 12px; } .head { fill: #14212b; font-size: 14px; font-weight: 600; }
  .name { fill: #3a4751; font-size: 14px; } .own { fill: #0b6e66; font-weight: 700; }
  .grid { stroke: #e2e7ea; stroke-width: 1; } .one { stroke: #7d8a93; stroke-width: 1.5; stroke-dasharray: 4 3; }
  .dot { fill: #6c7f8c; fill-opacity: 0.5; } .dot.own { fill: #0f8a80; fill-opacity: 0.6; }
  .mean { stroke: #3a4751; stroke-width: 3; } .mean.own { stroke: #0b6e66; }
  .value { fill: #3a4751; font-size: 13px; font-weight: 600; }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
  .value.own { fill: #0b6e66; stroke: #eef6f5; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #10161b; } .band { fill: #14282a; } .title, .head { fill: #e8eef2; } .small { fill: #98a7b1; }
    .name { fill: #c2ced6; } .own { fill: #4fd6c8; } .grid { stroke: #263038; } .one { stroke: #84929c; }
    .dot { fill: #93a7b5; } .dot.own { fill: #3fcabc; } .mean { stroke: #c2ced6; } .mean.own { stroke: #4fd6c8; }
    .value { fill: #c2ced6; stroke: #10161b; } .value.own { fill: #4fd6c8; stroke: #14282a; }
  }
"""


class Axis:
    """Ratios to pixels, logarithmic; what lies outside is drawn at the edge."""

    def __init__(self, left, least, most):
        self.left, self.least, self.most = left, least, most

    def x(self, ratio):
        inside = min(max(ratio, self.least), self.most)
        return self.left + PANEL * math.log(inside / self.least) / math.log(self.most / self.least)

    def ticks(self):
        return [t for t in TICKS if self.least <= t <= self.most]


def swarm(points):
    """[(x, y offset)]: each point as near to the middle line as it can be without touching those already placed."""
    placed = []
    for x in points:
        steps = [0] + [s * k for k in range(1, 5) for s in (1.7 * DOT, -1.7 * DOT)]
        free = [y for y in steps if all((x - a) ** 2 + (y - b) ** 2 >= (1.7 * DOT) ** 2 for a, b in placed)]
        placed.append((x, free[0] if free else steps[-len(placed) % len(steps)]))
    return placed


def text(x, y, words, kind, anchor="start"):
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (x, y, kind, anchor, escape(words))


def shape(axis, ratio, x, y, kind):
    """A dot, or at the right edge an arrow for a ratio that lies beyond it."""
    if ratio > axis.most:
        return '<path d="M%.1f %.1fl7 4.5l-7 4.5z" class="%s"' % (x - 4, y - 4.5, kind)
    return '<circle cx="%.1f" cy="%.1f" r="%.1f" class="%s"' % (x, y, DOT, kind)


def strip(data, name, ratios, mean, axis, middle):
    """One allocator's dots and its mean."""
    own = " own" if name == data["subject"] else ""
    rows = sorted((r[name], row["name"]) for r, row in zip(ratios, data["rows"]) if r[name] is not None)
    out = []
    for (ratio, row), (x, dy) in zip(rows, swarm([axis.x(r) for r, _ in rows])):
        label = "%s, %s: %.2f" % (name, row, ratio)
        out.append("%s><title>%s</title>%s" % (shape(axis, ratio, x, middle + dy, "dot" + own), escape(label),
                                               "</path>" if ratio > axis.most else "</circle>"))
    if mean is not None:
        x = axis.x(mean)
        out.append('<path d="M%.1f %.1fv36" class="mean%s"/>' % (x, middle - 18, own))
        out.append(text(x, middle - 22, "%.2f" % mean, "value" + own, "middle"))
    return out


def panel(data, order, what, title, left):
    ratios = report.row_ratios(data, what)
    mean, _ = report.means(data, what)
    every = [v for r in ratios for v in r.values() if v is not None]
    axis = Axis(left, min(LEAST, 0.25 if min(every) < 0.5 else LEAST), MOST)
    bottom = TOP + LINE * len(order)
    out = [text(left, TOP - 20, title, "head")]
    for tick in axis.ticks():
        x = axis.x(tick)
        out.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" class="%s"/>'
                   % (x, TOP - 12, x, bottom, "one" if tick == 1 else "grid"))
        out.append(text(x, bottom + 17, "%g" % tick, "small", "middle"))
    for number, name in enumerate(order):
        out += strip(data, name, ratios, mean[name], axis, TOP + LINE * number + LINE / 2 + 6)
    return out


def svg(data):
    cost = report.means(data, "cpu")[0]
    names = list(data["allocators"])
    if not data["rows"]:
        return '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'
    order = sorted(names, key=lambda n: (n != data["subject"], cost[n] if cost[n] is not None else math.inf, n))
    height = TOP + LINE * len(order) + BOTTOM
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'
           % (WIDTH, height, WIDTH, height),
           "<title>CPU time and peak RSS of each allocator, relative to the best peer of each row</title>",
           "<style>%s</style>" % STYLE, '<rect class="page" width="%d" height="%d" rx="8"/>' % (WIDTH, height)]
    if order[0] == data["subject"]:
        out.append('<rect class="band" x="8" y="%d" width="%d" height="%d" rx="6"/>' % (TOP, WIDTH - 16, LINE))
    out.append(text(24, 32, "Cost and memory of %d workloads and programs" % len(data["rows"]), "title"))
    legend = "each dot a row, relative to the best peer there; bar: geometric mean; left is better"
    out.append(text(24, 50, legend, "small"))
    for number, name in enumerate(order):
        own = " own" if name == data["subject"] else ""
        out.append(text(24, TOP + LINE * number + LINE / 2 + 11, name, "name" + own))
    out += panel(data, order, "cpu", "CPU time", LEFT)
    out += panel(data, order, "rss", "peak RSS", LEFT + PANEL + GAP)
    versions = " · ".join(v for n, v in data["allocators"].items() if n != data["subject"])
    out.append(text(24, height - 18, "%s · %s" % (data["date"], versions), "small"))
    return "\n".join(out + ["</svg>"]) + "\n"
