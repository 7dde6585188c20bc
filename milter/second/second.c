#include "second/second.h"
#include "autoconf.h"
#include "second/dkim_libopendkim.h"
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

const struct second_dkim_ops *
second_dkim(void)
{
#ifdef HAVE_OPENDKIM
    return &dkim_libopendkim;
#else
    return NULL;
#endif
}

bool
second_dkim_has_opinion(const struct dkim_result *r)
{
    return !slice_starts(r->reason, SLICE(SECOND_NOT_ASKED));
}

slice
second_dkim_difference(struct arena *a, const struct dkim_result *native, size_t n_native,
                       const struct dkim_result *other, size_t n_other)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    for (size_t i = 0; i < n_native && i < n_other; i++) { /* both in header order */
        const struct dkim_result *x = &native[i], *y = &other[i];
        if ((x->result == DKIM_PASS) == (y->result == DKIM_PASS) || !second_dkim_has_opinion(y))
            continue;
        strbuf_printf(&b, "%sd=%.*s s=%.*s: native %s (%.*s), libopendkim %s (%.*s)", b.n > 0 ? "; " : "",
                      SLICE_ARG(x->d), SLICE_ARG(x->s), dkim_result_name(x->result), SLICE_ARG(x->reason),
                      dkim_result_name(y->result), SLICE_ARG(y->reason));
    }
    if (b.n == 0) {
        strbuf_clear(&b);
        return SLICE_EMPTY;
    }
    return strbuf_finish(&b, a);
}
