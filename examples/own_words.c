/* own_words.c - how often does each word occur? Map(Str, Count) over a large text; the most frequent ones by a
 * Vec and a sort.
 *
 *     own_words              counts the words of a text that it makes up (about 8 MB)
 *     own_words FILE         counts those of FILE
 *
 * The look-up takes a view of the text: a word is copied once, when it is new. */
#include <freehold/names.h>

#include <stdio.h>
#include <stdlib.h>

MAP(Str, size_t)

typedef struct {
    StrView word; /* looks at the map's key */
    size_t count;
} Entry;
PLAIN(Entry)

static int by_count(const Entry *a, const Entry *b) {
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return view_compare(a->word, b->word);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static size_t count_words(StrView text, Map(Str, size_t) * counts) {
    size_t words = 0;
    for (size_t i = 0; i < text.len;) {
        size_t from = i;
        while (i < text.len && is_letter(text.ptr[i])) i++;
        if (i > from) {
            ++*map_entry(counts, view_n(text.ptr + from, i - from));
            words++;
        }
        while (i < text.len && !is_letter(text.ptr[i])) i++;
    }
    return words;
}

/* Zipf's law, roughly: word n is about n times rarer than the first. */
static Str made_up_text(void) {
    own(Str) text = {0};
    uint64_t state = 12345;
    while (text.len < 8000000) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        double uniform = (double)(state >> 11) / 9007199254740992.0;
        unsigned rank = (unsigned)(1.0 / (uniform + 0.00002));
        char word[16];
        size_t n = 0;
        for (unsigned r = rank; n < 3 || r > 0; r /= 20) word[n++] = "etaoinshrdlucmfwypvb"[r % 20];
        str_push_view(&text, view_n(word, n));
        str_push(&text, rank % 11 ? " " : ".\n");
    }
    return move(text);
}

static bool read_file(const char *path, Str *out) {
    FILE *file = fopen(path, "r");
    if (!file) return false;
    static char buffer[65536];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) str_push_view(out, view_n(buffer, n));
    return fclose(file) == 0;
}

int main(int argc, char **argv) {
    own(Str) text = {0};
    if (argc < 2) {
        set(Str, &text, made_up_text());
    } else if (!read_file(argv[1], &text)) {
        perror(argv[1]);
        return 1;
    }
    own(Map(Str, size_t)) counts = {0};
    size_t words = count_words(str_as_view(&text), &counts);

    own(Vec(Entry)) top = vec_with(Entry, counts.len);
    map_each(e, &counts) vec_push(&top, ((Entry){str_as_view(&e->key), e->value}));
    vec_sort(&top, by_count);

    size_t sum = 0;
    vec_each(e, &top) sum += e->count;
    printf("%zu bytes, %zu words, %zu different\n", text.len, words, counts.len);
    Slice(Entry) first = slice(&top, 0, top.len < 10 ? top.len : 10);
    vec_each(e, &first) printf("%8zu %.*s\n", e->count, FH_PRINT(e->word));
    return sum == words ? 0 : 1;
}
