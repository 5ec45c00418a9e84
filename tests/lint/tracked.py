"""The project's own files: those that git tracks, or, in an unpacked archive without git, all but build trees."""
import os
import subprocess
from pathlib import Path


def tracked(*suffixes):
    top = Path(os.environ["FREEHOLD_SOURCE"])
    try:
        names = subprocess.run(["git", "-C", str(top), "-c", f"safe.directory={top}", "ls-files", "-z"],
                               capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(top)) for p in top.rglob("*")
                 if not p.relative_to(top).parts[0].startswith(("build", ".git"))]
    files = [top / name for name in names if name and (not suffixes or name.endswith(suffixes))]
    return sorted(f for f in files if f.is_file() and not f.is_symlink())
