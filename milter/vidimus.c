/*
 * vidimus.c - the operator's tool: finds the subcommand, nothing else.
 */
#include "autoconf.h"

#include "base/slice.h"
#include "tool/tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    { "check", tool_check, "judge one message, without an MTA" },
    { "config", tool_config, "check or print the configuration" },
    { "key", tool_key, "make and test keys for sealing" },
    { "report", tool_report, "import records, make and send DMARC reports" },
    { "stats", tool_stats, "volume, alignment and refusals from the records" },
};

static void
usage(FILE *to)
{
    fputs("usage: vidimus COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < COUNT(commands); i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
    fputs("\nvidimus COMMAND --help says more; vidimus -V prints the version.\n", to);
}

/* What was printed has to have arrived: a cut-off file would look whole. */
static int
written(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "vidimus: the output could not be written: %s\n", strerror(errno));
    return status != EX_OK ? status : EX_IOERR;
}

static int
run(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EX_USAGE;
    }
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
        puts("vidimus " PACKAGE_VERSION);
        return EX_OK;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EX_OK;
    }
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32]; /* before what getopt(3) says */
            snprintf(name, sizeof(name), "vidimus %s", argv[1]);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    fprintf(stderr, "vidimus: no command \"%s\"; vidimus --help lists them\n", argv[1]);
    return EX_USAGE;
}

int
main(int argc, char **argv)
{
    return written(run(argc, argv));
}
