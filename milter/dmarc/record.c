#include "dmarc/record.h"

#include <string.h>

/* ---- words */

const char *
dmarc_result_name(enum dmarc_result_code r)
{
    switch (r) {
    case DMARC_NONE:
        return "none";
    case DMARC_PASS:
        return "pass";
    case DMARC_FAIL:
        return "fail";
    case DMARC_TEMPERROR:
        return "temperror";
    case DMARC_PERMERROR:
        return "permerror";
    }
    return "none";
}

const char *
dmarc_policy_name(enum dmarc_policy p)
{
    switch (p) {
    case DMARC_POLICY_UNSET:
        return NULL;
    case DMARC_POLICY_NONE:
        return "none";
    case DMARC_POLICY_QUARANTINE:
        return "quarantine";
    case DMARC_POLICY_REJECT:
        return "reject";
    }
    return NULL;
}

/* ---- reporting URIs: dmarc-uri and obs-dmarc-uri */

/* "!10m" at the end means nothing any more and is taken off (RFC 9989 4.8 obs-dmarc-report-size). */
static slice
without_size(slice s)
{
    size_t at = slice_rfind(s, '!');
    if (at == s.n)
        return s;
    slice size = slice_tail(s, at + 1);
    size_t digits = 0;
    while (digits < size.n && ascii_is_digit(size.p[digits]))
        digits++;
    if (digits == 0)
        return s;
    slice unit = slice_tail(size, digits);
    if (unit.n > 1 || (unit.n == 1 && memchr("kmgt", ascii_lower(unit.p[0]), 4) == NULL))
        return s;
    return slice_head(s, at);
}

static bool
is_hex(char c)
{
    return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

/* The characters of RFC 3986 2.2 and 2.3 and percent-encoded octets; "!" and "," have to be encoded (RFC 9989 4.8). */
static bool
is_uri_text(slice s)
{
    static const char others[] = "-._~:/?#[]@$&'()*+=";
    unsigned fragments = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
                return false;
            i += 2;
        } else if (!ascii_is_alnum(c) && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        } else if (c == '#' && ++fragments > 1) {
            return false;
        }
    }
    return true;
}

bool
dmarc_uri_parse(slice text, slice *uri)
{
    slice s = without_size(slice_trim_wsp(text)), scheme, rest;
    if (!slice_cut(s, ':', &scheme, &rest) || scheme.n == 0 || rest.n == 0 || !ascii_is_alpha(scheme.p[0]))
        return false;
    for (size_t i = 0; i < scheme.n; i++)
        if (!ascii_is_alnum(scheme.p[i]) && memchr("+-.", scheme.p[i], 3) == NULL)
            return false;
    if (!is_uri_text(rest))
        return false;
    if (slice_ieq(scheme, SLICE("mailto"))) { /* RFC 6068: an address before any header fields */
        slice address = slice_head(rest, slice_find(rest, '?')), local, domain;
        if (!slice_cut(address, '@', &local, &domain) || local.n == 0 || domain.n == 0 || slice_has(domain, '@'))
            return false;
    }
    *uri = s;
    return true;
}

/* ---- tags */

/* Takes the next tag off *rest: name and value without white space around.  False at the end of the record. */
static bool
next_tag(slice *rest, slice *name, slice *value, bool *has_value)
{
    if (rest->n == 0)
        return false;
    slice tag, after;
    slice_cut(*rest, ';', &tag, &after);
    *rest = after;
    *has_value = slice_cut(tag, '=', name, value);
    *name = slice_trim_wsp(*name);
    *value = *has_value ? slice_trim_wsp(*value) : SLICE_EMPTY;
    return true;
}

/* dmarc-version: first in the record, nothing before it, its value in these very letters. */
static bool
take_version(slice *rest)
{
    slice name, value;
    bool has_value;
    if (rest->n > 0 && ascii_is_wsp(rest->p[0]))
        return false;
    return next_tag(rest, &name, &value, &has_value) && has_value && slice_ieq(name, SLICE("v")) &&
           slice_eq(value, SLICE("DMARC1"));
}

bool
dmarc_record_is(slice text)
{
    return take_version(&text);
}

/* One of the letters, in either case; 0: another value. */
static char
letter(slice value, const char *letters)
{
    char c = value.n == 1 ? ascii_lower(value.p[0]) : '\0';
    return c != '\0' && strchr(letters, c) != NULL ? c : '\0';
}

char
dmarc_record_psd(slice text)
{
    slice name, value;
    bool has_value;
    if (!dmarc_record_is(text))
        return 'u';
    take_version(&text);
    while (next_tag(&text, &name, &value, &has_value)) {
        if (!has_value || !slice_ieq(name, SLICE("psd")))
            continue;
        char c = letter(value, "ynu");
        return c == '\0' ? 'u' : c;
    }
    return 'u';
}

static enum dmarc_policy
policy_value(slice value)
{
    if (slice_ieq(value, SLICE("none")))
        return DMARC_POLICY_NONE;
    if (slice_ieq(value, SLICE("quarantine")))
        return DMARC_POLICY_QUARANTINE;
    if (slice_ieq(value, SLICE("reject")))
        return DMARC_POLICY_REJECT;
    return DMARC_POLICY_UNSET;
}

/* dmarc-fo: 0, 1, d, s by colons, each once, in any order, not 0 with 1 (RFC 9989 4.7). */
static bool
fo_is_valid(slice value)
{
    unsigned seen = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (i % 2 == 1) {
            if (value.p[i] != ':')
                return false;
            continue;
        }
        static const char options[] = "01ds";
        const char *at = value.p[i] == '\0' ? NULL : strchr(options, ascii_lower(value.p[i]));
        unsigned bit = at == NULL ? 0 : 1u << (at - options);
        if (bit == 0 || (seen & bit) != 0)
            return false;
        seen |= bit;
    }
    return value.n % 2 == 1 && (seen & 3) != 3;
}

struct reader {
    struct arena *a;
    struct dmarc_record *r;
    bool bad_policy, no_memory;
};

static void
warn(struct reader *rd, slice warning)
{
    rd->no_memory |= warning.p == NULL;
    if (rd->r->warning.n == 0 && warning.p != NULL)
        rd->r->warning = warning;
}

/* Of text from the record only tag names are repeated, which are letters. */
static void
warn_value(struct reader *rd, const char *name, const char *so)
{
    warn(rd, arena_printf(rd->a, "%s= has a bad value, %s", name, so));
}

static void
read_uris(struct reader *rd, slice value, const char *name, const slice **out, size_t *n_out)
{
    size_t at_most = 1, n = 0;
    for (size_t i = 0; i < value.n && at_most < DMARC_MAX_URIS; i++)
        at_most += value.p[i] == ',';
    slice *list = arena_array(rd->a, at_most, sizeof(*list));
    if (list == NULL) {
        rd->no_memory = true;
        return;
    }
    bool more = true;
    while (more) {
        slice one, rest;
        more = slice_cut(value, ',', &one, &rest);
        value = rest;
        if (n == DMARC_MAX_URIS) {
            warn(rd, arena_printf(rd->a, "%s= has more than %d URIs, the others are left out", name, DMARC_MAX_URIS));
            break;
        }
        if (dmarc_uri_parse(one, &list[n]))
            n++;
        else
            warn(rd, arena_printf(rd->a, "%s= has something that is not a reporting URI", name));
    }
    *out = list;
    *n_out = n;
}

static void
read_request(struct reader *rd, slice value, const char *name, enum dmarc_policy *out)
{
    *out = policy_value(value);
    if (*out != DMARC_POLICY_UNSET)
        return;
    rd->bad_policy = true;
    warn(rd, arena_printf(rd->a, "%s= is not none, quarantine or reject", name));
}

static void
read_alignment(struct reader *rd, slice value, const char *name, bool *strict)
{
    char c = letter(value, "rs");
    *strict = c == 's';
    if (c == '\0')
        warn_value(rd, name, "taken as r");
}

enum tag { TAG_P, TAG_SP, TAG_NP, TAG_ADKIM, TAG_ASPF, TAG_PSD, TAG_T, TAG_FO, TAG_RUA, TAG_RUF, TAG_PCT, TAG_RF, TAG_RI,
           TAG_UNKNOWN };
static const char *const tag_names[] = { "p",  "sp", "np",  "adkim", "aspf", "psd", "t",
                                         "fo", "rua", "ruf", "pct",   "rf",   "ri" };

static enum tag
tag_of(slice name)
{
    unsigned i = 0;
    while (i < COUNT(tag_names) && !slice_ieq(name, slice_from(tag_names[i])))
        i++;
    return (enum tag)i;
}

static void
read_tag(struct reader *rd, enum tag tag, slice value)
{
    struct dmarc_record *r = rd->r;
    switch (tag) {
    case TAG_P:
        read_request(rd, value, "p", &r->p);
        break;
    case TAG_SP:
        read_request(rd, value, "sp", &r->sp);
        break;
    case TAG_NP:
        read_request(rd, value, "np", &r->np);
        break;
    case TAG_ADKIM:
        read_alignment(rd, value, "adkim", &r->adkim_strict);
        break;
    case TAG_ASPF:
        read_alignment(rd, value, "aspf", &r->aspf_strict);
        break;
    case TAG_PSD:
        r->psd = letter(value, "ynu");
        if (r->psd == '\0') {
            r->psd = 'u';
            warn_value(rd, "psd", "taken as u");
        }
        break;
    case TAG_T:
        r->testing = letter(value, "yn") == 'y';
        if (letter(value, "yn") == '\0')
            warn_value(rd, "t", "taken as n");
        break;
    case TAG_FO:
        if (fo_is_valid(value))
            r->fo = value;
        else
            warn_value(rd, "fo", "taken as 0");
        break;
    case TAG_RUA:
        read_uris(rd, value, "rua", &r->rua, &r->n_rua);
        break;
    case TAG_RUF:
        read_uris(rd, value, "ruf", &r->ruf, &r->n_ruf);
        break;
    case TAG_PCT: /* historic (RFC 9989 A.6): read past, whatever they hold */
    case TAG_RF:
    case TAG_RI:
    case TAG_UNKNOWN: /* MUST be ignored (4.7) */
        break;
    }
}

/* dmarc-value is printable ASCII but ";", at least one octet; a tab is white space inside a list of URIs. */
static bool
is_value(slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c >= 0x7f)
            return false;
    }
    return s.n > 0;
}

/* RFC 9989 4.10.1: without a valid p, or with a bad sp or np, a record with somewhere to report to is p=none. */
static void
settle_policy(struct reader *rd, bool has_p)
{
    struct dmarc_record *r = rd->r;
    if (!has_p)
        warn(rd, SLICE("no p="));
    r->bad_policy = rd->bad_policy || !has_p;
    if (!r->bad_policy)
        return;
    r->p = r->n_rua > 0 ? DMARC_POLICY_NONE : DMARC_POLICY_UNSET;
    r->sp = r->np = DMARC_POLICY_UNSET;
}

enum status
dmarc_record_parse(struct arena *a, slice text, struct dmarc_record *out)
{
    slice rest = text, name, value;
    bool has_value;
    unsigned seen = 0;
    if (!dmarc_record_is(text))
        return ST_SYNTAX;
    *out = (struct dmarc_record){ .psd = 'u', .fo = SLICE("0"), .text = text, .warning = SLICE_EMPTY };
    struct reader rd = { .a = a, .r = out };
    take_version(&rest);
    while (next_tag(&rest, &name, &value, &has_value)) {
        if (name.n == 0 && !has_value)
            continue; /* nothing between two separators */
        enum tag tag = tag_of(name);
        if (!has_value || (tag == TAG_UNKNOWN && slice_ieq(name, SLICE("v")))) {
            warn(&rd, SLICE("something that is not a tag is passed over"));
            continue;
        }
        if (tag == TAG_UNKNOWN)
            continue;
        if ((seen & 1u << tag) != 0) { /* not said by RFC 9989: the first one stands */
            warn(&rd, arena_printf(a, "%s= twice, the first stands", tag_names[tag]));
            continue;
        }
        seen |= 1u << tag;
        if (!is_value(value) && tag > TAG_NP && tag < TAG_PCT)
            warn_value(&rd, tag_names[tag], "passed over");
        else
            read_tag(&rd, tag, value);
    }
    settle_policy(&rd, (seen & 1u << TAG_P) != 0);
    return rd.no_memory ? ST_NOMEM : ST_OK;
}
