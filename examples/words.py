"""words.py - which words stand where: an index of all words in some files and folders.

    python3 examples/words.py [FILE or FOLDER]...

A small program with a memory worth looking at, for `make run`: one object for each place that a word stands at, all
alive until the end; and many short-lived strings on the way.
"""
import os
import sys


def files(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in sorted(os.walk(path)):
                yield from (os.path.join(folder, name) for name in sorted(names))
        else:
            yield path


def words(line):
    return "".join(c if c.isalpha() else " " for c in line.lower()).split()


def main():
    places = {}
    lines = 0
    for path in files(sys.argv[1:] or [__file__]):
        with open(path, errors="replace") as file:
            for number, line in enumerate(file, 1):
                lines += 1
                for word in words(line):
                    places.setdefault(word, []).append((path, number))
    total = sum(map(len, places.values()))
    print(f"{lines} lines, {total} words, {len(places)} different ones. The most frequent with seven letters or more:")
    long_ones = [word for word in places if len(word) >= 7]
    for word in sorted(long_ones, key=lambda word: -len(places[word]))[:5]:
        path, number = places[word][0]
        print(f"  {len(places[word]):5}  {word:12} first in {path}, line {number}")


if __name__ == "__main__":
    main()
