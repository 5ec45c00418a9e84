#!/usr/bin/env python3
"""The fast paths are as short as docs/PERFORMANCE.md says: instructions, loads and stores, counted in the machine code.

    fast_path.py            compares, prints what was found
    fast_path.py --show     prints the table of the document as it would be now

For each compiler found here, src/malloc/malloc.c and a program of two lines are compiled and disassembled. The path that
counts is the longest way from a function's entry to its return on which nothing is called and no other function is jumped
to: all else is the slow path, or a NULL. A block from the bin, or into it, is what is left.

The numbers stand in the document's table, and nowhere else. GCC 12 and Clang 14 must give them exactly, so that an improvement
is written down as well; other versions may give less. In the build tree's own libfreehold.so malloc and free are counted too,
when it is optimised and not instrumented: there lies what programs run.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
top = Path(os.environ.get("FREEHOLD_SOURCE") or Path(__file__).resolve().parents[2])
build = Path(os.environ.get("FREEHOLD_BUILD") or top / "build")
DOCUMENT = top / "docs/PERFORMANCE.md"

PROBE = """
#include <freehold/heap.h>
struct thing { double values[4]; };
struct thing *typed_new(void); struct thing *typed_new(void) { return fh_new(struct thing); }
void typed_drop(struct thing *thing); void typed_drop(struct thing *thing) { fh_delete(thing); }
"""
FUNCTIONS = {"malloc": "malloc", "free": "free", "typed new": "typed_new", "typed drop": "typed_drop"}

HERE = {"x86_64": "x86-64", "aarch64": "aarch64"}.get(os.uname().machine)


def column(compiler, version, processor, triple):
    """A column of the table: how the compiler is called, the version that the numbers are of, the disassembler."""
    prefix = "" if processor == HERE else triple + "-"
    command = [prefix + "gcc"] if compiler == "GCC" else ["clang", "--target=" + triple]
    return f"{compiler}, {processor}", (command, version, prefix + "objdump")


COLUMNS = dict(column(compiler, version, processor, triple)
               for processor, triple in (("x86-64", "x86_64-linux-gnu"), ("aarch64", "aarch64-linux-gnu"))
               for compiler, version in (("GCC", 12), ("Clang", 14)))

# As CMakeLists.txt compiles the library; and as programs are compiled.
LIBRARY = ["-O2", "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-ftls-model=initial-exec", "-fno-math-errno", "-DNDEBUG",
           "-D_GNU_SOURCE", "-fno-builtin-malloc", "-fno-builtin-free", "-fno-builtin-calloc", "-fno-builtin-realloc"]
PROGRAM = ["-O2"]


# ---- reading machine code

class Instruction:
    def __init__(self, address, text, relocation=""):
        self.address, self.relocation = address, relocation
        text = re.sub(r"\s*(#|//).*", "", text).strip()
        self.name, _, self.operands = text.partition("\t") if "\t" in text else text.partition(" ")
        self.operands = self.operands.strip()

    def target(self):
        """Where a jump inside the function leads."""
        match = re.search(r"\b([0-9a-f]+) <", self.operands)
        return int(match.group(1), 16) if match else None


class X86:
    padding = re.compile(r"^(nop|data16|cs|xchg\s+%ax,%ax)")
    ends = ("ret", "retq")
    calls = re.compile(r"^call")
    always = ("jmp", "jmpq")
    jumps = re.compile(r"^j")

    @staticmethod
    def memory(i):
        """(loads, stores) of an instruction in AT&T's order: the destination comes last."""
        if i.name.startswith(("lea", "nop", "endbr", "ret")): return 0, 0
        if i.name.startswith("push"): return 0, 1
        if i.name.startswith("pop"): return 1, 0
        operands = re.split(r",(?![^(]*\))", i.operands)
        in_memory = ["(" in o or o.startswith("%fs:") for o in operands]
        if not any(in_memory): return 0, 0
        if i.name.startswith(("cmp", "test")) or not in_memory[-1] or len(operands) == 1 and not i.name.startswith(("inc", "dec")):
            return 1, 0
        return (0, 1) if i.name.startswith("mov") else (1, 1)


class Arm:
    padding = re.compile(r"^(nop|udf)")
    ends = ("ret",)
    calls = re.compile(r"^blr?$")
    always = ("b", "br")
    jumps = re.compile(r"^(b|b\..*|br|cbn?z|tbn?z)$")

    @staticmethod
    def memory(i):
        if i.name.startswith("ld"): return 1, 0
        return (0, 1) if i.name.startswith("st") else (0, 0)


def functions_of(objdump, file):
    """Name -> instructions, from a disassembly with relocations. Code that has two names goes by that of the standard
    (src/malloc/own_names.h)."""
    text = subprocess.run([objdump, "-dr", "--no-show-raw-insn", file], capture_output=True, text=True, check=True).stdout
    found, current = {}, None
    for line in text.splitlines():
        if line.endswith("@plt>:"):  # the way to the function of that name, not the function
            current = []
        elif match := re.match(r"^[0-9a-f]+ <([^>@]+)[^>]*>:", line):
            current = found.setdefault(match.group(1).removeprefix("fh_own_"), [])
        elif match := re.match(r"^\s+[0-9a-f]+: R_\S+\s+(\S+)", line):
            current[-1].relocation = match.group(1)
        elif match := re.match(r"^\s*([0-9a-f]+):\s+(.*)", line):
            current.append(Instruction(int(match.group(1), 16), match.group(2)))
    return found


def hit_path(function, machine):
    """The longest way to the return that leaves the function nowhere. A list of instructions."""
    place = {i.address: n for n, i in enumerate(function)}
    paths, unfinished = [], [(0, [])]
    while unfinished:
        at, path = unfinished.pop()
        i = function[at]
        if len(path) > 200: raise SystemExit("a loop on the fast path")
        path = path if machine.padding.match(i.name) else path + [i]
        if i.name in machine.ends:
            paths.append(path)
        elif machine.calls.match(i.name):
            continue
        elif machine.jumps.match(i.name):
            inside = not re.match(r"fh_|\.text\.unlikely|.*cold", i.relocation) and i.target() in place
            if inside: unfinished.append((place[i.target()], path))
            if i.name not in machine.always: unfinished.append((at + 1, path))
        else:
            unfinished.append((at + 1, path))
    if not paths: raise SystemExit("no way through the function without a call")
    return max(paths, key=len)


def count(function, machine):
    path = hit_path(function, machine)
    loads, stores = map(sum, zip(*[machine.memory(i) for i in path]))
    return len(path), loads, stores


# ---- what there is, and what is stated

def numbers_of(column, directory):
    """Function -> (instructions, loads, stores), by compiling; and the compiler's version. None when it is not here."""
    command, _, objdump = COLUMNS[column]
    machine = Arm if "aarch64" in column else X86
    if not shutil.which(command[0]) or not shutil.which(objdump): return None
    library, program = f"{directory}/library.o", f"{directory}/program.o"
    probe = Path(directory) / "probe.c"
    probe.write_text(PROBE)
    try:
        for flags, source, out in ((LIBRARY, top / "src/malloc/malloc.c", library), (PROGRAM, probe, program)):
            subprocess.run([*command, *flags, f"-I{top}/include", f"-I{top}/src", "-c", source, "-o", out],
                           check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        if "fatal error" in error.stderr and "aarch64" in column and "clang" in command[0]:
            return None  # Clang without the other processor's headers
        raise SystemExit(f"{column}: {error.stderr}")
    code = functions_of(objdump, library) | functions_of(objdump, program)
    version = subprocess.run([command[0], "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return {name: count(code[symbol], machine) for name, symbol in FUNCTIONS.items()}, int(version.split(".")[0])


def stated():
    """(function, column) -> (instructions, loads, stores), from the document's table."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    header = next((n for n, line in enumerate(lines) if list(COLUMNS)[0] in line), None)
    if header is None: raise SystemExit(f"{DOCUMENT} has no table with the column {list(COLUMNS)[0]}")
    columns = [cell.strip() for cell in lines[header].strip("|").split("|")][1:]
    table = {}
    for line in lines[header + 2:header + 2 + len(FUNCTIONS)]:
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for column, cell in zip(columns, cells):
            table[name, column] = tuple(int(n) for n in re.findall(r"\d+", cell))
    return table


def library_numbers():
    """As numbers_of, from the build tree's library: the column that it belongs to, or why there is none."""
    cache = build / "CMakeCache.txt"
    library = Path(os.environ.get("FREEHOLD_LIB") or build / "libfreehold.so")
    if not cache.exists() or not library.exists(): return None, "there is no build tree"
    settings = dict(re.findall(r"^(\w+):\w+=(.*)$", cache.read_text(), re.M))
    kind = settings.get("CMAKE_BUILD_TYPE", "")
    if kind not in ("Release", "RelWithDebInfo"): return None, f"the build is a {kind or 'plain'} one"
    if settings.get("FREEHOLD_SANITIZE") or settings.get("FREEHOLD_COVERAGE") == "ON": return None, "it is instrumented"
    if settings.get("CMAKE_C_FLAGS"): return None, "it was compiled with flags of its own"
    compiler = settings.get("CMAKE_C_COMPILER", "")
    column = f"{'Clang' if 'clang' in compiler else 'GCC'}, {HERE}"
    if column not in COLUMNS: return None, "not a processor of the table"
    version = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    code = functions_of("objdump", library)
    numbers = {name: count(code[name], Arm if HERE == "aarch64" else X86) for name in ("malloc", "free")}
    return (column, numbers, int(version.split(".")[0])), None


def compare(where, column, numbers, version, table):
    """What is wrong, a line each. Other compilers than the table's may do better."""
    exact = version == COLUMNS[column][1]
    for name, found in numbers.items():
        expected = table.get((name, column))
        if expected is None:
            yield f"{where}: {name} is not in the table of {DOCUMENT}"
        elif (found != expected) if exact else any(f > e for f, e in zip(found, expected)):
            yield (f"{where}: {name} takes {found[0]} instructions, {found[1]} loads, {found[2]} stores; "
                   f"{DOCUMENT.name} says {expected[0]}, {expected[1]}, {expected[2]}")


def show(results):
    print("| | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
    for name in FUNCTIONS:
        cells = [" · ".join(map(str, results[c][0][name])) if results.get(c) else "?" for c in COLUMNS]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    with tempfile.TemporaryDirectory() as directory:
        results = {column: numbers_of(column, directory) for column in COLUMNS}
    if "--show" in sys.argv:
        show(results)
        return 0
    table, wrong, checked = stated(), [], 0
    for column, result in results.items():
        if result is None:
            print(f"{column}: not here")
            continue
        checked += 1
        wrong += compare(f"{column} ({result[1]})", column, *result, table)
        print(f"{column} ({result[1]}): " + ", ".join(f"{name} {' '.join(map(str, n))}" for name, n in result[0].items()))
    library, reason = library_numbers()
    if library:
        checked += 1
        wrong += compare("the built library", *library, table)
        print("the built library:", ", ".join(f"{name} {' '.join(map(str, n))}" for name, n in library[1].items()))
    else:
        print(f"the built library: not counted, {reason}")
    if checked == 0:
        print("neither compilers nor a library of those that the table speaks of")
        return SKIPPED
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
