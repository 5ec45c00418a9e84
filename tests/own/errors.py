#!/usr/bin/env python3
"""Each of errors/*.c makes one mistake that Rust's compiler would refuse. Its opening comment says who stops it:

    compiler: silent | error | [gcc:]uninitialized | [clang:]error ...     what -Wall -Wextra (and `flags`) say
    checked: text|text      the report in checked mode of a program built with -DFH_CHECKED (empty: runs to its end)
    plain: text|text        the same for a program built without

Both compilers, if here, are asked, and the table in docs/OWNERS.md must say what was found: each cell of it is made here.

    errors.py [--write]     --write puts the table into the document
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

top, build = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
folder, document = Path(__file__).parent / "errors", top / "docs" / "OWNERS.md"
library = build / "libfreehold.a"
compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
work = Path("errors-work")
work.mkdir(exist_ok=True)
wrong, rows = [], []


def header(text):
    head = text.split("*/", 1)[0]
    title = re.match(r"/\* \S+ - (.*?)\. \(This", head).group(1)
    return title, {m[1]: m[2].strip() for m in re.finditer(r"^ \* (\w+):(.*)$", head, re.M)}


def compile_with(compiler, source, flags, more):
    target = work / f"{source.stem}-{compiler}"
    command = [compiler, "-std=gnu11", "-g", "-Wall", "-Wextra", *flags, *more, "-I", str(top / "include"),
               str(source), str(library), "-lpthread", "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return done, target


def verdict(done):
    if done.returncode != 0:
        return "error"
    words = re.findall(r"warning: .*\[-W([\w-]+)=?\]", done.stderr)
    return "`-W" + words[0] + "`" if words else "–"


def expected(says, compiler):
    """What the comment lets this compiler say: a pattern."""
    for word in says.split():
        who, _, what = word.rpartition(":")
        if who in ("", compiler):
            return {"silent": "–", "error": "error"}.get(what, f"`-W.*{what}.*`")
    return "–"


def run(target, wants, label, source):
    environment = {**os.environ, "FREEHOLD": "mode=checked"}
    done = subprocess.run([str(target)], capture_output=True, text=True, env=environment, timeout=300)
    if not wants:
        if done.returncode != 0:
            wrong.append(f"{source.name} ({label}): status {done.returncode}, and 0 was meant\n{done.stderr}")
        return "–"
    for text in wants.split("|"):
        if text not in done.stderr:
            wrong.append(f"{source.name} ({label}): the report lacks \"{text}\":\n{done.stderr}")
    if done.returncode == 0:
        wrong.append(f"{source.name} ({label}): was not stopped")
    found = re.search(r"error\[(\w+)\]", done.stderr)
    return f"stops, `{found[1]}`" if found else "?"


for source in sorted(folder.glob("*.c")):
    title, says = header(source.read_text())
    flags = [f for f in says.get("flags", "").split() if f]
    cells = {}
    for compiler in ("gcc", "clang"):
        if compiler not in compilers:
            cells[compiler] = "not tried"
            continue
        done, _ = compile_with(compiler, source, flags, ["-O2"])
        cells[compiler] = verdict(done)
        if not re.fullmatch(expected(says["compiler"], compiler), cells[compiler]):
            wrong.append(f"{source.name}: {compiler} says {cells[compiler]}, {expected(says['compiler'], compiler)} was meant\n"
                         + done.stderr[:600])
    checked = plain = "–"
    if "checked" in says:
        for compiler in compilers:
            for more, key, label in ((["-O0", "-DFH_CHECKED"], "checked", "-DFH_CHECKED"), (["-O1"], "plain", "any build")):
                if key == "plain" and key not in says:
                    continue
                done, target = compile_with(compiler, source, flags, more)
                if done.returncode != 0:
                    wrong.append(f"{source.name}: {compiler} does not compile it with {label}:\n{done.stderr[:600]}")
                    continue
                cell = run(target, says[key], f"{compiler}, {label}", source)
                if key == "checked":
                    checked = cell
                else:
                    plain = cell
    code = source.stem.split("_")[0]
    rows.append(f"| {code if code.startswith('E0') else '·'} | {title} | [`{source.stem}`](../tests/own/errors/{source.name}) "
                f"| {cells['gcc']} | {cells['clang']} | {checked} | {plain} | |")

table = "\n".join(["<!-- table: made by tests/own/errors.py -->",
                   "| code | mistake | program | GCC | Clang | checked, `-DFH_CHECKED` | checked, any build | checker |",
                   "|---|---|---|---|---|---|---|---|", *rows, "<!-- end of table -->"])
text = document.read_text() if document.exists() else ""
now = re.search(r"<!-- table: made.*?<!-- end of table -->", text, re.S)
if "--write" in sys.argv and now:
    document.write_text(text.replace(now[0], table))
elif len(compilers) == 2 and (not now or now[0] != table):
    wrong.append("docs/OWNERS.md has another table than what was found:\n" + table)
print("\n".join(wrong))
print(f"{len(rows)} mistakes, {len(compilers)} compilers, {len(wrong)} complaints")
sys.exit(1 if wrong else 0)
