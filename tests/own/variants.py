#!/usr/bin/env python3
"""The unit tests of the owners, compiled in every way that users compile: each compiler here (GCC and Clang of all versions found),
-O0 to -O3, with link-time optimisation, with AddressSanitizer and UndefinedBehaviorSanitizer, and in each of the three expansions
of the macros: production, -DFH_CHECKED, -D__FREEHOLD_CHECK__. All must pass without a warning: this is the test that the
expansions are equivalent, and that returning an owner is right everywhere. The seeds' programs must print the same in all three.

Also: a type that is declared and not used leaves nothing in the object file.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

top, build = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
here, work = Path(__file__).parent, Path("variants-work")
work.mkdir(exist_ok=True)
full = "--full" in sys.argv
names = ["gcc", "clang", *(f"gcc-{n}" for n in range(10, 16)), *(f"clang-{n}" for n in range(12, 22))]
found = {os.path.realpath(shutil.which(c)): c for c in reversed(names) if shutil.which(c)} # gcc-12 may be gcc
compilers = [c for c in names if c in found.values()]
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Wundef", "-Werror"]
# GCC 10 warns of fields that a designated initializer leaves out where it stands in a macro.
OLD_GCC = ["-Wno-missing-field-initializers"]
EXPANSIONS = {"production": [], "checked": ["-DFH_CHECKED"], "checker": ["-D__FREEHOLD_CHECK__"]}
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
wrong = []


def call(command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=1500, **more)


def is_old_gcc(compiler):
    return "gcc" in compiler and call([compiler, "-dumpversion"]).stdout.startswith("10")


def attempt(job):
    compiler, source, flags, name = job
    target = work / re.sub(r"\W", "_", f"{compiler} {source.stem} {name}")
    done = call([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-g1", *WARNINGS, *flags, "-I", top / "include", source,
                 build / "libfreehold.a", "-lcmocka", "-lpthread", "-ldl", *(OLD_GCC if is_old_gcc(compiler) else []), "-o", target])
    if done.returncode != 0:
        return f"{compiler} {source.name} {name}: does not compile:\n{done.stderr[:1500]}"
    done = call([target], env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "TEST_NODES": "1000000"})
    target.unlink()
    return f"{compiler} {source.name} {name}: status {done.returncode}\n{done.stderr[-1500:]}" if done.returncode else None


def sanitizes(compiler):
    """The runtime is a package of its own with Clang, and may not be here."""
    done = call([compiler, *SANITIZE, "-x", "c", "-", "-o", work / "sanitizes"], input="int main(void) { return 0; }")
    if done.returncode != 0:
        print(f"{compiler}: has no sanitizers here, so these variants are left out")
    return done.returncode == 0


def jobs():
    for compiler in compilers:
        for source in (here / "test_own.c", here / "test_containers.c"):
            for expansion, flags in EXPANSIONS.items():
                main = compiler in ("gcc", "clang")
                levels = ["-O2"]
                if expansion == "production" and (main or full): # how owners are returned at each level is in test_own.c
                    levels = ["-O0", "-O1", "-O2", "-O3"] if full or source.stem == "test_own" else ["-O0", "-O2"]
                for level in levels:
                    yield compiler, source, [*flags, level], f"{expansion} {level}"
            if main:
                yield compiler, source, ["-O2", "-flto"], "lto"
                if sanitizes(compiler):
                    yield compiler, source, ["-O1", *SANITIZE], "sanitized"


def nothing_unused():
    text = """#include <freehold.h>
FH_TYPE(Tree);
struct Tree { fh_Box(Tree) left; fh_Vec(fh_Rc(Tree)) more; fh_str name; };
FH_DROP(Tree, (fh_Box(Tree), left), (fh_Vec(fh_Rc(Tree)), more), (fh_str, name))
FH_CLONE(Tree, (fh_Box(Tree), left), (fh_Vec(fh_Rc(Tree)), more), (fh_str, name))
FH_MAP(fh_str, fh_Box(Tree))
int nothing(void);
int nothing(void) { return 0; }
"""
    for compiler in compilers:
        for level in ("-O0", "-O2"):
            done = call([compiler, "-std=gnu11", "-Wall", "-Wextra", level, "-I", top / "include", "-x", "c", "-",
                         "-c", "-o", work / "u.o"], input=text)
            if done.stderr:
                wrong.append(f"{compiler} {level}: {done.stderr[:800]}")
            symbols = [line.split()[-1] for line in call(["nm", work / "u.o"]).stdout.splitlines()]
            if symbols != ["nothing"]:
                wrong.append(f"{compiler} {level}: unused types leave {symbols}")


def seeds_alike():
    for source in sorted(glob.glob(str(top / "examples" / "own_seed_*.c"))):
        printed = set()
        for compiler in ("gcc", "clang"):
            if compiler not in compilers:
                continue
            for flags in EXPANSIONS.values():
                done = call([compiler, "-std=gnu11", "-O1", *flags, "-I", top / "include", source, build / "libfreehold.a",
                             "-lpthread", "-ldl", "-o", work / "seed"])
                out = call([work / "seed"]).stdout if done.returncode == 0 else done.stderr
                printed.add(re.sub(r"0x[0-9a-f]+", "ADDRESS", out))
        if len(printed) != 1:
            wrong.append(f"{source} prints differently:\n" + "\n---\n".join(printed))


nothing_unused()
seeds_alike()
with ThreadPoolExecutor(2) as pool:
    results = list(pool.map(attempt, jobs()))
wrong += [r for r in results if r]
print("\n".join(wrong))
print(f"{', '.join(compilers)}: {len(results)} variants, {len(wrong)} complaints")
sys.exit(1 if wrong else 0)
