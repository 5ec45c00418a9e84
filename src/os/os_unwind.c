/* os_unwind.c - an unwinder for .eh_frame (DWARF call frame information) on x86-64 and aarch64.
 *
 * Why our own: libgcc's begins at its caller and must get through the signal frame and our change of stacks;
 * libunwind would be a dependency of the core; both take locks of the loader. And a report walks a million
 * frames: with rows cached by pc, a step here is a few dozen instructions.
 *
 *     pc --(eh_frame_hdr, binary search)--> FDE --(run its program up to pc)--> row:
 *         CFA = register + offset, or an expression
 *         for each register: the same | at CFA + offset | CFA + offset | another register | an expression
 *     apply the row to the registers: the caller's registers
 *
 * What is not understood ends the walk rather than guessing.
 */
#include "os/os_unwind.h"

#include "os/os.h"
#include "os/os_maps.h"

#include <string.h>
#include <ucontext.h>

/* ---------------------------------------------------------------- registers ---------------------------- */

void fh_os_registers_of(const void *context, struct fh_os_registers *registers) {
    const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
    static const unsigned char order[16] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                            REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                            REG_R12, REG_R13, REG_R14, REG_R15};
    for (size_t i = 0; i < 16; i++) registers->r[i] = (uintptr_t)machine->gregs[order[i]];
    registers->pc = registers->r[FH_OS_RA] = (uintptr_t)machine->gregs[REG_RIP];
#else
    for (size_t i = 0; i < 31; i++) registers->r[i] = (uintptr_t)machine->regs[i];
    registers->r[FH_OS_SP] = (uintptr_t)machine->sp;
    registers->pc = (uintptr_t)machine->pc;
#endif
}

/* ---------------------------------------------------------------- memory ------------------------------- */

struct place {
    uintptr_t address, low, high;
};

static bool holds(const struct fh_os_mapping *mapping, void *context) {
    struct place *place = context;
    if (place->address >= mapping->high) return true;
    if (place->address >= mapping->low && mapping->read) {
        place->low = mapping->low;
        place->high = mapping->high;
    }
    return false;
}

static bool load(struct fh_os_unwind *walk, uintptr_t address, uintptr_t *value) {
    if (address == 0) return false;
    if (address < walk->low || address > walk->high - sizeof *value || walk->high == 0) {
        struct place place = {address, 0, 0};
        fh_os_maps(holds, &place);
        if (place.high == 0 || address > place.high - sizeof *value) return false;
        walk->low = place.low;
        walk->high = place.high;
    }
    memcpy(value, (const void *)address, sizeof *value);
    return true;
}

/* ---------------------------------------------------------------- reading ------------------------------ */

/* A place in unwind information, and where that ends. */
struct cursor {
    const uint8_t *at, *end;
};

static uint64_t take(struct cursor *cursor, size_t size) {
    uint64_t value = 0;
    if ((size_t)(cursor->end - cursor->at) < size) {
        cursor->at = cursor->end;
        return 0;
    }
    memcpy(&value, cursor->at, size);
    cursor->at += size;
    return value;
}

static uint64_t take_uleb(struct cursor *cursor) {
    uint64_t value = 0;
    for (unsigned shift = 0; cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) break;
    }
    return value;
}

static int64_t take_sleb(struct cursor *cursor) {
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte = 0;
    while (cursor->at < cursor->end) {
        byte = *cursor->at++;
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) break;
    }
    if (shift < 64 && (byte & 0x40)) value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

enum { PE_OMIT = 0xff, PE_PCREL = 0x10, PE_DATAREL = 0x30, PE_INDIRECT = 0x80 };

/* A pointer in the encoding of the tables. `data` is what data-relative ones count from. */
static uintptr_t take_pointer(struct cursor *cursor, unsigned encoding, uintptr_t data) {
    uintptr_t here = (uintptr_t)cursor->at, value;
    switch (encoding & 0x0f) {
        case 0x01: value = (uintptr_t)take_uleb(cursor); break;
        case 0x02: value = (uintptr_t)take(cursor, 2); break;
        case 0x03: value = (uintptr_t)take(cursor, 4); break;
        case 0x09: value = (uintptr_t)take_sleb(cursor); break;
        case 0x0a: value = (uintptr_t)(int64_t)(int16_t)take(cursor, 2); break;
        case 0x0b: value = (uintptr_t)(int64_t)(int32_t)take(cursor, 4); break;
        default: value = (uintptr_t)take(cursor, 8); break;
    }
    if (value != 0 && (encoding & 0x70) == PE_PCREL) value += here;
    if (value != 0 && (encoding & 0x70) == PE_DATAREL) value += data;
    return value;
}

/* ---------------------------------------------------------------- FDE and CIE -------------------------- */

struct description {
    uintptr_t begin, end; /* of the function */
    struct cursor start, program;
    uint64_t code_align;
    int64_t data_align;
    uint64_t return_register;
    bool signal;
};

/* A length-prefixed record; *record is what follows the length. False: the end, or not one we know. */
static bool open_record(const uint8_t *at, struct cursor *record) {
    uint32_t length;
    memcpy(&length, at, 4);
    if (length == 0 || length == 0xffffffff) return false;
    *record = (struct cursor){at + 4, at + 4 + length};
    return true;
}

static bool read_cie(const uint8_t *at, struct description *out, unsigned *pointer_encoding, bool *augmented) {
    struct cursor cie;
    if (!open_record(at, &cie) || take(&cie, 4) != 0) return false;
    unsigned version = (unsigned)take(&cie, 1);
    const char *augmentation = (const char *)cie.at;
    cie.at += strnlen(augmentation, (size_t)(cie.end - cie.at)) + 1;
    if (version == 4) take(&cie, 2);
    out->code_align = take_uleb(&cie);
    out->data_align = take_sleb(&cie);
    out->return_register = version == 1 ? take(&cie, 1) : take_uleb(&cie);
    *augmented = augmentation[0] == 'z';
    if (augmentation[0] != '\0' && !*augmented) return false;
    if (*augmented) {
        uint64_t length = take_uleb(&cie);
        struct cursor data = {cie.at, cie.at + length};
        cie.at += length;
        for (const char *letter = augmentation + 1; *letter != '\0'; letter++) {
            if (*letter == 'R') {
                *pointer_encoding = (unsigned)take(&data, 1);
            } else if (*letter == 'P') {
                unsigned encoding = (unsigned)take(&data, 1);
                take_pointer(&data, encoding & ~(unsigned)PE_INDIRECT, 0);
            } else if (*letter == 'L') {
                take(&data, 1);
            } else if (*letter == 'S') {
                out->signal = true;
            }
        }
    }
    out->start = cie;
    return true;
}

static bool read_fde(const uint8_t *at, struct description *out) {
    struct cursor fde;
    unsigned encoding = 0;
    bool augmented;
    if (!open_record(at, &fde)) return false;
    const uint8_t *here = fde.at;
    uint64_t distance = take(&fde, 4);
    *out = (struct description){0};
    if (distance == 0 || !read_cie(here - distance, out, &encoding, &augmented)) return false;
    out->begin = take_pointer(&fde, encoding, 0);
    out->end = out->begin + take_pointer(&fde, encoding & 0x0f, 0);
    if (augmented) fde.at += take_uleb(&fde);
    out->program = fde;
    return true;
}

static bool find_in_table(const struct fh_os_module *module, uintptr_t pc, struct description *out) {
    struct cursor header = {(const uint8_t *)module->eh_frame_hdr, (const uint8_t *)module->eh_frame_hdr + 64};
    if (take(&header, 1) != 1) return false;
    unsigned frame = (unsigned)take(&header, 1), count_encoding = (unsigned)take(&header, 1),
             table = (unsigned)take(&header, 1);
    take_pointer(&header, frame, module->eh_frame_hdr);
    if (count_encoding == PE_OMIT || table != (PE_DATAREL | 0x0b)) return false;
    size_t count = take_pointer(&header, count_encoding, module->eh_frame_hdr), low = 0;
    const int32_t *rows = (const int32_t *)(const void *)header.at;
    int64_t wanted = (int64_t)(pc - module->eh_frame_hdr);
    while (count > 0) { /* the last row that begins at or before pc is in [low, low + count) */
        size_t half = count / 2;
        if (rows[2 * (low + half)] <= wanted) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    if (low == 0) return false;
    return read_fde((const uint8_t *)(module->eh_frame_hdr + (uintptr_t)(int64_t)rows[2 * (low - 1) + 1]),
                    out) &&
           pc >= out->begin && pc < out->end;
}

static bool find_in_whole(const struct fh_os_module *module, uintptr_t pc, struct description *out) {
    const uint8_t *at = (const uint8_t *)module->eh_frame, *end = (const uint8_t *)module->eh_frame_end;
    struct cursor record;
    while (at + 8 <= end && open_record(at, &record)) {
        uint32_t id;
        memcpy(&id, record.at, 4);
        if (id != 0 && read_fde(at, out) && pc >= out->begin && pc < out->end) return true;
        at = record.end;
    }
    return false;
}

static bool find(struct fh_os_modules *modules, uintptr_t pc, struct description *out) {
    const struct fh_os_module *module = fh_os_module_of(modules, pc);
    if (module == NULL) return false;
    if (module->eh_frame_hdr != 0) return find_in_table(module, pc, out);
    return module->eh_frame != 0 && find_in_whole(module, pc, out);
}

/* ---------------------------------------------------------------- rows --------------------------------- */

enum rule_kind { SAME, AT_OFFSET, IS_OFFSET, IN_REGISTER, AT_EXPRESSION, IS_EXPRESSION, UNDEFINED };

struct rule {
    enum rule_kind kind;
    int64_t value; /* an offset, a register's number, or an expression's address */
};

struct rules {
    bool cfa_expression;
    uint64_t cfa_register;
    int64_t cfa; /* an offset, or an expression's address */
    struct rule r[FH_OS_REGISTERS];
};

struct fh_os_unwind_row {
    uintptr_t pc; /* 0: none */
    uintptr_t function;
    bool signal, known;
    uint8_t changed; /* how many of the registers below are not SAME */
    uint8_t which[FH_OS_REGISTERS];
    struct rules rules;
};

enum { ROWS = 256, STATES = 8 };

size_t fh_os_unwind_rows_size(void) { return ROWS * sizeof(struct fh_os_unwind_row); }

static void set_rule(struct rules *rules, uint64_t number, enum rule_kind kind, int64_t value) {
    if (number < FH_OS_REGISTERS) rules->r[number] = (struct rule){kind, value};
}

static void restore_rule(struct rules *rules, uint64_t number, const struct rules *initial) {
    if (number < FH_OS_REGISTERS) rules->r[number] = initial->r[number];
}

/* The expression that follows: its address (of its length, to be exact), and on behind it. */
static int64_t take_expression(struct cursor *cursor) {
    int64_t address = (int64_t)(uintptr_t)cursor->at;
    uint64_t length = take_uleb(cursor);
    cursor->at = length > (uint64_t)(cursor->end - cursor->at) ? cursor->end : cursor->at + length;
    return address;
}

/* An instruction that says from which address on the next ones hold? Then it is carried out, and so below. (The
 * numbers are DWARF's: DW_CFA_ and DW_OP_ with the names beside them.) */
static bool moves_on(const struct description *info, struct cursor *program, uint8_t op, uintptr_t *location) {
    switch (op) {
        case 0x00: return true;                                          /* nop */
        case 0x01: *location = take_pointer(program, 0, 0); return true; /* set_loc */
        case 0x02:                                                       /* advance_loc1, 2, 4 */
        case 0x03:
        case 0x04: *location += take(program, (size_t)1 << (op - 2)) * info->code_align; return true;
        default: return false;
    }
}

/* One about the frame's address. */
static bool tells_frame(const struct description *info, struct cursor *program, uint8_t op,
                        struct rules *rules) {
    switch (op) {
        case 0x0c: /* def_cfa */
        case 0x12: /* def_cfa_sf */
            rules->cfa_expression = false;
            rules->cfa_register = take_uleb(program);
            rules->cfa = op == 0x0c ? (int64_t)take_uleb(program) : take_sleb(program) * info->data_align;
            return true;
        case 0x0d: /* def_cfa_register */
            rules->cfa_expression = false;
            rules->cfa_register = take_uleb(program);
            return true;
        case 0x0e: rules->cfa = (int64_t)take_uleb(program); return true;           /* def_cfa_offset */
        case 0x13: rules->cfa = take_sleb(program) * info->data_align; return true; /* def_cfa_offset_sf */
        case 0x0f:                                                                  /* def_cfa_expression */
            rules->cfa_expression = true;
            rules->cfa = take_expression(program);
            return true;
        default: return false;
    }
}

/* One about where a register is, whose number comes first. */
static bool tells_register(const struct description *info, struct cursor *program, uint8_t op,
                           const struct rules *initial, struct rules *rules) {
    if (op < 0x05 || (op > 0x09 && op < 0x10) || (op > 0x11 && op < 0x14) || op > 0x16) return false;
    uint64_t number = take_uleb(program);
    switch (op) {
        case 0x05: /* offset_extended */
            set_rule(rules, number, AT_OFFSET, (int64_t)take_uleb(program) * info->data_align);
            break;
        case 0x06: restore_rule(rules, number, initial); break;  /* restore_extended */
        case 0x07: set_rule(rules, number, UNDEFINED, 0); break; /* undefined */
        case 0x08: set_rule(rules, number, SAME, 0); break;      /* same_value */
        case 0x09: set_rule(rules, number, IN_REGISTER, (int64_t)take_uleb(program)); break; /* register */
        case 0x10: set_rule(rules, number, AT_EXPRESSION, take_expression(program)); break;  /* expression */
        case 0x11: /* offset_extended_sf */
            set_rule(rules, number, AT_OFFSET, take_sleb(program) * info->data_align);
            break;
        case 0x14: /* val_offset */
            set_rule(rules, number, IS_OFFSET, (int64_t)take_uleb(program) * info->data_align);
            break;
        case 0x15: /* val_offset_sf */
            set_rule(rules, number, IS_OFFSET, take_sleb(program) * info->data_align);
            break;
        default: set_rule(rules, number, IS_EXPRESSION, take_expression(program)); break; /* val_expression */
    }
    return true;
}

/* One of the short ones, whose operand is in the byte itself. */
static bool is_short(const struct description *info, struct cursor *program, uint8_t op, uintptr_t *location,
                     const struct rules *initial, struct rules *rules) {
    uint8_t low = op & 0x3f;
    switch (op & 0xc0) {
        case 0x40: *location += low * info->code_align; return true; /* advance_loc */
        case 0x80:                                                   /* offset */
            set_rule(rules, low, AT_OFFSET, (int64_t)take_uleb(program) * info->data_align);
            return true;
        case 0xc0: restore_rule(rules, low, initial); return true; /* restore */
        default: return false;
    }
}

/* Runs the program until the location passes pc. `initial` is what DW_CFA_restore goes back to. */
static bool run(const struct description *info, struct cursor program, uintptr_t pc,
                const struct rules *initial, struct rules *rules) {
    struct rules states[STATES];
    size_t depth = 0;
    uintptr_t location = info->begin;
    while (program.at < program.end && location <= pc) {
        uint8_t op = *program.at++;
        if (is_short(info, &program, op, &location, initial, rules)) continue;
        if (moves_on(info, &program, op, &location)) continue;
        if (tells_frame(info, &program, op, rules)) continue;
        if (tells_register(info, &program, op, initial, rules)) continue;
        switch (op) {
            case 0x0a: /* remember_state */
                if (depth == STATES) return false;
                states[depth++] = *rules;
                break;
            case 0x0b: /* restore_state */
                if (depth == 0) return false;
                *rules = states[--depth];
                break;
            case 0x2d: break; /* aarch64: the return address is signed from here on, or no more */
            case 0x2e: take_uleb(&program); break; /* GNU_args_size */
            default: return false;
        }
    }
    return true;
}

static void make_row(struct fh_os_unwind *walk, uintptr_t pc, struct fh_os_unwind_row *row) {
    struct description info;
    *row = (struct fh_os_unwind_row){.pc = pc, .function = pc};
    if (!find(walk->modules, pc, &info) || info.return_register != FH_OS_RA) return;
    struct rules *rules = &row->rules;
    row->function = info.begin;
    row->signal = info.signal;
    if (!run(&info, info.start, UINTPTR_MAX, rules, rules)) return;
    struct rules initial = *rules;
    row->known = run(&info, info.program, pc, &initial, rules);
    for (unsigned i = 0; i < FH_OS_REGISTERS; i++)
        if (rules->r[i].kind != SAME) row->which[row->changed++] = (uint8_t)i;
}

static const struct fh_os_unwind_row *row_at(struct fh_os_unwind *walk, uintptr_t pc) {
    struct fh_os_unwind_row *row = &walk->rows[(pc ^ pc >> 8) % ROWS];
    if (row->pc != pc) make_row(walk, pc, row);
    return row;
}

/* ---------------------------------------------------------------- expressions -------------------------- */

/* An operation that gives a constant? */
static bool is_constant(struct cursor *cursor, uint8_t op, uintptr_t *value) {
    if (op >= 0x30 && op <= 0x4f) return *value = op - 0x30u, true; /* lit0 to lit31 */
    switch (op) {
        case 0x08: /* const1u, 2u, 4u, 8u, 8s */
        case 0x0a:
        case 0x0c:
        case 0x0e: *value = (uintptr_t)take(cursor, (size_t)1 << ((op - 0x08) / 2)); return true;
        case 0x09: *value = (uintptr_t)(int64_t)(int8_t)take(cursor, 1); return true;  /* const1s */
        case 0x0b: *value = (uintptr_t)(int64_t)(int16_t)take(cursor, 2); return true; /* const2s */
        case 0x0d: *value = (uintptr_t)(int64_t)(int32_t)take(cursor, 4); return true; /* const4s */
        case 0x10: *value = (uintptr_t)take_uleb(cursor); return true;                 /* constu */
        case 0x11: *value = (uintptr_t)take_sleb(cursor); return true;                 /* consts */
        default: return false;
    }
}

/* One that puts two values together, into the first? */
static bool combines(uint8_t op, uintptr_t *a, uintptr_t b) {
    switch (op) {
        case 0x1a: *a &= b; return true;                          /* and */
        case 0x1c: *a -= b; return true;                          /* minus */
        case 0x21: *a |= b; return true;                          /* or */
        case 0x22: *a += b; return true;                          /* plus */
        case 0x24: *a = b < 64 ? *a << b : 0; return true;        /* shl */
        case 0x29: *a = *a == b; return true;                     /* eq */
        case 0x2a: *a = (intptr_t)*a >= (intptr_t)b; return true; /* ge */
        case 0x2b: *a = (intptr_t)*a > (intptr_t)b; return true;  /* gt */
        case 0x2c: *a = (intptr_t)*a <= (intptr_t)b; return true; /* le */
        case 0x2d: *a = (intptr_t)*a < (intptr_t)b; return true;  /* lt */
        case 0x2e: *a = *a != b; return true;                     /* ne */
        default: return false;
    }
}

/* One that changes the last value? Not where that leads into memory that cannot be read. */
static bool changes(struct fh_os_unwind *walk, struct cursor *cursor, uint8_t op, uintptr_t *value) {
    if (op == 0x06) return load(walk, *value, value);                    /* deref */
    if (op == 0x23) return *value += (uintptr_t)take_uleb(cursor), true; /* plus_uconst */
    return false;
}

static bool evaluate(struct fh_os_unwind *walk, int64_t expression, const uintptr_t *first, uintptr_t *result) {
    enum { MOST = 15 };
    struct cursor cursor = {(const uint8_t *)(uintptr_t)expression,
                            (const uint8_t *)(uintptr_t)expression + 16};
    uint64_t length = take_uleb(&cursor);
    cursor.end = cursor.at + length;
    uintptr_t stack[MOST + 1] = {0};
    size_t n = 0;
    if (first) stack[n++] = *first;
    while (cursor.at < cursor.end) {
        uint8_t op = *cursor.at++;
        if (n >= MOST) return false;
        if (is_constant(&cursor, op, &stack[n])) {
            n++;
        } else if (op >= 0x70 && op < 0x70 + FH_OS_REGISTERS) { /* breg0 to breg31 */
            stack[n++] = walk->now.r[op - 0x70] + (uintptr_t)take_sleb(&cursor);
        } else if (op == 0x12 && n >= 1) { /* dup */
            stack[n] = stack[n - 1];
            n++;
        } else if (n >= 2 && combines(op, &stack[n - 2], stack[n - 1])) {
            n--;
        } else if (op != 0x96 && (n == 0 || !changes(walk, &cursor, op, &stack[n - 1]))) { /* 96: nop */
            return false;
        }
    }
    if (n == 0) return false;
    *result = stack[n - 1];
    return true;
}

/* ---------------------------------------------------------------- steps --------------------------------- */

static uintptr_t without_signature(uintptr_t address) {
#if defined(__aarch64__)
    return address & (((uintptr_t)1 << 48) - 1); /* pointer authentication keeps its code in the upper bits */
#else
    return address;
#endif
}

static void locate(struct fh_os_unwind *walk) {
    walk->function = row_at(walk, walk->exact ? walk->now.pc : walk->now.pc - 1)->function;
}

void fh_os_unwind_begin(struct fh_os_unwind *walk, struct fh_os_modules *modules,
                        const struct fh_os_registers *registers, void *rows) {
    *walk = (struct fh_os_unwind){.modules = modules, .now = *registers, .exact = true, .rows = rows};
    locate(walk);
}

static bool apply_rule(struct fh_os_unwind *walk, const struct rule *rule, uintptr_t cfa, uintptr_t *value) {
    switch (rule->kind) {
        case SAME: return true;
        case AT_OFFSET: return load(walk, cfa + (uintptr_t)rule->value, value);
        case IS_OFFSET: *value = cfa + (uintptr_t)rule->value; return true;
        case IN_REGISTER:
            if (rule->value >= FH_OS_REGISTERS) return false;
            *value = walk->now.r[rule->value];
            return true;
        case AT_EXPRESSION: return evaluate(walk, rule->value, &cfa, value) && load(walk, *value, value);
        case IS_EXPRESSION: return evaluate(walk, rule->value, &cfa, value);
        case UNDEFINED: *value = 0; return true;
    }
    return false;
}

static bool apply(struct fh_os_unwind *walk, const struct fh_os_unwind_row *row,
                  struct fh_os_registers *caller) {
    const struct rules *rules = &row->rules;
    uintptr_t cfa;
    if (rules->cfa_expression) {
        if (!evaluate(walk, rules->cfa, NULL, &cfa)) return false;
    } else {
        if (rules->cfa_register >= FH_OS_REGISTERS) return false;
        cfa = walk->now.r[rules->cfa_register] + (uintptr_t)rules->cfa;
    }
    *caller = walk->now;
    caller->r[FH_OS_SP] = cfa;
    for (unsigned i = 0; i < row->changed; i++) {
        unsigned number = row->which[i];
        if (!apply_rule(walk, &rules->r[number], cfa, &caller->r[number])) return false;
    }
    caller->pc = without_signature(caller->r[FH_OS_RA]);
    return true;
}

/* The code to which signal handlers return, where the C library has no unwind information for it (musl). */
static bool is_signal_return(struct fh_os_unwind *walk) {
#if defined(__x86_64__)
    static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}; /* mov $15, %rax; syscall */
#else
    static const uint8_t code[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4}; /* mov x8, #139; svc #0 */
#endif
    const struct fh_os_module *module = fh_os_module_of(walk->modules, walk->now.pc);
    if (module == NULL || module->high - walk->now.pc < sizeof code) return false;
    return memcmp((const void *)walk->now.pc, code, sizeof code) == 0;
}

static bool past_signal(struct fh_os_unwind *walk, struct fh_os_registers *caller) {
#if defined(__x86_64__)
    uintptr_t context = walk->now.r[FH_OS_SP], word;
#else
    uintptr_t context = walk->now.r[FH_OS_SP] + 128, word;                    /* siginfo_t comes first */
#endif
    if (!load(walk, context, &word) || !load(walk, context + sizeof(ucontext_t) / 2, &word)) return false;
    fh_os_registers_of((const void *)context, caller);
    return true;
}

/* Without unwind information: by the frame pointer; or, where a call went to no function at all, by the return
 * address. */
static bool guess(struct fh_os_unwind *walk, struct fh_os_registers *caller) {
    uintptr_t fp = walk->now.r[FH_OS_FP], sp = walk->now.r[FH_OS_SP];
    *caller = walk->now;
    if (walk->exact && fh_os_module_of(walk->modules, walk->now.pc) == NULL) {
#if defined(__x86_64__)
        caller->r[FH_OS_SP] = sp + 8;
        return load(walk, sp, &caller->pc) && fh_os_module_of(walk->modules, caller->pc) != NULL;
#else
        caller->pc = without_signature(walk->now.r[FH_OS_RA]);
        return fh_os_module_of(walk->modules, caller->pc) != NULL;
#endif
    }
    if (fp < sp || fp % sizeof(uintptr_t) != 0) return false;
    if (!load(walk, fp, &caller->r[FH_OS_FP]) || !load(walk, fp + 8, &caller->pc)) return false;
    caller->pc = without_signature(caller->pc);
    caller->r[FH_OS_SP] = fp + 16;
    return fh_os_module_of(walk->modules, caller->pc) != NULL;
}

bool fh_os_unwind_next(struct fh_os_unwind *walk) {
    const struct fh_os_unwind_row *row = row_at(walk, walk->exact ? walk->now.pc : walk->now.pc - 1);
    struct fh_os_registers caller;
    bool signal = row->signal;
    if (!row->known && is_signal_return(walk)) {
        if (!past_signal(walk, &caller)) return false;
        signal = true;
    } else if (row->known ? !apply(walk, row, &caller) : !guess(walk, &caller)) {
        return false;
    }
    if (caller.pc == 0 || (caller.pc == walk->now.pc && caller.r[FH_OS_SP] == walk->now.r[FH_OS_SP]))
        return false;
    walk->now = caller;
    walk->exact = signal;
    locate(walk);
    return true;
}
