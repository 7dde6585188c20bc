#include "pipeline/author.h"

#include "mail/address.h"
#include "mail/domain.h"

#define AUTHOR_MAX_BOXES 1000
#define AUTHOR_MAX_DOMAINS 16 /* kept; more than one is more than enough to know that there are several */

static void
set(struct author *out, enum author_state state, const char *problem)
{
    *out = (struct author){ .state = state, .domain = SLICE_EMPTY, .problem = problem };
}

static bool
is_in(const slice *names, size_t n, slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(names[i], name))
            return true;
    return false;
}

/* All addresses of the list in one domain?  RFC 9989 5.3.1; a list over several domains has no single author. */
static enum status
judge_boxes(struct arena *a, const struct mailbox_list *list, struct author *out)
{
    slice *domains = arena_array(a, AUTHOR_MAX_DOMAINS, sizeof(*domains));
    size_t n = 0;
    if (domains == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < list->n; i++) {
        slice name;
        enum status st = domain_from_text(a, list->boxes[i].domain, &name);
        if (st == ST_NOMEM)
            return st;
        if (st != ST_OK) {
            set(out, AUTHOR_UNREADABLE, "the From field has an address without a valid domain name");
            return ST_OK;
        }
        if (n < AUTHOR_MAX_DOMAINS && !is_in(domains, n, name))
            domains[n++] = name;
    }
    if (n == 1) {
        *out = (struct author){ .state = AUTHOR_ONE, .domain = domains[0] };
        return ST_OK;
    }
    set(out, AUTHOR_SEVERAL, "the From field has addresses in several domains");
    out->domains = domains;
    out->n_domains = n;
    return ST_OK;
}

enum status
author_of_field(struct arena *a, const struct header_field *from, struct author *out)
{
    if (slice_trim(from->value).n == 0) {
        set(out, AUTHOR_MISSING, "the From field is empty");
        return ST_OK;
    }
    struct mailbox_list list;
    enum status st = address_list_parse(a, from->value, AUTHOR_MAX_BOXES, &list);
    if (st == ST_NOMEM)
        return st;
    if (st == ST_LIMIT) {
        set(out, AUTHOR_SEVERAL, "the From field has too many addresses");
        return ST_OK;
    }
    if (st != ST_OK) {
        set(out, AUTHOR_UNREADABLE, "the From field is not a valid address list");
        return ST_OK;
    }
    if (list.n == 0) {
        set(out, AUTHOR_MISSING, "the From field names no address");
        return ST_OK;
    }
    return judge_boxes(a, &list, out);
}

/* A field name that a lax reader might take for From: blanks or control characters around it. */
static bool
looks_like_from(slice name)
{
    size_t i = 0, n = name.n;
    while (i < n && (unsigned char)name.p[i] <= ' ')
        i++;
    while (n > i && (unsigned char)name.p[n - 1] <= ' ')
        n--;
    return slice_ieq((slice){ name.p + i, n - i }, SLICE("From"));
}

enum status
author_find(struct arena *a, const struct header_list *headers, struct author *out)
{
    const struct header_field *from = NULL;
    for (size_t i = 0; i < header_list_count(headers); i++) {
        const struct header_field *f = header_list_at(headers, i);
        if (!looks_like_from(f->name))
            continue;
        if (from != NULL) {
            set(out, AUTHOR_SEVERAL, "the message has several From fields");
            return ST_OK;
        }
        from = f;
    }
    if (from == NULL) {
        set(out, AUTHOR_MISSING, "the message has no From field");
        return ST_OK;
    }
    return author_of_field(a, from, out);
}
