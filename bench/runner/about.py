"""Where and when: machine, system, compiler, date. What a reader needs to judge the numbers."""

import datetime
import os
import platform
import subprocess

from . import build


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "unknown"


def processor():
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith(("model name", "Model", "CPU part")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown processor"


def memory():
    return "%.0f GiB" % (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def distribution():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError, AttributeError):
        return "unknown distribution"


def facts(args):
    return {
        "machine": "%s, %d cores, %s, %s" % (processor(), os.cpu_count(), memory(), platform.machine()),
        "system": "%s, Linux %s, C library %s" % (distribution(), platform.release(), " ".join(platform.libc_ver())),
        "compiler": first_line([build.compiler(), "--version"]),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load": "%.2f" % os.getloadavg()[0],
        "rounds": args.rounds,
        "scale": args.scale,
    }
