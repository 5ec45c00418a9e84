"""The model against the code: atomic operations that the real library executes in the patterns of patterns.c, counted by
callgrind, beside what the model counts. Instructions with a lock prefix, and exchanges with memory, in libfreehold.so.

Two runs of different length are subtracted, so that the start of the process drops out of both. Callgrind runs one thread at a
time and switches in its own rhythm, which decides who meets whom at a depot; so with several threads the numbers are near
each other, not equal."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import patterns

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = {"local": (10, 30), "bursts": (10, 20), "pairs": (40, 120), "exchange": (40, 160), "bleeding": (4, 12)}
PAIRS = {"local": patterns.BURST, "bursts": patterns.LARGE_BURST,
         "pairs": patterns.MESSAGES / 2, "exchange": patterns.BATCH, "bleeding": patterns.REPLACED}
CASES = [("local", 1), ("local", 4), ("bursts", 1), ("bursts", 4),
         ("pairs", 2), ("pairs", 4), ("exchange", 2), ("exchange", 4), ("bleeding", 1), ("bleeding", 4)]


def atomic_addresses(library):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True).stdout
    return {int(a, 16) for a in re.findall(r"^\s*([0-9a-f]+):\s+(?:lock |xchg\s.*\()", text, re.M)}


def executed(binary, library, addresses, pattern, threads, rounds, folder):
    """How many times the instructions at these addresses ran."""
    out = os.path.join(folder, "callgrind.out")
    subprocess.run(["valgrind", "-q", "--tool=callgrind", "--soname-synonyms=somalloc=nouserintercepts", "--dump-instr=yes",
                    "--compress-strings=no", "--compress-pos=no", "--callgrind-out-file=" + out, binary, pattern, str(threads),
                    str(rounds)], env={**os.environ, "LD_PRELOAD": library}, check=True, timeout=300, stdout=subprocess.DEVNULL)
    name, total, inside, of_call = os.path.realpath(library), 0, False, False
    with open(out, encoding="utf-8") as f:
        for line in f:
            if line.startswith("ob="):
                inside = os.path.realpath(line[3:].strip()) == name
            elif line.startswith("calls="):
                of_call = True
            elif line.startswith("0x"):
                at, _, count = line.split()[:3]
                if inside and not of_call and int(at, 16) in addresses:
                    total += int(count)
                of_call = False
    return total


def measure(build, folder, cases=None):
    """(pattern, threads) -> atomics a pair on the real library; None where the tools are missing."""
    if os.uname().machine != "x86_64" or not all(map(shutil.which, ("valgrind", "objdump", os.environ.get("CC") or "gcc"))):
        return None
    library, binary = os.path.join(os.path.abspath(build), "libfreehold.so"), os.path.join(folder, "patterns")
    subprocess.run([os.environ.get("CC") or "gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin-malloc",
                    "-fno-builtin-free", "-pthread", "-o", binary, os.path.join(HERE, "patterns.c")], check=True)
    addresses, found = atomic_addresses(library), {}
    for pattern, threads in cases or CASES:
        short, long = (executed(binary, library, addresses, pattern, threads, rounds, folder) for rounds in ROUNDS[pattern])
        more = ROUNDS[pattern][1] - ROUNDS[pattern][0]
        found[pattern, threads] = (long - short) / (more * threads * PAIRS[pattern])
    return found


def modelled(simulate, pattern, threads):
    """The same difference of two runs of the model."""
    short, long = (simulate(pattern, "Freehold", threads, 1, rounds)["atomics"] for rounds in ROUNDS[pattern])
    more = ROUNDS[pattern][1] - ROUNDS[pattern][0]
    return (long - short) / (more * threads * PAIRS[pattern])


def compare(build, simulate):
    with tempfile.TemporaryDirectory() as folder:
        real = measure(build, folder)
    if real is None:
        print("needs x86-64, valgrind, objdump and a C compiler")
        return 77
    print("| | threads | atomics a pair, library | model |\n|---|---|---|---|")
    for (pattern, threads), found in real.items():
        print(f"| {pattern} | {threads} | {found:.4f} | {modelled(simulate, pattern, threads):.4f} |")
    sys.stdout.flush()
    return 0
