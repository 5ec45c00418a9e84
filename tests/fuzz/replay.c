/* replay.c - runs the fuzzer's programs without a fuzzer: the files of a corpus, then variations of them for a
 * while.
 *
 *     replay [--seconds N] [--seed N] [--write FOLDER] FILE|FOLDER...
 *
 * An input that fails is left in crash-input (or where --write says), to be replayed alone. AFL++ runs this
 * program with one file.
 */
#include "../heap/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_FILES = 4000, LONGEST = 8192 };

static struct input {
    unsigned char *bytes;
    size_t size;
} inputs[MOST_FILES];
static size_t input_count;

static const unsigned char *now_bytes;
static size_t now_size;
static const char *crash_folder = ".";

/* Called as the process dies: writes the input with what is safe there. */
static void keep_input(int number) {
    char path[300];
    snprintf(path, sizeof path, "%s/crash-input", crash_folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0 && write(fd, now_bytes, now_size) == (ssize_t)now_size)
        fprintf(stderr, "the input is in %s (%zu bytes)\n", path, now_size);
    signal(number, SIG_DFL);
    raise(number);
}

static void run(const unsigned char *bytes, size_t size) {
    now_bytes = bytes;
    now_size = size;
    LLVMFuzzerTestOneInput(bytes, size);
}

static void read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f == NULL || input_count == MOST_FILES) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    unsigned char *bytes = malloc(LONGEST);
    CHECK(bytes);
    inputs[input_count++] = (struct input){bytes, fread(bytes, 1, LONGEST, f)};
    fclose(f);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_path(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        read_file(path);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char name[600];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') read_file(name);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

/* A program made of pieces of two, with some bytes changed. */
static size_t vary(unsigned char *out, struct rng *rng) {
    const struct input *a = &inputs[rng_below(rng, input_count)], *b = &inputs[rng_below(rng, input_count)];
    size_t from_a = a->size ? rng_below(rng, a->size) : 0, from_b = b->size ? rng_below(rng, b->size) : 0;
    from_a -= from_a % 8;
    size_t n = from_a + (b->size - from_b) < LONGEST ? b->size - from_b : LONGEST - from_a;
    memcpy(out, a->bytes, from_a);
    memcpy(out + from_a, b->bytes + from_b, n);
    size_t size = from_a + n;
    for (uint64_t i = rng_below(rng, 8); i > 0 && size; i--)
        out[rng_below(rng, size)] = (unsigned char)rng_next(rng);
    return size;
}

int main(int argc, char **argv) {
    double seconds = 0;
    uint64_t seed = 1, varied = 0;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--seconds") == 0) seconds = atof(argv[++i]);
        else if (more && strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[++i], NULL, 0);
        else if (more && strcmp(argv[i], "--write") == 0) crash_folder = argv[++i];
        else read_path(argv[i]);
    }
    static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL};
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) signal(deaths[i], keep_input);
    for (size_t i = 0; i < input_count; i++) run(inputs[i].bytes, inputs[i].size);
    static unsigned char bytes[LONGEST];
    struct rng rng = {.state = seed};
    for (double end = seconds_now() + seconds; input_count && seconds_now() < end; varied++)
        run(bytes, vary(bytes, &rng));
    fprintf(stderr, "%zu inputs, %llu variations\n", input_count, (unsigned long long)varied);
    return input_count == 0;
}
