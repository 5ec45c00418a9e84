"""freehold-gdb.py - gdb shows Freehold's owners by what they hold.

    (gdb) print n              Box(Node) = {next = empty Box(Node), name = "first", id = 1}
    (gdb) print names          Vec(Str) of 3, room for 8 = {"a", "b", "c"}
    (gdb) print shared         Rc(Node), 2 owners, 1 weak = {...}
    (gdb) print counts         Map(Str, int) of 2 = {["to"] = 2, ["be"] = 2}
    (gdb) print value          {kind = TEXT, text = "four"}       a tagged union: the arm of its case alone

Installed beside libfreehold.so and under share/gdb/auto-load, so that gdb loads it with the library (it asks for
`add-auto-load-safe-path` first where the prefix is not one that it trusts). By hand: source freehold-gdb.py

Types are known by the names of their typedefs (fh_Box_Node), which is how DWARF has them; in a value that has lost its
typedef, a Box or an Rc is a plain pointer again, as it is for C.

Which arm of a tagged union belongs to which case is no part of DWARF. It is read from where the program says it: the
DROP_ENUM in the file that the struct stands in. Where that file is not at hand, all arms are shown, as gdb does by itself.
"""
import re

import gdb
import gdb.printing

PREFIX = "fh_"
FAMILIES = ("BoxIn", "Box", "ArcWeak", "Arc", "Weak", "Rc", "VecIn", "Vec", "Slice", "RefCell", "RefMut", "Ref", "Cell",
            "Option", "Result", "Map")


def spelled(name):
    """fh_Vec_fh_Box_Node as Vec(Box(Node)); fh_str as Str."""
    if name == "fh_str":
        return "Str"
    if name == "fh_str_view":
        return "StrView"
    for family in FAMILIES:
        start = PREFIX + family + "_"
        if name.startswith(start):
            rest = name[len(start):]
            if family == "Map":
                for key in ("fh_str", "size_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t", "int32_t",
                            "int64_t", "uintptr_t"):
                    if rest.startswith(key + "_"):
                        return f"Map({spelled(key)}, {spelled(rest[len(key) + 1:])})"
                key, _, value = rest.partition("_")
                return f"Map({key}, {spelled(value)})"
            return f"{family}({spelled(rest)})"
    return name


def type_name(value):
    return value.type.unqualified().name or value.type.strip_typedefs().tag or ""


def text_of(ptr, length):
    if int(ptr) == 0:
        return '""'
    shown = min(int(length), 200)
    raw = bytes(gdb.selected_inferior().read_memory(int(ptr), shown)) if shown else b""
    return '"' + raw.decode("utf-8", "replace").replace("\\", "\\\\").replace('"', '\\"') + '"' + ("..." if shown < int(length) else "")


class Text:
    def __init__(self, value, name):
        self.value = value

    def to_string(self):
        return text_of(self.value["ptr"], self.value["len"])


class Pointed:
    """Box, Rc, Arc: the value behind the pointer, with the counts where there are some."""

    def __init__(self, value, name):
        self.value, self.name = value, name

    def counts(self):
        if self.name.startswith(("fh_Box",)):
            return ""
        word = gdb.Value(int(self.value) - 8).cast(gdb.lookup_type("unsigned long").pointer()).dereference()
        strong, weak = int(word) & 0x7fffffff, (int(word) >> 32) - 1
        return f", {strong} owner{'' if strong == 1 else 's'}, {weak} weak"

    def to_string(self):
        if int(self.value) == 0:
            return "empty " + spelled(self.name)
        return f"{spelled(self.name)}{self.counts()} = {self.value.dereference()}"


class Weak:
    def __init__(self, value, name):
        self.value, self.name = value["fh_weak"], name

    def to_string(self):
        if int(self.value) == 0:
            return "empty " + spelled(self.name)
        word = gdb.Value(int(self.value) - 8).cast(gdb.lookup_type("unsigned long").pointer()).dereference()
        return f"{spelled(self.name)} to {int(self.value):#x}, {'alive' if int(word) & 0x7fffffff else 'gone'}"


class Held:
    """BoxIn, Ref, RefMut: a struct with a pointer to the value."""

    def __init__(self, value, name):
        self.value, self.name = value, name

    def to_string(self):
        if int(self.value["ptr"]) == 0:
            return "empty " + spelled(self.name)
        return f"{spelled(self.name)} = {self.value['ptr'].dereference()}"


class Elements:
    def __init__(self, value, name):
        self.value, self.name = value, name

    def to_string(self):
        room = f", room for {int(self.value['cap'])}" if self.name.startswith("fh_Vec") else ""
        return f"{spelled(self.name)} of {int(self.value['len'])}{room}"

    def children(self):
        for i in range(min(int(self.value["len"]), 200)):
            yield f"[{i}]", self.value["ptr"][i]

    def display_hint(self):
        return "array"


class Map:
    def __init__(self, value, name):
        self.value, self.name = value, name

    def to_string(self):
        return f"{spelled(self.name)} of {int(self.value['len'])}"

    def children(self):
        if int(self.value["len"]) == 0:
            return
        slots, places, shown = self.value["slots"], (int(self.value["mask"]) + 1) * 16, 0
        tags = gdb.selected_inferior().read_memory(int(slots) + places * slots.dereference().type.sizeof, places)
        for i in range(places):
            if tags[i][0] >= 0x80 and shown < 200:
                yield f"k{i}", slots[i]["key"]
                yield f"v{i}", slots[i]["value"]
                shown += 1

    def display_hint(self):
        return "map"


class Cell:
    def __init__(self, value, name):
        self.value, self.name = value, name

    def to_string(self):
        state = ""
        if self.name.startswith("fh_RefCell"):
            flag = int(self.value["fh_flag"])
            state = ", borrowed mutably" if flag < 0 else f", {flag} borrowed" if flag else ""
        return f"{spelled(self.name)}{state} = {self.value['value']}"


class Maybe:
    def __init__(self, value, name):
        self.value, self.name = value, name

    def to_string(self):
        if self.name.startswith("fh_Result"):
            error = int(self.value["error"])
            return f"error {error}" if error else f"ok {self.value['value']}"
        return f"some {self.value['value']}" if self.value["some"] else "none"


def followed(value, path):
    for name in path.split("."):
        value = value[name]
    return value


class Cases:
    """What a DROP_ENUM says: the tag's name, and for each case the arms that it owns."""

    known = {}  # (struct, file) -> Cases or None

    def __init__(self, tag, arms):
        self.tag, self.arms = tag, arms

    @classmethod
    def of(cls, struct):
        symbol = gdb.lookup_symbol(struct, domain=gdb.SYMBOL_STRUCT_DOMAIN)[0] if struct else None
        file = symbol.symtab.fullname() if symbol and symbol.symtab else None
        if (struct, file) not in cls.known:
            cls.known[struct, file] = cls.read(struct, file) if file else None
        return cls.known[struct, file]

    @classmethod
    def read(cls, struct, file):
        try:
            with open(file, encoding="utf-8", errors="replace") as source:
                text = re.sub(r"/\*.*?\*/|//[^\n]*|\\\n", " ", source.read(), flags=re.S)
        except OSError:
            return None
        group = r"\s*,\s*\((?:[^()]|\([^()]*\))*\)"  # (CASE, X, field), where X may be Vec(T) and the like
        said = re.search(rf"\b(?:FH_)?DROP_ENUM\(\s*{struct}\s*,\s*([\w.]+)((?:{group})*)\s*\)", text)
        if not said:
            return None
        arms = {}
        for one in re.finditer(group, said[2]):
            words = re.split(r",(?![^(]*\))", one[0].strip(" ,\n\t")[1:-1])
            arms.setdefault(words[0].strip(), set()).add(words[2].strip())
        return cls(said[1], arms)

    def live(self, value):
        """The fields of the case that `value` is in, and those of all others."""
        tag = followed(value, self.tag)
        numbers = {case: int(tag) if str(tag) == case else self.number(case) for case in self.arms}
        live = set().union(*(self.arms[case] for case in self.arms if numbers[case] == int(tag)))
        if None in numbers.values() and not live:  # a macro: who knows
            return str(tag), set(), set()
        return str(tag), live, set().union(*self.arms.values()) - live

    @staticmethod
    def number(case):
        try:
            return int(gdb.parse_and_eval(case))
        except gdb.error:
            return None


class Tagged:
    """A struct with a DROP_ENUM: of its union only what its case has. An arm that owns nothing stands in no DROP_ENUM:
    it is known by having the name of the case, else by being none of the others."""

    def __init__(self, value, cases):
        self.value, (self.case, self.live, self.dead) = value, cases.live(value)

    def to_string(self):
        return None

    def arms(self, union, prefix):
        names = [field.name for field in union.fields()]
        heads = [{path[len(prefix):].split(".")[0] for path in some if path.startswith(prefix)} for some in (self.live, self.dead)]
        alike = [n for n in names if self.case.lower() == n.lower() or self.case.lower().endswith("_" + n.lower())]
        if heads[0]:
            return [n for n in names if n in heads[0]]
        return alike or [n for n in names if n not in heads[1]]

    def children(self):
        for field in self.value.type.strip_typedefs().fields():
            part = self.value[field]
            if field.type.strip_typedefs().code != gdb.TYPE_CODE_UNION:
                yield field.name, part
                continue
            prefix = field.name + "." if field.name else ""
            for name in self.arms(field.type.strip_typedefs(), prefix):
                yield prefix + name, part[name]


PRINTERS = {"BoxIn": Held, "Box": Pointed, "Rc": Pointed, "Arc": Pointed, "Weak": Weak, "ArcWeak": Weak, "Vec": Elements,
            "VecIn": Elements, "Slice": Elements, "Map": Map, "Cell": Cell, "RefCell": Cell, "Ref": Held, "RefMut": Held,
            "Option": Maybe, "Result": Maybe}


def find(value):
    name = type_name(value)
    if not name.startswith(PREFIX):
        struct = value.type.strip_typedefs()
        cases = Cases.of(struct.tag) if struct.code == gdb.TYPE_CODE_STRUCT else None
        return Tagged(value, cases) if cases else None
    if name in ("fh_str", "fh_str_view"):
        return Text(value, name)
    if name.endswith("_slot"):
        return None
    for family in FAMILIES:
        if name.startswith(PREFIX + family + "_"):
            return PRINTERS[family](value, name)
    return None


find.name, find.enabled = "freehold", True
gdb.printing.register_pretty_printer(gdb.current_objfile(), find, replace=True)
