"""tools.py - everyday programs: version control, compression, archives, sorting, cryptography, a debugger."""
import os
import random
import re

from harness import program


def some_text(seed, lines):
    r = random.Random(seed)
    words = ["".join(r.choice("abcdefghijklmnop") for _ in range(r.randrange(1, 12))) for _ in range(800)]
    return "\n".join(" ".join(r.choice(words) for _ in range(r.randrange(1, 15))) for _ in range(lines)) + "\n"


@program({"git": "git"}, limit=60, same_processes=False)
def git(run):
    """Git: a history with branches and merges, clone, gc, repack on two threads, fsck, blame, bisect-like walks"""
    run.env.update({"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@x",
                    "GIT_AUTHOR_DATE": "1000000000 +0000", "GIT_COMMITTER_DATE": "1000000000 +0000", "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_PAGER": "cat"})
    for key, value in {"gc.auto": 0, "pack.threads": 2, "index.threads": 2, "init.defaultBranch": "main", "grep.threads": 2,
                       "advice.detachedHead": "false", "protocol.file.allow": "always", "maintenance.auto": "false"}.items():
        run.run(["git", "config", "--global", key, str(value)])
    run.run(["git", "init", "repo"])

    # One long history by fast-import, as bytes; then ordinary commands upon it.
    r, lines, stream = random.Random(3), some_text(3, 400).splitlines(), []
    for n in range(1, 401):
        at = r.randrange(len(lines))
        lines[at:at + r.randrange(4)] = some_text(n, r.randrange(4)).splitlines()
        body = "\n".join(lines).encode() + b"\n"
        stream.append(b"commit refs/heads/main\nmark :%d\ncommitter C <c@x> %d +0000\ndata 9\ncommit %2d\n" % (n, 10**9 + n, n % 100)
                      + (b"from :%d\n" % (n - 1) if n > 1 else b"")
                      + b"M 100644 inline dir%d/file%d\ndata %d\n%s\n" % (n % 10, n % 25, len(body), body))
    run.run(["git", "fast-import", "--quiet"], input=b"".join(stream), cwd=run.path("repo"))
    here = {"cwd": run.path("repo")}
    run.run(["git", "checkout", "-q", "main"], **here)
    run.run(["git", "checkout", "-q", "-b", "side", "main~50"], **here)
    for n in range(6):
        run.write("repo/side%d" % n, some_text(n, 300))
        run.run(["git", "add", "."], **here)
        run.run(["git", "commit", "-m", "side %d" % n], **here)
    run.run(["git", "checkout", "-q", "main"], **here)
    run.run(["git", "merge", "side", "-m", "merged"], **here)
    run.run(["git", "log", "--stat", "--graph", "--oneline", "-60"], **here)
    run.run(["git", "clone", "-q", "--no-local", "repo", "copy"])
    run.run(["git", "gc", "--aggressive", "--quiet"], **here)
    run.run(["git", "repack", "-a", "-d", "-f", "--threads=2", "--window=50", "--depth=50", "-q"], cwd=run.path("copy"))
    for where in ("repo", "copy"):
        run.run(["git", "fsck", "--full", "--strict"], cwd=run.path(where), clean=lambda text: re.sub(rb"(?m)^.*%.*$", b"", text))
        objects = run.run(["git", "rev-list", "--all", "--objects"], cwd=run.path(where))
        run.run(["git", "cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)"], input=b"\n".join(
            line.split()[0] for line in objects.splitlines()) + b"\n", cwd=run.path(where))
    run.run(["git", "blame", "-C", "dir3/file3"], **here)
    run.run(["git", "grep", "-c", "-E", "(ab|cd).*f"], **here)
    run.run(["git", "diff", "--stat", "-M", "-C", "main~200", "main"], **here)
    run.run(["git", "log", "-p", "--format=%h", "-S", "abc", "main~100..main"], **here)
    run.run(["git", "rebase", "main~20", "side"], **here)
    run.run(["git", "bundle", "create", "-q", "../all.bundle", "--all"], **here)
    run.run(["git", "bundle", "verify", "-q", "../all.bundle"], **here)
    run.run(["git", "archive", "--format=tar", "-o", "../side.tar", "side"], **here)
    run.run(["git", "status", "--porcelain"], **here)
    run.tree("repo", leave_out=r"^\.git/")
    run.tree("copy", leave_out=r"^\.git/")
    run.file("side.tar")


@program({"xz": "xz-utils", "zstd": "zstd", "tar": "tar", "gzip": "gzip"}, limit=60)
def compress(run):
    """xz -T2, zstd -T2 and gzip through tar, and back"""
    for n in range(30):
        run.write("in/%d/file%d" % (n % 4, n), some_text(n, 4000))
    run.write("in/random", random.Random(1).randbytes(1 << 21))
    fixed = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1000000000"]
    run.run(["tar", "-cf", "all.tar", "in"] + fixed)
    run.run(["xz", "-T2", "-k", "-4", "--block-size=1MiB", "all.tar"])
    run.run(["zstd", "-q", "-T2", "-9", "-k", "all.tar"])
    run.run(["zstd", "-q", "-T2", "--ultra", "-20", "--long=27", "all.tar", "-o", "long.zst"])
    run.run(["tar", "-czf", "all.tar.gz", "in"] + fixed)
    for archive, option in (("all.tar.xz", "-J"), ("all.tar.zst", "--zstd"), ("all.tar.gz", "-z")):
        run.run(["tar", option, "-tvf", archive])
        os.mkdir(run.path("out"))
        run.run(["tar", option, "-xf", archive, "-C", "out"])
        run.run(["diff", "-r", "in", "out/in"])
        run.run(["rm", "-r", "out"])
    run.run(["xz", "-t", "-T2", "-v", "all.tar.xz"], errors=False)
    run.run(["xz", "-T2", "-9", "--memlimit-compress=20MiB", "-c", "in/random"], input=b"")
    run.write("bad.xz", b"\xfd7zXZ\0" + b"no such thing")
    run.run(["xz", "-t", "bad.xz"], status=1)
    run.tree()


@program({"sort": "coreutils", "awk": "mawk", "sed": "sed", "grep": "grep"})
def text(run):
    """sort on two threads and through files, awk, sed, grep, diff, sha256sum, find, xargs"""
    run.write("a", some_text(1, 60000))
    run.write("b", some_text(2, 30000) + some_text(1, 30000))
    run.run(["sort", "--parallel=2", "-S", "2M", "-k2,2", "-k1n", "a", "b", "-o", "sorted"])
    run.run(["sort", "--parallel=2", "-u", "-r", "-f", "a", "-o", "unique"])
    run.run(["sh", "-c", "sort -m sorted sorted | uniq -c | sort -rn -k1,1 -k2 --parallel=2 | head -50"])
    run.run(["awk", "{for (i = 1; i <= NF; i++) n[$i]++} END {for (w in n) print w, n[w] | \"sort\"}", "a"])
    run.run(["sed", "-E", r"s/(\w+) (\w+)/\2 \1/g; /ab.*cd/d; G", "a"])
    run.run(["grep", "-cE", r"(ab|cd)+.*\b(e|f)\w*\b.*\1", "a", "b"])
    run.run(["diff", "a", "b"], status=1)
    run.run(["sh", "-c", "find . -type f -print0 | sort -z | xargs -0 -P2 -n1 sha256sum | sort"])
    run.run(["split", "-n", "l/7", "a", "part."])
    run.run(["join", "sorted", "unique"], status=None, errors=False)
    run.tree()


@program({"openssl": "openssl"})
def openssl(run):
    """OpenSSL: digests, ciphers, signatures with a fixed key, a certificate, broken input"""
    run.write("text", some_text(5, 20000))
    for name in ("md5", "sha256", "sha3-512", "blake2b512"):
        run.run(["openssl", "dgst", "-" + name, "text"])
    for cipher in ("aes-256-cbc", "chacha20", "aes-128-ctr", "camellia-192-cbc"):
        run.run(["openssl", "enc", "-" + cipher, "-pbkdf2", "-S", "0011223344556677", "-k", "word", "-in", "text", "-out", cipher])
        run.run(["openssl", "enc", "-d", "-" + cipher, "-pbkdf2", "-S", "0011223344556677", "-k", "word", "-in", cipher, "-out", "back"])
        run.run(["cmp", "text", "back"])
    run.run(["openssl", "genrsa", "-out", "key.pem", "1024"], note=False)
    run.run(["openssl", "dgst", "-sha256", "-sign", "key.pem", "-out", "signature", "text"])
    run.run(["openssl", "rsa", "-in", "key.pem", "-pubout", "-out", "public.pem"])
    run.run(["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "text"])
    run.run(["openssl", "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=test", "-days", "10", "-out", "cert.pem"])
    run.run(["openssl", "verify", "-CAfile", "cert.pem", "cert.pem"])
    run.run(["openssl", "prime", "-hex", "FFFFFFFFFFFFFFC5"])
    run.run(["openssl", "x509", "-in", "text"], status=1, errors=False)


@program({"gdb": "gdb", "gcc": "gcc"}, limit=60, same_processes=False)
def gdb(run):
    """gdb, a large C++ program with Python inside: reads itself a program, stops in it, walks its stack"""
    run.write("sample.c", """#include <stdio.h>
#include <stdlib.h>
struct node { struct node *next; int value; };
static int sum(struct node *n) { return n ? n->value + sum(n->next) : 0; }
int main(void) {
    struct node *list = NULL;
    for (int i = 0; i < 30; i++) {
        struct node *n = malloc(sizeof *n);
        *n = (struct node){list, i};
        list = n;
    }
    printf("%d\\n", sum(list));
    return 3;
}
""")
    run.run(["gcc", "-g", "-O0", "-o", "sample", "sample.c"])
    commands = ["set confirm off", "set debuginfod enabled off", "break sum if n && n->value == 3", "run", "bt 5", "print *n",
                "up", "info locals", "python print(sum(len(s.name) for s in gdb.selected_frame().function().symtab.global_block()))",
                "ptype struct node", "info line sum", "delete", "continue", "info functions sum$"]
    argv = ["gdb", "-nx", "-batch", "sample"]
    for command in commands:
        argv += ["-ex", command]
    run.run(argv, status=None, errors=False, clean=lambda text: re.sub(rb"0x[0-9a-f]+|process \d+", b"N", text))
