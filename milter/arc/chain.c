#include "arc/chain.h"

enum field_kind { FIELD_OTHER, FIELD_AAR, FIELD_AMS, FIELD_SEAL };

static enum field_kind
field_kind(slice name)
{
    if (slice_ieq(name, SLICE("ARC-Authentication-Results")))
        return FIELD_AAR;
    if (slice_ieq(name, SLICE("ARC-Message-Signature")))
        return FIELD_AMS;
    return slice_ieq(name, SLICE("ARC-Seal")) ? FIELD_SEAL : FIELD_OTHER;
}

/* The first problem is the one reported: those that follow from it would only confuse. */
static void
problem(struct chain *c, unsigned instance, const char *text, slice detail)
{
    if (c->problem != NULL)
        return;
    c->problem = text;
    c->problem_instance = instance;
    c->problem_detail = detail;
}

/* 1 to 50, of one or two digits (RFC 8617 3.9, 4.2.1).  Three are read from 100 on, so that a sealer knows that there is no
 * room left. */
static bool
instance_from(slice digits, unsigned *instance)
{
    uint64_t v;
    if (digits.n > 3 || !slice_to_u64(digits, &v) || v == 0 || (digits.n == 3 && v < 100))
        return false;
    *instance = (unsigned)v;
    return true;
}

/* White space, folds and comments (RFC 5322 3.2.2); an open comment reaches to the end. */
static slice
skip_cfws(slice s)
{
    size_t depth = 0, i = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\' && depth > 0)
            i++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && !ascii_is_wsp(c) && c != '\r' && c != '\n')
            break;
    }
    return slice_tail(s, i);
}

bool
chain_aar_instance(slice value, unsigned *instance, slice *payload)
{
    slice s = skip_cfws(value);
    if (s.n == 0 || s.p[0] != 'i')
        return false;
    s = skip_cfws(slice_tail(s, 1));
    if (s.n == 0 || s.p[0] != '=')
        return false;
    s = skip_cfws(slice_tail(s, 1));
    size_t n = 0;
    while (n < s.n && ascii_is_digit(s.p[n]))
        n++;
    if (!instance_from(slice_head(s, n), instance))
        return false;
    s = skip_cfws(slice_tail(s, n));
    if (s.n == 0 || s.p[0] != ';')
        return false;
    *payload = slice_tail(s, 1);
    return true;
}

/* NULL: the instance is out of bounds (which is then the problem), or memory is. */
static struct chain_set *
set_of(struct arena *a, struct chain *c, unsigned instance, enum status *st)
{
    if (instance > c->highest)
        c->highest = instance;
    if (instance > ARC_MAX_SETS) {
        problem(c, instance, "instance number above 50", SLICE_EMPTY);
        return NULL;
    }
    if (c->sets[instance] == NULL &&
        (c->sets[instance] = arena_zalloc(a, sizeof(struct chain_set))) == NULL)
        *st = ST_NOMEM;
    return c->sets[instance];
}

static enum status
add_aar(struct arena *a, struct chain *c, const struct header_field *f)
{
    unsigned instance;
    slice payload;
    enum status st = ST_OK;
    if (!chain_aar_instance(f->value, &instance, &payload)) {
        problem(c, 0, "an ARC-Authentication-Results does not begin with an instance number",
                SLICE_EMPTY);
        return ST_OK;
    }
    struct chain_set *set = set_of(a, c, instance, &st);
    if (set == NULL)
        return st;
    if (set->aar != NULL)
        problem(c, instance, "two ARC-Authentication-Results", SLICE_EMPTY);
    set->aar = f;
    set->aar_payload = payload;
    return ST_OK;
}

static enum seal_cv
seal_cv(const struct dkim_signature *sig)
{
    const struct tag *t = taglist_find(&sig->tags, SLICE("cv"));
    if (t == NULL)
        return CV_UNREADABLE;
    return slice_eq(t->value, SLICE("none"))   ? CV_NONE
           : slice_eq(t->value, SLICE("pass")) ? CV_PASS
           : slice_eq(t->value, SLICE("fail")) ? CV_FAIL
                                               : CV_UNREADABLE;
}

static enum status
add_signature(struct arena *a, struct chain *c, const struct header_field *f, bool seal,
              const struct dkim_signature **sig)
{
    struct dkim_signature s;
    struct dkim_objection o;
    unsigned instance;
    enum status st =
        dkim_signature_parse(a, f, seal ? SIGNATURE_SEAL : SIGNATURE_AMS, false, &s, &o);
    if (st != ST_OK)
        return st;
    const struct tag *i = taglist_find(&s.tags, SLICE("i"));
    if (i == NULL || !instance_from(i->value, &instance)) {
        problem(c, 0,
                seal ? "an ARC-Seal without a readable instance number"
                     : "an ARC-Message-Signature without a readable instance number",
                o.reason);
        return ST_OK;
    }
    struct chain_set *set = set_of(a, c, instance, &st);
    if (set == NULL)
        return st;
    struct dkim_signature *place = seal ? &set->as : &set->ams;
    if (place->field != NULL)
        problem(c, instance, seal ? "two ARC-Seals" : "two ARC-Message-Signatures", SLICE_EMPTY);
    if (o.code != DKIM_NONE)
        problem(c, instance, seal ? "ARC-Seal" : "ARC-Message-Signature", o.reason);
    *place = s;
    if (seal)
        set->cv = seal_cv(&s);
    if (c->problem == NULL)
        *sig = place;
    return ST_OK;
}

enum status
chain_add(struct arena *a, struct chain *c, const struct header_field *f,
          const struct dkim_signature **sig)
{
    enum field_kind kind = field_kind(f->name);
    *sig = NULL;
    if (kind == FIELD_OTHER)
        return ST_OK;
    c->any = true;
    return kind == FIELD_AAR ? add_aar(a, c, f) : add_signature(a, c, f, kind == FIELD_SEAL, sig);
}

static void
close_set(struct chain *c, unsigned i)
{
    const struct chain_set *set = c->sets[i];
    if (set == NULL)
        problem(c, i, "no field of this instance", SLICE_EMPTY);
    else if (set->aar == NULL)
        problem(c, i, "no ARC-Authentication-Results", SLICE_EMPTY);
    else if (set->ams.field == NULL)
        problem(c, i, "no ARC-Message-Signature", SLICE_EMPTY);
    else if (set->as.field == NULL)
        problem(c, i, "no ARC-Seal", SLICE_EMPTY);
    else if (set->cv != (i == 1 ? CV_NONE : CV_PASS))
        problem(c, i,
                i == 1 ? "the first seal does not say cv=none" : "the seal does not say cv=pass",
                SLICE_EMPTY);
}

void
chain_close(struct chain *c)
{
    if (!c->any || c->highest > ARC_MAX_SETS)
        return;
    unsigned newest = c->highest; /* of those that have a seal: RFC 8617 5.1 step 2 asks for the most recent one */
    while (newest > 0 && (c->sets[newest] == NULL || c->sets[newest]->as.field == NULL))
        newest--;
    c->sealed_fail = newest > 0 && c->sets[newest]->cv == CV_FAIL;
    if (c->sealed_fail) { /* RFC 8617 5.2 step 2 comes before all others */
        c->problem = NULL;
        problem(c, newest, "the newest seal says cv=fail", SLICE_EMPTY);
    }
    for (unsigned i = 1; i <= c->highest && c->problem == NULL; i++)
        close_set(c, i);
}
