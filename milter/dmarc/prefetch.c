/* prefetch.c - lookups begun when From arrives, so that the walk is over before the message is. */
#include "dmarc/dmarc.h"

#include "dmarc/record.h"
#include "dmarc/walk.h"

#include <string.h>

/* Written once, then only read: the callback may run on the resolver's thread. */
struct prefetch {
    size_t n;
    slice names[DMARC_WALK_MAX]; /* with "_dmarc." */
};

/* The Author Domain has no record of its own: all of the walk is needed, so all of it is asked at once. */
static void
on_author_answer(void *arg, struct dns_session *dns, const struct dns_answer *answer)
{
    const struct prefetch *p = arg;
    unsigned records = 0;
    if (dmarc_is_trouble(answer->status))
        return;
    for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++)
        records += dmarc_record_is(answer->records[i].data);
    if (records == 1)
        return;
    for (size_t i = 1; i < p->n; i++)
        dns_start_kept(dns, DNS_TXT, p->names[i], NULL, NULL);
}

void
dmarc_prefetch(struct arena *a, struct dns_session *dns, slice author_domain)
{
    slice names[DMARC_WALK_MAX];
    struct prefetch *p = arena_zalloc(a, sizeof(*p));
    if (p == NULL)
        return;
    p->n = dmarc_walk_names(author_domain, names);
    for (size_t i = 0; i < p->n; i++) {
        p->names[i] = arena_printf(a, "_dmarc.%.*s", SLICE_ARG(names[i]));
        if (p->names[i].p == NULL)
            return;
    }
    if (p->n > 0)
        dns_start_kept(dns, DNS_TXT, p->names[0], on_author_answer, p);
}
