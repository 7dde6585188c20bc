#include "pipeline/date.h"

#include <time.h>

static bool
two_digits(slice s, size_t at, int *out)
{
    uint64_t v;
    if (!slice_to_u64(slice_head(slice_tail(s, at), 2), &v))
        return false;
    *out = (int)v;
    return true;
}

bool
date_parse(slice s, int64_t *out)
{
    uint64_t year;
    struct tm tm = { 0 };
    bool shape = s.n == 10 || (s.n == 16 && s.p[10] == 'T' && s.p[13] == ':');
    if (!shape || s.p[4] != '-' || s.p[7] != '-' || !slice_to_u64(slice_head(s, 4), &year) || year < 1970 ||
        !two_digits(s, 5, &tm.tm_mon) || !two_digits(s, 8, &tm.tm_mday))
        return false;
    if (s.n == 16 && (!two_digits(s, 11, &tm.tm_hour) || !two_digits(s, 14, &tm.tm_min)))
        return false;
    tm.tm_year = (int)year - 1900;
    tm.tm_mon--;
    struct tm want = tm;
    *out = (int64_t)timegm(&tm);
    return tm.tm_mon == want.tm_mon && tm.tm_mday == want.tm_mday && tm.tm_hour == want.tm_hour && tm.tm_min == want.tm_min;
}
