"""A machine of many cores, as far as an allocator can feel it: cache lines that move between cores, atomic operations, locks.

A thread is a Python generator on a core of its own. It has a clock in nanoseconds; the thread whose clock is least goes on, as
far as its next access to something shared. So a run is a function of its parameters: no chance, no real time.

    line       is held by one core that may write it, or by many that read it. Access by a core that does not hold it (or that
               writes what others hold too) is one transfer. Transfers of one line wait for each other.
    atomic     a read-modify-write: a transfer, if the line is elsewhere, and the operation.
    lock       one atomic to take, one to give. Who finds it held waits, in a fair queue; the line is handed from core to core.

Left out: caches that are too small, the distance between sockets (TRANSFER is one number), several threads to a core, and what
it costs when waiting threads sleep in the kernel. Where the model says that a lock is busy most of the time, a real machine
will do worse than the model.
"""

import heapq

ATOMIC = 20.0  # ns, an atomic operation on a line that the core holds; the lock prefix drains the store buffer
TRANSFER = 80.0  # ns, a line from another core's cache; 60 to 100 within a socket
CALL = 2.0  # ns, a malloc or a free that only touches the thread's bin
SLOW = 30.0  # ns, the way into a slow path and out of it
BLOCK = 1.0  # ns, to move a block between an array and a bitmap
RUN = 5.0  # ns, to find a run of neighbours and its place
STOP = "stop"


class Line:
    __slots__ = ("holders", "free_at", "busy", "name")

    def __init__(self, name):
        self.name, self.holders, self.free_at, self.busy = name, frozenset(), 0.0, 0.0


class Lock:
    __slots__ = ("line", "holder", "since", "held", "waiters")

    def __init__(self, name):
        self.line, self.holder, self.since, self.held, self.waiters = Line(name), None, 0.0, 0.0, []


class Thread:
    __slots__ = ("machine", "number", "now", "atomics", "transfers", "waited", "pairs", "finished")

    def __init__(self, machine, number):
        self.machine, self.number, self.now = machine, number, 0.0
        self.atomics = self.transfers = self.pairs = 0
        self.waited, self.finished = 0.0, False

    # Each of these is a generator: `yield from` it.

    def _access(self, line, write, cost):
        mine = line.holders == {self.number} if write else self.number in line.holders
        if not mine:
            yield
        moves = line.holders and not (line.holders == {self.number} if write else self.number in line.holders)
        start = max(self.now, line.free_at) if moves else self.now
        self.now = start + cost + (TRANSFER if moves else 0)
        if moves:
            self.transfers += 1
            line.free_at = self.now
            line.busy += self.now - start
        line.holders = frozenset((self.number,)) if write else line.holders | {self.number}

    def read(self, line):
        return self._access(line, False, 0.0)

    def write(self, line):
        return self._access(line, True, 0.0)

    def atomic(self, line):
        self.atomics += 1
        yield  # also where the line is here: nobody may be left behind by who is busy with what is its own
        yield from self._access(line, True, ATOMIC)

    def move_lines(self, count):
        """`count` lines that nobody else is waiting for come here from another core, one after the other."""
        self.transfers += count
        self.now += count * TRANSFER

    def trylock(self, lock):
        yield from self.atomic(lock.line)
        if lock.holder is not None or lock.since > self.now:  # held, or given back later than our now
            return False
        lock.holder, lock.since = self, self.now
        return True

    def lock(self, lock):
        if (yield from self.trylock(lock)):
            return
        before = self.now
        if lock.holder is None:
            lock.holder = self
        else:
            lock.waiters.append(self)
            yield STOP  # until unlock makes us the holder
        self.atomics += 1
        self.transfers += 1
        self.now = max(self.now, lock.since) + TRANSFER + ATOMIC
        lock.line.holders = frozenset((self.number,))
        self.waited += self.now - before
        yield

    def unlock(self, lock):
        yield from self.atomic(lock.line)
        lock.held += self.now - lock.since
        lock.holder, lock.since = None, self.now
        if lock.waiters:
            lock.holder = lock.waiters.pop(0)
            self.machine.wake(lock.holder)

    def pause(self, until):
        """Waits for something of the program's own, not the allocator's."""
        self.now = max(self.now, until)
        yield


class Machine:
    def __init__(self):
        self.threads, self.bodies, self.queue, self.locks, self.lines = [], {}, [], {}, {}

    def lock(self, *name):
        if name not in self.locks:
            self.locks[name] = Lock(name)
        return self.locks[name]

    def line(self, *name):
        if name not in self.lines:
            self.lines[name] = Line(name)
        return self.lines[name]

    def start(self, body):
        """body(thread) is a generator."""
        thread = Thread(self, len(self.threads))
        thread.now = thread.number * 7.0 % 100  # not all at the same instant
        self.threads.append(thread)
        self.bodies[thread.number] = body(thread)
        self.wake(thread)

    def wake(self, thread):
        heapq.heappush(self.queue, (thread.now, thread.number))

    def run(self):
        while self.queue:
            _, number = heapq.heappop(self.queue)
            thread, body = self.threads[number], self.bodies[number]
            for said in body:
                if said == STOP:
                    break
                if self.queue and self.queue[0][0] < thread.now:
                    self.wake(thread)
                    break
            else:
                thread.finished = True
        if not all(t.finished for t in self.threads):
            raise RuntimeError("threads wait for each other for ever")

    def totals(self):
        """What was counted: sums over the threads, and by lock and line."""
        return {
            "pairs": sum(t.pairs for t in self.threads),
            "atomics": sum(t.atomics for t in self.threads),
            "transfers": sum(t.transfers for t in self.threads),
            "waited": sum(t.waited for t in self.threads),
            "lived": sum(t.now for t in self.threads),
            "elapsed": max(t.now for t in self.threads),
            "held": {name: lock.held for name, lock in self.locks.items() if name[0] != "a heap's lock"},
            "moving": {line.name: line.busy for line in [*self.lines.values(), *(lock.line for lock in self.locks.values())]},
        }


def _most(now, before, elapsed):
    """(name, share of the time) of what was busy most."""
    name = max(now, key=lambda n: now[n] - before.get(n, 0.0), default=("none",))
    return name[0], (now.get(name, 0.0) - before.get(name, 0.0)) / elapsed


def result(totals, before=None):
    """The numbers of a run, for each pair of an allocation and a free. `before`: totals of a shorter run, whose part is left out:
    so what it costs to begin is not in the numbers."""
    none = {key: {} if isinstance(value, dict) else 0 for key, value in totals.items()}
    before = before or none
    more = {key: totals[key] - before[key] for key, value in totals.items() if not isinstance(value, dict)}
    return {
        "pairs": more["pairs"],
        "atomics": more["atomics"] / more["pairs"],
        "transfers": more["transfers"] / more["pairs"],
        "waited": more["waited"] / more["lived"],
        "lock": _most(totals["held"], before["held"], more["elapsed"]),
        "line": _most(totals["moving"], before["moving"], more["elapsed"]),
        "rate": more["pairs"] / more["elapsed"] * 1000,  # million pairs a second, all threads together
    }
