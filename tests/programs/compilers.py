"""compilers.py - compilers, linkers and build tools: large C and C++ programs whose output is exact to the byte."""
import functools
import os
import re

from harness import program

SOURCE = os.environ.get("FREEHOLD_SOURCE") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


@functools.lru_cache(maxsize=None)
def own_files():
    """The project's own C sources, read once so that all runs compile the same."""
    files = {}
    for part in ("include", "src/os", "src/base", "src/heap"):
        for folder, _, names in os.walk(os.path.join(SOURCE, part)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, "rb") as f:
                        files[os.path.relpath(path, SOURCE)] = f.read()
    return files


def own_sources(run):
    """Copies the project's own C sources into the run's folder; returns the names of those to compile."""
    for name, content in own_files().items():
        run.write(name, content)
    return sorted(name for name in own_files() if name.endswith(".c") and not name.startswith("src/os/"))


def many_functions(count):
    """C source with many functions, types and tables, as generators write it."""
    lines = ["#include <stdio.h>", "#include <string.h>", "typedef struct { int a; double b; char c[24]; } record;"]
    for n in range(count):
        lines.append("""
static record table_%(n)d[] = {%(rows)s};
static double walk_%(n)d(int depth, const char *text) {
    double sum = 0;
    for (size_t i = 0; i < sizeof table_%(n)d / sizeof table_%(n)d[0]; i++) {
        switch ((table_%(n)d[i].a + depth) %% 7) {
        case 0: sum += table_%(n)d[i].b * depth; break;
        case 1: sum -= (double)strlen(text) / (1 + depth); break;
        case 2: sum *= 1.0 + 1e-6 * table_%(n)d[i].c[0]; break;
        default: sum += text[depth %% %(len)d]; break;
        }
    }
    return depth > 0 ? sum + walk_%(prev)d(depth - 1, text) : sum;
}""" % {"n": n, "prev": max(0, n - 1), "len": n % 9 + 1,
            "rows": ", ".join('{%d, %d.5, "row %d"}' % (n + i, i * n, i) for i in range(n % 17 + 1))})
    lines.append('int main(void) { printf("%%.6g\\n", walk_%d(%d, "some text")); return 0; }' % (count - 1, count - 1))
    return "\n".join(lines)


@program({"gcc": "gcc"}, limit=60)
def gcc(run):
    """gcc: the project's own C, a long generated file, link-time optimisation"""
    for n, name in enumerate(own_sources(run)):
        run.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", '-DFREEHOLD_VERSION="1"', "-Iinclude", "-Isrc", "-g", "-O2", "-c",
                 name, "-o", "%d.o" % n])
    run.write("many.c", many_functions(400))
    run.run(["gcc", "-O2", "-g", "-Wall", "-S", "many.c", "-o", "many.s"])
    run.run(["gcc", "-O1", "-flto=2", "-frandom-seed=1", "many.c", "-o", "many"])
    run.run(["./many"])
    run.run(["gcc", "-c", "-x", "c", "-"], input="int f( { return x; }\n" * 50, status=1)
    run.run(["objdump", "-d", "many"], note=False)
    run.tree()


@program({"g++": "g++"}, counted=False, limit=60)
def gxx(run):
    """g++: templates, ranges, regular expressions and the whole of the standard library's headers"""
    run.work("templates.cpp")
    run.run(["g++", "-std=c++20", "-O2", "-g", "-frandom-seed=1", "-c", "templates.cpp"])
    run.run(["g++", "templates.o", "-o", "templates", "-pthread"])
    run.run(["./templates"])
    run.write("wrong.cpp", "#include <map>\n#include <string>\nstd::map<std::string, std::map<int, void>> m;\n"
                           "int f() { return m.find(3)->second + std::string(m); }\n")
    run.run(["g++", "-fsyntax-only", "wrong.cpp"], status=1)
    run.run(["nm", "-C", "templates"])
    run.tree()


@program({"clang": "clang", "ld.lld": "lld"}, limit=60, counted=False)
def clang(run):
    """clang and lld, large C++ programs: C++ templates, and links with ThinLTO on two threads"""
    run.work("templates.cpp")
    run.run(["clang++", "-std=c++17", "-O2", "-g", "-c", "templates.cpp", "-DPLAIN"])
    run.write("many.c", many_functions(100))
    run.run(["clang", "-O2", "-Wall", "-S", "-emit-llvm", "many.c"])
    parts = []
    for n in range(12):
        parts.append(run.write("part%d.c" % n, many_functions(15 + n).replace("int main(", "int part%d(" % n)))
    run.run(["clang", "-O1", "-fPIC", "-flto=thin", "-c", "many.c"] + parts)
    objects = ["part%d.o" % n for n in range(12)]
    run.run(["clang", "-shared", "-flto=thin", "-fuse-ld=lld", "-Wl,--threads=2,--thinlto-jobs=2,--build-id=sha1", "-o", "all.so"]
            + objects)
    run.run(["clang", "-flto=thin", "-fuse-ld=lld", "-Wl,--threads=2", "many.o", "-o", "many"])
    run.run(["./many"])
    run.tree()


@program({"cmake": "cmake", "gcc": "gcc", "make": "make"}, limit=60)
def cmake(run):
    """cmake and make: a project with generated sources is configured, built on two jobs and installed"""
    run.write("many.c", many_functions(60))
    run.write("CMakeLists.txt", """cmake_minimum_required(VERSION 3.16)
project(sample C)
foreach(n RANGE 1 12)
    file(WRITE ${CMAKE_BINARY_DIR}/part${n}.c "int part${n}(int x) { return x * ${n}; }\\n")
    list(APPEND parts ${CMAKE_BINARY_DIR}/part${n}.c)
endforeach()
set(long "")
foreach(n RANGE 1 3000)
    list(APPEND long "item ${n}")
    math(EXPR rest "${n} % 500")
    if(rest EQUAL 0)
        string(REPLACE "item" "thing" changed "${long}")
        string(SHA256 sum "${changed}")
        message(STATUS "${n}: ${sum}")
    endif()
endforeach()
add_custom_command(OUTPUT stamp.h COMMAND ${CMAKE_COMMAND} -E echo "#define STAMP 1" > stamp.h)
add_library(parts STATIC ${parts} stamp.h)
add_executable(many many.c)
target_link_libraries(many parts)
install(TARGETS many parts DESTINATION out)
""")
    varies = lambda text: re.sub(rb"\(\d+\.\d+s\)|\d+\.\d+s", b"(s)", text)
    run.run(["cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_INSTALL_PREFIX=" + run.path("inst")],
            clean=varies)
    run.run(["cmake", "--build", "build", "-j", "2"], clean=lambda text: b"\n".join(sorted(
        re.sub(rb"\[ *\d+%\] ", b"", line) for line in text.splitlines())))
    run.run(["cmake", "--install", "build"])
    run.run(["inst/out/many"])
    run.tree("inst")
