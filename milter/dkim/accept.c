#include "dkim/accept.h"

#include <inttypes.h>

#include "mail/domain.h"

unsigned
dkim_distance(const struct dkim_signature *s, slice author_domain)
{
    if (author_domain.n == 0 || slice_ieq(s->d, author_domain))
        return 0;
    bool related =
        domain_equal_or_below(s->d, author_domain) || domain_equal_or_below(author_domain, s->d);
    return related ? 1 : 2;
}

/* A second copy of what people and programs read once (RFC 6376 8.15, RFC 7103 5): of From any
 * second one, of the others one more than the signature covers.  The name, or NULL. */
static const char *
unsigned_copy(const struct header_list *headers, const struct dkim_signature *s)
{
    static const char *const once[] = {
        "From",        "Sender", "Reply-To",   "To",           "Cc",
        "Subject",     "Date",   "Message-ID", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version"
    };
    if (header_list_count_name(headers, SLICE("From")) > 1)
        return "From";
    for (size_t i = 0; i < COUNT(once); i++) {
        size_t there = header_list_count_name(headers, slice_from(once[i]));
        size_t covered = there > 1 ? dkim_signature_names_count(s, slice_from(once[i])) : 0;
        if (covered > 0 && there > covered)
            return once[i];
    }
    return NULL;
}

enum status
dkim_accept(struct arena *a, const struct dkim_options *o, const struct header_list *headers,
            const struct dkim_signature *s, uint64_t unsigned_bytes, slice *objection)
{
    const int64_t skew = (int64_t)o->clock_skew_s;
    const char *copy;
    *objection = SLICE_EMPTY;
    if (s->has_time && s->time > o->now && s->time - o->now > skew)
        *objection = arena_printf(a, "signed %" PRId64 " seconds in the future", s->time - o->now);
    else if (s->has_expiry && o->now > s->expiry && o->now - s->expiry > skew)
        *objection =
            arena_printf(a, "signature expired %" PRId64 " seconds ago", o->now - s->expiry);
    else if (unsigned_bytes > 0 && !o->accept_unsigned_body)
        *objection =
            arena_printf(a, "%" PRIu64 " octets of the body are not signed", unsigned_bytes);
    else if ((copy = unsigned_copy(headers, s)) != NULL)
        *objection =
            arena_printf(a, "the header has more than one %s field, not all of them signed", copy);
    return objection->p == NULL ? ST_NOMEM : ST_OK;
}
