"""servers.py - programs that run long and answer many: a key-value server and a database."""
import os
import random
import re

from harness import program


def resp(*words):
    """One command as redis-cli --pipe wants it."""
    data = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in data)


def load(seed, count):
    """Commands on all types of data, with values of 1 byte to 64 KiB, the same for the same seed."""
    r = random.Random(seed)
    for n in range(count):
        key, size = "k%d" % r.randrange(3000), 1 << r.randrange(0, 11)
        yield r.choice([
            lambda: resp("SET", "s" + key, b"v" * r.randrange(1, 2 * size)),
            lambda: resp("SET", "x" + key, b"v" * r.randrange(1, 65536)) if n % 20 == 0 else resp("DEL", "x" + key),
            lambda: resp("APPEND", "s" + key, b"more" * r.randrange(1, 30)),
            lambda: resp("SETRANGE", "s" + key, r.randrange(5000), "range"),
            lambda: resp("HSET", "h" + key, "f%d" % r.randrange(200), b"w" * r.randrange(1, 200)),
            lambda: resp("HDEL", "h" + key, "f%d" % r.randrange(200)),
            lambda: resp("RPUSH", "l" + key, *[b"e" * r.randrange(1, size + 1) for _ in range(5)]),
            lambda: resp("LPOP", "l" + key),
            lambda: resp("SADD", "m" + key, *[r.randrange(1000) for _ in range(10)]),
            lambda: resp("SREM", "m" + key, r.randrange(1000)),
            lambda: resp("ZADD", "z" + key, r.randrange(1000), "member%d" % r.randrange(500)),
            lambda: resp("ZREMRANGEBYRANK", "z" + key, 0, 1),
            lambda: resp("DEL", r.choice("shlmz") + key),
            lambda: resp("XADD", "stream", "%d-1" % (n + 1), "field", "value%d" % n),
            lambda: resp("INCRBYFLOAT", "float", "0.5"),
        ])()


@program({"/usr/bin/redis-check-rdb": "redis-tools", "redis-cli": "redis-tools", "redis-benchmark": "redis-tools"}, limit=60,
         same_processes=False)  # it asks until the server is ready
def redis(run):
    """Redis, driven by redis-benchmark and redis-cli: all data types, saved by a forked child, reloaded, flushed by a thread"""
    # Debian's redis-tools holds the server too, under the name by which it checks files; it goes by argv[0].
    server = run.path("redis-server")
    os.symlink("/usr/bin/redis-check-rdb", server)
    socket = run.path("socket")

    def start():
        process = run.spawn([server, "--port", "0", "--unixsocket", socket, "--save", "",
                             "--enable-debug-command", "yes", "--loglevel", "warning", "--daemonize", "no",
                             "--appendonly", "yes", "--appendfsync", "no", "--lazyfree-lazy-user-del", "yes", "--hz", "100",
                             "--dir", run.dir])
        run.wait_for("the server's socket", lambda: os.path.exists(socket) and b"PONG" in cli("PING", note=False))
        return process

    def cli(*words, status=0, **options):
        return run.run(["redis-cli", "-s", socket] + list(words), status=None if "PING" in words else status, **options)

    process = start()
    run.run(["redis-benchmark", "-s", socket, "-n", "20000", "-c", "20", "-P", "10", "-d", "300", "-q",
             "-t", "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,zadd,lrange_100,mset"], note=False)
    cli("DEL", "myset", "mylist")  # left in an order that depends on how the clients took turns
    cli("DBSIZE")
    cli("--pipe", input=b"".join(load(1, 40000)), clean=lambda text: re.sub(rb"(?m)^.*(transferred|received).*$", b"", text))
    cli("EVAL", "local t = {} for i = 1, 20000 do t[i] = 'x' .. i end redis.call('SET', 'lua', table.concat(t)) return #t", "0")
    cli("SORT", "mk5", "ALPHA")
    cli("DEBUG", "DIGEST")
    cli("BGSAVE", note=False)
    run.wait_for("the forked child's dump", lambda: b"rdb_bgsave_in_progress:0" in cli("INFO", "persistence", note=False))
    cli("BGREWRITEAOF", note=False)
    run.wait_for("the forked child's log", lambda: b"aof_rewrite_in_progress:0" in cli("INFO", "persistence", note=False)
                 and b"aof_rewrite_scheduled:0" in cli("INFO", "persistence", note=False))
    cli("DEBUG", "RELOAD")
    cli("DEBUG", "DIGEST")
    run.stop(process)
    os.path.exists(socket) and os.unlink(socket)
    process = start()
    cli("DEBUG", "DIGEST")
    run.run(["redis-benchmark", "-s", socket, "-n", "20000", "-c", "30", "-r", "5000", "-d", "1500", "-P", "4", "-q", "-t", "set,get"],
            note=False)
    cli("FLUSHALL", "ASYNC")
    cli("MEMORY", "PURGE")
    cli("DBSIZE")
    cli("--pipe", input=b"".join(load(2, 5000)), clean=lambda text: re.sub(rb"(?m)^.*(transferred|received).*$", b"", text))
    cli("DEBUG", "DIGEST")
    cli("SHUTDOWN", "NOSAVE", note=False)
    process.wait(timeout=run.left())


@program({"sqlite3": "sqlite3"})
def sqlite(run):
    """SQLite: in memory and in a file, indexes, full text, JSON, sorting on threads, a dump and its reading back"""
    script = run.work("workload.sql")
    with open(script) as f:
        text = f.read()
    memory = run.run(["sqlite3", ":memory:"], input=text)
    file = run.run(["sqlite3", "file.db"], input=text)
    run.note("file and memory agree", memory == file)
    dump = run.run(["sqlite3", "file.db", ".dump"])
    run.run(["sqlite3", "again.db"], input=dump)
    run.run(["sqlite3", "again.db", ".sha3sum --schema", "PRAGMA integrity_check", "VACUUM INTO 'small.db'"])
    run.run(["sqlite3", "small.db", ".selftest", ".dbinfo"], status=None)
    run.run(["sqlite3", ":memory:", "PRAGMA hard_heap_limit=2000000", "SELECT length(hex(zeroblob(10000000)))"], status=7)
