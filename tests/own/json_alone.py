#!/usr/bin/env python3
"""The example own_json with documents that are JSON, whose writing is known, and with texts that are not: each is refused with the
place, and in checked mode nothing of what was read by then is lost."""
import os
import subprocess
import sys
from pathlib import Path

program = Path(os.environ["FREEHOLD_BUILD"]) / "examples/own_json"
RIGHT = {
    b" true ": b"true", b"[[[]]]": b"[[[]]]", b"-0.5e+1": b"-5", b"0": b"0", b"1e-999": b"0", b"[]": b"[]",
    b'{"a":1,"a":[2]}': b'{"a":1,"a":[2]}', b'"\\ud83d\\ude00"': "\"\U0001f600\"".encode(), b'"\\/\\b"': b'"/\\u0008"',
    b'"\\ud83d\\u0041"': "\"\ufffdA\"".encode(), b'"\\ude00\\ud83dx"': "\"\ufffd\ufffdx\"".encode(),
    b'"a\\u0000b"': b'"a\\u0000b"',
}
WRONG = [b"", b" ", b"{", b"[1,]", b'{"a":1,}', b'{"a" 1}', b"{1:2}", b'"abc', b'"\\u12"', b'"\\q"', b'"\x01"', b"nul", b"[1 2]", b"{}x",
         b"01", b"+1", b".5", b"1.", b"1e", b"-", b"0x10", b"NaN", b"inf", b"1e999", b'"\xff"', b'"\xed\xa0\x80"', b"\xef\xbb\xbf1",
         b'["one", {"two": ["three", "four"}]', b"[" * 200000]


def run(argument):
    return subprocess.run([program, argument], capture_output=True, timeout=60, env={**os.environ, "FREEHOLD": "mode=checked"})


def read(text):
    Path("document.json").write_bytes(text)
    return run("document.json")


wrong = [(text[:40], done.stdout, done.stderr) for text, written in RIGHT.items()
         if (done := read(text)).returncode != 0 or done.stdout != written + b"\n"]
wrong += [(text[:40], done.returncode, done.stderr) for text in WRONG
          if (done := read(text)).returncode != 1 or not done.stderr.startswith(b"not JSON: byte ") or done.stdout]
wrong += [(name, done.stderr) for name in ("no such file", "/")
          if (done := run(name)).returncode != 1 or not done.stderr.startswith(name.encode() + b": ")]
for case in wrong:
    print(*case)
sys.exit(bool(wrong))
