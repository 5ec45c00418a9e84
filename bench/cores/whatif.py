"""Changes to the heap, tried in the model before anybody builds them."""

from freehold import Freehold


class OwnShelf(Freehold):
    """Each bin keeps one full magazine and one empty one at hand: Bonwick's `previous`. A thread that allocates and
    frees in turn goes to the depot half as often, and one that swings around the end of a magazine never."""

    name = "one magazine at hand"

    def __init__(self, machine, sizes):
        super().__init__(machine, sizes)
        self.shelf = {}  # (thread, class) -> (magazine, blocks): full or empty

    def exchange(self, t, heap, c, bin):
        at_hand = self.shelf.get((t.number, c))
        if at_hand and at_hand[1]:
            self.shelf[t.number, c] = (bin.magazine, [])
            bin.magazine, bin.blocks = at_hand
            return True
        return (yield from super().exchange(t, heap, c, bin))

    def hand_over(self, t, heap, c, bin):
        at_hand = self.shelf.get((t.number, c))
        if at_hand is None or (not at_hand[1] and at_hand[0].capacity == bin.magazine.capacity):
            empty = at_hand[0] if at_hand else (yield from self.magazine_new(t, heap, bin.magazine.capacity))
            self.shelf[t.number, c] = (bin.magazine, bin.blocks)
            bin.magazine, bin.blocks = empty, []
            return True
        return (yield from super().hand_over(t, heap, c, bin))

    def end_thread(self, t):
        heap = self.mine[t.number]
        for key in [k for k in self.shelf if k[0] == t.number]:
            magazine, blocks = self.shelf.pop(key)
            yield from t.lock(heap.lock)
            if blocks:
                yield from self.give(t, heap, key[1], blocks)
            yield from self.magazine_end(t, heap, magazine)
            yield from t.unlock(heap.lock)
        yield from super().end_thread(t)

    def balance(self):
        total, free, cached = super().balance()
        return total, free, cached + sum(len(blocks) for _, blocks in self.shelf.values())


class OneDepot(Freehold):
    """A single depot for each class, however many threads there are: what the shards are worth."""

    name = "one depot a class"

    def shards(self):
        return 1


class NothingAtHand(Freehold):
    """Each magazine comes from the books and goes back to them at once."""

    name = "no magazines at hand"

    def magazine_end(self, t, heap, magazine):
        yield from t.lock(self.meta)
        self.meta_free.setdefault(magazine.capacity, []).append(magazine)
        yield from t.unlock(self.meta)

    @staticmethod
    def half(capacity):
        return 1


class ParkedInShards(Freehold):
    """A list of parked heaps, with its lock, for each eight threads; a thread looks into its own only."""

    name = "parked heaps in shards"

    def __init__(self, machine, sizes):
        super().__init__(machine, sizes)
        self.lists = {}

    def parked_of(self, t):
        shard = t.number // 8
        return self.m.lock("the parked heaps' lock", shard), self.lists.setdefault(shard, [])
