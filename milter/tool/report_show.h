/* report_show.h - `vidimus report show`. */
#ifndef VIDIMUS_TOOL_REPORT_SHOW_H
#define VIDIMUS_TOOL_REPORT_SHOW_H

#include "tool/report_options.h"

int report_show(const struct report_options *o);

#endif
