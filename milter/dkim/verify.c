#include "dkim/verify.h"

#include <string.h>

#include "crypto/verify.h"
#include "dkim/key_record.h"

#define RECORDS_MAX 10 /* TXT records at one name that are looked at */
#define KEYS_MAX    4  /* well-formed keys among them that are tried */

void
verifier_ask_key(const struct verifier *v, const struct dkim_signature *sig)
{
    dns_start(v->dns, DNS_TXT, sig->key_name, NULL, NULL);
}

/* ---- the header */

/* How many instances of a name are taken already: open addressing, at most half full. */
struct taken {
    slice name; /* p NULL: free */
    unsigned n;
};

static struct taken *
taken_find(struct taken *table, size_t size, uint64_t seed, slice name)
{
    size_t i = (size_t)slice_hash(name, seed) & (size - 1);
    while (table[i].name.p != NULL && !slice_ieq(table[i].name, name))
        i = (i + 1) & (size - 1);
    table[i].name = name;
    return &table[i];
}

static const struct header_field *
next_from_bottom(const struct header_list *headers, slice name, struct taken *t)
{
    size_t count = header_list_count_name(headers, name);
    if (t->n >= count)
        return NULL;
    return header_list_find(headers, name, (unsigned)(count - t->n++));
}

const struct header_field **
signed_fields(struct arena *a, const struct header_list *headers, const struct dkim_signature *sig)
{
    size_t size = 4;
    while (size < sig->n_names * 2)
        size *= 2;
    struct taken *table = arena_array(a, size, sizeof(*table));
    const struct header_field **fields =
        arena_array(a, sig->n_names + 1, sizeof(const struct header_field *));
    if (table == NULL || fields == NULL)
        return NULL;
    for (size_t i = 0; i < sig->n_names; i++) {
        struct taken *t = taken_find(table, size, header_list_seed(headers), sig->names[i]);
        fields[i] = next_from_bottom(headers, sig->names[i], t);
        if (fields[i] == sig->field)
            fields[i] = next_from_bottom(headers, sig->names[i], t);
    }
    return fields;
}

enum status
signature_field_add(struct arena *a, const struct dkim_signature *sig, struct strbuf *out)
{
    const struct header_field *f = sig->field;
    size_t value_at = (size_t)(f->value.p - f->raw.p);
    size_t cut = value_at + sig->b_start, go_on = value_at + sig->b_end,
           n = f->raw.n - (go_on - cut);
    char *p = arena_alloc(a, n + 1);
    if (p == NULL)
        return ST_NOMEM;
    memcpy(p, f->raw.p, cut);
    memcpy(p + cut, f->raw.p + go_on, f->raw.n - go_on);
    struct header_field emptied = { .raw = { p, n },
                                    .name = { p, f->name.n },
                                    .value = { p + value_at, n - value_at },
                                    .nth = f->nth };
    header_canon_add(out, sig->header_canon, &emptied);
    return strbuf_status(out);
}

enum status
signed_fields_hash(struct arena *a, const struct dkim_signature *sig,
                   const struct header_field *const *fields, size_t n,
                   unsigned char digest[HASH_SIZE_MAX])
{
    struct strbuf text;
    size_t most = sig->field->raw.n;
    for (size_t i = 0; i < n; i++)
        most += fields[i] == NULL ? 0 : fields[i]->raw.n + 2;
    strbuf_init(&text, 0);
    strbuf_room(&text, most); /* once, instead of growing step by step */
    for (size_t i = 0; i < n; i++)
        if (fields[i] != NULL) {
            header_canon_add(&text, sig->header_canon, fields[i]);
            strbuf_add(&text, SLICE("\r\n"));
        }
    enum status st = signature_field_add(a, sig, &text);
    if (st == ST_OK)
        st = hash_once(sig->hash, strbuf_slice(&text), digest);
    strbuf_clear(&text);
    return st;
}

/* ---- the key */

void
signature_outcome_clear(struct signature_outcome *o)
{
    public_key_release(o->key);
    o->key = NULL;
}

static void
outcome_set(struct signature_outcome *o, enum dkim_result_code code, const char *reason)
{
    o->code = code;
    o->reason = slice_from(reason);
}

/* What else a record says, kept with its key in the cache: it then need not be read again. */
enum { FLAG_EMAIL = 1, FLAG_SHA256 = 2, FLAG_SHA1 = 4, FLAG_TESTING = 8, FLAG_NO_SUBDOMAINS = 16 };

static unsigned
record_flags(const struct key_record *r)
{
    return (r->for_email ? FLAG_EMAIL : 0u) | (r->allows_sha256 ? FLAG_SHA256 : 0u) |
           (r->allows_sha1 ? FLAG_SHA1 : 0u) | (r->testing ? FLAG_TESTING : 0u) |
           (r->no_subdomains ? FLAG_NO_SUBDOMAINS : 0u);
}

static struct key_record
record_of_cached(const struct public_key *k, unsigned flags)
{
    return (struct key_record){ .type = public_key_type(k),
                                .known_type = true,
                                .for_email = (flags & FLAG_EMAIL) != 0,
                                .allows_sha256 = (flags & FLAG_SHA256) != 0,
                                .allows_sha1 = (flags & FLAG_SHA1) != 0,
                                .testing = (flags & FLAG_TESTING) != 0,
                                .no_subdomains = (flags & FLAG_NO_SUBDOMAINS) != 0,
                                .data = SLICE_EMPTY };
}

/* The key of a record that was just read; o->key stays NULL, with the reason in *o, if it is none.
 */
static enum status
load_key(const struct verifier *v, const struct dkim_signature *sig, slice text,
         const struct key_record *record, struct signature_outcome *o)
{
    const char *why = NULL;
    enum status st = public_key_new(record->type, record->data, &o->key, &why);
    if (st == ST_OK) {
        key_cache_put(v->keys, sig->key_name, text, o->key, record_flags(record));
        return ST_OK;
    }
    o->key = NULL;
    if (st == ST_NOMEM)
        return st;
    if (st == ST_SYNTAX)
        outcome_set(o, DKIM_PERMERROR, why);
    else
        outcome_set(o, DKIM_TEMPERROR, "the key could not be loaded");
    return ST_OK;
}

/* RFC 8301 3.2; Ed25519 has one size. */
static bool
size_is_right(const struct verifier *v, struct arena *a, struct signature_outcome *o)
{
    unsigned bits = public_key_bits(o->key), min = v->options.min_rsa_bits,
             max = v->options.max_rsa_bits;
    o->key_bits = bits;
    if (public_key_type(o->key) != KEY_RSA || (bits >= min && bits <= max))
        return true;
    o->code = DKIM_PERMERROR;
    o->reason = bits < min
                    ? arena_printf(a, "key too small: %u bits, at least %u are wanted", bits, min)
                    : arena_printf(a, "key too large: %u bits, at most %u are taken", bits, max);
    return false;
}

/* One TXT record.  *is_key: it was a key record, whatever came of it. */
static enum status
try_record(const struct verifier *v, const struct dkim_signature *sig, slice digest, slice text,
           struct signature_outcome *o, bool *is_key)
{
    struct key_record record;
    const char *why = NULL;
    unsigned flags;
    enum status st = ST_OK;
    *o = (struct signature_outcome){ .code = DKIM_PERMERROR, .reason = SLICE_EMPTY };
    o->key = key_cache_get(v->keys, sig->key_name, text, &flags);
    if (o->key != NULL)
        record = record_of_cached(o->key, flags);
    else
        st = key_record_parse(v->arena, text, &record, &why);
    *is_key = st == ST_OK;
    if (st != ST_OK) {
        o->reason = slice_from(why);
        return st == ST_SYNTAX ? ST_OK : st;
    }
    o->testing = record.testing;
    why = key_record_refusal(&record, sig->key_type, sig->hash, sig->i_is_subdomain);
    if (why != NULL) {
        o->reason = slice_from(why);
        return ST_OK;
    }
    if (o->key == NULL)
        st = load_key(v, sig, text, &record, o);
    if (st != ST_OK || o->key == NULL || !size_is_right(v, v->arena, o))
        return st;
    bool good = false;
    st = signature_verify(o->key, sig->hash, digest, sig->b, &good, &why);
    if (st == ST_OK)
        outcome_set(o, good ? DKIM_PASS : DKIM_FAIL, good ? "" : why);
    return st;
}

/* Which of two failures tells more: one of the signature over one of the key over one of a record
 * that is no key. */
static int
weight(const struct signature_outcome *o, bool is_key)
{
    return !is_key ? 1 : o->code == DKIM_FAIL ? 4 : o->code == DKIM_TEMPERROR ? 3 : 2;
}

/* RFC 6376 6.1.2 step 4: several records at a name are tried one by one. */
static enum status
try_records(const struct verifier *v, const struct dkim_signature *sig, slice digest,
            const struct dns_answer *answer, struct signature_outcome *out)
{
    int best = 0;
    unsigned keys = 0;
    for (size_t i = 0; i < answer->n && i < RECORDS_MAX && keys < KEYS_MAX; i++) {
        struct signature_outcome o;
        bool is_key;
        enum status st = try_record(v, sig, digest, answer->records[i].data, &o, &is_key);
        keys += is_key;
        if (st == ST_OK && o.code != DKIM_PASS && weight(&o, is_key) <= best) {
            signature_outcome_clear(&o);
            continue;
        }
        signature_outcome_clear(out);
        *out = o;
        best = weight(&o, is_key);
        if (st != ST_OK || o.code == DKIM_PASS)
            return st;
    }
    return ST_OK;
}

enum status
verifier_check(const struct verifier *v, const struct dkim_signature *sig, slice digest,
               struct signature_outcome *out)
{
    *out = (struct signature_outcome){ .code = DKIM_PERMERROR, .reason = SLICE("no key record") };
    const struct dns_answer *answer = dns_lookup(v->dns, DNS_TXT, sig->key_name);
    switch (answer->status) {
    case DNS_OK:
        return try_records(v, sig, digest, answer, out);
    case DNS_NODATA:
    case DNS_NXDOMAIN:
    case DNS_BADNAME:
        out->reason = arena_printf(v->arena, "no key at %.*s (%s)", SLICE_ARG(sig->key_name),
                                   dns_status_name(answer->status));
        break;
    case DNS_BUDGET:
        out->code = DKIM_POLICY;
        out->reason = SLICE("ignored: the message asks for more DNS lookups than are made");
        break;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
        out->code = DKIM_TEMPERROR;
        out->reason = arena_printf(v->arena, "key at %.*s not available (%s)",
                                   SLICE_ARG(sig->key_name), dns_status_name(answer->status));
        break;
    }
    return out->reason.p == NULL ? ST_NOMEM : ST_OK;
}
