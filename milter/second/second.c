#include "second/second.h"
#include "autoconf.h"
#include "second/spf_libspf2.h"

spf_engine *
second_spf(void)
{
#ifdef HAVE_SPF2
    return spf_libspf2_check;
#else
    return NULL;
#endif
}

bool
second_spf_has_opinion(const struct spf_outcome *o)
{
    return !slice_starts(o->reason, SLICE(SECOND_NOT_ASKED));
}

slice
second_spf_difference(struct arena *a, const struct spf_outcome *native, const struct spf_outcome *other)
{
    if (native->result == other->result || !second_spf_has_opinion(other))
        return SLICE_EMPTY;
    return arena_printf(a, "native %s (%.*s), libspf2 %s (%.*s)", spf_result_name(native->result),
                        SLICE_ARG(native->reason), spf_result_name(other->result), SLICE_ARG(other->reason));
}
