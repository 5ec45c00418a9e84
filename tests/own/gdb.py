#!/usr/bin/env python3
"""gdb, with the printers that it loads by itself from beside the installed library, shows owners readably. Skipped without gdb."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

top, build = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
if not shutil.which("gdb"):
    print("skipped: gdb is not here")
    sys.exit(77)
work = Path("gdb-work").absolute()
shutil.rmtree(work, ignore_errors=True)
work.mkdir()
library = (build / "libfreehold.so").resolve()
shutil.copy(library, work / library.name)  # as installed: the library, its short names, and the printers beside it
for short in ("libfreehold.so", "libfreehold.so.0"):
    (work / short).symlink_to(library.name)
shutil.copy(top / "gdb" / "freehold-gdb.py", work / (library.name + "-gdb.py"))
subprocess.run([os.environ["CC"], "-std=gnu11", "-g", "-O0", "-I", str(top / "include"),
                str(Path(__file__).parent / "gdb_subject.c"), "-L", str(work), "-lfreehold", f"-Wl,-rpath,{work}",
                "-o", str(work / "subject")], check=True)

EXPECTED = {
    "n": 'Box(Node) = {next = Box(Node) = {next = empty Box(Node), name = "", id = 2}, name = "first", id = 1}',
    "names": 'Vec(Str) of 2, room for 4 = {"a", "b"}',
    "shared": 'Rc(Node), 2 owners, 1 weak = {next = empty Box(Node), name = "", id = 3}',
    "weak": "Weak(Node) to 0x",
    "counts": 'Map(Str, int) of 1 = {["to"] = 2}',
    "o": "some 5",
    "cell": "RefCell(int), borrowed mutably = 7",
    "borrowed": "RefMut(int) = 7",
    "part": '"part of it"',
    "moved": '""',
    "t": '"x"',
    "some_numbers": "Slice(int) of 2 = {2, 3}",
    "four": '{kind = TEXT, text = "four"}',
    "values": '{kind = LIST, list = Vec(Value) of 2, room for 4 = {{kind = NUMBER, number = 4}, {kind = TEXT, text = "five"}}}',
    "boxed": "Box(Value) = {kind = NUMBER, number = 1.5}",
    "paste": '{type = 2, as.paste = {what = "this", from = "there", at = 3}, time = 10}',
    "key": "{type = 1, as.key = 65, as.x = 65, as.y = 65, time = 11}",
    "shape": '{kind = 1, name = "square", corners = ',
}
command = ["gdb", "-q", "-batch", "-nx", "-iex", f"add-auto-load-safe-path {work}", "-iex", "set debuginfod enabled off",
           "-ex", "break stop_here", "-ex", "run", "-ex", "up"]
for name in EXPECTED:
    command += ["-ex", f"echo {name}:\\n", "-ex", f"output {name}", "-ex", "echo \\n"]
done = subprocess.run([*command, str(work / "subject")], capture_output=True, text=True, timeout=500)
if "ptrace" in done.stderr:
    print("skipped: gdb may not trace here")
    sys.exit(77)
wrong = [f"{name}: {text} was meant" for name, text in EXPECTED.items() if f"\n{name}:\n{text}" not in done.stdout]
print("\n".join(wrong) + ("\n" + done.stdout + done.stderr if wrong else ""))
sys.exit(1 if wrong else 0)
