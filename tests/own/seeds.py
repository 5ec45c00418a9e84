#!/usr/bin/env python3
"""The seeds' programs in C (examples/own_seed_*.c) and in Rust (*.rs beside them) print the same, but for the addresses.
Without rustc only the C programs are run, and what they say of each address is looked at: skipped (77) counts as that.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

top, build = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
work = Path("seeds-work")
work.mkdir(exist_ok=True)
rustc = shutil.which("rustc") or shutil.which("rustc", path=str(Path.home() / ".cargo/bin"))
sources = sorted((top / "examples").glob("own_seed_*.c"))
wrong = []


def output(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        wrong.append(f"{command[0]}: status {done.returncode}\n{done.stderr[-1000:]}")
    return re.sub(r"0x[0-9a-f]+", "ADDRESS", done.stdout)


for source in sources:
    program = work / source.stem
    output([os.environ["CC"], "-std=gnu11", "-O1", "-I", top / "include", source, build / "libfreehold.a", "-lpthread",
            *os.environ.get("FREEHOLD_LINK_ALSO", "").split(), "-o", program])
    in_c = output([program])
    if "ADDRESS, on the" not in in_c:
        wrong.append(f"{source.name} proves nothing")
    if not rustc:
        continue
    output([rustc, "-O", "--edition", "2021", source.with_suffix(".rs"), "-o", f"{program}-rust"])
    in_rust = output([f"{program}-rust"])
    if in_c != in_rust:
        wrong.append(f"{source.stem}: C prints\n{in_c}\nand Rust\n{in_rust}")
print("\n".join(wrong))
print(f"{len(sources)} programs, {'with' if rustc else 'without'} rustc, {len(wrong)} complaints")
if not sources or wrong:
    sys.exit(1)
sys.exit(0 if rustc else 77)
