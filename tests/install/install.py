#!/usr/bin/env python3
"""What `cmake --install` puts down is enough to build and run programs, in C and C++, by pkg-config and by CMake,
against either library; and it still is after the whole prefix has been moved.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE, BUILD = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"])
CC, CXX = os.environ["CC"], os.environ["CXX"]

if "-fsanitize" in (BUILD / "compile_commands.json").read_text():
    print("skipped: a sanitized build is not for installing")
    sys.exit(77)

PROGRAM = r"""
#include <freehold.h>
#include <stdio.h>
#include <stdlib.h>
struct point { double x, y; };
int main(void) {
    struct point *p = fh_new(struct point);
    char *text = (char *)malloc(1000);
    if (!p || !text || fh_usable_size(text) < 1000) return 1;   /* malloc's block is known to the heap */
    p->x = 1.5;
    printf("on freehold: %g\n", p->x);
    fh_free(text);
    fh_delete(p);
    return 0;
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES {languages})
find_package(Freehold 0.1 REQUIRED)
add_executable(shared main.{suffix})
target_link_libraries(shared Freehold::freehold)
add_executable(static main.{suffix})
target_link_libraries(static Freehold::static)
set_target_properties(shared static PROPERTIES C_STANDARD 11 CXX_STANDARD 17)
"""


def run(*command, **options):
    result = subprocess.run([str(c) for c in command], text=True, capture_output=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def expect(good, what):
    if not good:
        sys.exit(f"not so: {what}")


def works(program, prefix, uses_shared):
    libdir = next(prefix.rglob("libfreehold.so")).parent
    expect(run(program, env={"LD_LIBRARY_PATH": str(libdir)}) == "on freehold: 1.5\n", f"{program} runs on the heap")
    needed = "libfreehold.so" in run("readelf", "-d", program)
    expect(needed == uses_shared, f"{program} needs libfreehold.so: {uses_shared}")


def by_pkg_config(prefix, folder, compiler, suffix, standard):
    libdir = next(prefix.rglob("freehold.pc")).parent
    env = dict(os.environ, PKG_CONFIG_PATH=str(libdir), PKG_CONFIG_LIBDIR=str(libdir))
    flags = shlex.split(run("pkg-config", "--cflags", "freehold", env=env))
    libs = shlex.split(run("pkg-config", "--libs", "freehold", env=env))
    expect(run("pkg-config", "--modversion", "freehold", env=env).strip() == version(), "the version is the project's")
    source, program = folder / f"main.{suffix}", folder / f"pkg-{suffix}"
    source.write_text(PROGRAM)
    run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", source, "-o", program, *flags, *libs)
    works(program, prefix, True)


def by_cmake(prefix, folder, languages, suffix):
    work = folder / f"cmake-{suffix}"
    work.mkdir()
    (work / "CMakeLists.txt").write_text(CMAKE.format(languages=languages, suffix=suffix))
    (work / f"main.{suffix}").write_text(PROGRAM)
    run("cmake", "-S", work, "-B", work / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_COMPILER={CC}", *([f"-DCMAKE_CXX_COMPILER={CXX}"] if languages != "C" else []))
    run("cmake", "--build", work / "build")
    works(work / "build/shared", prefix, True)
    works(work / "build/static", prefix, False)


def version():
    return re.search(r"project\(freehold VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text()).group(1)


def all_ways(prefix, folder):
    folder.mkdir()
    by_pkg_config(prefix, folder, CC, "c", "gnu11")
    by_cmake(prefix, folder, "C", "c")
    if CXX:
        by_pkg_config(prefix, folder, CXX, "cpp", "gnu++17")
        by_cmake(prefix, folder, "CXX C", "cpp")


def loader_is_told(folder):
    """`make install` as root calls ldconfig, without which nothing in /usr/local/lib is found; not for a packager."""
    tools, diary = folder / "tools", folder / "diary"
    tools.mkdir(parents=True)
    diary.touch()
    for name, text in (("cmake", ":"), ("id", "echo 0"), ("ldconfig", f"echo told >>'{diary}'")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "DESTDIR")}
    env["PATH"] = f"{tools}:{env['PATH']}"
    for more, told in (("DESTDIR=", "told\n"), (f"DESTDIR={folder}/stage", "told\n")):
        run("make", "-C", SOURCE, f"BUILD={os.path.relpath(BUILD, SOURCE)}", f"PREFIX={folder}/prefix", more, "install", env=env)
        expect(diary.read_text() == told, f"ldconfig is called once, and not with a DESTDIR ({more})")


with tempfile.TemporaryDirectory() as temporary:
    top = Path(temporary)
    first = top / "first"
    run("cmake", "--install", BUILD, "--prefix", first)
    for name in (SOURCE / "include").rglob("*.h"):
        expect((first / "include" / name.relative_to(SOURCE / "include")).exists(), f"{name.name} is installed")
    for text in (p for pattern in ("*.pc", "*.cmake") for p in first.rglob(pattern)):
        expect(str(top) not in text.read_text() and str(BUILD) not in text.read_text(), f"{text.name} holds no path")
    all_ways(first, top / "one")

    moved = top / "moved"
    shutil.move(first, moved)
    all_ways(moved, top / "two")
    if (BUILD / "freehold").exists():
        run(moved / "bin/freehold", "--help")
        own = {name: value for name, value in os.environ.items() if name != "FREEHOLD_LIB"}  # it finds it itself
        run(moved / "bin/freehold", "run", "--output", top / "report", "--", "/bin/true", env=own)

    # DESTDIR, as packagers use it
    run("cmake", "--install", BUILD, "--prefix", "/usr", env=dict(os.environ, DESTDIR=str(top / "stage")))
    expect((top / "stage/usr/include/freehold.h").exists(), "DESTDIR is put before the prefix")

    loader_is_told(top / "loader")
