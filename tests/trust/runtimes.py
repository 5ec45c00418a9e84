#!/usr/bin/env python3
"""A module with a C++ runtime of its own hands blocks over to one without, and takes some back. Nothing is wrong with that,
and no mode says so; true mismatches beside it are still found."""

import os
import shutil
import subprocess
import sys

PLUGIN = r"""
#include <cstdlib>
#include <new>
struct Thing { int n[10]; virtual ~Thing() {} };
extern "C" {
Thing *plugin_new() { return new Thing(); }
int *plugin_new_array(int n) { return new int[n]; }
void plugin_delete(int *p) { delete p; }
void *plugin_aligned() { return operator new(100, std::align_val_t(64)); }
}
"""
# Its own operator new: as a static libstdc++ has it, exported (own) or not (hidden).
RUNTIME = r"""
#include <cstdlib>
#include <new>
void *operator new(std::size_t n) { return std::malloc(n); }
void *operator new[](std::size_t n) { return std::malloc(n); }
void *operator new(std::size_t n, std::align_val_t align) {
    std::size_t a = std::size_t(align);
    return std::aligned_alloc(a, (n + a - 1) & -a);
}
void operator delete(void *p) noexcept { std::free(p); }
void operator delete(void *p, std::size_t) noexcept { std::free(p); }
void operator delete[](void *p) noexcept { std::free(p); }
"""
MAIN = r"""
#include <cstdlib>
#include <cstring>
#include <cstdio>
#include <new>
struct Thing { int n[10]; virtual ~Thing() {} };
extern "C" { Thing *plugin_new(); int *plugin_new_array(int); void plugin_delete(int *); void *plugin_aligned(); }
int main(int, char **argv) {
    if (std::strcmp(argv[1], "pass") == 0) {
        for (int i = 0; i < 1000; i++) {
            delete plugin_new();
            delete[] plugin_new_array(i);
            plugin_delete(new int(i));
            operator delete(plugin_aligned(), std::align_val_t(64));
        }
    } else if (std::strcmp(argv[1], "strdup") == 0) {
        delete strdup("from the C library");
    } else if (std::strcmp(argv[1], "malloc") == 0) {
        delete plugin_new();
        delete static_cast<int *>(std::malloc(4));
    } else if (std::strcmp(argv[1], "free") == 0) {
        delete plugin_new();
        std::free(new int(3));
    }
    std::puts("passed");
}
"""

# No runtime of its own, though it may look so: without optimisation a copy of placement new is left in it, and is exported;
# and where only the library makes strings, it has no use for operator new.
CONTAINERS = r"""
#include <cstdlib>
#include <memory>
#include <vector>
int main(int, char **argv) {
    std::vector<std::vector<int>> v(3, std::vector<int>(10, 1));
    if (argv[1][0] == 'f') std::free(v[1].data());
    else std::unique_ptr<int>(static_cast<int *>(std::malloc(4)));
}
"""
STRING = r"""
#include <cstdlib>
#include <string>
int main() { std::string s(100, 'x'); std::free(&s[0]); }
"""


def build(name, text, *flags):
    with open(name + ".cpp", "w") as out:
        out.write(text)
    subprocess.run(["g++", "-std=c++17", "-O1", "-w", "-fno-builtin", "-o", name, name + ".cpp", *flags], check=True)


def main():
    library = os.environ["FREEHOLD_LIB"]
    if not shutil.which("g++") or not os.path.exists(library):
        return 77
    failed = 0
    hidden = ["-Wl,--version-script=hide.map"]
    with open("hide.map", "w") as out:
        out.write("{ global: plugin_*; _ZTI*; local: *; };\n")
    for kind, flags in {"own": ["-Wl,-Bsymbolic"], "hidden": hidden}.items():
        build("libplugin.so", PLUGIN + RUNTIME, "-shared", "-fPIC", *flags)
        build("main", MAIN, "./libplugin.so", "-Wl,-rpath,$ORIGIN")
        for mode in ("fast", "checked", "checked,guard_first=0", "guard", "checked,stacks=8"):
            for case, kind_expected in {"pass": None, "strdup": 1, "malloc": 1, "free": 1}.items():
                environment = dict(os.environ, FREEHOLD="mode=" + mode, LD_PRELOAD=library)
                done = subprocess.run(["./main", case], env=environment, capture_output=True, text=True, timeout=300)
                wanted = (0, "passed\n") if kind_expected is None or mode == "fast" else (-6, "")
                found = "allocated by one family" in done.stderr
                if (done.returncode, done.stdout) != wanted or found != (wanted[0] != 0):
                    failed = 1
                    print(f"FAILED {kind}, mode {mode}, {case}: status {done.returncode}, said {done.stdout}{done.stderr}")
    return failed + one_runtime(library)


def one_runtime(library):
    failed = 0
    build("containers", CONTAINERS, "-O0", "-rdynamic")
    build("string", STRING, "-O0")
    for command in (["./containers", "free"], ["./containers", "malloc"], ["./string"]):
        environment = dict(os.environ, FREEHOLD="mode=checked", LD_PRELOAD=library)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode != -6 or "allocated by one family" not in done.stderr:
            failed = 1
            print(f"FAILED {' '.join(command)}: status {done.returncode}, said {done.stderr}")
    return failed


sys.exit(main())
