#!/usr/bin/env python3
"""picture.py - what a command shows on a terminal, as an SVG.

    docs/picture.py OUT.svg "CAPTION" COMMAND ARG...

The command runs on a pseudo-terminal, so that it shows what it shows to a person, colours too. The picture is text,
not pixels: it can be searched and copied, and it follows the reader's choice of dark or light. README's pictures are
made by `make pictures`.
"""
import html
import os
import pty
import re
import struct
import sys
import termios
from fcntl import ioctl

COLUMNS = 112
CHARACTER, LINE, EDGE = 7.83, 18, 16
COLOURS = ["red", "green", "yellow", "blue", "magenta", "cyan"]
CLASSES = {"1": "bold", "2": "dim", **{str(31 + n): colour for n, colour in enumerate(COLOURS)}}
STYLE = """
text { font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #24292f; white-space: pre }
.back { fill: #f6f8fa; stroke: #d0d7de } .caption, .dim { fill: #57606a } .bold { font-weight: bold }
.red { fill: #a40e26 } .green { fill: #116329 } .yellow { fill: #7d4e00 } .blue { fill: #0550ae }
.magenta { fill: #8250df } .cyan { fill: #1b6a77 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .back { fill: #0d1117; stroke: #30363d } .caption, .dim { fill: #9da7b1 }
.red { fill: #ff7b72 } .green { fill: #7ee787 } .yellow { fill: #d29922 } .blue { fill: #79c0ff }
.magenta { fill: #d2a8ff } .cyan { fill: #76e3ea }
}"""


def run(command):
    """All that the command writes to its terminal, and its exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        os.execvp(command[0], command)
    output = b""
    try:
        while chunk := os.read(fd, 65536):
            output += chunk
    except OSError:
        pass  # the terminal's other end is closed
    return output.decode(errors="replace").replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pieces(line, classes):
    """The line as (text, classes) pieces; `classes` are those in force, and are carried on to the next line."""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b"):
            if part:
                yield part, " ".join(sorted(classes))
            continue
        for code in part[2:-1].split(";"):
            if code in ("", "0"):
                classes.clear()
            elif code in CLASSES:
                classes.add(CLASSES[code])


def svg(text, caption):
    lines = text.rstrip("\n").split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in [caption, *lines]]
    width = max(map(len, plain)) * CHARACTER + 2 * EDGE
    height = (len(lines) + 2) * LINE + EDGE
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
           f'height="{height:.0f}" role="img"><title>{html.escape(caption)}</title><style>{STYLE}</style>',
           f'<rect class="back" x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="6"/>',
           f'<text class="caption" x="{EDGE}" y="{EDGE + 10}">{html.escape(caption)}</text>']
    classes = set()
    for number, line in enumerate(lines, 2):
        spans = "".join(f'<tspan class="{c}">{html.escape(t)}</tspan>' if c else html.escape(t)
                        for t, c in pieces(line, classes))
        out.append(f'<text x="{EDGE}" y="{EDGE + 10 + number * LINE - LINE // 2}" xml:space="preserve">{spans}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    out, caption, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    text, status = run(command)
    if status != 0:
        sys.exit(f"{' '.join(command)}: status {status}\n{text}")
    with open(out, "w", encoding="utf-8") as file:
        file.write(svg(text, caption))


if __name__ == "__main__":
    main()
