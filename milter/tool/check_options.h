/*
 * check_options.h - the command line of `vidimus check`.
 */
#ifndef VIDIMUS_TOOL_CHECK_OPTIONS_H
#define VIDIMUS_TOOL_CHECK_OPTIONS_H

#include "base/netlist.h"
#include "base/slice.h"

struct check_options {
    const char *config_file; /* NULL: the installed one if it is there */
    const char **overrides;  /* "Name=value" */
    size_t n_overrides;
    struct netaddr client;   /* family 0: none given */
    const char *client_name, *helo, *mail_from;
    const char **rcpts;
    size_t n_rcpts;
    const char *zone_file, *record_dir, *replay_dir, *org_domain, *queue_id;
    int64_t now;            /* 0: the clock */
    unsigned min_key_bits;  /* 0: as configured */
    bool spf_only, seal, second_opinion, json, explain, old_rules, results_from_header, authenticated;
    const char *message_file; /* NULL: standard input */
};

/* EX_OK, or the status to end with after a message on standard error (EX_USAGE) or a help text (-1 for "done, all well"). */
int check_options_read(int argc, char **argv, struct check_options *o);
void check_options_clear(struct check_options *o);

#endif
