/* report_json.c - the report for machines. The schema is written down in docs/RUN.md; a change that takes away
 * or redefines a member gets a new name in "schema".
 *
 * A small writer: every member is begun by key(), which writes the comma that is due; open and close keep the
 * depth. What is not known is null, never 0. Sizes are bytes.
 */
#include "tool/report.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

struct json {
    FILE *out;
    int depth;
    bool first; /* no member yet at this depth */
};

static void next(struct json *json) {
    if (json->depth > 0) fprintf(json->out, "%s\n%*s", json->first ? "" : ",", json->depth * 2, "");
    json->first = false;
}

static void open_with(struct json *json, char bracket) {
    fputc(bracket, json->out);
    json->depth++;
    json->first = true;
}

static void close_with(struct json *json, char bracket) {
    json->depth--;
    if (!json->first) fprintf(json->out, "\n%*s", json->depth * 2, "");
    fputc(bracket, json->out);
    json->first = false;
}

/* The length of a well-formed UTF-8 character above ASCII that begins here, 0 if none does. */
static size_t character(const unsigned char *t) {
    size_t length = t[0] >= 0xf0 && t[0] < 0xf5   ? 4
                    : t[0] >= 0xe0 && t[0] < 0xf0 ? 3
                    : t[0] >= 0xc2 && t[0] < 0xe0 ? 2
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((t[i] & 0xc0) != 0x80) return 0;
    if ((t[0] == 0xe0 && t[1] < 0xa0) || (t[0] == 0xed && t[1] >= 0xa0)) return 0; /* overlong; a surrogate */
    if ((t[0] == 0xf0 && t[1] < 0x90) || (t[0] == 0xf4 && t[1] >= 0x90)) return 0; /* overlong; too large   */
    return length;
}

/* Arguments may be any bytes; JSON is UTF-8. A byte that is not part of a character becomes U+FFFD. */
static void string(struct json *json, const char *text) {
    const unsigned char *t = (const unsigned char *)text;
    fputc('"', json->out);
    while (*t != '\0') {
        size_t length = *t < 0x80 ? 1 : character(t);
        if (*t == FH_JOIN[0]) fputc(' ', json->out);
        else if (*t == '"' || *t == '\\') fprintf(json->out, "\\%c", *t);
        else if (*t < ' ' || *t == 0x7f) fprintf(json->out, "\\u%04x", *t);
        else if (length == 0) fputs("\\ufffd", json->out);
        else fwrite(t, 1, length, json->out);
        t += length > 0 ? length : 1;
    }
    fputc('"', json->out);
}

static void key(struct json *json, const char *name) {
    next(json);
    fprintf(json->out, "\"%s\": ", name);
}

static void put_number(struct json *json, const char *name, uint64_t n) {
    key(json, name);
    fprintf(json->out, "%" PRIu64, n);
}

static void put_known(struct json *json, const char *name, bool known, uint64_t n) {
    key(json, name);
    if (known) fprintf(json->out, "%" PRIu64, n);
    else fputs("null", json->out);
}

static void put_string(struct json *json, const char *name, const char *text) {
    key(json, name);
    if (text) string(json, text);
    else fputs("null", json->out);
}

static void put_bool(struct json *json, const char *name, bool yes) {
    key(json, name);
    fputs(yes ? "true" : "false", json->out);
}

/* ---------------------------------------------------------------- how it ended -------------------------- */

static void put_child_end(struct json *json, int status) {
    key(json, "ended");
    open_with(json, '{');
    if (WIFSIGNALED(status)) {
        put_string(json, "how", "signal");
        put_number(json, "signal", (uint64_t)WTERMSIG(status));
        put_string(json, "name", fh_signal_name(WTERMSIG(status)));
        put_bool(json, "core", WCOREDUMP(status));
    } else {
        put_string(json, "how", "exit");
        put_number(json, "status", (uint64_t)WEXITSTATUS(status));
    }
    close_with(json, '}');
}

static void put_image_end(struct json *json, enum fh_image_end end, int status) {
    static const char *const names[] = {[FH_IMAGE_EXITED] = "exit",
                                        [FH_IMAGE_REPLACED] = "exec",
                                        [FH_IMAGE_RUNS] = "running",
                                        [FH_IMAGE_NOT_SEEN] = "not seen"};
    key(json, "ended");
    open_with(json, '{');
    put_string(json, "how", names[end]);
    if (end == FH_IMAGE_EXITED) put_known(json, "status", status >= 0, status >= 0 ? (uint64_t)status : 0);
    close_with(json, '}');
}

/* ---------------------------------------------------------------- the program --------------------------- */

static void put_peak_and_end(struct json *json, const char *name, bool peak_known, uint64_t peak,
                             bool end_known, uint64_t end) {
    key(json, name);
    open_with(json, '{');
    put_known(json, "peak", peak_known, peak);
    put_known(json, "end", end_known, end);
    close_with(json, '}');
}

static void put_classes(struct json *json, const struct fh_counters *main) {
    key(json, "classes");
    open_with(json, '[');
    for (unsigned c = 0; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_counters *k = &main->classes[c];
        if (k->allocs == 0) continue;
        next(json);
        open_with(json, '{');
        put_known(json, "block_size", c != 0, c != 0 ? fh_class_size(c) : 0);
        put_number(json, "allocations", k->allocs);
        put_number(json, "frees", k->frees);
        put_number(json, "live_blocks", k->allocs - k->frees);
        put_number(json, "live_asked", k->asked);
        put_number(json, "peak_blocks", k->peak_blocks);
        close_with(json, '}');
    }
    close_with(json, ']');
}

static void put_spans(struct json *json, const struct fh_stats *final) {
    key(json, "spans");
    open_with(json, '[');
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *k = &final->classes[c];
        if (k->spans == 0) continue;
        next(json);
        open_with(json, '{');
        put_number(json, "block_size", k->block_size);
        put_number(json, "spans", k->spans);
        put_number(json, "blocks", k->blocks);
        put_number(json, "live", k->live);
        put_number(json, "cached", k->cached);
        put_number(json, "free", k->free);
        close_with(json, '}');
    }
    close_with(json, ']');
}

static void put_final(struct json *json, const struct fh_counters *main) {
    const struct fh_stats *final = &main->final;
    struct fh_held_parts parts = fh_held_parts_of(final);
    key(json, "at_exit");
    if (!main->finished) {
        fputs("null", json->out);
        return;
    }
    open_with(json, '{');
    put_number(json, "held", final->held);
    put_number(json, "live", final->live);
    put_known(json, "asked", final->counting, final->asked);
    put_known(json, "rounding", final->counting, parts.rounding);
    put_number(json, "cached", final->cached);
    put_number(json, "free_in_spans", final->free_in_spans);
    put_number(json, "span_tail", final->span_tail);
    put_number(json, "free_extents", final->free_extents);
    put_number(json, "metadata", final->metadata);
    put_number(json, "large_live", final->large_live);
    put_number(json, "large_blocks", final->large_blocks);
    put_number(json, "largest_hole", final->largest_hole);
    put_number(json, "purged", final->purged);
    put_number(json, "threads", final->threads);
    put_spans(json, final);
    close_with(json, '}');
}

/* The threads with the largest peaks; `threads_measured` says of how many. */
static void put_stacks(struct json *json, const struct fh_counters *main) {
    put_number(json, "threads_measured", main->threads_measured);
    key(json, "stacks");
    open_with(json, '[');
    for (size_t i = 0; i < main->stacks_kept && i < FH_STACKS_KEPT; i++) {
        const struct fh_stack_use *stack = &main->stacks[i];
        char name[sizeof stack->name + 1] = "";
        memcpy(name, stack->name, sizeof stack->name);
        next(json);
        open_with(json, '{');
        put_number(json, "thread", stack->id);
        put_string(json, "name", name);
        put_bool(json, "main", stack->id == main->pid);
        put_number(json, "size", stack->size);
        put_number(json, "peak", stack->peak);
        close_with(json, '}');
    }
    close_with(json, ']');
}

static void put_program(struct json *json, const struct fh_run *run) {
    const struct fh_counters *main = run->numbers->main;
    key(json, "program");
    if (main == NULL) {
        fputs("null", json->out);
        return;
    }
    bool counted = main->counting;
    uint64_t peak_rss = fh_run_peak_rss(run);
    open_with(json, '{');
    put_string(json, "command", main->command);
    put_bool(json, "finished", main->finished);
    put_known(json, "allocations", counted, main->allocs);
    put_known(json, "frees", counted, main->frees);
    put_known(json, "resizes", counted, main->reallocs);
    put_known(json, "live_blocks", counted, main->allocs - main->frees);
    put_peak_and_end(json, "asked", counted, main->asked_peak, counted, main->asked);
    put_peak_and_end(json, "held", true, fh_held_peak(main), true,
                     main->finished ? main->final.held : main->held);
    put_known(json, "held_at_asked_peak", counted, main->held_at_peak);
    put_peak_and_end(json, "resident", peak_rss != 0, peak_rss, main->exit_rss != 0, main->exit_rss);
    put_final(json, main);
    put_classes(json, main);
    put_stacks(json, main);
    close_with(json, '}');
}

/* ---------------------------------------------------------------- other processes ----------------------- */

static void put_image(struct json *json, const struct fh_numbers *numbers, const struct fh_image *image) {
    bool counted = numbers->counting;
    next(json);
    open_with(json, '{');
    put_number(json, "pid", image->pid);
    put_number(json, "parent", image->parent);
    put_string(json, "command", image->command);
    put_string(json, "begun_by", image->forked ? "fork" : "exec");
    put_image_end(json, image->end, image->status);
    put_known(json, "allocations", counted, image->allocs);
    put_known(json, "frees", counted, image->frees);
    put_known(json, "resizes", counted, image->reallocs);
    put_known(json, "live_blocks", counted, image->live_blocks);
    put_peak_and_end(json, "asked", counted, image->asked_peak, counted, image->live_asked);
    put_known(json, "held_peak", true, image->held_peak);
    put_known(json, "resident_peak", image->peak_rss != 0, image->peak_rss);
    close_with(json, '}');
}

static void put_sum(struct json *json, const char *name, bool counted, const struct fh_images_sum *sum) {
    key(json, name);
    open_with(json, '{');
    put_number(json, "processes", sum->images);
    put_known(json, "allocations", counted, sum->allocs);
    put_known(json, "frees", counted, sum->frees);
    put_known(json, "resizes", counted, sum->reallocs);
    put_known(json, "largest_asked_peak", counted, sum->largest_asked_peak);
    put_number(json, "largest_held_peak", sum->largest_held_peak);
    close_with(json, '}');
}

void fh_report_json(const struct fh_run *run, FILE *out) {
    const struct fh_numbers *numbers = run->numbers;
    struct json json = {.out = out, .first = true};
    struct fh_images_sum all = fh_numbers_sum_all(numbers);
    open_with(&json, '{');
    put_string(&json, "schema", "freehold-run-1");
    put_string(&json, "version", FREEHOLD_VERSION);
    key(&json, "arguments");
    open_with(&json, '[');
    for (char **word = run->argv; *word != NULL; word++) {
        next(&json);
        string(&json, *word);
    }
    close_with(&json, ']');
    put_number(&json, "pid", (uint64_t)run->child->pid);
    key(&json, "seconds");
    fprintf(out, "%.6f", run->child->seconds);
    put_child_end(&json, run->child->status);
    put_bool(&json, "counted", numbers->counting);
    put_string(&json, "note", run->note);
    put_program(&json, run);
    key(&json, "others");
    open_with(&json, '[');
    for (size_t i = 0; i < numbers->count; i++) put_image(&json, numbers, &numbers->images[i]);
    close_with(&json, ']');
    put_sum(&json, "others_not_listed", numbers->counting, &numbers->dropped);
    put_sum(&json, "all", numbers->counting, &all);
    close_with(&json, '}');
    fputc('\n', out);
}
