#!/usr/bin/env python3
"""The heap's books balance inside real programs: asked + rounding + free in spans + cached + free extents and the rest is what
is held from the system, in the middle of their work and at their end. ledger.c, which is preloaded, says what is checked.

    ledger.py LEDGER.so          FREEHOLD_LIB and FREEHOLD_SOURCE are in the environment
"""
import collections
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ledger, library, top = sys.argv[1], os.environ["FREEHOLD_LIB"], Path(os.environ["FREEHOLD_SOURCE"])

PYTHON = """
import json, re, zlib
table = {str(i): [i, "x" * (i % 300), {"n": i * 1.5}] for i in range(30000)}
text = json.dumps(table)
assert json.loads(text) == table
for i in range(0, 30000, 2): del table[str(i)]
big = [bytearray(n * 7000) for n in range(1, 200)]
del big[::3]
assert zlib.decompress(zlib.compress(text.encode())).decode() == text
assert len(re.findall("x+", text)) > 1000
"""
THREADS = """
import threading
def work(n):
    kept = []
    for i in range(20000):
        kept.append("y" * (i * n % 500))
        if len(kept) > 3000: del kept[::2]
threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
for t in threads: t.start()
for t in threads: t.join()
"""
PERL = """
my %h; $h{$_ % 7919} .= "line $_\\n" for 1 .. 200000;
my @a = sort { $a cmp $b } map { $h{$_} x 2 } keys %h; @a = grep { length > 100 } @a;
delete @h{grep { $_ % 3 } keys %h}; my $s = join ",", @a; $s =~ s/line/LINE/g; print length($s), "\\n";
"""
SQL = """
create table t(a integer primary key, b text, c blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)
insert into t select i, hex(i * 7919) || printf('%0*d', i % 200, i), zeroblob(i % 500) from n;
create index i on t(b); delete from t where a % 3 = 0; update t set b = b || b where a % 5 = 0;
select count(*), sum(length(b)), count(distinct substr(b, 1, 3)) from t group by a % 10; vacuum;
"""
GIT = """
git init -q . && cp -r "$SOURCES" tree && git add -A && git -c user.name=a -c user.email=a@b commit -qm one
for i in 1 2 3 4 5; do for f in tree/*.c; do echo "/* $i */" >> $f; done; git -c user.name=a -c user.email=a@b commit -qam $i; done
git log -p --stat | tail -1 && git -c pack.threads=2 gc -q --aggressive && git fsck --full && git blame tree/span.c | tail -1
"""
SOURCES = top / "src/heap"

# name -> command, processes that must have been checked in the middle
PROGRAMS = {
    "python3": (["python3", "-X", "utf8", "-c", PYTHON], ["python3"]),
    "python3, without its own allocator": (["env", "PYTHONMALLOC=malloc", "python3", "-c", PYTHON], ["python3"]),
    "python3, threads": (["env", "PYTHONMALLOC=malloc", "python3", "-c", THREADS], ["python3"]),
    "perl": (["perl", "-e", PERL], ["perl"]),
    "sqlite3": (["sqlite3", ":memory:", SQL], ["sqlite3"]),
    "gcc": (["gcc", "-O2", "-g", "-D_GNU_SOURCE", f"-I{top}/include", f"-I{top}/src", "-c", f"{SOURCES}/span.c", "-o", "span.o"],
            ["cc1", "as"]),
    "git": (["sh", "-ec", GIT], ["git"]),
}


def run(command, expected, folder):
    """What is wrong, a line each; and what was seen."""
    log = os.path.join(folder, "ledger.log")
    environment = {**os.environ, "LD_PRELOAD": f"{ledger}:{library}", "FREEHOLD": "count=on", "LEDGER_FILE": log,
                   "SOURCES": str(SOURCES), "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=700)
    lines = Path(log).read_text().splitlines() if os.path.exists(log) else []
    wrong = [line for line in lines if line.startswith("false")][:10]
    if done.returncode or "freehold:" in done.stderr:
        wrong.append(f"ended with {done.returncode}: {done.stderr[-500:]}")
    checks, threaded, worst = collections.Counter(), 0, 0
    for line in lines:
        if not line.startswith("false"):
            name, *numbers = line.rsplit(" ", 3)
            n, with_threads, off = map(int, numbers)
            checks[name] = max(checks[name], n)
            threaded, worst = threaded + with_threads, max(worst, off)
    for name in expected:
        if not any(n > 1 for program, n in checks.items() if program.startswith(name)):
            wrong.append(f"{name} was not checked in the middle of its work: {dict(checks)}")
    seen = f"{sum(not line.startswith('false') for line in lines)} processes, up to {max(checks.values(), default=0)} checks in one"
    return wrong, seen + (f", {threaded} with threads ({worst} bytes seen twice at most)" if threaded else "")


failed = False
for name, (command, expected) in PROGRAMS.items():
    if not all(shutil.which(tool) for tool in (command[0], expected[0] if expected[0] == "git" else command[0])):
        print(f"{name}: not here")
        continue
    with tempfile.TemporaryDirectory() as folder:
        wrong, seen = run(command, expected, folder)
    print(f"{name}: {seen}")
    for line in wrong:
        print("    " + line)
    failed = failed or bool(wrong)
sys.exit(failed)
