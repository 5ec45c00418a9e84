#!/usr/bin/env python3
"""layers.py finds each kind of breach, and is silent on code that keeps the order."""
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True
from layers import breaches  # noqa: E402

CASES = [  # file, text, part of the message that is expected (None: no breach)
    ("src/heap/a.c", '#include "base/report.h"\n#include "heap/b.h"\n#include <string.h>\n', None),
    ("src/heap/a.c", '#include <freehold/heap.h>\n#include <freehold/settings.h>\n', None),
    ("src/heap/a.c", '#include "stack/frame.h"\n', "heap may not use stack"),
    ("src/heap/a.c", '  #  include "record/record.h"\n', "heap may not use record"),
    ("src/heap/a.c", '#include <freehold/stack.h>\n', "heap may not use stack"),
    ("src/base/a.c", '#include <freehold/box.h>\n', "base may not use own"),
    ("src/heap/a.c", '#include <freehold.h>\n', "heap may not use own"),
    ("src/heap/a.c", '#include <sys/mman.h>\n', "only os/"),
    ("src/own/a.c", '#include <pthread.h>\n', "only os/"),
    ("src/heap/a.c", '#include "../own/there.h"\n', "heap may not use own"),
    ("src/tool/a.c", '#include "../own/there.h"\n', None),
    ("src/os/a.c", '#include <sys/mman.h>\n', None),
    ("src/tool/a.c", '#include <sys/wait.h>\n#include "heap/counters.h"\n', None),
    ("src/attic/a.c", "", "no part attic"),
    ("include/freehold/heap.h", '#include <freehold/vec.h>\n', "heap may not use own"),
    ("include/freehold/heap.h", '#include "os/os.h"\n', "public header"),
    ("include/freehold/vec.h", '#include <freehold/heap.h>\n', None),
]
failed = 0
for path, text, expected in CASES:
    with tempfile.TemporaryDirectory() as folder:
        file, there = Path(folder, path), Path(folder, "src/own/there.h")
        for f in (file, there):
            f.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
        file.write_text(text)
        found = list(breaches(Path(folder)))
    good = not found if expected is None else any(expected in line for line in found)
    if not good:
        failed += 1
        print(f"{path}: {text!r}: expected {expected!r}, found {found}")
sys.exit(1 if failed else 0)
