/* bench/work/strings.c - text.
 *
 * What scripts, parsers and compilers do all day: read a text, cut it into words, keep one copy of each in a
 * table, join words into lines and throw the lines away. Nearly all blocks are under 64 bytes and most live
 * for microseconds; the words in the table stay until the table is full and is dropped. */
#include "work.h"

#define BUCKETS 8192
#define WORDS 20000

struct word {
    struct word *next;
    char *text;
    size_t count;
};

struct table {
    struct word *bucket[BUCKETS];
    size_t words;
};

static uint64_t hash(const char *s) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

static char *copy(const char *s) {
    size_t n = strlen(s) + 1;
    return memcpy(must(malloc(n)), s, n);
}

/* A made-up word: short ones are common and come again and again. */
static char *speak(struct rng *r) {
    size_t letters = 1 + rng_below(r, rng_below(r, 8) ? 5 : 24);
    char *s = must(malloc(letters + 1));
    for (size_t i = 0; i < letters; i++) s[i] = (char)('a' + rng_below(r, 26));
    s[letters] = 0;
    return s;
}

static struct word *intern(struct table *t, const char *text) {
    struct word **at = &t->bucket[hash(text) % BUCKETS];
    for (struct word *w = *at; w; w = w->next)
        if (strcmp(w->text, text) == 0) return w;
    struct word *w = must(malloc(sizeof *w));
    *w = (struct word){*at, copy(text), 0};
    t->words++;
    return *at = w;
}

static uint64_t drop_words(struct table *t) {
    uint64_t sum = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        for (struct word *w = t->bucket[b], *next; w; w = next) {
            next = w->next;
            sum += w->count * (unsigned char)w->text[0];
            free(w->text);
            free(w);
        }
        t->bucket[b] = NULL;
    }
    t->words = 0;
    return sum;
}

/* The line with one more word at its end. The line is given up. */
static char *join(char *line, const char *word) {
    size_t n = line ? strlen(line) : 0, m = strlen(word);
    char *longer = must(realloc(line, n + m + 2));
    memcpy(longer + n, word, m);
    memcpy(longer + n + m, " ", 2);
    return longer;
}

static uint64_t strings(double scale) {
    struct table *t = must(calloc(1, sizeof *t));
    struct rng r = {61};
    uint64_t sum = 0;
    size_t lines = scaled(600000, scale, 100);
    for (size_t i = 0; i < lines; i++) {
        char *line = NULL;
        for (size_t w = 0; w < 10; w++) {
            char *text = speak(&r);
            intern(t, text)->count++;
            line = join(line, text);
            free(text);
        }
        sum += strlen(line);
        free(line);
        if (t->words > WORDS) sum += drop_words(t);
    }
    sum += drop_words(t);
    free(t);
    return sum;
}

const struct work works_strings[] = {
    {"strings", "words cut, kept in a table, joined into lines", strings},
    {0},
};
