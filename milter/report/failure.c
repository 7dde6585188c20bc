#include "autoconf.h"

#include "report/failure.h"
#include "mail/domain.h"
#include "report/member.h"

#include <inttypes.h>
#include <string.h>

/* A value of a field: the entry is ours, but one line it must be. */
static slice
field(const json_t *o, const char *name)
{
    slice s = member_text(o, name);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] >= 0x7f)
            return slice_head(s, i);
    return s;
}

static bool
related(slice a, slice b)
{
    return domain_equal_or_below(a, b) || domain_equal_or_below(b, a);
}

slice
failure_spf_domain(struct arena *a, slice entry)
{
    json_t *e = json_loadb(entry.p, entry.n, 0, NULL);
    const json_t *record = json_object_get(e, "record"), *spf = json_object_get(record, "spf");
    slice domain = member_text(spf, "domain"), result = member_text(spf, "result"), out = SLICE_EMPTY;
    /* Only of an identifier that would align by its name (RFC 9991 4). */
    if (domain_is_name(domain) && !slice_eq(result, SLICE("pass")) && related(domain, member_text(e, "author")))
        out = arena_slice(a, domain);
    json_decref(e);
    return out;
}

static const char *
delivery_result(slice action)
{
    return slice_eq(action, SLICE("reject")) ? "reject" : slice_eq(action, SLICE("quarantine")) ? "policy" : "delivered";
}

static const json_t *
failed_signature(const json_t *record, bool aligned_only)
{
    const json_t *dkim = json_object_get(record, "dkim");
    for (size_t i = 0; i < json_array_size(dkim); i++) {
        const json_t *d = json_array_get(dkim, i);
        if (!slice_eq(member_text(d, "result"), SLICE("pass")) && domain_is_name(member_text(d, "d")) &&
            (!aligned_only || json_is_true(json_object_get(d, "aligned"))))
            return d;
    }
    return NULL;
}

/* RFC 6591 3.1: of the one method that the report is about. */
static void
results(struct strbuf *b, const json_t *e, const json_t *record, slice kind)
{
    const json_t *spf = json_object_get(record, "spf"), *d = failed_signature(record, false);
    slice who = field(record, "reporter");
    strbuf_printf(b, "Authentication-Results: %.*s;\n", SLICE_ARG(who.n > 0 ? who : SLICE("localhost")));
    if (slice_eq(kind, SLICE("spf")))
        strbuf_printf(b, " spf=%.*s smtp.mailfrom=%.*s\n", SLICE_ARG(field(spf, "result")), SLICE_ARG(field(spf, "domain")));
    else if (slice_eq(kind, SLICE("signature")) && d != NULL)
        strbuf_printf(b, " dkim=%.*s header.d=%.*s header.s=%.*s\n", SLICE_ARG(field(d, "result")), SLICE_ARG(field(d, "d")),
                      SLICE_ARG(field(d, "s")));
    else
        strbuf_printf(b, " dmarc=%.*s header.from=%.*s\n", SLICE_ARG(field(json_object_get(record, "dmarc"), "result")),
                      SLICE_ARG(field(e, "author")));
}

static void
alignment(struct strbuf *b, const json_t *record)
{
    const json_t *dmarc = json_object_get(record, "dmarc");
    bool dkim = json_is_true(json_object_get(dmarc, "dkim_aligned")), spf = json_is_true(json_object_get(dmarc, "spf_aligned"));
    strbuf_printf(b, "Identity-Alignment: %s\n", dkim && spf ? "none" : dkim ? "spf" : spf ? "dkim" : "dkim, spf");
}

static void
feedback(struct strbuf *b, const json_t *e, slice kind, int64_t incidents, slice spf_record)
{
    const json_t *record = json_object_get(e, "record"), *d = failed_signature(record, true);
    if (d == NULL && slice_eq(kind, SLICE("signature")))
        d = failed_signature(record, false);
    strbuf_printf(b, "Feedback-Type: auth-failure\nVersion: 1\nUser-Agent: vidimus/" PACKAGE_VERSION "\nAuth-Failure: %.*s\n",
                  SLICE_ARG(kind));
    results(b, e, record, kind);
    if (slice_eq(kind, SLICE("dmarc")))
        alignment(b, record);
    strbuf_printf(b, "Reported-Domain: %.*s\nSource-IP: %.*s\n", SLICE_ARG(field(e, "author")), SLICE_ARG(field(e, "source")));
    if (field(e, "mail_from").n > 0)
        strbuf_printf(b, "Original-Mail-From: <%.*s>\n", SLICE_ARG(field(e, "mail_from")));
    strbuf_add_str(b, "Arrival-Date: ");
    mail_date(json_integer_value(json_object_get(record, "time")) / 1000, b);
    strbuf_printf(b, "\nDelivery-Result: %s\n", delivery_result(member_text(record, "action")));
    if (incidents > 1)
        strbuf_printf(b, "Incidents: %" PRId64 "\n", incidents);
    if (d != NULL && domain_is_name(member_text(d, "s")))
        strbuf_printf(b, "DKIM-Domain: %.*s\nDKIM-Identity: @%.*s\nDKIM-Selector: %.*s\n", SLICE_ARG(member_text(d, "d")),
                      SLICE_ARG(member_text(d, "d")), SLICE_ARG(member_text(d, "s")));
    if (spf_record.n > 0) {
        strbuf_printf(b, "SPF-DNS: txt : %.*s :\n \"", SLICE_ARG(field(json_object_get(record, "spf"), "domain")));
        for (size_t i = 0; i < spf_record.n && i < 900; i++)
            if (spf_record.p[i] >= ' ' && spf_record.p[i] < 0x7f && spf_record.p[i] != '"' && spf_record.p[i] != '\\')
                strbuf_add_char(b, spf_record.p[i]);
        strbuf_add_str(b, "\"\n");
    }
}

enum status
failure_message(const struct reporter *who, slice id, slice to, slice entry, int64_t incidents, int64_t now, slice spf_record,
                struct strbuf *out)
{
    json_t *e = json_loadb(entry.p, entry.n, 0, NULL);
    slice kind = member_text(e, "kind"), author = member_text(e, "author");
    if (!domain_is_name(author) || !json_is_object(json_object_get(e, "record")) ||
        (!slice_eq(kind, SLICE("dmarc")) && !slice_eq(kind, SLICE("signature")) && !slice_eq(kind, SLICE("spf")))) {
        json_decref(e);
        return ST_SYNTAX;
    }
    struct strbuf about, fields;
    strbuf_init(&about, 0);
    strbuf_init(&fields, 0);
    strbuf_printf(&about,
                  "This is a failure report (RFC 9991) about mail that named the domain\n  %.*s\nas its author and was received by\n"
                  "  %.*s.\nIt was asked for by the ruf tag of the domain's DMARC record.  Local parts of\n"
                  "addresses are replaced by a keyed hash (RFC 6590); the same hash is the same address.\n",
                  SLICE_ARG(author), SLICE_ARG(who->domain));
    feedback(&fields, e, kind, incidents, spf_record);
    const struct failure_mail m = { .id = id, .author = author, .now = now, .explanation = strbuf_slice(&about),
                                    .feedback = strbuf_slice(&fields), .headers = member_text(e, "headers"),
                                    .body = member_text(e, "body") };
    enum status st = strbuf_status(&about) == ST_OK ? strbuf_status(&fields) : ST_NOMEM;
    if (st == ST_OK)
        mail_failure(who, to, &m, out);
    strbuf_clear(&about);
    strbuf_clear(&fields);
    json_decref(e);
    return st == ST_OK ? strbuf_status(out) : st;
}
