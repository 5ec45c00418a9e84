/* run.c - `freehold run`: a program on this heap, and what it did with memory.
 *
 *     options ──> library, program found and judged ──> directory for the numbers, environment
 *                                                            │
 *           LD_PRELOAD=libfreehold.so:<the user's>           v
 *           FREEHOLD=...<the user's>,count=on,report=DIR  program ──fork, exec──> its children
 *                                                            │                      │
 *     report <── numbers.c <── DIR/PID.N.fh <────────────────┴──────────────────────┘
 *
 * The program's input, output, status and signals are its own: see child.c. The report goes to stderr after the
 * program has ended, or into a file that is opened before the program starts, so that a bad name is known in
 * time.
 */
#include "base/settings.h"
#include "tool/report.h"
#include "tool/program.h"
#include "tool/tool.h"

#include <dirent.h>
#include <errno.h>
#include <freehold/settings.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINES = 8, CLASSES = 12 };

struct options {
    bool json, fast;
    const char *output; /* NULL: stderr */
    unsigned lines, classes;
    char *settings; /* "key=value,key=value,": what --set added */
    char **argv;
};

/* ---------------------------------------------------------------- options ------------------------------- */

static void print_help(void) {
    printf("usage: freehold run [options] [--] PROGRAM [ARGUMENT...]\n\n"
           "Runs PROGRAM on the Freehold heap, its children too, and reports on its memory when it ends. Its "
           "input,\n"
           "output, signals and exit status pass through; the report goes to stderr.\n\n"
           "Options:\n"
           "  --json             the report as JSON (docs/RUN.md has the schema)\n"
           "  -o, --output FILE  the report into FILE\n"
           "  --fast             do not count calls: the program runs at full speed, and less is known\n"
           "  --children N       lines for other processes, the largest first (%d); 0: none\n"
           "  --classes N        lines for size classes, the busiest (%d); 0: none\n"
           "  --set KEY=VALUE    a setting of the library; may be repeated\n"
           "  --help, --version\n\n"
           "Exit status: the program's own; if a signal ended it, freehold ends by the same signal (128 + "
           "number in\n"
           "a shell). 2: wrong options; 125: freehold failed; 126: the program cannot be run; 127: it was not "
           "found.\n\n"
           "Environment: FREEHOLD_LIB names another libfreehold.so; NO_COLOR turns colour off. FREEHOLD has "
           "settings,\n"
           "as --set does:\n",
           LINES, CLASSES);
    fflush(stdout);
    fh_settings_print(STDOUT_FILENO);
}

static unsigned number_of(const char *option, const char *text) {
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n > 1000000)
        fh_tool_fail(FH_EXIT_USAGE, "%s wants a number, not \"%s\"", option, text);
    return (unsigned)n;
}

static void add_setting(struct options *options, const char *text) {
    const char *equals = strchr(text, '=');
    char nothing[1];
    if (equals == NULL || equals == text)
        fh_tool_fail(FH_EXIT_USAGE, "--set wants KEY=VALUE, not \"%s\"", text);
    if (strchr(text, ',') != NULL)
        fh_tool_fail(FH_EXIT_USAGE, "--set takes one setting, without a comma: \"%s\"", text);
    char *key = fh_tool_text("%.*s", (int)(equals - text), text);
    if (fh_get(key, nothing, 0) < 0)
        fh_tool_fail(FH_EXIT_USAGE, "there is no setting \"%s\"; `freehold run --help` lists what there is",
                     key);
    char wanted[160];
    if (!fh_settings_would_take(key, equals + 1, wanted, sizeof wanted))
        fh_tool_fail(FH_EXIT_USAGE, "--set %s: %s must be %s", text, key, wanted);
    if (strcmp(key, "report") == 0) fh_tool_fail(FH_EXIT_USAGE, "freehold run sets report= itself");
    if (strcmp(key, "count") == 0)
        fh_tool_fail(FH_EXIT_USAGE, "freehold run sets count= itself; --fast is without counting");
    char *longer = fh_tool_text("%s%s,", options->settings, text);
    free(options->settings);
    free(key);
    options->settings = longer;
}

enum { JSON = 256, FAST, CHILDREN, CLASSES_OPTION, SET, VERSION };

static const struct option long_options[] = {
    {"json", no_argument, NULL, JSON},
    {"output", required_argument, NULL, 'o'},
    {"fast", no_argument, NULL, FAST},
    {"children", required_argument, NULL, CHILDREN},
    {"classes", required_argument, NULL, CLASSES_OPTION},
    {"set", required_argument, NULL, SET},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

static _Noreturn void fail_option(char **argv, int kind) {
    const char *word = argv[optind - 1];
    if (kind == ':') fh_tool_fail(FH_EXIT_USAGE, "%s wants a value", word);
    if (optopt >= JSON) fh_tool_fail(FH_EXIT_USAGE, "%s takes no value", word);
    if (optopt != 0 && strncmp(word, "--", 2) != 0)
        fh_tool_fail(FH_EXIT_USAGE, "there is no option -%c; `freehold run --help` lists what there is",
                     optopt);
    fh_tool_fail(FH_EXIT_USAGE,
                 "there is no option %s (or it could mean several); `freehold run --help` lists what there is",
                 word);
}

/* Options end at the program's name or at "--": what follows is the program's. */
static void read_options(struct options *options, int argc, char **argv) {
    int option;
    *options = (struct options){.lines = LINES, .classes = CLASSES, .settings = fh_tool_text("%s", "")};
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:ho:", long_options, NULL)) != -1) {
        switch (option) {
            case JSON: options->json = true; break;
            case FAST: options->fast = true; break;
            case 'o': options->output = optarg; break;
            case CHILDREN: options->lines = number_of("--children", optarg); break;
            case CLASSES_OPTION: options->classes = number_of("--classes", optarg); break;
            case SET: add_setting(options, optarg); break;
            case 'h': print_help(); exit(0);
            case VERSION: puts("freehold " FREEHOLD_VERSION); exit(0);
            default: fail_option(argv, option);
        }
    }
    options->argv = argv + optind;
    if (options->argv[0] == NULL)
        fh_tool_fail(FH_EXIT_USAGE,
                     "which program? For instance: freehold run ls -l   (`freehold run --help` says more)");
}

/* ---------------------------------------------------------------- the directory ------------------------- */

/* The place must be nameable in FREEHOLD and LD_PRELOAD: no comma, blank or colon. */
static char *try_directory(const char *place) {
    if (place == NULL || place[0] != '/' || strlen(place) > 400 || strpbrk(place, ", \t\n:") != NULL)
        return NULL;
    char *directory = fh_tool_text("%s/freehold-XXXXXX", place);
    if (mkdtemp(directory) != NULL) return directory;
    free(directory);
    return NULL;
}

/* In memory where that can be: the files are written at every call of malloc. Processes that root starts may
 * become those of other users, who then must be able to make files there, but not to see which there are. */
static char *make_directory(void) {
    char *directory = try_directory(getenv("TMPDIR"));
    if (directory == NULL) directory = try_directory("/dev/shm");
    if (directory == NULL) directory = try_directory("/tmp");
    if (directory == NULL)
        fh_tool_fail(FH_EXIT_OWN, "cannot make a directory for the numbers in TMPDIR, /dev/shm or /tmp");
    if (geteuid() == 0 && chmod(directory, 01733) != 0)
        fh_tool_say("processes of other users will not be counted: %s: %s", directory, strerror(errno));
    return directory;
}

/* A process that still runs may make a file in the meantime: a second look. */
static void remove_directory(const char *path) {
    for (int tries = 0; tries < 3 && rmdir(path) != 0 && errno == ENOTEMPTY; tries++) {
        DIR *directory = opendir(path);
        struct dirent *entry;
        if (directory == NULL) return;
        while ((entry = readdir(directory)) != NULL) unlinkat(dirfd(directory), entry->d_name, 0);
        closedir(directory);
    }
}

/* ---------------------------------------------------------------- the environment ----------------------- */

static void set_variable(const char *name, char *value) {
    if (setenv(name, value, 1) != 0) fh_tool_fail(FH_EXIT_OWN, "cannot set %s: %s", name, strerror(errno));
    free(value);
}

/* The user's own values stay: of settings that are said twice the later one holds; of preloaded libraries the
 * first. report_quiet stands before what may be misspelt: this command has told it already. */
static void set_environment(const struct options *options, const struct fh_library *library,
                            const char *directory) {
    const char *settings = getenv("FREEHOLD"), *preloaded = getenv("LD_PRELOAD");
    bool some = settings != NULL && settings[0] != '\0', others = preloaded != NULL && preloaded[0] != '\0';
    char *name = fh_library_preload_name(library, directory);
    set_variable("FREEHOLD",
                 fh_tool_text("report_quiet=on,%s%s%scount=%s,report=%s", some ? settings : "", some ? "," : "",
                              options->settings, options->fast ? "off" : "on", directory));
    set_variable("LD_PRELOAD", fh_tool_text("%s%s%s", name, others ? ":" : "", others ? preloaded : ""));
    free(name);
}

/* ---------------------------------------------------------------- notes --------------------------------- */

static char *note_without_numbers(const struct fh_run *run) {
    int status = run->child->status;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return fh_tool_text(
            "No numbers came from the program: the loader could not start it. What it lacks stands above.");
    return fh_tool_text(
        "No numbers came from the program, so nothing more is known of its memory. Either the loader did not "
        "take the library (then its message stands above), or no file could be made: a limit on file size "
        "(ulimit -f) or on open files (ulimit -n), or a seccomp filter.");
}

/* What has pages of its own is in none of the numbers. */
static char *note_about_guarded(void) {
    const char *settings = getenv("FREEHOLD");
    if (settings == NULL) return NULL;
    if (strstr(settings, "mode=guard") != NULL)
        return fh_tool_text("With mode=guard blocks stand on pages of their own, which are not counted. The "
                            "numbers are of the other blocks.");
    if (strstr(settings, "mode=checked") != NULL)
        return fh_tool_text("With mode=checked the first blocks and large ones stand on pages of "
                            "their own, which are not counted. The numbers are of the other blocks.");
    if (strstr(settings, "guard_sample=") != NULL)
        return fh_tool_text("With guard_sample some blocks stand on pages of their own, which are not counted. "
                            "The numbers are of the other blocks.");
    return NULL;
}

/* A sentence about the numbers that a reader must know to understand them; NULL: there is none. */
static char *make_note(const struct fh_run *run) {
    const struct fh_counters *main = run->numbers->main;
    const char *last = run->child->name;
    int status = run->child->status;
    if (main == NULL) return note_without_numbers(run);
    if (main->finished && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return fh_tool_text(
            "The program's own seccomp filter killed it at its very end, most likely because Freehold asked "
            "the system for the resident size then. Without Freehold it may well end in order.");
    if (!main->finished && WIFEXITED(status) && last[0] != '\0' && strcmp(last, main->name) != 0)
        return fh_tool_text(
            "The process was called \"%s\" at its end, but the numbers are of \"%s\": most likely it went on, "
            "by exec, as a program that could not be watched, because its environment was cleared of "
            "LD_PRELOAD and "
            "FREEHOLD, or because that program is static or set-user-ID.",
            last, main->name);
    return note_about_guarded();
}

/* ---------------------------------------------------------------- the report ---------------------------- */

static FILE *open_output(const char *path) {
    FILE *file = fopen(path, "we");
    if (file == NULL) fh_tool_fail(FH_EXIT_OWN, "--output %s: %s", path, strerror(errno));
    return file;
}

/* Put together in memory and written in one piece, so that a program that still runs writes before it or behind
 * it. */
static void write_report(const struct options *options, const struct fh_run *run, FILE *output) {
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (memory == NULL) fh_tool_fail(FH_EXIT_OWN, "out of memory");
    if (options->json) {
        fh_report_json(run, memory);
    } else {
        struct fh_screen screen;
        fh_screen_begin(&screen, memory, fileno(output));
        fh_report_text(run, &screen);
    }
    fclose(memory);
    fwrite(text, 1, length, output);
    if (fflush(output) != 0 || ferror(output))
        fh_tool_say("the report could not be written: %s", strerror(errno));
    free(text);
}

static void gather_some(void *numbers) { fh_numbers_gather_some(numbers); }

int fh_run_command(int argc, char **argv) {
    struct options options;
    struct fh_library library;
    struct fh_program program;
    struct fh_numbers numbers;
    struct fh_child child;

    read_options(&options, argc, argv);
    fh_library_find(&library);
    fh_program_find(options.argv[0], &library, &program);
    if (program.wrong != NULL) fh_tool_fail(program.status, "%s", program.wrong);
    FILE *output = options.output ? open_output(options.output) : stderr;
    char *directory = make_directory();
    fh_numbers_begin(&numbers, directory);
    set_environment(&options, &library, directory);

    int error = fh_child_start(&child, program.path, options.argv);
    if (error != 0) {
        remove_directory(directory);
        fh_tool_fail(FH_EXIT_CANNOT_RUN, "%s cannot be run: %s", options.argv[0], strerror(error));
    }
    numbers.main_pid = (uint64_t)child.pid;
    fh_child_attend(&child, gather_some, &numbers);
    signal(SIGPIPE, SIG_IGN);
    fh_numbers_gather_all(&numbers);
    remove_directory(directory);

    struct fh_run run = {.argv = options.argv,
                         .child = &child,
                         .numbers = &numbers,
                         .fast = options.fast,
                         .most_lines = options.lines,
                         .most_classes = options.classes};
    char *note = make_note(&run);
    run.note = note;
    write_report(&options, &run, output);
    free(note);
    fh_child_end_alike(&child);
}
