/*
 * names.c - the words for the enums of record.h, as they stand in logs, JSON and Authentication-Results.
 */
#include "record/record.h"

const char *
iprev_result_name(enum iprev_result r) /* RFC 8601 2.7.3; "none": there was no address to look up */
{
    switch (r) {
    case IPREV_NONE:
        return "none";
    case IPREV_PASS:
        return "pass";
    case IPREV_FAIL:
        return "fail";
    case IPREV_TEMPERROR:
        return "temperror";
    case IPREV_PERMERROR:
        return "permerror";
    }
    return "permerror";
}

const char *
action_name(enum action a)
{
    switch (a) {
    case ACTION_ACCEPT:
        return "accept";
    case ACTION_QUARANTINE:
        return "quarantine";
    case ACTION_REJECT:
        return "reject";
    case ACTION_TEMPFAIL:
        return "tempfail";
    }
    return "tempfail";
}
