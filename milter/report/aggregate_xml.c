#include "autoconf.h"

#include "report/aggregate_xml.h"
#include "base/strbuf.h"
#include "mail/utf8.h"
#include "report/member.h"

#include <inttypes.h>
#include <libxml/xmlwriter.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE "urn:ietf:params:xml:ns:dmarc-2.0"

struct aggregate_xml {
    struct aggregate_sink to;
    xmlTextWriterPtr w;
    struct strbuf clean; /* scratch */
    uint64_t rows;
    bool failed;
};

static void
note(struct aggregate_xml *x, int rc)
{
    if (rc < 0)
        x->failed = true;
}

/* Octets of the character at s.p[at] if it is well-formed and XML 1.0 2.2 allows it, else 0. */
static size_t
character(slice s, size_t at)
{
    size_t len = utf8_length(s, at);
    char c = s.p[at];
    if (len == 1)
        return (unsigned char)c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
    if (len == 3 && memcmp(s.p + at, "\xef\xbf", 2) == 0 && (unsigned char)s.p[at + 2] >= 0xbe) /* U+FFFE, U+FFFF */
        return 0;
    return len;
}

static const xmlChar *
clean(struct aggregate_xml *x, slice s)
{
    strbuf_reset(&x->clean);
    for (size_t i = 0; i < s.n;) {
        size_t len = character(s, i);
        if (len > 0)
            strbuf_add(&x->clean, (slice){ s.p + i, len });
        i += len > 0 ? len : 1;
    }
    if (strbuf_status(&x->clean) != ST_OK)
        x->failed = true;
    return (const xmlChar *)strbuf_str(&x->clean);
}

static void
begin(struct aggregate_xml *x, const char *name)
{
    note(x, xmlTextWriterStartElement(x->w, (const xmlChar *)name));
}

static void
end(struct aggregate_xml *x)
{
    note(x, xmlTextWriterFullEndElement(x->w));
}

static void
text(struct aggregate_xml *x, const char *name, slice s)
{
    begin(x, name);
    note(x, xmlTextWriterWriteString(x->w, clean(x, s)));
    end(x);
}

static void
number(struct aggregate_xml *x, const char *name, int64_t v)
{
    begin(x, name);
    note(x, xmlTextWriterWriteFormatString(x->w, "%" PRId64, v));
    end(x);
}

/* One of the words of the schema, the first being what stands for anything else. */
static void
word(struct aggregate_xml *x, const char *name, slice s, const char *words)
{
    slice rest = slice_from(words), one, first;
    bool more = slice_cut(rest, ' ', &first, &rest);
    slice use = first;
    while (more) {
        more = slice_cut(rest, ' ', &one, &rest);
        if (slice_eq(one, s))
            use = one;
    }
    text(x, name, use);
}

static void
metadata(struct aggregate_xml *x, const struct aggregate_about *a, slice warning)
{
    begin(x, "report_metadata");
    text(x, "org_name", a->org_name);
    text(x, "email", a->email);
    if (a->extra_contact.n > 0)
        text(x, "extra_contact_info", a->extra_contact);
    text(x, "report_id", a->report_id);
    begin(x, "date_range");
    number(x, "begin", a->begin);
    number(x, "end", a->end);
    end(x);
    if (warning.n > 0)
        text(x, "error", warning);
    text(x, "generator", SLICE("vidimus " PACKAGE_VERSION));
    end(x);
}

static void
policy_published(struct aggregate_xml *x, slice domain, const json_t *p)
{
    begin(x, "policy_published");
    text(x, "domain", domain);
    text(x, "discovery_method", SLICE("treewalk"));
    word(x, "p", member_text(p, "p"), "none quarantine reject");
    word(x, "sp", member_text(p, "sp"), "none quarantine reject");
    word(x, "np", member_text(p, "np"), "none quarantine reject");
    text(x, "fo", member_text(p, "fo"));
    word(x, "adkim", member_text(p, "adkim"), "r s");
    word(x, "aspf", member_text(p, "aspf"), "r s");
    word(x, "testing", member_text(p, "t"), "n y");
    end(x);
}

static bool
write_out(struct aggregate_xml *x, const char *p, size_t n)
{
    if (!x->to.write(x->to.arg, (slice){ p, n }))
        x->failed = true;
    return !x->failed;
}

static int
on_write(void *arg, const char *p, int n)
{
    return write_out(arg, p, (size_t)n) ? n : -1;
}

struct aggregate_xml *
aggregate_xml_new(const struct aggregate_about *a, const struct aggregate_sink *to)
{
    struct aggregate_xml *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return NULL;
    x->to = *to;
    strbuf_init(&x->clean, 0);
    xmlOutputBufferPtr out = xmlOutputBufferCreateIO(on_write, NULL, x, NULL);
    x->w = out == NULL ? NULL : xmlNewTextWriter(out); /* takes the buffer over */
    json_t *policy = json_loadb(a->policy.p, a->policy.n, 0, NULL);
    if (x->w == NULL) {
        if (out != NULL)
            xmlOutputBufferClose(out);
        json_decref(policy);
        free(x);
        return NULL;
    }
    note(x, xmlTextWriterSetIndent(x->w, 1));
    note(x, xmlTextWriterStartDocument(x->w, NULL, "UTF-8", NULL));
    begin(x, "feedback");
    note(x, xmlTextWriterWriteAttribute(x->w, (const xmlChar *)"xmlns", (const xmlChar *)NAMESPACE));
    text(x, "version", SLICE("1.0"));
    metadata(x, a, member_text(policy, "warning"));
    policy_published(x, a->domain, policy);
    json_decref(policy);
    return x;
}

static void
evaluated(struct aggregate_xml *x, const json_t *row)
{
    const json_t *why = json_object_get(row, "why");
    begin(x, "policy_evaluated");
    word(x, "disposition", member_text(row, "disp"), "none pass quarantine reject");
    word(x, "dkim", member_text(row, "dkim"), "fail pass");
    word(x, "spf", member_text(row, "spf"), "fail pass");
    for (size_t i = 0; i < json_array_size(why); i++) {
        const json_t *one = json_array_get(why, i);
        begin(x, "reason");
        word(x, "type", member_text(one, "type"), "other local_policy mailing_list policy_test_mode trusted_forwarder");
        if (member_text(one, "comment").n > 0)
            text(x, "comment", member_text(one, "comment"));
        end(x);
    }
    end(x);
}

static void
auth_results(struct aggregate_xml *x, const json_t *row)
{
    const json_t *sig = json_object_get(row, "sig"), *mfrom = json_object_get(row, "mfrom");
    begin(x, "auth_results");
    for (size_t i = 0; i < json_array_size(sig); i++) {
        const json_t *one = json_array_get(sig, i);
        begin(x, "dkim");
        text(x, "domain", member_text(one, "d"));
        text(x, "selector", member_text(one, "s"));
        word(x, "result", member_text(one, "r"), "neutral none pass fail policy temperror permerror");
        if (member_text(one, "h").n > 0)
            text(x, "human_result", member_text(one, "h"));
        end(x);
    }
    if (json_is_object(mfrom)) {
        begin(x, "spf");
        text(x, "domain", member_text(mfrom, "d"));
        text(x, "scope", SLICE("mfrom"));
        word(x, "result", member_text(mfrom, "r"), "neutral none pass fail softfail policy temperror permerror");
        if (member_text(mfrom, "h").n > 0)
            text(x, "human_result", member_text(mfrom, "h"));
        end(x);
    }
    end(x);
}

void
aggregate_xml_row(struct aggregate_xml *x, slice content, uint64_t messages)
{
    json_t *row = json_loadb(content.p, content.n, 0, NULL);
    if (!json_is_object(row)) { /* the store holds what row_text() wrote; anything else is damage */
        json_decref(row);
        x->failed = true;
        return;
    }
    begin(x, "record");
    begin(x, "row");
    text(x, "source_ip", member_text(row, "ip"));
    number(x, "count", (int64_t)messages);
    evaluated(x, row);
    end(x);
    begin(x, "identifiers");
    text(x, "header_from", member_text(row, "from"));
    if (json_object_get(row, "env") != NULL)
        text(x, "envelope_from", member_text(row, "env"));
    end(x);
    auth_results(x, row);
    end(x);
    json_decref(row);
    x->rows++;
}

enum status
aggregate_xml_finish(struct aggregate_xml *x)
{
    note(x, xmlTextWriterEndDocument(x->w));
    note(x, xmlTextWriterFlush(x->w));
    xmlFreeTextWriter(x->w);
    enum status st = x->failed ? ST_INTERNAL : x->rows == 0 ? ST_SYNTAX : ST_OK;
    strbuf_clear(&x->clean);
    free(x);
    return st;
}
