#!/usr/bin/env python3
"""The model of many cores (bench/cores) is sound: it is deterministic, it loses no block, and what it counts obeys what must be
so; and on one thread it counts as many atomic operations as the library executes under callgrind.

The model reads the heap's constants from src/heap and refuses to run when it does not find them: then this test fails, and says
where to look.
"""
import os
import sys
import tempfile
import types
from importlib.machinery import SourceFileLoader
from pathlib import Path

sys.dont_write_bytecode = True
top = Path(os.environ.get("FREEHOLD_SOURCE", Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(top / "bench/cores"))
run = types.ModuleType("cores_run")
run.__file__ = str(top / "bench/cores/run")
SourceFileLoader("cores_run", run.__file__).exec_module(run)
import machine  # noqa: E402
import patterns  # noqa: E402
import source  # noqa: E402
import validate  # noqa: E402

failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)


def simulate(pattern, allocator, threads, classes=1, rounds=6):
    m = machine.Machine()
    a = run.ALLOCATORS[allocator](m, run.SIZES[:classes])
    patterns.PATTERNS[pattern](m, a, threads, rounds, classes)
    m.run()
    return machine.result(m.totals()), a


def no_block_is_lost(pattern, allocator, threads, classes):
    """Where the program gives everything back, every block is in a span or in a bin, once."""
    result, a = simulate(pattern, allocator, threads, classes)
    total, free, cached = a.balance()
    where = f"{pattern}, {allocator}, {threads} threads, {classes} classes"
    expect(total > 0, f"{where}: nothing was allocated")
    if pattern in ("steady", "local", "pairs"):
        expect(total == free + cached, f"{where}: of {total} blocks {free} are free and {cached} cached")
    else:
        expect(total >= free + cached, f"{where}: there are {free} + {cached} blocks where {total} were made")
    expect(result == simulate(pattern, allocator, threads, classes)[0], f"{where}: another run gives other numbers")
    expect(0 <= result["lock"][1] <= 1 and 0 <= result["line"][1] <= 1, f"{where}: a lock is held for longer than the run")
    expect(0 <= result["waited"] < 1, f"{where}: threads waited for longer than they lived")
    if threads == 1:
        expect(result["transfers"] == 0, f"{where}: lines move where there is one core")


def freehold_stays_cheap():
    """What the heap's design promises whoever meets whom: far less than an atomic operation or a line a block."""
    for pattern in patterns.PATTERNS:
        for threads in (4, 16):
            result, _ = simulate(pattern, "Freehold", threads, rounds=20)
            expect(result["atomics"] < 0.5 and result["transfers"] < 1,
                   f"{pattern}, {threads} threads: {result['atomics']:.2f} atomics, {result['transfers']:.2f} transfers a pair")


def comparisons_are_as_meant():
    expect(simulate("pairs", "atomic list a page", 4)[0]["atomics"] >= 1, "an atomic list takes an atomic for each block from afar")
    expect(simulate("local", "atomic list a page", 4)[0]["atomics"] == 0, "an atomic list takes none for a thread's own")
    expect(simulate("pairs", "central list", 64, rounds=10)[0]["lock"][1] > 0.9, "a central list's lock is busy with 64 threads")


def as_the_library():
    """One thread leaves nothing to the schedule; two in step leave little."""
    with tempfile.TemporaryDirectory() as folder:
        real = validate.measure(os.path.dirname(os.environ["FREEHOLD_LIB"]), folder, [("local", 1), ("pairs", 2)])
    if real is None:
        print("not compared with the library: needs x86-64, valgrind, objdump")
        return
    for (pattern, threads), found in real.items():
        model = validate.modelled(run.simulate, pattern, threads)
        print(f"{pattern}, {threads} threads: {found:.4f} atomics a pair in the library, {model:.4f} in the model")
        slack = 0.02 if threads == 1 else 0.15
        few = 0.005  # what a thread's beginning adds: bins that grow, spans that begin
        expect(abs(found - model) <= slack * found + few, f"{pattern}: the library executes {found:.4f} atomics a pair, not {model:.4f}")


for pattern in patterns.PATTERNS:
    for allocator in run.ALLOCATORS:
        for threads, classes in ((1, 1), (4, 1), (8, 3)):
            if run.possible(pattern, threads):
                no_block_is_lost(pattern, allocator, threads, classes)
expect(source.bin_most(64) == 510, "bins of 64 bytes hold 510 blocks: 32 KiB")
freehold_stays_cheap()
comparisons_are_as_meant()
as_the_library()
print("\n".join(failures))
sys.exit(bool(failures))
