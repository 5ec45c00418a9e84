#!/usr/bin/env python3
"""clang-tidy, with the list in .clang-tidy, over the library and the command. Two files at a time.

A file is looked at again only when it, a header, or the list has changed since it was last found clean: stamps in
the build tree keep that.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True
from tracked import tracked  # noqa: E402

top, build = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
if not tool:
    print("skipped: clang-tidy is not here")
    sys.exit(77)

common = hashlib.sha256((top / ".clang-tidy").read_bytes())
for header in tracked(".h"):
    common.update(header.read_bytes())
stamps = Path("tidy-stamps")
stamps.mkdir(exist_ok=True)

# clang-tidy is clang: of GCC's flags it needs only what changes the meaning of the code.
KEEP = ("-I", "-D", "-std", "-isystem")


def arguments(entry):
    words = entry["command"].split()
    return [w.replace('\\"', '"') for w in words if w.startswith(KEEP)]


def look(entry):
    file = Path(entry["file"])
    state = common.copy()
    state.update(file.read_bytes())
    stamp = stamps / (str(file.relative_to(top)).replace("/", "-") + "." + state.hexdigest()[:24])
    if stamp.exists():
        return None
    command = [tool, "--quiet", str(file), "--", "-xc", *arguments(entry)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 0:
        stamp.touch()
        return None
    return result.stdout + ("" if result.stdout else result.stderr)


wanted = {str(f) for f in tracked(".c") if f.relative_to(top).parts[0] == "src"}
entries = [e for e in json.loads((build / "compile_commands.json").read_text()) if e["file"] in wanted]
with ThreadPoolExecutor(2) as pool:
    complaints = [text for text in pool.map(look, entries) if text]
print("\n".join(complaints))
print(f"{len(entries)} files, {len(complaints)} with complaints")
sys.exit(1 if complaints else 0)
