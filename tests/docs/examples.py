#!/usr/bin/env python3
"""The examples that readers see first are true: each is taken out of the text, compiled under strict warnings, and run.

Where they stand: the opening comments of the public headers (an indented passage that begins with #include), and the C
blocks of README.md and docs/*.md (```c). One with a main is a program; it must end with status 0, and when lines of it
say `// prints: TEXT`, print just these texts. One with #include but no main is only compiled. Any other is
taken as the inside of a function in a program that includes <freehold.h>.
"""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP, BUILD, CC = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"]), os.environ["CC"]
FLAGS = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
         "-Wno-unused-but-set-variable"]

if "-fsanitize" in (BUILD / "compile_commands.json").read_text():
    print("skipped: the plain build does this")
    sys.exit(77)


def from_header(path):
    """Passages of the header's opening comment that begin with #include, up to the first line that is not indented or
    to the end of main."""
    opening = re.match(r"/\*(.*?)\*/", path.read_text(), re.S)
    lines = [re.sub(r"^ \* ?", "", line) for line in opening.group(1).split("\n")] if opening else []
    passage = []
    for line in [*lines, "end"]:
        inside = line.startswith("    ") or not line.strip()
        if passage and passage[-1].startswith("}") and any(re.search(r"\bmain\(", p) for p in passage):
            inside = False
        if inside and (passage or line.lstrip().startswith("#include")):
            passage.append(line[4:])
        elif passage:
            yield "\n".join(passage).strip() + "\n"
            passage = []


def from_markdown(path):
    for block in re.finditer(r"^```c\n(.*?)^```", path.read_text(), re.S | re.M):
        yield block.group(1)


def program(text):
    """The text as a whole file, and whether it can be run."""
    if re.search(r"\bmain\s*\(", text):
        return text, True
    if "#include" in text:
        return text, False
    return f"#include <freehold.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n" \
           f"int main(void) {{\n{text}\nreturn 0;\n}}\n", True


def check(job):
    name, text = job
    source, runs = program(text)
    with tempfile.TemporaryDirectory() as folder:
        file, result = Path(folder, "example.c"), Path(folder, "example")
        file.write_text(source)
        output = ["-o", result, BUILD / "libfreehold.a", "-lpthread"] if runs else ["-c", "-o", result]
        compiled = subprocess.run([CC, *FLAGS, "-I", TOP / "include", file, *output], capture_output=True, text=True)
        if compiled.returncode != 0:
            return f"{name} does not compile:\n{compiled.stderr}\n{source}"
        if not runs:
            return None
        ran = subprocess.run([result], capture_output=True, text=True, timeout=300, cwd=folder)
    if ran.returncode != 0:
        return f"{name} ends with status {ran.returncode}:\n{ran.stdout}{ran.stderr}\n{source}"
    expected = re.findall(r"// prints: (.*)", source)
    if expected and ran.stdout.splitlines() != expected:
        return f"{name} prints\n{ran.stdout}and not\n" + "\n".join(expected)
    return None


jobs = []
for path in sorted((TOP / "include").rglob("*.h")):
    jobs += [(f"{path.relative_to(TOP)}, example {n}", t) for n, t in enumerate(from_header(path), 1)]
for path in [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]:
    jobs += [(f"{path.relative_to(TOP)}, C block {n}", t) for n, t in enumerate(from_markdown(path), 1)]
with ThreadPoolExecutor(2) as pool:
    complaints = [c for c in pool.map(check, jobs) if c]
print("\n\n".join(complaints))
print(f"{len(jobs)} examples, {len(complaints)} with complaints")
sys.exit(1 if complaints or not jobs else 0)
