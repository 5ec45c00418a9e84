#!/usr/bin/env python3
"""Dependencies in src/ point downwards only, and only os/ talks to the system.

    tool > record > malloc > own > stack > heap > base > os

A file may include headers of its own part and of parts below. Public headers belong to the part that carries them
out, which is told by their names (PUBLIC, below); the others belong to `own`. Parts above os/ (but for the command)
may not include headers by which a program reaches the system past the C library's pure part: those calls belong into
os/.

    layers.py [SOURCES]         prints each breach as FILE:LINE: reason; status 1 when there is one
"""
import os
import re
import sys
from pathlib import Path

ORDER = ["os", "base", "heap", "stack", "own", "malloc", "record", "tool"]
PUBLIC = {"settings": "base", "heap": "heap", "stack": "stack", "frame": "stack"}  # what a header's name contains
SYSTEM = re.compile(r"^(sys/.*|linux/.*|asm/.*|(unistd|fcntl|pthread|threads|sched|signal|dlfcn|link|ucontext|time|"
                    r"poll|spawn)\.h)$")
SYSTEM_FREE = {"base", "heap", "stack", "own", "malloc", "record"}
EXCEPTIONS = {  # the file's very subject
    "src/stack/overflow.c": {"signal.h"},  # a signal handler and the chain of those before it
    "src/malloc/deepbind.c": {"dlfcn.h"},  # stands in for dlopen
    "src/malloc/prints.c": {"dlfcn.h"},  # the same for printf and its kin
    "src/malloc/reads.c": {"dlfcn.h"},  # the same for memcpy, strlen and their kin
    "src/malloc/system.c": {"dlfcn.h"},  # stands in for read, write and their kin
    "src/stack/threads.c": {"pthread.h", "threads.h", "dlfcn.h"},  # stands in for pthread_create
    "src/stack/threads.h": {"pthread.h", "threads.h"},
    "src/stack/thrd.c": {"dlfcn.h"},  # stands in for thrd_create
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def public_part(name):
    return next((part for word, part in PUBLIC.items() if word in name), "own")


def part_of_header(name, including):
    """The part that the included header belongs to; None for headers that are not ours."""
    head, _, tail = name.partition("/")
    if head == "freehold":
        return public_part(tail)
    if name == "freehold.h":
        return "own"
    if head in ORDER and tail:
        return head
    beside = (including.parent / name).resolve()  # "x.h" in the same folder, or "../heap/x.h"
    return beside.parent.name if beside.exists() and beside.parent.name in ORDER else None


def breaches(top):
    files = sorted((top / "src").rglob("*.[ch]")) + sorted((top / "include" / "freehold").rglob("*.h"))
    for file in files:
        relative = file.relative_to(top)
        public = relative.parts[0] == "include"
        part = public_part(file.name) if public else relative.parts[1]
        if part not in ORDER:
            yield f"{relative}:1: there is no part {part} in the order of dependencies"
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, name = match.groups()
            target = part_of_header(name, file)
            if target is not None and ORDER.index(target) > ORDER.index(part):
                yield f"{relative}:{number}: {part} may not use {target}, which stands above it ({name})"
            if public and name.partition("/")[0] in ORDER:
                yield f"{relative}:{number}: a public header may not include an internal one ({name})"
            excepted = name in EXCEPTIONS.get(str(relative), ())
            if quote == "<" and part in SYSTEM_FREE and not public and SYSTEM.match(name) and not excepted:
                yield f"{relative}:{number}: only os/ talks to the system (<{name}>)"


def main():
    top = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["FREEHOLD_SOURCE"])
    found = list(breaches(top))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
