"""Freehold's small blocks on the model's machine: what src/heap does to lines, locks and atomics, function by function.

The names are those of src/heap, and so is the order of steps; what is a line of cache there is a line here. A block is the number
granule * 4096 + its number in the span. Left out, because
steady work does not come there: tidying by time, purging, running out of memory, blocks above the classes.
"""

import source
from machine import BLOCK, CALL, RUN, SLOW

SHIFT = 12  # block numbers in a span: up to 4096
SLOTS = 8  # of 8 bytes in a line


class Magazine:
    __slots__ = ("capacity", "core")

    def __init__(self, capacity):
        self.capacity, self.core = capacity, None  # whose cache its lines are in

    def lines(self):
        return (self.capacity + source.HEAD + SLOTS - 1) // SLOTS


class Bin:
    __slots__ = ("blocks", "magazine", "batch", "credit", "resting", "may_rest", "ended")

    def __init__(self):
        self.blocks, self.magazine, self.batch, self.credit = [], None, 0, 0
        self.resting = self.may_rest = self.ended = 0


class Span:
    __slots__ = ("g", "c", "free", "owner", "bucket", "remote", "queued", "rests")

    def __init__(self, g, c, blocks, owner):
        self.g, self.c, self.owner = g, c, owner
        self.free = (1 << blocks) - 1
        self.bucket, self.remote, self.queued, self.rests = None, {}, False, False


class Heap:
    def __init__(self, machine, number):
        self.number = number
        self.lock = machine.lock("a heap's lock", number)
        self.touched_line = machine.line("a heap's touched spans", number)
        self.touched, self.touched_count = [], 0
        self.lists, self.bins, self.granules = {}, {}, 0
        self.spare = {}  # magazines at hand, by capacity

    def resting(self):
        return sum(bin.resting for bin in self.bins.values())


class Depot:
    """One shard's of one class."""

    def __init__(self, machine, c, shard):
        self.lock = machine.lock("the depot's lock", c, shard)
        self.full, self.blocks = [], 0  # (magazine, blocks)
        self.empties, self.overflow = [], 0


class Freehold:
    name = "Freehold"

    def __init__(self, machine, sizes):
        self.m, self.sizes = machine, sizes
        self.blocks = [source.GRANULE // size for size in sizes]
        self.most = [source.bin_most(size) for size in sizes]
        self.one_way = [source.bin_one_way(size) for size in sizes]
        self.class_spans = [0 for _ in sizes]
        self.worth = [source.worth(blocks) for blocks in self.blocks]
        self.depots = {}  # by shard and class
        self.meta, self.meta_free = machine.lock("the books' lock"), {}
        self.extents, self.free_granules, self.granules = machine.lock("the extents' lock"), [], 1
        self.parked_lock, self.parked = machine.lock("the parked heaps' lock"), []
        self.spans, self.heaps, self.mine = {}, 0, {}

    # ---- heaps and threads (heap.c)

    def begin_thread(self, t):
        heap = yield from self.take_parked(t)
        if heap is None:
            heap = Heap(self.m, self.heaps)
            self.heaps += 1
        self.mine[t.number] = heap

    def parked_of(self, t):
        return self.parked_lock, self.parked

    def take_parked(self, t):
        lock, parked = self.parked_of(t)
        if not parked:
            return None
        yield from t.lock(lock)
        heap = parked.pop(0) if parked else None
        yield from t.atomic(lock.line)  # parked_count
        yield from t.unlock(lock)
        return heap

    def park(self, t, heap, behind=False):
        lock, parked = self.parked_of(t)
        yield from t.lock(lock)
        parked.insert(len(parked) if behind else 0, heap)
        yield from t.atomic(lock.line)
        yield from t.unlock(lock)

    def end_thread(self, t):
        heap = self.mine.pop(t.number)
        yield from t.lock(heap.lock)
        yield from self.collect(t, heap)
        for c, bin in heap.bins.items():
            if bin.magazine:
                yield from self.give(t, heap, c, bin.blocks)
                yield from self.magazine_end(t, heap, bin.magazine)
        for (c, bucket), spans in list(heap.lists.items()):
            for span in [s for s in spans if s.free.bit_count() == self.blocks[c]]:
                yield from self.end_span(t, heap, span)
        heap.bins = {}
        yield from t.unlock(heap.lock)
        yield from self.park(t, heap)

    def scavenge(self, t, heap, c):
        other = yield from self.take_parked(t)
        if other is None:
            return False
        moved = False
        if (yield from t.trylock(other.lock)):
            yield from self.collect(t, other)
            filled = [b for (k, b), spans in other.lists.items() if k == c and spans]
            if filled:
                span = other.lists[c, max(filled)][-1]
                self.unlink(other, span)
                span.owner = heap
                other.granules -= 1
                heap.granules += 1
                yield from t.atomic(self.head_line(span.g))
                self.resettle(heap, span)
                moved = True
            yield from t.unlock(other.lock)
        yield from self.park(t, other, behind=True)
        return moved

    # ---- the fast paths

    def alloc(self, t, c, count):
        """`count` blocks, as a list."""
        heap, got = self.mine[t.number], []
        bin = heap.bins.setdefault(c, Bin())
        while len(got) < count:
            n = min(count - len(got), len(bin.blocks))
            if n:
                got += bin.blocks[:-n - 1:-1]
                del bin.blocks[-n:]
                t.now += n * CALL
            else:
                yield from self.refill(t, heap, c, bin)
        return got

    def free(self, t, c, blocks):
        heap, done = self.mine[t.number], 0
        bin = heap.bins.setdefault(c, Bin())
        for line in sorted({block >> SHIFT >> 6 for block in blocks}):  # the table of classes, a byte a granule
            yield from t.read(self.m.line("the table of classes", line))
        while done < len(blocks):
            n = min(len(blocks) - done, bin.magazine.capacity - len(bin.blocks) if bin.magazine else 0)
            if n:
                bin.blocks += blocks[done:done + n]
                done += n
                t.now += n * CALL
            else:
                yield from self.flush(t, heap, c, bin, blocks[done])
                done += 1
        t.pairs += len(blocks)

    # ---- magazines (magazine.c)

    def magazine_new(self, t, heap, capacity):
        spare = heap.spare.setdefault(capacity, [])
        if not spare:
            yield from t.lock(self.meta)
            free = self.meta_free.setdefault(capacity, [])
            for _ in range(min(len(free), self.half(capacity))):
                spare.append(free.pop())
            if not spare:
                spare.append(Magazine(capacity))
            yield from t.unlock(self.meta)
        magazine = spare.pop()
        self.fetch(t, magazine)
        return magazine

    def magazine_end(self, t, heap, magazine):
        spare = heap.spare.setdefault(magazine.capacity, [])
        if len(spare) >= source.most_spare(magazine.capacity):
            spare.append(magazine)
            yield from t.lock(self.meta)
            self.meta_free.setdefault(magazine.capacity, []).extend(spare[:self.half(magazine.capacity)])
            del spare[:self.half(magazine.capacity)]
            yield from t.unlock(self.meta)
            return
        spare.append(magazine)

    @staticmethod
    def half(capacity):
        return source.most_spare(capacity) // 2 or 1

    def fetch(self, t, magazine):
        """Its lines come here, as they are written or read one after the other."""
        if magazine.core not in (None, t.number):
            t.move_lines(magazine.lines())
        magazine.core = t.number

    # ---- bins (bin.c)

    def open_bin(self, t, heap, c, bin):
        most = self.most[c]
        bin.magazine = yield from self.magazine_new(t, heap, min(most, source.FIRST_CAPACITY))
        bin.batch = 1 if most < source.FIRST_BATCH else source.FIRST_BATCH

    def grow(self, t, heap, bin, most):
        if bin.magazine.capacity >= most:
            return False
        old = bin.magazine
        bin.magazine = yield from self.magazine_new(t, heap, old.capacity * 2 + source.HEAD)
        yield from self.magazine_end(t, heap, old)
        return True

    def refill(self, t, heap, c, bin):
        t.now += SLOW
        yield from t.lock(heap.lock)
        yield from self.collect(t, heap)
        if bin.magazine is None:
            yield from self.open_bin(t, heap, c, bin)
        if bin.credit < source.MOST_CREDIT:
            bin.credit += 2
        if not (yield from self.exchange(t, heap, c, bin)):
            if bin.batch * 2 >= bin.magazine.capacity:
                yield from self.grow(t, heap, bin, self.most[c])
            bin.blocks = yield from self.take(t, heap, c, min(bin.batch, bin.magazine.capacity))
            bin.blocks.reverse()
            bin.batch = max(bin.batch, min(bin.batch * 2, bin.magazine.capacity // source.FULL_BATCH))
        yield from t.unlock(heap.lock)

    def exchange(self, t, heap, c, bin):
        for look in range(min(source.LOOKS, self.shards())):
            depot = self.depot(heap, c, look)
            yield from t.read(depot.lock.line)
            if depot.blocks == depot.overflow == 0 or not (yield from t.trylock(depot.lock)):
                continue
            depot.overflow = 0
            full = depot.full.pop() if depot.full else None
            unwanted = []
            if full:
                depot.blocks -= full[0].capacity
                unwanted = self.put_empty(depot, bin.magazine)
            yield from t.unlock(depot.lock)
            for magazine in unwanted:
                yield from self.magazine_end(t, heap, magazine)
            if full:
                bin.magazine, bin.blocks = full
                self.fetch(t, bin.magazine)
                return True
        return False

    def flush(self, t, heap, c, bin, block):
        t.now += SLOW
        yield from t.lock(heap.lock)
        yield from self.collect(t, heap)
        if bin.magazine is None:
            yield from self.open_bin(t, heap, c, bin)
        only_frees = bin.credit == 0
        most = self.one_way[c] if only_frees else self.most[c]
        if len(bin.blocks) == bin.magazine.capacity and not (yield from self.grow(t, heap, bin, most)) \
                and not (only_frees and (yield from self.hand_over(t, heap, c, bin))):
            keep = bin.magazine.capacity // source.KEPT
            oldest = bin.blocks[:len(bin.blocks) - keep]
            del bin.blocks[:len(bin.blocks) - keep]
            yield from self.give(t, heap, c, oldest)
            yield from self.overflowed(t, heap, c, len(oldest))
        if not only_frees:
            yield from t.read(self.head_line(block >> SHIFT))
            bin.credit -= self.spans[block >> SHIFT].owner is not heap
        bin.blocks.append(block)
        yield from t.unlock(heap.lock)

    def class_line(self, c):
        return self.m.line("a class's facts", c // 2)  # two to a line

    def count_line(self, c):
        return self.m.line("the counts of spans", c // 16)

    # ---- depots (depot.c)

    def shards(self):
        """As many as the machine's processors are worth; here each thread has one."""
        return max(1, min(source.SHARDS, -(-len(self.m.threads) // source.HEAPS_A_SHARD)))

    def depot(self, heap, c, look=0):
        shard = (heap.number // source.HEAPS_A_SHARD % source.SHARDS + look) % self.shards()
        if (shard, c) not in self.depots:
            self.depots[shard, c] = Depot(self.m, c, shard)
        return self.depots[shard, c]

    def depot_most(self, c):
        return source.depot_most(self.sizes[c], self.class_spans[c], self.shards())

    def unwanted(self, depot, c):
        return depot.overflow > source.OVERFLOW_TIMES * self.depot_most(c)

    def has_room(self, depot, c, bin):
        return depot.blocks + bin.magazine.capacity <= self.depot_most(c)

    @staticmethod
    def put_empty(depot, magazine):
        """Which magazines are not kept."""
        others = depot.empties and depot.empties[0].capacity != magazine.capacity
        if depot.empties and not others and len(depot.empties) == source.MOST_EMPTIES:
            return [magazine]
        unwanted, depot.empties = (depot.empties, [magazine]) if others else ([], [*depot.empties, magazine])
        return unwanted

    @staticmethod
    def has_empty(depot, capacity):
        return depot.empties and depot.empties[0].capacity == capacity

    def hand_over(self, t, heap, c, bin):
        depot = self.depot(heap, c)
        yield from t.read(depot.lock.line)
        yield from t.read(self.class_line(c))
        yield from t.read(self.count_line(c))
        if not self.has_room(depot, c, bin):
            return False
        empty = None
        if not self.has_empty(depot, bin.magazine.capacity):
            empty = yield from self.magazine_new(t, heap, bin.magazine.capacity)
        put = yield from t.trylock(depot.lock)
        if put:
            if empty is None and self.has_empty(depot, bin.magazine.capacity):
                empty = depot.empties.pop()
            put = self.has_room(depot, c, bin) and not self.unwanted(depot, c) and empty is not None
            if put:
                depot.full.append((bin.magazine, bin.blocks))
                depot.blocks += bin.magazine.capacity
            yield from t.unlock(depot.lock)
        if not put:
            if empty:
                yield from self.magazine_end(t, heap, empty)
            return False
        self.fetch(t, empty)
        bin.magazine, bin.blocks = empty, []
        return True

    def overflowed(self, t, heap, c, count):
        depot = self.depot(heap, c)
        yield from t.read(depot.lock.line)
        if depot.blocks == 0 or not (yield from t.trylock(depot.lock)):
            return
        depot.overflow += count
        yield from t.read(self.count_line(c))
        full = depot.full.pop() if depot.full and self.unwanted(depot, c) else None
        if full:
            depot.blocks -= full[0].capacity
        yield from t.unlock(depot.lock)
        if full:
            yield from self.give(t, heap, c, full[1])
            yield from self.magazine_end(t, heap, full[0])

    # ---- spans (span.c)

    def head_line(self, g):
        return self.m.line("a span's head", g)

    def bits_line(self, g, w):
        return self.m.line("a span's bitmap", g, w // SLOTS)

    def unlink(self, heap, span):
        if span.bucket is not None:
            heap.lists[span.c, span.bucket].remove(span)
            span.bucket = None

    def resettle(self, heap, span):
        free = span.free.bit_count()
        bucket = free.bit_length() - 1 if free else None
        if bucket != span.bucket:
            self.unlink(heap, span)
            if bucket is not None:
                heap.lists.setdefault((span.c, bucket), []).append(span)
                span.bucket = bucket

    def learn(self, t, heap, c):
        bin = heap.bins.setdefault(c, Bin())
        if bin.ended:
            bin.ended -= 1
            bin.may_rest += 1
        for k in sorted(heap.bins):
            if heap.bins[k].resting:
                yield from self.end_span(t, heap, next(s for s in heap.lists[k, self.blocks[k].bit_length() - 1] if s.rests))
                return

    def new_span(self, t, heap, c):
        yield from self.learn(t, heap, c)
        yield from t.lock(self.extents)
        yield from t.write(self.m.line("the free extents"))
        if self.free_granules:
            g = self.free_granules.pop()
        else:
            g, self.granules = self.granules, self.granules + 1
        yield from t.write(self.head_line(g))
        yield from t.write(self.m.line("the table of classes", g >> 6))
        yield from t.unlock(self.extents)
        old = self.spans.get(g)
        self.spans[g] = span = Span(g, c, self.blocks[c], heap)
        span.queued = old.queued if old else False  # of the granule, not of the span's life
        for w in range(0, self.blocks[c] // 64, SLOTS):
            yield from t.write(self.bits_line(g, w))
        self.resettle(heap, span)
        self.class_spans[c] += 1
        heap.granules += 1
        yield from t.atomic(self.count_line(c))
        yield from t.atomic(self.head_line(g))  # its owner
        return span

    def end_span(self, t, heap, span):
        self.unlink(heap, span)
        self.wake(heap, span)
        heap.granules -= 1
        span.owner = None
        self.class_spans[span.c] -= 1
        yield from t.atomic(self.count_line(span.c))
        yield from t.atomic(self.head_line(span.g))
        yield from t.lock(self.extents)
        yield from t.write(self.m.line("the free extents"))
        yield from t.write(self.m.line("the table of classes", span.g >> 6))
        self.free_granules.append(span.g)
        yield from t.unlock(self.extents)

    def settle_after_give(self, t, heap, span):
        self.resettle(heap, span)
        if span.free.bit_count() < self.blocks[span.c]:
            return
        yield from self.rest_or_end(t, heap, span)

    def rest_or_end(self, t, heap, span):
        if span.rests:
            return
        bin = heap.bins.setdefault(span.c, Bin())
        part = min(heap.granules // source.REST_PART, source.REST_MOST)
        if bin.resting < bin.may_rest and heap.resting() + 1 <= source.REST_ALWAYS + part:
            span.rests = True
            bin.resting += 1
            return
        bin.ended += 1
        yield from self.end_span(t, heap, span)

    def wake(self, heap, span):
        if span.rests:
            span.rests = False
            heap.bins[span.c].resting -= 1

    def take(self, t, heap, c, want):
        got = []
        yield from t.read(self.class_line(c))
        while len(got) < want:
            buckets = [b for (k, b), spans in heap.lists.items() if k == c and spans]
            worthy = [b for b in buckets if b >= self.worth[c]]
            if not buckets:
                if got:
                    break
                if (yield from self.scavenge(t, heap, c)):
                    continue
                span = yield from self.new_span(t, heap, c)
            else:
                span = heap.lists[c, min(worthy) if worthy else max(buckets)][-1]
            self.wake(heap, span)
            yield from t.write(self.head_line(span.g))
            words = set()
            free = span.free
            while free and len(got) < want:
                lowest = free & -free
                free ^= lowest
                i = lowest.bit_length() - 1
                got.append(span.g << SHIFT | i)
                words.add(i // 64)
            span.free = free
            for w in sorted({w - w % SLOTS for w in words}):
                yield from t.write(self.bits_line(span.g, w))
            t.now += len(words) * RUN
            self.resettle(heap, span)
        t.now += len(got) * BLOCK
        return got

    def give(self, t, heap, c, blocks):
        """Runs of neighbours at a time; the words of one span's bitmap one after the other."""
        span, word, mask, last = None, None, 0, None
        yield from t.read(self.class_line(c))
        t.now += len(blocks) * BLOCK
        for block in [*blocks, None]:
            g, i = (block >> SHIFT, block & (1 << SHIFT) - 1) if block is not None else (None, None)
            if mask and (span.g != g or word != i // 64):
                yield from self.end_word(t, heap, span, word, mask)
                mask = 0
            if span is None or span.g != g:
                if span and span.owner is heap:
                    yield from self.settle_after_give(t, heap, span)
                if g is None:
                    break
                span = self.spans[g]
                yield from t.read(self.head_line(g))
            word, mask = i // 64, mask | 1 << i
            if last is None or abs(block - last) != 1:
                t.now += RUN
            last = block
        if span and span.owner is not heap:
            yield from self.help(t, span.owner)

    def end_word(self, t, heap, span, word, mask):
        if span.owner is heap:
            yield from t.write(self.bits_line(span.g, word))
            yield from t.write(self.head_line(span.g))
            assert not span.free & mask, "block freed twice"
            span.free |= mask
            return
        summary = self.m.line("a span's remote summary", span.g)
        yield from t.atomic(self.m.line("a span's remote bitmap", span.g, word // SLOTS))
        new = word not in span.remote
        span.remote[word] = span.remote.get(word, 0) | mask
        yield from t.read(summary)
        if new:
            yield from t.atomic(summary)
        yield from self.touch(t, span, summary)

    def touch(self, t, span, summary):
        if span.queued:
            return
        span.queued = True
        yield from t.atomic(summary)  # queued lies beside it
        owner = span.owner
        if owner is None:
            span.queued = False
            yield from t.atomic(summary)
            return
        yield from t.atomic(owner.touched_line)
        owner.touched.append(span)
        yield from t.atomic(owner.touched_line)  # touched_count
        owner.touched_count += 1

    def help(self, t, owner):
        if owner is None or owner.touched_count < source.TOO_MANY:
            return
        if (yield from t.trylock(owner.lock)):
            yield from self.collect(t, owner)
            yield from t.unlock(owner.lock)

    def collect(self, t, heap):
        if not heap.touched:
            return
        yield from t.atomic(heap.touched_line)
        touched, heap.touched, heap.touched_count = heap.touched, [], 0
        for span in reversed(touched):
            summary = self.m.line("a span's remote summary", span.g)
            yield from t.atomic(summary)
            span.queued = False
            if span.owner is not heap:
                current = self.spans[span.g]
                if current.owner is not None:
                    yield from self.touch(t, current, summary)
                continue
            yield from t.atomic(summary)
            words, span.remote = span.remote, {}
            for w, mask in sorted(words.items()):
                yield from t.atomic(self.m.line("a span's remote bitmap", span.g, w // SLOTS))
                yield from t.write(self.bits_line(span.g, w))
                assert not span.free & mask, "block freed twice"
                span.free |= mask
            yield from self.settle_after_give(t, heap, span)

    # ---- for the checks

    def balance(self):
        """(blocks in spans, blocks free, cached or on their way): what is missing is in the program's hands."""
        live_spans = [s for s in self.spans.values() if s.owner is not None]
        total = sum(self.blocks[s.c] for s in live_spans)
        free = sum(s.free.bit_count() + sum(m.bit_count() for m in s.remote.values()) for s in live_spans)
        heaps = [*self.mine.values(), *self.parked]
        cached = sum(len(b.blocks) for h in heaps for b in h.bins.values())
        cached += sum(len(blocks) for depot in self.depots.values() for _, blocks in depot.full)
        return total, free, cached
