#!/usr/bin/env python3
"""Each of errors/*.c makes one mistake that Rust's compiler would refuse. Its opening comment says who stops it:

    compiler: silent | error | [gcc:]uninitialized | [clang:]error ...     what -Wall -Wextra (and `flags`) say
    checked: text|text      the report in checked mode of a program built with -DFH_CHECKED (empty: runs to its end)
    plain: text|text        the same for a program built without; plain_gcc: with GCC alone, and Clang's runs to its end
    guard: text|text        of the program that is built without, in guard mode (not in the table: it is as in checked mode)

Both compilers, if here, are asked, and the table in docs/OWNERS.md must say what was found: each cell of it is made here. What they
say, they say of the program that is then run: compiling is most of what this test costs.

    errors.py [--write] [NAME]     --write puts the table into the document; a NAME (or pattern): only that, and no table
"""
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

top, build = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
folder, document = Path(__file__).parent / "errors", top / "docs" / "OWNERS.md"
library = build / "libfreehold.a"
compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
link_also = os.environ.get("FREEHOLD_LINK_ALSO", "").split()
if link_also: # counters, which are GCC's
    compilers = ["gcc"]
named = [a for a in sys.argv[1:] if not a.startswith("--")]
work = Path("errors-work")
work.mkdir(exist_ok=True)
wrong = []


def header(text):
    head = text.split("*/", 1)[0]
    title = re.match(r"/\* \S+ - (.*?)\. \(This", head).group(1)
    return title, {m[1]: m[2].strip() for m in re.finditer(r"^ \* (\w+):(.*)$", head, re.M)}


def compile_with(compiler, source, flags, more):
    target = work / f"{source.stem}-{compiler}{''.join(more)}"
    command = [compiler, "-std=gnu11", "-g", "-Wall", "-Wextra", *flags, *more, "-I", str(top / "include"),
               str(source), str(library), "-lpthread", *link_also, "-o", str(target)]
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


def run(target, wants, label, source, mode="checked"):
    environment = {**os.environ, "FREEHOLD": f"mode={mode}"}
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
    if found and label.startswith("gcc"):
        check_json(target, found[1], f"{source.name} ({label})", environment)
    return f"stops, `{found[1]}`" if found else "stops"


def check_json(target, code, who, environment):
    """The same report as one line of JSON, in a file; where each line of it is."""
    file = target.with_suffix(".json").absolute()
    file.unlink(missing_ok=True)
    settings = f"{environment['FREEHOLD']},error_format=json,error_file={file}"
    done = subprocess.run([str(target)], capture_output=True, text=True, env={**environment, "FREEHOLD": settings}, timeout=300)
    try:
        report = json.loads(file.read_text())
        lines = [line for line in report["lines"] if "note" not in line]
        placed = all(line.get("label") and ("place" in line or line["file"] and line["function"]) for line in lines)
        right = (report["freehold"], report["code"]) == ("owner-misuse", code) and report["what"] and report["stopped"]
    except (OSError, ValueError, KeyError) as error:
        right, placed = f"no report: {error!r}", False
    if not (right and placed) or "error[" in done.stderr or done.returncode == 0:
        wrong.append(f"{who}: as JSON: {right}, {file.read_text() if file.exists() else 'no file'}\n{done.stderr}")


def cells_of(source, says, compiler):
    """What the compiler says, and what the two programs do that it makes."""
    flags = [f for f in says.get("flags", "").split() if f]
    done, plain = compile_with(compiler, source, flags, ["-O2" if compiler == "gcc" else "-O0"])
    cell = verdict(done)
    if not re.fullmatch(expected(says["compiler"], compiler), cell):
        wrong.append(f"{source.name}: {compiler} says {cell}, {expected(says['compiler'], compiler)} was meant\n"
                     + done.stderr[:600])
    cells = {"says": cell, "checked": "–", "plain": "–"}
    wants = says.get("plain", says.get(f"plain_{compiler}"))
    if wants is not None and done.returncode == 0:
        cells["plain"] = run(plain, wants, f"{compiler}, any build", source)
    if "guard" in says:
        run(plain, says["guard"], f"{compiler}, guard mode", source, "guard")
    if "checked" in says:
        done, checked = compile_with(compiler, source, flags, ["-O0", "-DFH_CHECKED"])
        if done.returncode == 0:
            cells["checked"] = run(checked, says["checked"], f"{compiler}, -DFH_CHECKED", source)
        else:
            wrong.append(f"{source.name}: {compiler} does not compile it with -DFH_CHECKED:\n{done.stderr[:600]}")
    return cells


def row(source):
    title, says = header(source.read_text())
    cells = {compiler: cells_of(source, says, compiler) for compiler in compilers}
    ran = cells.get("gcc") or cells.get("clang")
    code = source.stem.split("_")[0]
    said = [cells[c]["says"] if c in cells else "not tried" for c in ("gcc", "clang")]
    for kind in ("checked", "plain"):
        alone = f"{kind}_gcc" in says
        if alone:
            ran[kind] = f"{ran[kind]} (GCC)"
        elif len({c[kind] for c in cells.values()}) > 1 and "error" not in said:
            wrong.append(f"{source.name} ({kind}): the two compilers' programs end differently: {cells}")
    return (f"| {code if code.startswith('E0') else '·'} | {title} | [`{source.stem}`](../tests/own/errors/{source.name}) "
            f"| {said[0]} | {said[1]} | {ran['checked']} | {ran['plain']} | |")


with ThreadPoolExecutor(2) as pool:
    rows = list(pool.map(row, sorted(folder.glob(named[0] + ".c" if named else "*.c"))))
if named:
    print("\n".join(rows + wrong))
    sys.exit(1 if wrong else 0)

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
