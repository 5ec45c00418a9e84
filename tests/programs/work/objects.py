"""Objects of mixed life, size and thread; prints only what does not depend on addresses."""
import collections
import hashlib
import json
import mmap
import os
import random
import re
import threading
import zlib

rng = random.Random(7)


class Node:
    def __init__(self, value, left=None, right=None):
        self.value, self.left, self.right = value, left, right


def tree(depth):
    return Node(depth) if depth == 0 else Node(depth, tree(depth - 1), tree(depth - 1))


def count(node):
    return 0 if node is None else 1 + count(node.left) + count(node.right)


def mixed(seed):
    """A shifting set of strings, lists and byte arrays of 1 byte to 300 KB."""
    r, live, digest = random.Random(seed), {}, hashlib.sha256()
    for step in range(4000):
        key = r.randrange(300)
        kind = r.randrange(4)
        size = 1 << r.randrange(1, 18)
        size += r.randrange(size)
        if kind == 0:
            live[key] = bytearray(size)
            live[key][-1] = step & 255
        elif kind == 1:
            live[key] = [step] * (size // 64)
        elif kind == 2:
            live[key] = str(step) * (size // 16)
        else:
            old = live.pop(key, b"")
            digest.update(b"%d" % len(old))
        value = live.get(key)
        if isinstance(value, bytearray):
            value.extend(b"x" * r.randrange(2000))
            del value[: r.randrange(1 + len(value) // 2)]
            if any(value[:1]) and value[0] not in (step & 255, 120):
                raise SystemExit("a byte array has changed by itself")
            digest.update(zlib.crc32(value).to_bytes(4, "little"))
    return digest.hexdigest()


print("tree", count(tree(13)))
print("mixed", mixed(1))

results = {}
threads = [threading.Thread(target=lambda n=n: results.__setitem__(n, mixed(n))) for n in range(2, 6)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("threads", sorted(results.items()))

words = [("".join(rng.choice("abcdefgh") for _ in range(rng.randrange(1, 12)))) for _ in range(40000)]
counts = collections.Counter(words)
print("words", len(counts), counts.most_common(3))
text = json.dumps({w: list(range(n % 50)) for w, n in counts.items()}, sort_keys=True)
print("json", len(text), hashlib.sha256(text.encode()).hexdigest())
print("again", json.dumps(json.loads(text), sort_keys=True) == text)
print("regex", len(re.findall(r"(?:a+b|c[de]*f)+", " ".join(words))))
print("compressed", zlib.crc32(zlib.decompress(zlib.compress(text.encode() * 20, 6))))

with mmap.mmap(-1, 1 << 20) as area:
    area[:5] = b"hello"
    pid = os.fork()
    if pid == 0:
        more = [bytes(n) for n in range(1000)]
        area[5:10] = b"child" if len(more) == 1000 else b"wrong"
        os._exit(0)
    print("child", os.waitpid(pid, 0)[1], bytes(area[:10]))

big = bytearray()
for n in range(400):
    big += bytes([n & 255]) * 50000
print("grown", len(big), hashlib.sha256(big).hexdigest())
print("sum", sum(x * x for x in [int(w, 36) for w in words]) % 1000003)
