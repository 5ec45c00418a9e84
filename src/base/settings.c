/* settings.c - reading the settings of a process.
 *
 *     FREEHOLD="count=on,limit=2G"                     fh_set("limit", "2G")
 *              │                                              │
 *              └─ split at commas and at '='                  │
 *                      └──────────> find the row of the key <─┘
 *                                        └─> parse the value by the row's kind ─> the field of fh_settings
 *
 * The table below says all there is to know of a key; to add one, add a field to struct fh_settings and a row
 * here. Text is parsed where it stands (a `struct piece` is a pointer and a length), so nothing is allocated,
 * and this runs inside the first malloc of a process.
 *
 * A value is stored only when all of it is good: a bad one leaves the field as it was. Fields are words and are
 * written atomically; the text fields can be set only at the start, when there is one thread.
 */
#include "base/settings.h"

#include "base/report.h"
#include "os/os.h"

#include <errno.h>
#include <freehold/settings.h>
#include <string.h>

struct fh_settings fh_settings = {
    .mode = FH_MODE_FAST,
    .decay_ms = 1000,
    .region_size = (size_t)1 << 30,
    .quarantine = (size_t)64 << 10,
    .stacks = 1,
    .check_kinds = true,
    .wide = true,
    .sweep = true,
    .guard_first = 64,
    .guard_most = 20000,
};

enum kind { CHOICE, SWITCH, SIZE, ALIGNMENT, DURATION, TEXT };
enum when { AT_START, ANY_TIME };

struct row {
    const char *key;
    enum kind kind;
    enum when when;           /* AT_START: only the environment sets it, because later would be too late */
    size_t at;                /* offset of the field in fh_settings */
    size_t room;              /* of the field, in bytes             */
    const char *const *words; /* CHOICE: by value, NULL at the end */
    const char *help;
};

#define FIELD(name) offsetof(struct fh_settings, name), sizeof fh_settings.name, NULL
#define CHOICES(name, words) offsetof(struct fh_settings, name), sizeof fh_settings.name, words

static const char *const mode_words[] = {"fast", "checked", "guard", NULL};
static const char *const on_error_words[] = {"abort", "report", NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const guard_words[] = {"end", "start", NULL};

static const struct row rows[] = {
    {"mode", CHOICE, AT_START, CHOICES(mode, mode_words),
     "fast; checked: misuse is caught at some cost; guard: at the instruction"},
    {"count", SWITCH, AT_START, FIELD(count), "see and count each call"},
    {"stack_report", SWITCH, AT_START, FIELD(stack_report),
     "report a stack overflow instead of a bare SIGSEGV (mode=checked and guard do too)"},
    {"limit", SIZE, ANY_TIME, FIELD(limit), "most bytes that the heap may hold; 0 is no limit"},
    {"decay", DURATION, ANY_TIME, FIELD(decay_ms), "how long free pages are kept for reuse"},
    {"purge_thread", SWITCH, AT_START, FIELD(purge_thread),
     "a thread of the library's own gives free pages back in time"},
    {"huge", SWITCH, ANY_TIME, FIELD(huge),
     "huge pages for the small blocks of a heap that is large (off by default)"},
    {"region", SIZE, ANY_TIME, FIELD(region_size), "address space of a thread's region stack"},
    {"region_check", SWITCH, AT_START, FIELD(region_check),
     "catch pointers past their frame (mode=checked and guard do too)"},
    {"region_abort", SWITCH, ANY_TIME, FIELD(region_abort),
     "a push that does not fit ends the process, with a report"},
    {"report", TEXT, AT_START, FIELD(report), "directory in which each process keeps its numbers"},
    {"report_quiet", SWITCH, AT_START, FIELD(report_quiet),
     "say nothing where that cannot be done, nor of bad settings (freehold run sets it)"},
    {"on_error", CHOICE, ANY_TIME, CHOICES(on_error, on_error_words),
     "misuse: abort, or report and go on where that is safe"},
    {"error_format", CHOICE, ANY_TIME, CHOICES(error_format, format_words),
     "reports of misuse as text or json"},
    {"error_file", TEXT, AT_START, FIELD(error_file),
     "reports of misuse go to the end of this file, not to stderr"},
    {"quarantine", SIZE, AT_START, FIELD(quarantine), "checked: freed bytes that each thread holds back"},
    {"stacks", SIZE, AT_START, FIELD(stacks), "checked: calls kept of each allocation and free; 1 is cheap"},
    {"check_kinds", SWITCH, AT_START, FIELD(check_kinds),
     "checked: new, new[] and malloc must match their deletes"},
    {"wide", SWITCH, AT_START, FIELD(wide), "checked: use the processor's widest registers"},
    {"fill_alloc", SWITCH, AT_START, FIELD(fill_alloc), "checked: new blocks are filled with a pattern"},
    {"zero_free", SWITCH, AT_START, FIELD(zero_free),
     "checked: freed blocks are filled with zeros, not a pattern"},
    {"sweep", SWITCH, AT_START, FIELD(sweep), "checked: look over the whole heap at exit"},
    {"guard_first", SIZE, AT_START, FIELD(guard_first),
     "checked: the first N allocations get guard pages, then the first of each place"},
    {"guard_sample", SIZE, AT_START, FIELD(guard_sample),
     "about one in N allocations gets guard pages; 0: none"},
    {"guard_most", SIZE, AT_START, FIELD(guard_most), "most blocks with guard pages at once"},
    {"guard_align", ALIGNMENT, AT_START, FIELD(guard_align),
     "alignment of guarded blocks: 1, 2, 4, 8 or 16; 0: 16, or as needed"},
    {"guard", CHOICE, AT_START, CHOICES(guard_place, guard_words), "guard page at a block's end or start"},
};

static const char *const kind_names[] = {
    [SWITCH] = "on or off",
    [SIZE] = "a size (a number, then K, M, G, T or nothing)",
    [ALIGNMENT] = "one of 0, 1, 2, 4, 8, 16",
    [DURATION] = "a duration (a number, then ms, s or nothing)",
    [TEXT] = "a text that fits",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- pieces of text ------------------------ */

struct piece {
    const char *text;
    size_t len;
};

static struct piece whole(const char *text) { return (struct piece){text, strlen(text)}; }

static bool is(struct piece piece, const char *word) {
    return piece.len == strlen(word) && memcmp(piece.text, word, piece.len) == 0;
}

static struct piece trimmed(struct piece piece) {
    while (piece.len > 0 && piece.text[0] == ' ') {
        piece.text++;
        piece.len--;
    }
    while (piece.len > 0 && piece.text[piece.len - 1] == ' ') piece.len--;
    return piece;
}

/* The digits at the front of *piece, which is moved behind them. False: there are none, or too many. */
static bool take_number(struct piece *piece, size_t *number) {
    size_t n = 0, len = 0;
    for (; len < piece->len && piece->text[len] >= '0' && piece->text[len] <= '9'; len++) {
        if (__builtin_mul_overflow(n, 10, &n)) return false;
        if (__builtin_add_overflow(n, (size_t)(piece->text[len] - '0'), &n)) return false;
    }
    *number = n;
    piece->text += len;
    piece->len -= len;
    return len > 0;
}

/* ---------------------------------------------------------------- values by kind ------------------------ */

static const struct {
    char letter;
    unsigned shift;
} size_units[] = {{'T', 40}, {'G', 30}, {'M', 20}, {'K', 10}};

static bool parse_size(struct piece value, size_t *size) {
    size_t number;
    if (!take_number(&value, &number) || value.len > 1) return false;
    if (value.len == 0) {
        *size = number;
        return true;
    }
    for (size_t i = 0; i < COUNT(size_units); i++) {
        if (value.text[0] == size_units[i].letter || value.text[0] == size_units[i].letter + ('a' - 'A')) {
            return !__builtin_mul_overflow(number, (unsigned long)1 << size_units[i].shift, size);
        }
    }
    return false;
}

static bool parse_alignment(struct piece value, size_t *align) {
    return parse_size(value, align) && *align <= 16 && (*align & (*align - 1)) == 0;
}

static bool parse_duration(struct piece value, size_t *ms) {
    if (!take_number(&value, ms)) return false;
    if (is(value, "s")) return !__builtin_mul_overflow(*ms, 1000, ms);
    return value.len == 0 || is(value, "ms");
}

static bool parse_choice(struct piece value, const char *const *words, unsigned *choice) {
    for (unsigned i = 0; words[i]; i++) {
        if (!is(value, words[i])) continue;
        *choice = i;
        return true;
    }
    return false;
}

/* Stores the value in the row's field. False, and nothing stored: the value is not of the row's kind. */
static bool store(const struct row *row, struct piece value) {
    char *field = (char *)&fh_settings + row->at;
    size_t number;
    unsigned choice; /* enums of ours are as wide */
    switch (row->kind) {
        case CHOICE:
            if (!parse_choice(value, row->words, &choice)) return false;
            __atomic_store_n((unsigned *)(void *)field, choice, __ATOMIC_RELAXED);
            return true;
        case SWITCH:
            if (!is(value, "on") && !is(value, "off")) return false;
            __atomic_store_n((bool *)(void *)field, is(value, "on"), __ATOMIC_RELAXED);
            return true;
        case SIZE:
            if (!parse_size(value, &number)) return false;
            __atomic_store_n((size_t *)(void *)field, number, __ATOMIC_RELAXED);
            return true;
        case ALIGNMENT:
            if (!parse_alignment(value, &number)) return false;
            __atomic_store_n((size_t *)(void *)field, number, __ATOMIC_RELAXED);
            return true;
        case DURATION:
            if (!parse_duration(value, &number)) return false;
            __atomic_store_n((size_t *)(void *)field, number, __ATOMIC_RELAXED);
            return true;
        case TEXT:
            if (value.len >= row->room) return false;
            memcpy(field, value.text, value.len);
            field[value.len] = '\0';
            return true;
    }
    return false;
}

/* The value of the row's field in the spelling that `store` takes. Returns its length. */
static size_t show(const struct row *row, char *buf, size_t size) {
    const char *field = (const char *)&fh_settings + row->at;
    size_t number;
    switch (row->kind) {
        case CHOICE: return fh_format(buf, size, "%s", row->words[*(const unsigned *)(const void *)field]);
        case SWITCH: return fh_format(buf, size, "%s", *(const bool *)(const void *)field ? "on" : "off");
        case SIZE:
        case ALIGNMENT:
            number = *(const size_t *)(const void *)field;
            for (size_t i = 0; number != 0 && i < COUNT(size_units); i++) {
                size_t scaled = number >> size_units[i].shift;
                if (scaled << size_units[i].shift == number) {
                    return fh_format(buf, size, "%zu%c", scaled, size_units[i].letter);
                }
            }
            return fh_format(buf, size, "%zu", number);
        case DURATION: return fh_format(buf, size, "%zums", *(const size_t *)(const void *)field);
        case TEXT: return fh_format(buf, size, "%s", field);
    }
    return 0;
}

/* What a value must be: "a size (...)", "one of fast, checked, guard". */
static void describe(const struct row *row, char *buf, size_t size) {
    if (row->kind != CHOICE) {
        fh_format(buf, size, "%s", kind_names[row->kind]);
        return;
    }
    size_t length = fh_format(buf, size, "one of %s", row->words[0]);
    for (unsigned i = 1; row->words[i] && length < size; i++)
        length += fh_format(buf + length, size - length, ", %s", row->words[i]);
}

static const struct row *find(struct piece key) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (is(key, rows[i].key)) return &rows[i];
    }
    return NULL;
}

/* ---------------------------------------------------------------- the environment ----------------------- */

static void read_entry(struct piece entry) {
    const char *equals = memchr(entry.text, '=', entry.len);
    struct piece key = entry, value = {"", 0};
    if (equals != NULL) {
        key.len = (size_t)(equals - entry.text);
        value = trimmed((struct piece){equals + 1, entry.len - key.len - 1});
    }
    key = trimmed(key);
    const struct row *row = find(key);
    if ((row && equals && store(row, value)) || fh_settings.report_quiet) return;
    if (row == NULL) {
        fh_say("FREEHOLD: there is no setting \"%.*s\"; ignored", (int)key.len, key.text);
        return;
    }
    char wanted[160];
    describe(row, wanted, sizeof wanted);
    fh_say("FREEHOLD: %s=%.*s is not %s; ignored", row->key, (int)value.len, value.text, wanted);
}

/* The name is made by code: as a constant it would be all that a process reads of the library's constants, and
 * the system maps 64 KiB around what is read. */
static void read_environment(void) {
    char name[] = "FREEHOLD";
    const char *text = fh_os_getenv(name);
    while (text != NULL) {
        const char *comma = strchr(text, ',');
        struct piece entry = trimmed(comma ? (struct piece){text, (size_t)(comma - text)} : whole(text));
        if (entry.len > 0) read_entry(entry);
        text = comma ? comma + 1 : NULL;
    }
}

/* Once, whoever calls and how often; a second thread waits until the first has read them. */
void fh_settings_init(void) {
    static _Atomic bool ready;
    static struct fh_lock lock;
    if (atomic_load_explicit(&ready, memory_order_acquire)) return;
    fh_lock(&lock);
    if (!atomic_load_explicit(&ready, memory_order_relaxed)) {
        read_environment();
        atomic_store_explicit(&ready, true, memory_order_release);
    }
    fh_unlock(&lock);
}

/* ---------------------------------------------------------------- the API ------------------------------- */

int fh_set(const char *key, const char *value) {
    fh_settings_init();
    const struct row *row = key ? find(whole(key)) : NULL;
    if (row == NULL || value == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (row->when == AT_START) {
        errno = EBUSY;
        return -1;
    }
    if (!store(row, whole(value))) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* Tried, and taken back: for a command that has no other use for the settings. */
bool fh_settings_would_take(const char *key, const char *value, char *wanted, size_t size) {
    fh_settings_init();
    const struct row *row = find(whole(key));
    if (row == NULL) return false;
    struct fh_settings before = fh_settings;
    bool good = store(row, whole(value));
    fh_settings = before;
    describe(row, wanted, size);
    return good;
}

int fh_get(const char *key, char *buf, size_t size) {
    fh_settings_init();
    const struct row *row = key ? find(whole(key)) : NULL;
    if (row == NULL) {
        errno = EINVAL;
        return -1;
    }
    return (int)show(row, buf, size);
}

void fh_settings_print(int fd) {
    char value[sizeof fh_settings.report];
    fh_settings_init();
    for (size_t i = 0; i < COUNT(rows); i++) {
        show(&rows[i], value, sizeof value);
        fh_print(fd, "  %-14s %-10s %s\n", rows[i].key, value, rows[i].help);
    }
}
