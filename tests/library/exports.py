#!/usr/bin/env python3
"""libfreehold.so shows its public names and nothing else, and needs nothing but the C library.

A name that leaks out can collide with a program's own; a library that is needed would be loaded into every process
that is run on this heap.
"""
import os
import re
import subprocess
import sys

LIB = os.environ["FREEHOLD_LIB"]
SANITIZED = "-fsanitize" in open(os.path.join(os.environ["FREEHOLD_BUILD"], "compile_commands.json")).read()
if SANITIZED:
    print("skipped: a sanitized build has the sanitizer's names too")
    sys.exit(77)

MALLOC = set("""malloc free calloc realloc reallocarray aligned_alloc posix_memalign memalign valloc pvalloc cfree
    malloc_usable_size malloc_trim mallinfo mallinfo2 malloc_stats malloc_info mallopt
    free_sized free_aligned_sized malloc_good_size""".split())
REQUIRED = MALLOC - {"cfree", "mallopt", "malloc_good_size"}  # these three are a courtesy
CXX_NEW = re.compile(r"^_Z(n[wa][jm]|d[la]Pv)[A-Za-z0-9_]*$")  # operator new/delete, in all their forms

# {new, new[]} x {plain, aligned} and {delete, delete[]} x {plain, nothrow, sized} x {plain, aligned}. The nothrow forms
# of new are the C++ runtime's: they call these (src/malloc/cxx.c says why).
REQUIRED |= {f"_Z{op}m{align}" for op in ("nw", "na") for align in ("", "St11align_val_t")}
REQUIRED |= {f"_Z{op}Pv{size}{align}" for op in ("dl", "da") for size in ("", "m") for align in ("", "St11align_val_t")}
REQUIRED |= {f"_Z{op}Pv{align}RKSt9nothrow_t" for op in ("dl", "da") for align in ("", "St11align_val_t")}

# Names that the library takes over from libc, so that none comes by accident. pthread_create, thrd_create: threads get
# an alternate stack, on which the report of a stack overflow runs. dlopen: plug-ins loaded with RTLD_DEEPBIND get the same malloc.
# prctl: it tells that the program is about to set up a seccomp filter.
WATCHED = {"pthread_create", "thrd_create", "dlopen", "prctl"}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported():
    """What other modules can be bound to. (GNU ld lists a section's __start_ and __stop_ though they are hidden.)"""
    for line in run("readelf", "--dyn-syms", "-W", LIB).splitlines():
        part = line.split()  # number, value, size, type, binding, visibility, section, name, perhaps with @@VERSION
        if len(part) == 8 and part[6] != "UND" and part[5] in ("DEFAULT", "PROTECTED"): yield part[7].split("@")[0]


names = set(exported())
foreign = sorted(n for n in names if not (n.startswith("fh_") or n in MALLOC or n in WATCHED or CXX_NEW.match(n)))
missing = sorted(REQUIRED - names)
needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", LIB)))
unwanted = sorted(n for n in needed if not re.match(r"(libc\.|libpthread\.|libdl\.|ld-linux)", n))

failed = 0
for what, which in (("exported but not public", foreign), ("public but not exported", missing),
                    ("needed beyond the C library", unwanted)):
    if which:
        failed = 1
        print(f"{what}: {' '.join(which)}")

soname = re.search(r"\(SONAME\).*\[(.*)\]", run("readelf", "-dW", LIB)).group(1)
if not re.fullmatch(r"libfreehold\.so\.\d+", soname):
    failed = 1
    print(f"odd soname {soname}")
# Static TLS: glibc keeps some 1.6 KiB in reserve for all libraries that are dlopened.
tls = re.search(r"^ *TLS +(?:0x\w+ +){4}(0x\w+)", run("readelf", "-lW", LIB), re.M)
if int(tls.group(1), 16) > 1024:
    failed = 1
    print(f"the library wants {int(tls.group(1), 16)} bytes of static TLS; 1024 are the limit")
if "TEXTREL" in run("readelf", "-dW", LIB):
    failed = 1
    print("the library has text relocations")
sys.exit(failed)
