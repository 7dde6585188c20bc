/*
 * config.c - `vidimus config check` and `vidimus config dump`.
 */
#include "tool/tool.h"

#include "config/config.h"
#include "pipeline/pipeline.h"
#include "pipeline/seal.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char help[] =
    "usage: vidimus config check [-c FILE] [-o NAME=VALUE]...\n"
    "       vidimus config dump [-c FILE] [-o NAME=VALUE]... [--changed]\n"
    "check says everything that is wrong with the configuration and the files it names (exit status 78 if anything is).\n"
    "dump prints every option with its value; --changed only those that are not at their default.\n";

#define MAX_OVERRIDES 64

struct arguments {
    const char *file;
    const char *overrides[MAX_OVERRIDES];
    size_t n;
    bool changed;
};

/* 0: fine; 1: help was asked for; -1: wrong. */
static int
read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { "changed", no_argument, NULL, 'd' },
                                           { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    *a = (struct arguments){ .file = SYSCONFDIR "/vidimus/vidimus.conf" };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "c:o:h", longs, NULL)) != -1;) {
        if (c == 'c')
            a->file = optarg;
        else if (c == 'o' && a->n < MAX_OVERRIDES)
            a->overrides[a->n++] = optarg;
        else if (c == 'd')
            a->changed = true;
        else
            return c == 'h' ? 1 : -1;
    }
    return optind == argc ? 0 : -1;
}

static int
check(const struct arguments *a, struct config *c, struct strbuf *errors)
{
    size_t before = errors->n;
    struct pipeline_parts parts = { .config = c, .signer = c->arc_seal ? seal_local_signer(c, true, errors) : NULL };
    struct pipeline *p = pipeline_new(&parts, errors);
    pipeline_release(p);
    if (p == NULL || errors->n != before) {
        fputs(strbuf_str(errors), stderr);
        return EX_CONFIG;
    }
    printf("%s: no errors\n", a->file);
    return EX_OK;
}

static int
run(const char *what, const struct arguments *a)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    struct config *c = NULL;
    int status = EX_CONFIG;
    if (config_load(a->file, a->overrides, a->n, &text, &c) != ST_OK) {
        fputs(strbuf_str(&text), stderr);
    } else if (strcmp(what, "check") == 0) {
        status = check(a, c, &text);
    } else {
        config_dump(c, a->changed, &text);
        fputs(strbuf_str(&text), stdout);
        status = EX_OK;
    }
    config_release(c);
    strbuf_clear(&text);
    return status;
}

int
tool_config(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0) {
        fputs(help, stdout);
        return EX_OK;
    }
    struct arguments a;
    int wrong = -1;
    if (strcmp(what, "check") == 0 || strcmp(what, "dump") == 0) {
        argv[1] = argv[0]; /* getopt(3) names the program by it */
        wrong = read_arguments(argc - 1, argv + 1, &a);
    }
    if (wrong != 0) {
        fputs(help, wrong > 0 ? stdout : stderr);
        return wrong > 0 ? EX_OK : EX_USAGE;
    }
    return run(what, &a);
}
