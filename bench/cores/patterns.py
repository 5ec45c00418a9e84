"""What programs do with an allocator from many threads, as generators for the model's machine.

    steady     each thread allocates 200 blocks and frees them, over and over: fewer than a bin holds
    local      the same with 1000 blocks: more than a bin holds
    bursts     the same with 4000: spans are used up and become empty, over and over
    pairs      half of the threads allocate messages in batches of 256, each for a partner that frees them
    exchange   each thread allocates batches of 120 and frees those that others sent to it: everybody's blocks go everywhere
    bleeding   each thread has 1000 blocks and replaces some of them, ends, and leaves them to a successor

They use one size unless told otherwise: the worst case, as each class has its own depot. patterns.c does the same for real
(but for steady).
"""

BURST, SMALL_BURST, LARGE_BURST = 1000, 200, 4000
MESSAGES, DEPTH = 256, 32
BATCH = 120
TABLE, REPLACED, LIVES = 1000, 1000, 250  # of the table, so many are replaced in a life, in so many calls of either kind


def step(x):
    """The next number by chance (a linear congruential generator: the same as in patterns.c)."""
    return (x * 6364136223846793005 + 1442695040888963407) % 2 ** 64


def local(machine, allocator, threads, rounds, classes, burst=BURST):
    def body(t):
        yield from allocator.begin_thread(t)
        for r in range(rounds):
            c = (t.number + r) % classes
            blocks = yield from allocator.alloc(t, c, burst)
            yield from allocator.free(t, c, blocks)
    for _ in range(threads):
        machine.start(body)


def steady(machine, allocator, threads, rounds, classes):
    local(machine, allocator, threads, rounds, classes, SMALL_BURST)


def bursts(machine, allocator, threads, rounds, classes):
    local(machine, allocator, threads, rounds, classes, LARGE_BURST)


def pairs(machine, allocator, threads, rounds, classes):
    """A queue of at most DEPTH batches; its own cost is not the allocator's."""
    for pair in range(threads // 2):
        queue, ends = [], [0.0]
        c = pair % classes

        def produce(t, queue=queue, ends=ends, c=c):
            yield from allocator.begin_thread(t)
            for _ in range(rounds):
                while len(queue) >= DEPTH:
                    yield from t.pause(t.now + 500)
                blocks = yield from allocator.alloc(t, c, MESSAGES)
                queue.append((t.now, blocks))
            queue.append((t.now, None))

        def consume(t, queue=queue, c=c):
            yield from allocator.begin_thread(t)
            while True:
                while not queue:
                    yield from t.pause(t.now + 500)
                at, blocks = queue.pop(0)
                if blocks is None:
                    return
                yield from t.pause(at)
                yield from allocator.free(t, c, blocks)

        machine.start(produce)
        machine.start(consume)


def exchange(machine, allocator, threads, rounds, classes):
    inboxes = [[] for _ in range(threads)]

    def body(t):
        yield from allocator.begin_thread(t)
        x = t.number + 1
        for r in range(rounds):
            c = r % classes
            blocks = yield from allocator.alloc(t, c, BATCH)
            x = step(x)
            inboxes[(x >> 33) % threads].append((t.now, c, blocks))
            yield from t.pause(t.now)
            inbox, inboxes[t.number] = inboxes[t.number], []
            for at, k, freed in inbox:
                yield from t.pause(at)
                yield from allocator.free(t, k, freed)
    for _ in range(threads):
        machine.start(body)


def bleeding(machine, allocator, threads, rounds, classes):
    tables = [[] for _ in range(threads)]

    def body(t):
        x = t.number + 1
        for r in range(rounds):
            yield from allocator.begin_thread(t)
            c = t.number % classes  # of the table, not of the thread: it is passed on to a thread of the same class
            table = tables[(t.number + r * classes) % threads]
            if not table:
                table += yield from allocator.alloc(t, c, TABLE)
            for _ in range(REPLACED // LIVES):
                freed = []
                for _ in range(LIVES):
                    x = step(x)
                    freed.append(table.pop((x >> 33) % len(table)))
                yield from allocator.free(t, c, freed)
                table += yield from allocator.alloc(t, c, LIVES)
            yield from allocator.end_thread(t)
            yield from t.pause(t.now)
    for _ in range(threads):
        machine.start(body)


PATTERNS = {"steady": steady, "local": local, "bursts": bursts, "pairs": pairs, "exchange": exchange, "bleeding": bleeding}
ROUNDS = {"steady": 150, "local": 30, "bursts": 24, "pairs": 150, "exchange": 200, "bleeding": 12}
