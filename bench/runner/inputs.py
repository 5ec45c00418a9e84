"""What the real programs are given: generated from a seeded source of chance, the same on every machine.

Each function writes to a file and is told how long the input shall be by `scale`."""

WORDS = ("span class bin extent arena region frame owner borrow drop page thread cache block free hold live asked "
         "stack heap walk flush refill decay purge adopt").split()


def count(n, scale):
    return max(1, int(n * scale))


def sentence(chance, words):
    return " ".join(chance.choice(WORDS) + str(chance.randrange(100)) for _ in range(words))


def text(f, chance, scale):
    """Lines of words, for xz."""
    for number in range(count(90000, scale)):
        f.write("%d %s\n" % (number, sentence(chance, 12)))


def sql(f, chance, scale):
    """Three tables with indices, changed and joined."""
    f.write("pragma journal_mode=memory; pragma cache_size=2000;\n"
            "create table person(id integer primary key, name text, age integer, note text);\n"
            "create table purchase(id integer primary key, person integer, item text, price real);\n"
            "create index by_name on person(name); create index by_person on purchase(person);\nbegin;\n")
    people = count(15000, scale)
    for number in range(people):
        f.write("insert into person values(%d,'%s',%d,'%s');\n"
                % (number, sentence(chance, 2), chance.randrange(90), sentence(chance, chance.randrange(1, 12))))
    for number in range(3 * people):
        f.write("insert into purchase values(%d,%d,'%s',%.2f);\n"
                % (number, chance.randrange(people), chance.choice(WORDS), chance.random() * 100))
    f.write("commit;\n")
    for _ in range(count(15, scale)):
        f.write("select item, count(*), round(sum(price),2), group_concat(substr(name,1,3)) from purchase join person "
                "on person.id=purchase.person where age>%d group by item order by 2,1;\n" % chance.randrange(40, 80))
        f.write("update person set note=note||' %s' where id%%7=%d;\n" % (sentence(chance, 3), chance.randrange(7)))
        f.write("delete from purchase where id%%97=%d;\n" % chance.randrange(97))
    f.write("select count(*), sum(length(note)) from person; select count(*) from purchase;\n")


def c_source(f, chance, scale):
    """Functions over structs, loops and switches, for gcc."""
    f.write("struct node { struct node *next; long key, value; char name[24]; };\nextern void out(long);\n")
    for n in range(count(140, scale)):
        f.write("static long f%d(struct node *list, long a, long b) {\n" % n)
        f.write("    long sum = %d;\n" % chance.randrange(99))
        f.write("    for (struct node *p = list; p; p = p->next) {\n        switch ((p->key + a) %% %d) {\n"
                % chance.randrange(5, 12))
        for case in range(5):
            f.write("        case %d: sum += p->value * %d + (b >> %d); p->name[%d] ^= (char)sum; break;\n"
                    % (case, chance.randrange(1, 99), chance.randrange(1, 9), chance.randrange(24)))
        f.write("        default: while (a > b) { sum ^= a * b; a -= %d; }\n        }\n    }\n"
                "    for (long i = 0; i < a; i++) for (long j = i; j < b; j++) sum += i * j + %s;\n    return sum;\n}\n"
                % (chance.randrange(1, 9), "f%d(list, i, j)" % (n - 1 - chance.randrange(min(n, 9))) if n else "1"))
    f.write("long all(struct node *l) { long s = 0;\n")
    for n in range(count(140, scale)):
        f.write("s += f%d(l, s, %d); out(s);\n" % (n, n))
    f.write("return s; }\n")


CXX_FUNCTION = """
struct t# { int a[@]; std::string s; bool operator<(const t# &o) const { return s < o.s; } };
long f#(std::vector<std::string> &v) {
    std::map<std::string, t#> m;
    std::unordered_map<int, std::shared_ptr<t#>> u;
    std::vector<t#> w;
    for (auto &s : v) { m[s].s = s; u[(int)s.size()] = std::make_shared<t#>(m[s]); w.push_back(m[s]); }
    std::sort(w.begin(), w.end());
    std::function<long(int)> g = [&](int k) { return k ? (long)u.count(k) + g(k - 1) : 0; };
    return (long)m.size() + g((int)w.size());
}
"""


def cxx_source(f, chance, scale):
    """Containers of many types, for g++."""
    for name in ("algorithm", "functional", "map", "memory", "string", "unordered_map", "vector"):
        f.write("#include <%s>\n" % name)
    for n in range(count(4, scale)):
        f.write(CXX_FUNCTION.replace("#", str(n)).replace("@", str(1 + chance.randrange(30))))


def repository(f, chance, scale):
    """A stream for git fast-import: files of lines that change a little from commit to commit."""
    files = {n: [sentence(chance, 8) for _ in range(chance.randrange(20, 400))] for n in range(60)}
    for number in range(count(250, scale)):
        f.write("commit refs/heads/main\ncommitter A Person <person@example.org> %d +0000\ndata 6\nchange\n"
                % (1600000000 + 60 * number))
        for name in range(60) if number == 0 else chance.sample(range(60), 8):
            lines = files[name]
            for _ in range(4):
                lines[chance.randrange(len(lines))] = sentence(chance, 8)
            body = "\n".join(lines) + "\n"
            f.write("M 100644 inline folder%d/file%d.txt\ndata %d\n%s" % (name % 7, name, len(body), body))
    f.write("done\n")


def redis_commands(f, chance, scale):
    """Commands a line each, in pieces that \\f separates."""
    for piece in range(count(200, scale)):
        if piece:
            f.write("\f")
        for _ in range(1500):
            key, what = chance.randrange(40000), chance.randrange(10)
            if what < 4:
                f.write("SET s%d %s\r\n" % (key, "x" * (1 << chance.randrange(10))))
            elif what < 5:
                f.write("APPEND s%d %s\r\n" % (key, "y" * chance.randrange(1, 60)))
            elif what < 6:
                f.write("HSET h%d field%d %s\r\n" % (key % 2000, chance.randrange(200), chance.choice(WORDS)))
            elif what < 7:
                f.write("LPUSH l%d %s\r\n" % (key % 1000, "z" * chance.randrange(1, 100)))
            elif what < 8:
                f.write("RPOP l%d\r\n" % (key % 1000))
            elif what < 9:
                f.write("DEL s%d h%d\r\n" % (chance.randrange(40000), key % 20000))
            else:
                f.write("GET s%d\r\n" % key)
