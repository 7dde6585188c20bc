/*
 * apply.c - a verdict into calls of libmilter.  Anything that cannot be done as a whole ends in a temporary failure: half
 * of the edits could leave a forged result standing.
 */
#include "autoconf.h"

#include "glue/connection.h"

#include <stdlib.h>
#include <string.h>

/* libmilter's parameters are char *, though it changes nothing of them. */
static char *
unconst(const char *s)
{
    return (char *)(uintptr_t)s;
}

static const char *
c_string(struct strbuf *b, slice s)
{
    strbuf_reset(b);
    strbuf_add(b, s);
    return strbuf_str(b);
}

sfsistat
apply_refusal(SMFICTX *ctx, const struct reply *r)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    for (const char *p = r->text == NULL ? "" : r->text; *p != '\0'; p++) {
        strbuf_add_char(&text, *p);
        if (*p == '%') /* Sendmail takes the text for a format */
            strbuf_add_char(&text, '%');
    }
    /* false is no error of ours: without a text the MTA says its own */
    if (r->code != NULL && strbuf_status(&text) == ST_OK)
        (void)smfi_setreply(ctx, unconst(r->code), unconst(r->xcode), text.n > 0 ? unconst(strbuf_str(&text)) : NULL);
    strbuf_clear(&text);
    return r->kind == REPLY_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static bool
apply_edits(SMFICTX *ctx, const struct connection *c, const struct verdict *v)
{
    struct strbuf name, value;
    bool done = true;
    strbuf_init(&name, 0);
    strbuf_init(&value, 0);
    /* highest index first: some MTAs renumber after each delete (CVE-2022-48521) */
    for (size_t i = v->n_deletes; done && i-- > 0;) {
        const struct header_edit *e = &v->deletes[i];
        done = smfi_chgheader(ctx, unconst(c_string(&name, e->name)), (int)e->nth, NULL) == MI_SUCCESS &&
               strbuf_status(&name) == ST_OK;
    }
    for (size_t i = 0; done && i < v->n_inserts; i++) {
        const struct header_edit *e = &v->inserts[i];
        slice text = e->value;
        if (!c->lead_space && text.n > 0 && text.p[0] == ' ')
            text = slice_tail(text, 1); /* the MTA adds one itself */
        const char *n = c_string(&name, e->name), *t = c_string(&value, text);
        done = strbuf_status(&name) == ST_OK && strbuf_status(&value) == ST_OK &&
               smfi_insheader(ctx, (int)e->nth, unconst(n), unconst(t)) == MI_SUCCESS;
    }
    strbuf_clear(&name);
    strbuf_clear(&value);
    return done;
}

static sfsistat
could_not(SMFICTX *ctx, const struct connection *c, const char *what)
{
    const char *id = smfi_getsymval(ctx, unconst("i"));
    log_event(c->generation->log, LOG_LEVEL_ERROR, slice_from(id), "event", "milter", "error", what, "action", "tempfail",
              (char *)NULL);
    count(&service_counters(c->service)->failed);
    const struct reply r = { REPLY_TEMPFAIL, "451", "4.3.0", "the result of the checks could not be applied; try again later" };
    return apply_refusal(ctx, &r);
}

sfsistat
apply_verdict(SMFICTX *ctx, struct connection *c, const struct verdict *v)
{
    if (v->reply.kind == REPLY_REJECT || v->reply.kind == REPLY_TEMPFAIL)
        return apply_refusal(ctx, &v->reply);
    if (!apply_edits(ctx, c, v))
        return could_not(ctx, c, "the MTA did not take the changes of the header");
    if (v->quarantine != NULL) {
        if (!c->may_quarantine)
            return could_not(ctx, c, "the MTA does not offer to quarantine (set QuarantineAction to header or reject)");
        if (smfi_quarantine(ctx, unconst(v->quarantine)) != MI_SUCCESS)
            return could_not(ctx, c, "the MTA did not take the quarantine");
    }
    return v->reply.kind == REPLY_ACCEPT ? SMFIS_ACCEPT : SMFIS_CONTINUE;
}
