#!/usr/bin/env python3
"""Each public header stands alone: it compiles first and only, twice included, under a user's strict warnings, as C11
with both compilers where they are there, and as C++17 and C++20. In strict ISO C the macros are used, too: what they
expand to is all marked as an extension.
"""
import itertools
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

include = Path(os.environ["FREEHOLD_SOURCE"], "include")
headers = [str(h.relative_to(include)) for h in sorted(include.rglob("*.h"))]
C_FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-Wundef", "-Werror"]
PEDANTIC = ["-std=c11", "-pedantic", *C_FLAGS[1:]]
USE = """
FH_TYPE(Node);
struct Node { fh_Box(Node) next; fh_Vec(Node) more; fh_str name; int tag; union { fh_str text; int number; } of; };
FH_DROP(Node, (fh_Box(Node), next), (fh_Vec(Node), more), (fh_str, name))
FH_CLONE(Node, (fh_Box(Node), next), (fh_Vec(Node), more), (fh_str, name))
FH_TYPE(Case);
struct Case { int tag; union { fh_str text; int number; } of; };
FH_DROP_ENUM(Case, tag, (1, fh_str, of.text))
FH_CLONE_ENUM(Case, tag, (1, fh_str, of.text))
FH_MAP(fh_str, Node)
void use(void);
void use(void) {
    fh_own(fh_Box(Node)) n = fh_box(Node, .tag = 1);
    fh_own(fh_Rc(fh_RefCell(int))) r = fh_rc_of(fh_RefCell(int), fh_refcell(int, 1));
    fh_own(fh_Map(fh_str, Node)) map = {0};
    fh_vec_push(&n->more, fh_clone(Node, n));
    fh_vec_each(m, &n->more) m->tag += *fh_push_value(int, r->value);
    fh_map_entry(&map, fh_view("key"))->tag = fh_unwrap(fh_some(int, 1));
    FH_FRAME { n->tag = fh_push_str("text") != NULL; }
    FH_SCRATCH { FH_OUTSIDE fh_push_format("%d", n->tag); }
}
"""
# Not -Wshadow in C++: it takes a function named like its struct (as stat is, and fh_stats) for a mistake.
CXX_FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Wundef", "-Werror"]
compilers = [("c", c, C_FLAGS) for c in ("gcc", "clang") if shutil.which(c)]
compilers += [("c", c, PEDANTIC) for _, c, _ in compilers]
for cxx, standard in itertools.product(("g++", "clang++"), ("gnu++17", "gnu++20")):
    if os.environ["CXX"] and shutil.which(cxx):
        compilers.append(("c++", cxx, [f"-std={standard}", *CXX_FLAGS]))


def check(job):
    (language, compiler, flags), header = job
    text = f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
    if flags is PEDANTIC and header == "freehold.h":
        text += USE
    result = subprocess.run([compiler, *flags, "-I", str(include), "-fsyntax-only", "-x", language, "-"],
                            input=text, capture_output=True, text=True)
    return None if result.returncode == 0 else f"<{header}> with {compiler} {flags[0]}:\n{result.stderr}"


with ThreadPoolExecutor(2) as pool:
    complaints = [c for c in pool.map(check, itertools.product(compilers, headers)) if c]
print("\n".join(complaints))
print(f"{len(headers)} headers, {len(compilers)} compilers, {len(complaints)} complaints")
sys.exit(1 if complaints or not headers or not compilers else 0)
