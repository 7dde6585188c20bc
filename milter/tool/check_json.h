/*
 * check_json.h - `vidimus check --json`: one line, the form of interfaces that scripts rely on.
 */
#ifndef VIDIMUS_TOOL_CHECK_JSON_H
#define VIDIMUS_TOOL_CHECK_JSON_H

#include "dns/resolver.h"
#include "pipeline/pipeline.h"

/* Prints the line to standard output.  False: no memory. */
bool check_json_print(const struct verdict *v);
/* SPF alone. */
bool check_json_print_spf(const struct spf_outcome *mfrom, const struct spf_outcome *helo, struct dns_usage usage);

#endif
