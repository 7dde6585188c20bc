#include "spf/say.h"
#include "base/strbuf.h"

slice
spf_say(struct arena *a, slice text, size_t max)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    bool plain = text.n + 3 <= max;
    for (size_t i = 0; i < text.n && plain; i++)
        plain = text.p[i] >= 0x20 && text.p[i] < 0x7f;
    if (plain) /* nearly always */
        return arena_slice(a, text);
    for (size_t i = 0; i < text.n; i++) {
        if (b.n + 4 > max) {
            strbuf_add_str(&b, "...");
            break;
        }
        if (text.p[i] >= 0x20 && text.p[i] < 0x7f)
            strbuf_add_char(&b, text.p[i]);
        else
            strbuf_printf(&b, "\\x%02x", (unsigned char)text.p[i]);
    }
    return strbuf_finish(&b, a);
}

/* A long TXT record is not worth pages of a trace: its beginning and its length are. */
#define TRACE_TEXT_MAX 1000

static void
trace_record(struct trace *t, enum dns_type type, const struct dns_record *r)
{
    char buf[NETADDR_TEXT_MAX];
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        trace_line(t, "%s", netaddr_text(&r->addr, buf));
        break;
    case DNS_MX:
        trace_line(t, "%u %.*s", r->preference, SLICE_ARG(r->data));
        break;
    case DNS_TXT:
        if (r->data.n > TRACE_TEXT_MAX)
            trace_line(t, "\"%.*s...\" (%zu octets)", TRACE_TEXT_MAX, r->data.p, r->data.n);
        else
            trace_line(t, "\"%.*s\"", SLICE_ARG(r->data));
        break;
    case DNS_PTR:
    case DNS_CNAME:
    case DNS_SOA:
        trace_line(t, "%.*s", SLICE_ARG(r->data));
        break;
    }
}

void
spf_trace_answer(struct trace *t, enum dns_type type, slice name, const struct dns_answer *answer)
{
    if (t == NULL)
        return;
    trace_begin(t, "DNS %s %.*s: %s%s", dns_type_name(type), SLICE_ARG(name),
                dns_status_name(answer->status), answer->from_cache ? " (from the cache)" : "");
    for (size_t i = 0; i < answer->n; i++)
        trace_record(t, type, &answer->records[i]);
    trace_end(t);
}
