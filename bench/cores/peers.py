"""Two other ways to bring blocks home, for comparison. Neither is the code of a particular allocator; each is its idea alone, and
where there was a choice the cheaper one was taken: new blocks and pages cost nothing, and the link that is written into a freed
block is free of charge, since the program has mostly just read that line. To read the link of a block that another core has
touched last is a transfer; as it is in Freehold to read the slot of a magazine, but there eight slots share a line.

    CentralList   a list in each thread; above a limit, batches go to a list that all share, under one lock a class. The scheme of
                  tcmalloc; batches of 32, and threads' lists that grow up to 8192 blocks as they are used.
    AtomicList    a page belongs to a thread. Its own frees go on the page's list; a free by another thread is a
                  compare-and-swap onto the page's second list, one for each block, and the owner takes that list whole when
                  its own is empty. The scheme of mimalloc. (snmalloc sends such blocks in batches, and does better here.)
"""

from machine import BLOCK, CALL, SLOW

def take_links(t, touched, blocks):
    """The links of these blocks are read, one after the other."""
    moved = 0
    for block in blocks:
        if touched.get(block, t.number) != t.number:
            moved += 1
        touched[block] = t.number
    t.move_lines(moved)


BATCH = 32
LONGEST = 8192
PAGE_BLOCKS = 1024
SHIFT = 12


class CentralList:
    name = "central list"

    def __init__(self, machine, sizes):
        self.m = machine
        self.central = [machine.lock("the central list's lock", c) for c in range(len(sizes))]
        self.batches = [[] for _ in sizes]
        self.cache, self.limit = {}, {}
        self.fresh, self.touched = 0, {}

    def begin_thread(self, t):
        yield from ()

    def end_thread(self, t):
        for (number, c), blocks in list(self.cache.items()):
            while number == t.number and blocks:
                yield from self.release(t, c, blocks)
            self.limit.pop((t.number, c), None)

    def release(self, t, c, blocks):
        t.now += SLOW
        yield from t.lock(self.central[c])
        self.batches[c].append(blocks[:BATCH])
        del blocks[:BATCH]
        yield from t.unlock(self.central[c])

    def alloc(self, t, c, count):
        cache, got = self.cache.setdefault((t.number, c), []), []
        while len(got) < count:
            n = min(count - len(got), len(cache))
            if n:
                take_links(t, self.touched, cache[:-n - 1:-1])
                got += cache[:-n - 1:-1]
                del cache[-n:]
                t.now += n * CALL
                continue
            t.now += SLOW
            yield from t.lock(self.central[c])
            if self.batches[c]:
                cache += self.batches[c].pop()
            else:
                cache += range(self.fresh, self.fresh + BATCH)
                self.fresh += BATCH
                t.now += BATCH * BLOCK
            yield from t.unlock(self.central[c])
            limit = self.limit.get((t.number, c), BATCH)
            self.limit[t.number, c] = min(limit + BATCH, LONGEST)
        return got

    def free(self, t, c, blocks):
        cache = self.cache.setdefault((t.number, c), [])
        for at in range(0, len(blocks), BATCH):
            part = blocks[at:at + BATCH]
            self.touched.update(dict.fromkeys(part, t.number))
            cache += part
            t.now += len(part) * CALL
            limit = self.limit.setdefault((t.number, c), BATCH)
            if len(cache) > limit:
                yield from self.release(t, c, cache)
                # tcmalloc's slow start: a list that overflows grows by a batch, and shrinks again when it does so often
                self.limit[t.number, c] = min(limit + BATCH, LONGEST) if limit < BATCH * 4 else limit
        t.pairs += len(blocks)

    def balance(self):
        cached = sum(map(len, self.cache.values())) + sum(len(b) for c in self.batches for b in c)
        return self.fresh, 0, cached


class Page:
    __slots__ = ("number", "owner", "local", "remote")

    def __init__(self, number, owner):
        self.number, self.owner, self.remote = number, owner, []
        self.local = list(range(number << SHIFT, (number << SHIFT) + PAGE_BLOCKS))


class AtomicList:
    name = "atomic list a page"

    def __init__(self, machine, sizes):
        self.m, self.pages, self.owned, self.at, self.left = machine, [], {}, {}, {}
        self.touched = {}
        self.abandoned = machine.lock("the abandoned pages' lock")

    def begin_thread(self, t):
        yield from ()

    def end_thread(self, t):
        """Its pages are left to whoever needs some."""
        for (number, c), pages in list(self.owned.items()):
            if number != t.number:
                continue
            yield from t.lock(self.abandoned)
            self.left.setdefault(c, []).extend(pages)
            yield from t.unlock(self.abandoned)
            del self.owned[number, c]

    def next_page(self, t, c, pages):
        """One with free blocks: looked for in turn, as mimalloc walks its queue."""
        start = self.at.get((t.number, c), 0)
        for n in range(len(pages)):
            page = pages[(start + n) % len(pages)]
            yield from t.read(self.line(page))
            if page.remote:
                yield from t.atomic(self.line(page))
                page.local, page.remote = page.local + page.remote, []
            if page.local:
                self.at[t.number, c] = (start + n) % len(pages)
                return page
        if self.left.get(c):
            yield from t.lock(self.abandoned)
            page = self.left[c].pop() if self.left[c] else None
            yield from t.unlock(self.abandoned)
            if page:
                page.owner = t.number
                pages.append(page)
                return (yield from self.next_page(t, c, pages))
        page = Page(len(self.pages), t.number)
        self.pages.append(page)
        pages.append(page)
        return page

    def line(self, page):
        return self.m.line("a page's list", page.number)

    def alloc(self, t, c, count):
        pages, got = self.owned.setdefault((t.number, c), []), []
        while len(got) < count:
            page = pages[self.at.get((t.number, c), 0)] if pages else None
            if page is None or not page.local:
                t.now += SLOW
                page = yield from self.next_page(t, c, pages)
            n = min(count - len(got), len(page.local))
            take_links(t, self.touched, page.local[:-n - 1:-1])
            got += page.local[:-n - 1:-1]
            del page.local[-n:]
            t.now += n * CALL
        return got

    def free(self, t, c, blocks):
        self.touched.update(dict.fromkeys(blocks, t.number))
        for block in blocks:
            page = self.pages[block >> SHIFT]
            t.now += CALL
            if page.owner == t.number:
                page.local.append(block)
            else:
                yield from t.atomic(self.line(page))
                page.remote.append(block)
        t.pairs += len(blocks)

    def balance(self):
        return len(self.pages) * PAGE_BLOCKS, sum(len(p.local) + len(p.remote) for p in self.pages), 0
