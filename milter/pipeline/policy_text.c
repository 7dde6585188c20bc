/* policy_text.c - what the client, the MTA's hold queue and the delivery agent are told. */
#include "pipeline/policy_data.h"

/* Bounded, printable, NUL-terminated; what does not fit is cut with "...". */
static const char *
settle(struct arena *a, struct strbuf *b)
{
    bool cut = b->n > REPLY_TEXT_MAX;
    slice text = slice_head(strbuf_slice(b), cut ? REPLY_TEXT_MAX - 3 : b->n);
    slice copy = strbuf_status(b) == ST_OK ? arena_printf(a, "%.*s%s", SLICE_ARG(text), cut ? "..." : "")
                                           : (slice){ NULL, 0 };
    strbuf_clear(b);
    char *p = (char *)(uintptr_t)copy.p; /* our own copy */
    for (size_t i = 0; i < copy.n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            p[i] = '?';
    return copy.p;
}

/* The operator's page, if there is room for it whole. */
static void
add_url(const struct decision *d, struct strbuf *b)
{
    const char *url = d->c->reject_url;
    if (url == NULL)
        return;
    slice u = slice_from(url);
    const size_t room = REPLY_TEXT_MAX - sizeof("; see ") - 3;
    if (u.n >= room)
        return;
    if (b->n + u.n > room) { /* the address is worth more than the end of the reason */
        b->n = room - u.n;
        strbuf_add_str(b, "...");
    }
    strbuf_printf(b, "; see %s", url);
}

static void
add_domain(const struct decision *d, struct strbuf *b)
{
    slice from = d->facts.header_from.n > 0 ? d->facts.header_from : d->facts.dmarc.from_domain;
    if (from.n > 0)
        strbuf_printf(b, " for %.*s", SLICE_ARG(from));
}

const char *
policy_reject_text(const struct decision *d, const struct plan *p)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    if (p->for_author) {
        strbuf_printf(&b, "Email rejected: no single author that DMARC can check: %s", d->in->author_problem);
    } else if (d->facts.dmarc.result == DMARC_FAIL) { /* RFC 9989 7.2: the word DMARC, the domain, the reason */
        strbuf_add_str(&b, p->by_rule ? "Email rejected per DMARC result and local policy" : "Email rejected per DMARC policy");
        add_domain(d, &b);
        strbuf_printf(&b, ": %.*s", SLICE_ARG(d->facts.dmarc.reason));
    } else {
        strbuf_add_str(&b, "Email rejected per local policy");
        add_domain(d, &b);
    }
    add_url(d, &b);
    return settle(d->a, &b);
}

const char *
policy_defer_text(const struct decision *d, const struct plan *p)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    if (d->facts.dmarc.result == DMARC_TEMPERROR) {
        strbuf_add_str(&b, "DMARC cannot be checked now");
        add_domain(d, &b);
        strbuf_printf(&b, ": %.*s; try again later", SLICE_ARG(d->facts.dmarc.reason));
    } else {
        strbuf_add_str(&b, "Email deferred per local policy");
        add_domain(d, &b);
        strbuf_add_str(&b, "; try again later");
    }
    (void)p;
    return settle(d->a, &b);
}

static void
describe(const struct decision *d, const struct plan *p, struct strbuf *b)
{
    const struct dmarc_result *r = &d->facts.dmarc;
    strbuf_printf(b, "dmarc=%s", dmarc_result_name(r->result));
    if (r->policy != DMARC_POLICY_UNSET)
        strbuf_printf(b, " policy=%s", dmarc_policy_name(r->policy));
    if (d->facts.header_from.n > 0)
        strbuf_printf(b, " from=%.*s", SLICE_ARG(d->facts.header_from));
    if (p->by_rule)
        strbuf_printf(b, " rule=%.*s", SLICE_ARG(p->rule->name));
}

const char *
policy_hold_text(const struct decision *d, const struct plan *p)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "DMARC quarantine: ");
    describe(d, p, &b);
    if (p->for_author)
        strbuf_printf(&b, " (%s)", d->in->author_problem);
    return settle(d->a, &b);
}

slice
policy_tag_text(const struct decision *d, const struct plan *p)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, p->step == STEP_TAG ? "tag; " : "quarantine; ");
    describe(d, p, &b);
    const char *text = settle(d->a, &b);
    return text == NULL ? (slice){ NULL, 0 } : slice_from(text);
}
