/* day.h - calendar days in UTC as YYYYMMDD. */
#ifndef VIDIMUS_REPORT_DAY_H
#define VIDIMUS_REPORT_DAY_H

#include "base/slice.h"

#define DAY_TEXT 11 /* "2026-11-21" and its NUL */

int day_of(int64_t unix_s);
int64_t day_first_second(int day); /* Unix time */
int day_add(int day, int days);
bool day_parse(slice text, int *day); /* 2026-11-21 or 20261121 */
void day_text(int day, char out[DAY_TEXT]);

#endif
