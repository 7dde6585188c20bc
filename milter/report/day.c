/* day.c - calendar days in UTC as YYYYMMDD, the form that sorts, and that a person reads in the database. */
#include "autoconf.h"

#include "report/day.h"

#include <time.h>

int
day_of(int64_t unix_s)
{
    time_t t = (time_t)unix_s;
    struct tm tm = { 0 };
    gmtime_r(&t, &tm);
    return (tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday;
}

int64_t
day_first_second(int day)
{
    struct tm tm = { .tm_year = day / 10000 - 1900, .tm_mon = day / 100 % 100 - 1, .tm_mday = day % 100 };
    return (int64_t)timegm(&tm);
}

int
day_add(int day, int days)
{
    return day_of(day_first_second(day) + (int64_t)days * 86400);
}

bool
day_parse(slice text, int *day)
{
    char digits[8];
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '-' && (i == 4 || i == 7))
            continue;
        if (!ascii_is_digit(text.p[i]) || n == sizeof(digits))
            return false;
        digits[n++] = text.p[i];
    }
    uint64_t v;
    if (n != sizeof(digits) || !slice_to_u64((slice){ digits, n }, &v))
        return false;
    *day = (int)v;
    return v >= 19700101 && day_add(*day, 0) == *day; /* 20260231 is no day */
}

void
day_text(int day, char out[DAY_TEXT])
{
    unsigned d = (unsigned)day;
    const char text[DAY_TEXT] = { (char)('0' + d / 10000000 % 10), (char)('0' + d / 1000000 % 10), (char)('0' + d / 100000 % 10),
                                  (char)('0' + d / 10000 % 10), '-', (char)('0' + d / 1000 % 10), (char)('0' + d / 100 % 10), '-',
                                  (char)('0' + d / 10 % 10), (char)('0' + d % 10), '\0' };
    for (int i = 0; i < DAY_TEXT; i++)
        out[i] = text[i];
}
