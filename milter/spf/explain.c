#include "spf/walk.h"

static bool
is_ascii(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

/* The one TXT record at the name of exp=; to RFC 7208 6.2 every error means: no explanation. */
static bool
fetch(struct spf_walk *w, slice *out)
{
    const struct spf_frame *f = &w->frames[0];
    slice name;
    if (spf_walk_target(w, f->record.explanation, true, &name) != SPF_MATCH)
        return false;
    const struct dns_answer *txt = spf_walk_ask(w, DNS_TXT, name, false);
    if (txt->status != DNS_OK || txt->n != 1) {
        trace_line(w->trace, "not exactly one TXT record: no explanation");
        return false;
    }
    const char *why = spf_macro_check_explain(txt->records[0].data);
    if (why != NULL) {
        trace_line(w->trace, "%s in the text: no explanation", why);
        return false;
    }
    *out = txt->records[0].data;
    return true;
}

slice
spf_explain(struct spf_walk *w)
{
    const struct spf_frame *f = &w->frames[0];
    slice text, told = SLICE_EMPTY;
    if (f->record.explanation.n == 0)
        return SLICE_EMPTY;
    w->depth = 1; /* 6.2: the domain's record, or what it was redirected to; never an include's */
    trace_begin(w->trace, "exp=%.*s", SLICE_ARG(f->record.explanation));
    if (fetch(w, &text)) {
        struct spf_macro_facts facts = w->id.facts;
        facts.domain = f->domain;
        if (spf_macro_uses(text, "p"))
            facts.validated_name = spf_validated_name(w, f->domain, true);
        struct strbuf b;
        strbuf_init(&b, SPF_EXPLANATION_MAX);
        spf_macro_expand(&b, text, &facts);
        if (strbuf_status(&b) != ST_OK)
            trace_line(w->trace, "more than %u octets: no explanation", SPF_EXPLANATION_MAX);
        else if (!is_ascii(strbuf_slice(&b)))
            trace_line(w->trace, "not printable ASCII: no explanation");
        else
            told = arena_slice(w->arena, strbuf_slice(&b));
        strbuf_clear(&b);
    }
    if (told.p == NULL)
        told = SLICE_EMPTY;
    trace_line(w->trace, "explanation: %.*s", SLICE_ARG(told));
    trace_end(w->trace);
    return told;
}
