#include "dkim/key_record.h"

#include "base/base64.h"
#include "mail/taglist.h"

/* Does the colon list hold the word?  White space around the colons is allowed (RFC 6376 3.6.1). */
static bool
list_has(const struct tag *t, slice word)
{
    slice rest = t->value, item;
    for (bool more = true; more;) {
        more = slice_cut(rest, ':', &item, &rest);
        if (slice_eq(slice_trim(item), word))
            return true;
    }
    return false;
}

static bool
is_printable(slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if ((c < ' ' || c >= 0x7f) && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

static enum status
refuse(const char **why, const char *text)
{
    *why = text;
    return ST_SYNTAX;
}

static void
read_type(const struct taglist *l, struct key_record *out)
{
    const struct tag *k = taglist_find(l, SLICE("k"));
    bool ed25519 = k != NULL && slice_eq(k->value, SLICE("ed25519")); /* RFC 8463 4.1 */
    out->type = ed25519 ? KEY_ED25519 : KEY_RSA;
    out->known_type = k == NULL || ed25519 || slice_eq(k->value, SLICE("rsa"));
}

enum status
key_record_parse(struct arena *a, slice text, struct key_record *out, const char **why)
{
    struct taglist l;
    *out = (struct key_record){ 0 };
    if (!is_printable(text))
        return refuse(why, "the key record holds unprintable octets");
    enum status st = taglist_parse(a, text, &l);
    if (st == ST_NOMEM)
        return st;
    if (st != ST_OK)
        return refuse(why, "the key record is not a list of tags, or has a tag twice");
    const struct tag *v = taglist_find(&l, SLICE("v")), *p = taglist_find(&l, SLICE("p"));
    const struct tag *h = taglist_find(&l, SLICE("h")), *s = taglist_find(&l, SLICE("s")),
                     *t = taglist_find(&l, SLICE("t"));
    if (v != NULL && (v != &l.tags[0] || !slice_eq(v->value, SLICE("DKIM1"))))
        return refuse(why, "the record's v= is not DKIM1 or not its first tag");
    if (p == NULL)
        return refuse(why, "the key record has no p=");
    read_type(&l, out);
    out->allows_sha256 = h == NULL || list_has(h, SLICE("sha256"));
    out->allows_sha1 = h == NULL || list_has(h, SLICE("sha1"));
    out->for_email = s == NULL || list_has(s, SLICE("*")) || list_has(s, SLICE("email"));
    out->testing = t != NULL && list_has(t, SLICE("y"));
    out->no_subdomains = t != NULL && list_has(t, SLICE("s"));
    out->revoked = p->value.n == 0;
    out->data = SLICE_EMPTY;
    if (out->revoked)
        return ST_OK;
    st = base64_decode(a, p->value, &out->data);
    return st == ST_SYNTAX ? refuse(why, "the key record's p= is not base64") : st;
}

const char *
key_record_refusal(const struct key_record *k, enum key_type type, enum hash_algorithm hash,
                   bool i_is_subdomain)
{
    if (k->revoked)
        return "key revoked";
    if (!k->known_type)
        return "unknown key type in the record's k=";
    if (k->type != type)
        return "the key is of another type than a= says";
    if (hash == HASH_SHA256 ? !k->allows_sha256 : !k->allows_sha1)
        return "the key record's h= does not allow the hash";
    if (!k->for_email)
        return "the key record's s= does not allow email";
    if (k->no_subdomains && i_is_subdomain)
        return "the key record's t=s wants i= in d= itself";
    return NULL;
}
