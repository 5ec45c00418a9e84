#!/usr/bin/env python3
"""Each public header stands alone: it compiles first and only, twice included, under a user's strict warnings, as C11
with both compilers where they are there, and as C++17 and C++20.
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
# Not -Wshadow in C++: it takes a function named like its struct (as stat is, and fh_stats) for a mistake.
CXX_FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Wundef", "-Werror"]
compilers = [("c", c, C_FLAGS) for c in ("gcc", "clang") if shutil.which(c)]
for cxx, standard in itertools.product(("g++", "clang++"), ("gnu++17", "gnu++20")):
    if os.environ["CXX"] and shutil.which(cxx):
        compilers.append(("c++", cxx, [f"-std={standard}", *CXX_FLAGS]))


def check(job):
    (language, compiler, flags), header = job
    text = f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
    result = subprocess.run([compiler, *flags, "-I", str(include), "-fsyntax-only", "-x", language, "-"],
                            input=text, capture_output=True, text=True)
    return None if result.returncode == 0 else f"<{header}> with {compiler} {flags[0]}:\n{result.stderr}"


with ThreadPoolExecutor(2) as pool:
    complaints = [c for c in pool.map(check, itertools.product(compilers, headers)) if c]
print("\n".join(complaints))
print(f"{len(headers)} headers, {len(compilers)} compilers, {len(complaints)} complaints")
sys.exit(1 if complaints or not headers or not compilers else 0)
