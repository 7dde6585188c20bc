#include "pipeline/forged.h"

#include "config/config.h"
#include "mail/authres.h"

static bool
claims_one_of(struct arena *a, const struct string_list *ids, slice value)
{
    for (size_t i = 0; i < ids->n; i++)
        if (authres_claims(a, value, slice_from(ids->items[i])))
            return true;
    return false;
}

/* By the grammar, that is: the id that every reader sees who keeps to it. */
static bool
names_one_of(struct arena *a, const struct string_list *ids, slice value)
{
    struct authres parsed;
    if (authres_parse(a, value, &parsed) != ST_OK)
        return false;
    for (size_t i = 0; i < ids->n; i++)
        if (slice_ieq(parsed.authserv_id, slice_from(ids->items[i])))
            return true;
    return false;
}

static bool
authres_must_go(struct arena *a, const struct config *c, slice reporter, bool internal, slice value)
{
    if (!internal && claims_one_of(a, &c->trusted_authserv_ids, value))
        return true;
    if (internal && names_one_of(a, &c->trusted_authserv_ids, value))
        return false;
    if (authres_claims(a, value, reporter) || authres_claims(a, value, slice_from(c->authserv_id)))
        return true;
    return !internal && authres_is_other_version(a, value); /* nobody knows what it says: RFC 8601 5, MUST go */
}

static bool
is_own_field(const char *const *own_fields, slice name)
{
    for (; *own_fields != NULL; own_fields++)
        if (slice_ieq(name, slice_from(*own_fields)))
            return true;
    return false;
}

enum status
forged_find(struct arena *a, const struct config *c, slice reporter, bool from_internal_host, const struct header_list *headers,
            const char *const *own_fields, const struct header_edit **edits, size_t *n)
{
    size_t count = header_list_count(headers);
    struct header_edit *list = arena_array(a, count == 0 ? 1 : count, sizeof(*list));
    if (list == NULL)
        return ST_NOMEM;
    *edits = list;
    *n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct header_field *f = header_list_at(headers, i);
        bool go = slice_ieq(f->name, SLICE("Authentication-Results"))
                      ? authres_must_go(a, c, reporter, from_internal_host, f->value)
                      : is_own_field(own_fields, f->name);
        if (go)
            list[(*n)++] = (struct header_edit){ .name = f->name, .nth = f->nth, .value = SLICE_EMPTY };
    }
    return ST_OK;
}
