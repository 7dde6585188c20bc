/*
 * vidimus_milter.c - the daemon: options, signals, privileges; no mail logic.
 */
#include "autoconf.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int
main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)) {
        puts("vidimus-milter " PACKAGE_VERSION);
        return EX_OK;
    }
    fputs("usage: vidimus-milter -V\n", stderr);
    return EX_USAGE;
}
