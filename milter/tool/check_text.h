/*
 * check_text.h - what `vidimus check` prints for people: a short table, the fields, and the steps of --explain.
 */
#ifndef VIDIMUS_TOOL_CHECK_TEXT_H
#define VIDIMUS_TOOL_CHECK_TEXT_H

#include "base/trace.h"
#include "pipeline/pipeline.h"

void check_text_print(const struct verdict *v);
void check_text_print_spf(const struct spf_outcome *mfrom, const struct spf_outcome *helo);
void check_text_explain(const struct trace *t);

#endif
