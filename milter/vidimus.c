/*
 * vidimus.c - the operator's tool: finds the subcommand, nothing else.
 */
#include "autoconf.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int
main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)) {
        puts("vidimus " PACKAGE_VERSION);
        return EX_OK;
    }
    fputs("usage: vidimus -V\n", stderr);
    return EX_USAGE;
}
