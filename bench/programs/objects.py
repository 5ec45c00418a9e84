"""Pure Python that makes many objects: JSON read and written, dictionaries, instances, sorting.

With PYTHONMALLOC=malloc every object is a malloc of its own: that is what Python costs without its own pools, and
what a debug or sanitizer build does anyway."""

import json
import random
import sys


class Account:
    def __init__(self, name, owner, amounts):
        self.name, self.owner, self.amounts = name, owner, amounts

    def total(self):
        return sum(self.amounts)


def records(chance, count):
    return [{"id": n, "name": "name%d" % chance.randrange(1000),
             "tags": ["t%d" % chance.randrange(50) for _ in range(4)],
             "amounts": [chance.randrange(10000) / 7 for _ in range(chance.randrange(1, 10))]} for n in range(count)]


def group(data):
    by_name = {}
    for r in data:
        by_name.setdefault(r["name"], []).append(Account(r["id"], r["name"], list(r["amounts"])))
    return by_name


def main(scale):
    chance = random.Random(5)
    checksum = 0
    kept = []
    for turn in range(max(1, int(12 * scale))):
        text = json.dumps(records(chance, 3000))
        data = json.loads(text)
        by_name = group(data)
        order = sorted(by_name, key=lambda n: (sum(a.total() for a in by_name[n]), n))
        words = " ".join("%s=%d" % (n, len(by_name[n])) for n in order).split()
        checksum = (checksum * 31 + sum(len(w) for w in words) + len(text)) % 1000000007
        kept.append({w: i for i, w in enumerate(words)})
        if len(kept) > 5:
            kept.pop(turn % 5)
    print(checksum, len(kept))


main(float(sys.argv[1]))
