#include "spf/received.h"
#include "base/strbuf.h"
#include "mail/address.h"
#include "mail/domain.h"

#include <string.h>

#define LINE_MAX_OCTETS 76
#define VALUE_MAX       320u /* 64@255, RFC 5321 4.5.3.1 */
#define COMMENT_MAX                                                                                \
    700u /* names of our own and of the domain: the line stays below 998 (RFC 5322 2.1.1) */

struct field {
    struct strbuf out;
    size_t line_start; /* of the line being written */
    bool pairs;        /* one has been written */
};

/* A comment or quoted string: the two octets that end it, and "\", are escaped. */
static void
add_escaped(struct strbuf *b, slice s, const char *special)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr(special, s.p[i]) != NULL)
            strbuf_add_char(b, '\\');
        strbuf_add_char(b, s.p[i]);
    }
}

static void
add_pair(struct field *f, const char *key, slice value)
{
    if (value.n == 0 || value.n > VALUE_MAX || !slice_is_printable(value))
        return;
    bool fold = f->out.n - f->line_start + strlen(key) + value.n + 4 > LINE_MAX_OCTETS;
    if (f->pairs)
        strbuf_add_char(&f->out, ';');
    if (fold || !f->pairs) {
        strbuf_add_char(&f->out, '\n');
        f->line_start = f->out.n;
        strbuf_add_char(&f->out, '\t');
    } else {
        strbuf_add_char(&f->out, ' ');
    }
    f->pairs = true;
    strbuf_add_str(&f->out, key);
    strbuf_add_char(&f->out, '=');
    if (address_is_dot_atom(value)) {
        strbuf_add(&f->out, value);
        return;
    }
    strbuf_add_char(&f->out, '"');
    add_escaped(&f->out, value, "\"\\");
    strbuf_add_char(&f->out, '"');
}

static void
add_comment(struct field *f, const struct spf_request *rq, const struct spf_outcome *o,
            slice client)
{
    struct strbuf text;
    strbuf_init(&text, 0);
    if (rq->receiver.n > 0)
        strbuf_printf(&text, "%.*s: ", SLICE_ARG(rq->receiver));
    if (o->domain.n > 0)
        strbuf_printf(&text, "domain of %.*s ", SLICE_ARG(o->domain));
    switch (o->result) {
    case SPF_PASS:
        strbuf_printf(&text, "designates %.*s as permitted sender", SLICE_ARG(client));
        break;
    case SPF_FAIL:
        strbuf_printf(&text, "does not designate %.*s as permitted sender", SLICE_ARG(client));
        break;
    case SPF_SOFTFAIL:
        strbuf_printf(&text, "discourages use of %.*s as sender", SLICE_ARG(client));
        break;
    case SPF_NEUTRAL:
        strbuf_printf(&text, "says nothing about %.*s", SLICE_ARG(client));
        break;
    case SPF_NONE:
        strbuf_add_str(&text, o->domain.n > 0 ? "publishes no SPF record" : "no domain to check");
        break;
    case SPF_TEMPERROR:
        strbuf_add_str(&text, "could not be looked up");
        break;
    case SPF_PERMERROR:
        strbuf_add_str(&text, "has an SPF record with an error");
        break;
    }
    slice s = strbuf_slice(&text);
    if (s.n <= COMMENT_MAX && slice_is_printable(s)) {
        strbuf_add_str(&f->out, "\n\t");
        f->line_start = f->out.n - 1;
        strbuf_add_char(&f->out, '(');
        add_escaped(&f->out, s, "()\\");
        strbuf_add_char(&f->out, ')');
    }
    if (strbuf_status(&text) != ST_OK)
        f->out.st = strbuf_status(&text);
    strbuf_clear(&text);
}

/* The name as it was given, in A-labels where it is written in others (RFC 8616 4). */
static slice
shown_name(struct field *f, struct arena *a, slice given)
{
    slice name = given;
    if (!slice_is_printable(given) && domain_from_text(a, given, &name) == ST_NOMEM)
        f->out.st = ST_NOMEM;
    return name;
}

static void
add_envelope_from(struct field *f, struct arena *a, const struct spf_request *rq)
{
    struct strbuf from;
    strbuf_init(&from, 0);
    if (rq->sender_local.n > 0 && rq->sender_domain.n > 0) {
        strbuf_add(&from, rq->sender_local);
        strbuf_add_char(&from, '@');
    }
    strbuf_add(&from, rq->sender_domain.n > 0 ? shown_name(f, a, rq->sender_domain) : SLICE("<>"));
    if (strbuf_status(&from) != ST_OK)
        f->out.st = strbuf_status(&from);
    add_pair(f, "envelope-from", strbuf_slice(&from));
    strbuf_clear(&from);
}

slice
spf_received_field(struct arena *a, const struct spf_request *rq, const struct spf_outcome *o)
{
    struct field f = { .pairs = false };
    char buf[NETADDR_TEXT_MAX];
    slice client = slice_from(netaddr_text(&rq->client, buf));
    bool trouble = o->result == SPF_TEMPERROR || o->result == SPF_PERMERROR;
    strbuf_init(&f.out, 0);
    strbuf_printf(&f.out, " %s", spf_result_name(o->result));
    add_comment(&f, rq, o, client);
    add_pair(&f, "identity", rq->scope == SPF_SCOPE_HELO ? SLICE("helo") : SLICE("mailfrom"));
    add_pair(&f, "client-ip", client);
    add_pair(&f, "receiver", rq->receiver);
    add_pair(&f, "helo", shown_name(&f, a, rq->helo));
    if (rq->scope == SPF_SCOPE_MFROM)
        add_envelope_from(&f, a, rq);
    add_pair(&f, "mechanism", o->mechanism);
    if (trouble)
        add_pair(&f, "problem", o->reason);
    return strbuf_finish(&f.out, a);
}
