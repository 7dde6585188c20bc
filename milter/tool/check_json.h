/*
 * check_json.h - `vidimus check --json`: one line, the form of interfaces that scripts rely on.
 */
#ifndef VIDIMUS_TOOL_CHECK_JSON_H
#define VIDIMUS_TOOL_CHECK_JSON_H

#include "pipeline/pipeline.h"

/* The line with its line end, to be freed; NULL: no memory. */
char *check_json_line(const struct verdict *v, bool spf_only);
/* Prints the line to standard output.  False: no memory. */
bool check_json_print(const struct verdict *v);
/* SPF alone. */
bool check_json_print_spf(const struct verdict *v);

#endif
