"""Changes to the heap, tried in the model before anybody builds them."""

from freehold import Freehold


class EmptiesInDepot(Freehold):
    """The depot keeps empty magazines too, as Bonwick's does: a thread changes a full one for an empty one, or the other way
    round, under the depot's lock alone. The books' lock is for bins that grow."""

    name = "empties in the depot"

    def __init__(self, machine, sizes):
        super().__init__(machine, sizes)
        self.empties = [[] for _ in sizes]

    def exchange(self, t, c, bin):
        yield from t.read(self.depot[c].line)
        if self.in_depot[c] == 0 or not (yield from t.trylock(self.depot[c])):
            return False
        full = self.magazines[c].pop() if self.magazines[c] else None
        if full:
            self.in_depot[c] -= full[0].capacity
            self.empties[c].append(bin.magazine)
        yield from t.unlock(self.depot[c])
        if full is None:
            return False
        bin.magazine, bin.blocks = full
        self.fetch(t, bin.magazine)
        return True

    def hand_over(self, t, c, bin):
        yield from t.read(self.depot[c].line)
        yield from t.read(self.class_line(c))
        if not self.has_room(c, bin) or not (yield from t.trylock(self.depot[c])):
            return False
        put = self.has_room(c, bin)
        empty = None
        if put:
            self.magazines[c].append((bin.magazine, bin.blocks))
            self.in_depot[c] += bin.magazine.capacity
            fitting = [m for m in self.empties[c] if m.capacity == bin.magazine.capacity]
            if fitting:
                empty = fitting[-1]
                self.empties[c].remove(empty)
        yield from t.unlock(self.depot[c])
        if not put:
            return False
        if empty:
            self.fetch(t, empty)
        else:
            empty = yield from self.magazine_new(t, bin.magazine.capacity)
        bin.magazine, bin.blocks = empty, []
        return True


class OwnShelf(EmptiesInDepot):
    """Besides, each bin keeps one full magazine and one empty one at hand: Bonwick's `previous`. A thread that allocates and
    frees in turn goes to the depot half as often, and one that swings around the end of a magazine never."""

    name = "one magazine at hand"

    def __init__(self, machine, sizes):
        super().__init__(machine, sizes)
        self.shelf = {}  # (thread, class) -> (magazine, blocks): full or empty

    def exchange(self, t, c, bin):
        at_hand = self.shelf.get((t.number, c))
        if at_hand and at_hand[1]:
            self.shelf[t.number, c] = (bin.magazine, [])
            bin.magazine, bin.blocks = at_hand
            return True
        return (yield from super().exchange(t, c, bin))

    def hand_over(self, t, c, bin):
        at_hand = self.shelf.get((t.number, c))
        if at_hand is None or (not at_hand[1] and at_hand[0].capacity == bin.magazine.capacity):
            empty = at_hand[0] if at_hand else (yield from self.magazine_new(t, bin.magazine.capacity))
            self.shelf[t.number, c] = (bin.magazine, bin.blocks)
            bin.magazine, bin.blocks = empty, []
            return True
        return (yield from super().hand_over(t, c, bin))

    def end_thread(self, t):
        heap = self.mine[t.number]
        for key in [k for k in self.shelf if k[0] == t.number]:
            magazine, blocks = self.shelf.pop(key)
            yield from t.lock(heap.lock)
            if blocks:
                yield from self.give(t, heap, key[1], blocks)
            yield from self.magazine_end(t, magazine)
            yield from t.unlock(heap.lock)
        yield from super().end_thread(t)

    def balance(self):
        total, free, cached = super().balance()
        return total, free, cached + sum(len(blocks) for _, blocks in self.shelf.values())


class Shards(EmptiesInDepot):
    """Besides, a class has one depot for each eight threads. Who finds its own empty looks at the next three."""

    name = "a depot for eight threads"
    EACH, LOOKS = 8, 4

    def __init__(self, machine, sizes):
        super().__init__(machine, sizes)
        self.parts = {}

    def part(self, shard, c):
        if (shard, c) not in self.parts:
            self.parts[shard, c] = (self.m.lock("the depot's lock", c, shard), [[]], [0], [[]])
        return self.parts[shard, c]

    def exchange(self, t, c, bin):
        shards = max(1, len(self.m.threads) // self.EACH)
        for look in range(min(self.LOOKS, shards)):
            lock, magazines, count, empties = self.part((t.number // self.EACH + look) % shards, c)
            yield from t.read(lock.line)
            if count[0] == 0 or not (yield from t.trylock(lock)):
                continue
            full = magazines[0].pop() if magazines[0] else None
            if full:
                count[0] -= full[0].capacity
                empties[0].append(bin.magazine)
            yield from t.unlock(lock)
            if full:
                bin.magazine, bin.blocks = full
                self.fetch(t, bin.magazine)
                return True
        return False

    def hand_over(self, t, c, bin):
        shards = max(1, len(self.m.threads) // self.EACH)
        lock, magazines, count, empties = self.part(t.number // self.EACH % shards, c)
        yield from t.read(lock.line)
        yield from t.read(self.class_line(c))
        self.in_depot[c] = count[0]
        if not self.has_room(c, bin) or not (yield from t.trylock(lock)):
            return False
        magazines[0].append((bin.magazine, bin.blocks))
        count[0] += bin.magazine.capacity
        fitting = [m for m in empties[0] if m.capacity == bin.magazine.capacity]
        empty = fitting[-1] if fitting else None
        if empty:
            empties[0].remove(empty)
        yield from t.unlock(lock)
        if empty:
            self.fetch(t, empty)
        else:
            empty = yield from self.magazine_new(t, bin.magazine.capacity)
        bin.magazine, bin.blocks = empty, []
        return True

    def balance(self):
        total, free, cached = super().balance()
        return total, free, cached + sum(len(blocks) for _, m, _, _ in self.parts.values() for _, blocks in m[0])
