/* test_put_right.c - with on_error=report a program goes on after a mistake: it is reported once, and what it
 * damaged is put right.
 *
 *     overflow            the block is freed all the same, and serves again without another word
 *     underflow           the same
 *     write after free    the block is handed out all the same, whole and no other's
 *     double free         does nothing: no two blocks are at one place afterwards
 *     realloc             of a block that was written over moves what it should
 *
 * For sizes of each way that checked mode has for small blocks: short ones, longer ones, those above 1 KiB. And
 * of blocks to 640 bytes, which are compared by pieces, no byte is left out: a write to each, after the free,
 * is told. The same for each canary behind blocks in use, few of them or many.
 */
#include "../heap/support.h"

#include <fcntl.h>
#include <freehold/heap.h>
#include <freehold/settings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t sizes[] = {24, 100, 500, 900, 2000, 20000};
enum { SIZES = sizeof sizes / sizeof *sizes, MANY = 3000, KEPT = 64 };

static volatile unsigned char *bytes(void *p) {
    __asm__ volatile("" : "+r"(p));
    return p;
}

/* Takes and gives until all blocks that waited have served again; each is written to its ends. */
static void use_them_all(size_t size) {
    static void *kept[KEPT];
    for (unsigned i = 0; i < MANY; i++) {
        void **p = &kept[i % KEPT];
        if (*p) pattern_verify(*p, size, size, i % KEPT);
        free(*p);
        *p = malloc(size);
        CHECK(*p != NULL);
        pattern_fill(*p, size, i % KEPT);
    }
    for (unsigned k = 0; k < KEPT; k++) {
        pattern_verify(kept[k], size, size, k);
        free(kept[k]);
        kept[k] = NULL;
    }
}

static void overflow(size_t size) {
    void *p = malloc(size);
    bytes(p)[size] ^= 1;
    free(p);
}

static void underflow(size_t size) {
    void *few[16]; /* the first block of a span has nothing before it that is looked at */
    for (unsigned i = 0; i < 16; i++) few[i] = malloc(size);
    bytes(few[0])[-1] ^= 1;
    for (unsigned i = 0; i < 16; i++) free(few[i]);
}

static void write_after_free(size_t size) {
    void *p = malloc(size);
    volatile unsigned char *stale = bytes(p);
    free(p);
    stale[size / 2] ^= 1;
    stale[size] ^= 1; /* a canary once it is in use again */
}

static void double_free(size_t size) {
    void *p = malloc(size), *again = (void *)(uintptr_t)bytes(p);
    free(p);
    free(again);
}

static void realloc_after_overflow(size_t size) {
    unsigned char *p = malloc(size);
    pattern_fill(p, size, 7);
    bytes(p)[size] ^= 1;
    p = realloc(p, size * 3);
    CHECK(p != NULL);
    pattern_verify(p, size, size, 7);
    free(p);
}

static const struct mistake {
    const char *what;
    void (*make)(size_t size);
    const char *word; /* of the one report */
} mistakes[] = {
    {"overflow", overflow, "behind a block"},
    {"underflow", underflow, "before a block"},
    {"write after free", write_after_free, "after it was freed"},
    {"double free", double_free, "freed twice"},
    {"realloc after an overflow", realloc_after_overflow, "behind a block"},
};

static const struct mistake *mistake;
static size_t size;

static void body(void *unused) {
    (void)unused;
    use_them_all(size);
    mistake->make(size);
    use_them_all(size);
    exit(0); /* the sweep has a look, too */
}

static unsigned count(const char *text, const char *word) {
    unsigned n = 0;
    for (; (text = strstr(text, word)) != NULL; text++) n++;
    return n;
}

/* ---- a block that nobody has been given yet ---- */

enum {
    NEVER = 700
}; /* a size that nothing else asks for: few blocks are at hand then: of its first span's the second to the fifth */

static bool beside_one_in_use;

static void write_to_a_fresh_one(void *unused) {
    (void)unused;
    unsigned char *p = malloc(NEVER);
    size_t place = fh_class_size(fh_class_of(NEVER + 1)), number = (uintptr_t)p % 65536 / place, other;
    CHECK(number >= 1 && number <= 4);
    if (beside_one_in_use) other = number < 4 ? number + 1 : number - 1;
    else other = number < 3 ? 4 : 1;
    bytes(p)[(ptrdiff_t)place * ((ptrdiff_t)other - (ptrdiff_t)number) + 5] ^= 1;
    use_them_all(NEVER);
    free(p);
    exit(0);
}

static void check_fresh_ones(void) {
    static struct outcome out;
    for (unsigned i = 0; i < 8; i++) {
        beside_one_in_use = i % 2;
        run_child(&out, write_to_a_fresh_one, NULL, 60);
        unsigned beside = count(out.text, "in the block beside it, which nobody has been given yet"),
                 alone = count(out.text, "In a block that was never handed out");
        CHECKF(out.exited && out.code == 0 && count(out.text, "heap misuse") == 1 && beside + alone == 1 &&
                   (beside || !beside_one_in_use), /* those beside it may be in use when it is its turn */
               "a block never handed out: %d: %s", out.code, out.text);
    }
}

/* ---- long blocks where short ones were ---- */

/* Short ones are 64 bytes long: where the second of a span was, a large one may begin, behind its front. They
 * are more than may rest when they are free. */
enum { SHORT = 63, SHORTS = 3 << 17, LONGER = 100000, LONGERS = 512 };

/* Spans of short blocks end; large blocks come to lie there, and what the books knew of the short ones serves
 * others, which are in use. A large block is not to be taken for one of those, whatever stands at its start. */
static void long_where_short_were(void *unused) {
    static void *shorts[SHORTS];
    static unsigned char *longer[LONGERS];
    (void)unused;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SHORTS; i++) CHECK((shorts[i] = malloc(SHORT)) != NULL);
        for (unsigned i = 0; i < SHORTS; i++) free(shorts[i]);
        for (unsigned i = 0; i < LONGERS; i++) {
            CHECK((longer[i] = malloc(LONGER)) != NULL);
            memset(longer[i], (int)(0x80 | i / 4), LONGER); /* each value that canaries may have */
        }
        for (unsigned i = 0; i < SHORTS; i++) CHECK((shorts[i] = malloc(SHORT)) != NULL);
        for (unsigned i = 0; i < LONGERS; i++) free(longer[i]);
        for (unsigned i = 0; i < SHORTS; i++) free(shorts[i]);
    }
    exit(0);
}

static void check_long_where_short_were(void) {
    static struct outcome out;
    run_child(&out, long_where_short_were, NULL, 100);
    CHECKF(out.exited && out.code == 0 && out.text[0] == 0, "large blocks: %d: %s", out.code, out.text);
}

/* ---- a large block ---- */

enum { LARGE = 200000, LARGE_MOST = 900000, LARGES = 40, MANY_LARGES = 2000 };

static size_t large_from, large_length;

/* Above the allowance a freed large block is not made inaccessible: what was written to its ends, or to more
 * than a 16th of it, is seen when it is to serve others, and not only at the exit. */
static void write_to_a_large_one(void *unused) {
    (void)unused;
    for (unsigned i = 0; i < MANY_LARGES; i++) free(malloc(LARGE_MOST));
    void *p = malloc(LARGE);
    volatile unsigned char *stale = bytes(p);
    free(p);
    for (size_t i = 0; i < large_length; i++) stale[large_from + i] ^= 1;
    for (unsigned i = 0; i < LARGES; i++) free(malloc(LARGE));
    _Exit(0);
}

static void check_a_large_one(size_t from, size_t length) {
    enum { TRIES = 5 }; /* the allowance grows with time: it may be there for a process that has to wait */
    static struct outcome out;
    large_from = from;
    large_length = length;
    for (unsigned i = 0; i < TRIES; i++) {
        run_child(&out, write_to_a_large_one, NULL, 60);
        if (out.exited && count(out.text, "heap misuse") == 1 && count(out.text, "left the quarantine") == 1)
            return;
    }
    CHECKF(false, "a large block: ended with %d: %s", out.code, out.text);
}

/* What waits in the quarantine is had back when there is no other memory, as often as that happens. */
static void fill_the_limit(void *unused) {
    enum { MOST = 64, LEAST = 24, SOME = 600000, TURNS = 20 }; /* 32 MiB are 52 of these */
    static void *block[MOST];
    (void)unused;
    CHECK(fh_set("limit", "32M") == 0);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned n = 0;
        while (n < MOST && (block[n] = malloc(SOME)) != NULL) n++;
        CHECKF(n >= LEAST && n < MOST, "turn %u: there is room for %u blocks", turn, n);
        while (n > 0) free(block[--n]);
    }
    exit(0);
}

static void check_what_waits_is_had_back(void) {
    static struct outcome out;
    run_child(&out, fill_the_limit, NULL, 60);
    check_clean(&out, "what waits is had back");
}

/* ---- each byte ---- */

static char reports[40]; /* name of a file */

static void report_to_file(void) {
    int file = open(reports, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(file >= 0 && dup2(file, STDERR_FILENO) >= 0);
}

static void write_to_each_byte(void *unused) {
    (void)unused;
    report_to_file();
    for (size_t k = 0; k < size; k++) {
        void *p = malloc(size);
        volatile unsigned char *stale = bytes(p);
        free(p);
        stale[k] ^= 1;
        use_them_all(size);
    }
    exit(0);
}

static unsigned count_in_file(const char *word) {
    char line[512];
    unsigned n = 0;
    FILE *file = fopen(reports, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) n += count(line, word);
    fclose(file);
    unlink(reports);
    return n;
}

static void check_each_byte(void) {
    snprintf(reports, sizeof reports, "put_right.reports.%ld", (long)getpid());
    static const size_t wholes[] = {16, 32, 48, 64, 80, 160, 240, 300, 600};
    for (unsigned i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        static struct outcome out;
        size = wholes[i];
        run_child(&out, write_to_each_byte, NULL, 100);
        unsigned told = count_in_file("heap misuse");
        CHECKF(out.exited && out.code == 0 && told == size,
               "blocks of %zu bytes: %u of as many writes are told", size, told);
    }
}

/* ---- each canary ---- */

enum { FRONT = 16, PLAIN_MOST = 1024 }; /* see check.h */

static size_t align, slack;

static void write_to_each_canary(void *unused) {
    (void)unused;
    report_to_file();
    for (size_t k = 0; k < slack; k++) {
        void *p = align ? aligned_alloc(align, size) : malloc(size);
        bytes(p)[size + k] ^= 1;
        free(p);
    }
    exit(0);
}

static void check_each_canary(void) {
    static const struct {
        size_t size, align;
    } blocks[] = {{24, 0},  {100, 0}, {200, 0}, {257, 0},  {300, 0},  {352, 0},  {384, 0}, {480, 0},  {511, 0},
                  {512, 0}, {540, 0}, {576, 0}, {1000, 0}, {1020, 0}, {1100, 0}, {1, 128}, {300, 512}};
    for (unsigned i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        static struct outcome out;
        size = blocks[i].size;
        align = blocks[i].align;
        size_t need = fh_aligned_size(size + 1, align), front = need > PLAIN_MOST ? FRONT : 0;
        slack = fh_class_size(fh_class_of(need + front)) - front - size;
        run_child(&out, write_to_each_canary, NULL, 100);
        unsigned told = count_in_file("behind a block");
        CHECKF(out.exited && out.code == 0 && told == slack, "%zu bytes: %u of %zu writes to canaries are told",
               size, told, slack);
    }
}

int main(void) {
    check_fresh_ones();
    check_long_where_short_were();
    check_what_waits_is_had_back();
    check_a_large_one(100, 1);
    check_a_large_one(60000, LARGE / 15);
    check_a_large_one(LARGE - 1, 1);
    check_each_byte();
    check_each_canary();
    for (mistake = mistakes; mistake < mistakes + sizeof mistakes / sizeof *mistakes; mistake++) {
        for (unsigned i = 0; i < SIZES; i++) {
            static struct outcome out;
            size = sizes[i];
            run_child(&out, body, NULL, 60);
            CHECKF(out.exited && out.code == 0, "%s, %zu bytes: ended with %d: %s", mistake->what, size,
                   out.code, out.text);
            CHECKF(count(out.text, "heap misuse") == 1 && count(out.text, mistake->word) == 1,
                   "%s, %zu bytes: %s", mistake->what, size, out.text);
        }
    }
    return 0;
}
