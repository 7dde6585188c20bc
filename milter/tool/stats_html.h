/* stats_html.h - the statistics as one self-contained page: no script, no font, no picture from elsewhere. */
#ifndef VIDIMUS_TOOL_STATS_HTML_H
#define VIDIMUS_TOOL_STATS_HTML_H

#include "report/stats.h"

void stats_html(const struct stats *s, int64_t now, struct strbuf *out);

#endif
