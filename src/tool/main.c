/* main.c - the `freehold` command: finds the subcommand and calls it.
 *
 * A subcommand is a row in the table. Each one reads its own options and answers --help itself.
 */
#include "tool/tool.h"

#include <freehold/settings.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    {"run", fh_run_command, "run a program on this heap and show its memory when it ends"},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void print_help(void) {
    puts("usage: freehold SUBCOMMAND [options] ...\n\n"
         "Shows the memory of a program, without a rebuild.\n\n"
         "Subcommands:");
    for (size_t i = 0; i < SUBCOMMANDS; i++) printf("  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    puts("\nOptions:\n"
         "  --help     this text; `freehold SUBCOMMAND --help` says more\n"
         "  --version  the version of Freehold\n\n"
         "To begin:  freehold run ls -l");
}

static bool is(const char *word, const char *one, const char *other) {
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

int main(int argc, char **argv) {
    static char help[] = "--help";
    fh_set("limit", "0"); /* what FREEHOLD says is meant for the program: this command needs room to work */
    if (argc > 2 && strcmp(argv[1], "help") == 0) { /* help run: run --help */
        argv[1] = argv[2];
        argv[2] = help;
        argc = 3;
    }
    if (argc < 2 || is(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0) {
        print_help();
        return 0;
    }
    if (is(argv[1], "--version", "-V")) {
        puts("freehold " FREEHOLD_VERSION);
        return 0;
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0) return subcommands[i].run(argc - 1, argv + 1);
    if (argv[1][0] == '-')
        fh_tool_fail(FH_EXIT_USAGE, "there is no option %s; `freehold --help` lists what there is", argv[1]);
    if (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "step") == 0)
        fh_tool_fail(FH_EXIT_USAGE, "freehold %s is not there yet", argv[1]);
    fh_tool_fail(FH_EXIT_USAGE, "there is no subcommand \"%s\"; to run a program: freehold run %s", argv[1],
                 argv[1]);
}
