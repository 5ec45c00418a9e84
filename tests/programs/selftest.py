#!/usr/bin/env python3
"""selftest.py - the runner notices what it is there to notice.

Builds small libraries that are each wrong in one way, runs a program on them, and expects run.py to fail and to
name the reason. One that is right passes, so that failing is not all that run.py can do.
"""
import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMMON = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
extern void *__libc_malloc(size_t), *__libc_realloc(void *, size_t), *__libc_calloc(size_t, size_t);
extern void __libc_free(void *);
"""
FINE = "void *malloc(size_t n) { return __libc_malloc(n); }\n"
CASES = {
    # name: (source, program, words that the runner must say; None: it must pass)
    "right": (FINE, "lua", None),
    "without a malloc of its own": ("int nothing;", "lua", "not preloaded"),
    "complaining": (FINE + '__attribute__((destructor)) static void end(void) { if (write(2, "freehold: oh\\n", 13) < 0) abort(); }',
                    "lua", "the library says: freehold: oh"),
    "not passed on to children": (FINE + '__attribute__((constructor)) static void begin(void) { unsetenv("LD_PRELOAD"); }',
                                  "children", "times without the library"),
    "not zeroing": (FINE + "void *calloc(size_t n, size_t m) { void *p = __libc_malloc(n * m); return p ? memset(p, 1, n * m) : p; }",
                    "perl", "with the library"),
    "losing a byte": (FINE + "static __thread unsigned long turn;\n"
                      "void *realloc(void *p, size_t n) { char *q = __libc_realloc(p, n);\n"
                      "    if (q && p && n > 50000 && ++turn % 8 == 0) q[40000] ^= 1;\n    return q; }", "lua", "with the library"),
    "crashing at exit": (FINE + "__attribute__((destructor)) static void end(void) { abort(); }", "lua", "SIGABRT"),
    "never coming back": (FINE + "__attribute__((destructor)) static void end(void) { for (;;) pause(); }", "setuid", "time is up"),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--witness", required=True)
    witness = parser.parse_args().witness
    good = True
    with tempfile.TemporaryDirectory(prefix="freehold-selftest.") as folder:
        for number, (name, (source, program, words)) in enumerate(CASES.items()):
            text, library = os.path.join(folder, "%d.c" % number), os.path.join(folder, "lib%d.so" % number)
            with open(text, "w") as out:
                out.write(COMMON + source)
            subprocess.run([os.environ.get("CC") or "cc", "-O1", "-fno-builtin", "-shared", "-fPIC", text, "-o", library], check=True)
            limit = ["--limit", "5"] if words == "time is up" else []
            result = subprocess.run([sys.executable, os.path.join(HERE, "run.py"), "--library", library, "--witness", witness,
                                     "--settings", "", *limit, program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = result.stdout.decode()
            if result.returncode == 77: # the program to try it with is not installed
                print(said)
                return 77
            noticed = result.returncode == 0 if words is None else result.returncode == 1 and words in said
            print("a library %s: %s" % (name, "as expected" if noticed else "NOT NOTICED\n" + said))
            good = good and noticed
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
