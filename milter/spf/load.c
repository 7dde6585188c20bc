#include "mail/domain.h"
#include "spf/ahead.h"
#include "spf/walk.h"

/* RFC 7208 4.5: exactly one of the TXT records is an SPF record. */
static enum spf_found
select_record(struct spf_walk *w, slice domain, const struct dns_answer *txt, slice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < txt->n; i++)
        if (spf_record_is(txt->records[i].data)) {
            *out = txt->records[i].data;
            n++;
        }
    if (n == 1)
        return SPF_RECORD_FOUND;
    slice name = spf_say(w->arena, domain, 260);
    w->reason = n == 0 ? arena_printf(w->arena, "%.*s has no SPF record", SLICE_ARG(name))
                       : arena_printf(w->arena, "%.*s has %zu SPF records", SLICE_ARG(name), n);
    return n == 0 ? SPF_RECORD_NONE : SPF_RECORD_PERMERROR;
}

enum spf_found
spf_load_record(struct spf_walk *w, struct spf_frame *f, slice domain, bool first)
{
    if (domain_labels(domain) < 2) {
        w->reason = arena_printf(w->arena, "\"%.*s\" is not a full domain name",
                                 SLICE_ARG(spf_say(w->arena, domain, 260)));
        return SPF_RECORD_NONE;
    }
    const struct dns_answer *txt = spf_walk_ask(w, DNS_TXT, domain, !first);
    slice text = SLICE_EMPTY;
    /* a limit that is met is met again when the message comes again (4.6.4) */
    enum spf_found found = txt->status == DNS_BUDGET ? SPF_RECORD_PERMERROR : SPF_RECORD_TEMPERROR;
    switch (txt->status) {
    case DNS_OK:
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        found = select_record(w, domain, txt, &text);
        break;
    case DNS_BADNAME:
        w->reason = arena_printf(w->arena, "\"%.*s\" is not a domain name",
                                 SLICE_ARG(spf_say(w->arena, domain, 260)));
        return SPF_RECORD_NONE;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BUDGET:
        w->reason = arena_printf(w->arena, "DNS %s for TXT of %.*s", dns_status_name(txt->status),
                                 SLICE_ARG(spf_say(w->arena, domain, 260)));
        break;
    }
    if (found != SPF_RECORD_FOUND)
        return found;
    struct spf_syntax_error error;
    struct spf_record record;
    if (spf_record_parse(text, &record, &error) != ST_OK) {
        w->reason = arena_printf(w->arena, "syntax error in term \"%.*s\": %s%s%.*s",
                                 SLICE_ARG(spf_say(w->arena, error.term, 100)), error.why,
                                 first ? "" : ", in ",
                                 SLICE_ARG(first ? SLICE_EMPTY : spf_say(w->arena, domain, 260)));
        return SPF_RECORD_PERMERROR;
    }
    *f = (struct spf_frame){ .record = record, .domain = domain, .redirect = f->redirect };
    f->asks = spf_ahead_count((struct spf_ahead){ .record = &f->record, .client = &w->rq->client },
                              &f->records);
    return SPF_RECORD_FOUND;
}
