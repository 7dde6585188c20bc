/*
 * libopendkim 2.11 verifies, our session answers its questions.  What the guard holds, and why:
 *  - a signature that our own reader objects to is not shown to it: one with broken tags ends the check of the whole
 *    message, and duplicate tags, rsa-sha1 and keys of another type than a= says pass;
 *  - the key is the first record at the name that our own reader takes, and none larger than the library's buffer;
 *  - its verdict counts as a pass only if it says passed, body hash matched and no error, all three;
 *  - which signatures are looked at, times, unsigned body text and copies of fields are judged by our rules, so that a
 *    difference between the engines is one of cryptography or canonicalisation.
 */
#include "autoconf.h"

#ifdef HAVE_OPENDKIM

#include "second/dkim_libopendkim.h"

#include <string.h>

#include <opendkim/dkim.h>

#include "base/clock.h"
#include "dkim/accept.h"
#include "dkim/key_record.h"

#define KEY_TEXT_MAX 4000u         /* the library's own buffers hold 8192 octets */

struct candidate {
    struct candidate *next;
    struct dkim_signature sig;
    struct dkim_objection objection;
    bool shown;              /* handed to the library */
    int length_id;           /* of `count`: to know what l= leaves out, which the library does not tell */
    DKIM_SIGINFO *info;
    enum dns_status key_status;
};

struct second_dkim {
    struct arena *a;
    struct dns_session *dns;
    struct dkim_options options;
    DKIM_LIB *lib;
    DKIM *dkim;
    struct candidate *first, **end;
    size_t n, shown;
    const struct header_list *headers;
    struct body_canon *count; /* NULL: no l= */
    const char *gave_up; /* why the library has no say; NULL: it has */
};

/* ---- its questions */

static struct candidate *
candidate_of(struct second_dkim *d, const DKIM_SIGINFO *info)
{
    struct candidate *c = d->first;
    while (c != NULL && c->info != info)
        c = c->next;
    return c;
}

/* The first record that is a key record of the right type for us.  The library would take more than that for one. */
static slice
choose_record(struct second_dkim *d, const struct dkim_signature *s, const struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->n && i < 10; i++) {
        struct key_record record;
        const char *why;
        slice data = answer->records[i].data;
        if (data.n <= KEY_TEXT_MAX && key_record_parse(d->a, data, &record, &why) == ST_OK && record.known_type &&
            record.type == s->key_type)
            return data;
    }
    return SLICE_EMPTY;
}

static DKIM_CBSTAT
on_key_lookup(DKIM *dkim, DKIM_SIGINFO *info, u_char *buf, size_t size)
{
    struct second_dkim *d = dkim_get_user_context(dkim);
    struct candidate *c = candidate_of(d, info);
    if (c == NULL)
        return DKIM_CBSTAT_ERROR;
    const struct dns_answer *answer = dns_lookup(d->dns, DNS_TXT, c->sig.key_name);
    c->key_status = answer->status;
    switch (answer->status) {
    case DNS_OK:
        break;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
    case DNS_BADNAME:
        return DKIM_CBSTAT_NOTFOUND;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BUDGET:
        return DKIM_CBSTAT_TRYAGAIN;
    }
    slice text = choose_record(d, &c->sig, answer);
    if (text.n == 0 || text.n >= size)
        return DKIM_CBSTAT_NOTFOUND;
    memcpy(buf, text.p, text.n);
    buf[text.n] = '\0';
    return DKIM_CBSTAT_CONTINUE;
}

/* ---- the message */

static bool
set_up(struct second_dkim *d)
{
    unsigned int flags = DKIM_LIBFLAGS_BADSIGHANDLES | DKIM_LIBFLAGS_DELAYSIGPROC, bits = d->options.min_rsa_bits;
    uint64_t drift = d->options.clock_skew_s;
    DKIM_STAT st;
    d->lib = dkim_init(NULL, NULL);
    if (d->lib == NULL ||
        dkim_options(d->lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags)) != DKIM_STAT_OK ||
        dkim_options(d->lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof(bits)) != DKIM_STAT_OK ||
        dkim_options(d->lib, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof(drift)) != DKIM_STAT_OK ||
        dkim_set_key_lookup(d->lib, on_key_lookup) != DKIM_STAT_OK)
        return false;
    d->dkim = dkim_verify(d->lib, (const unsigned char *)"message", NULL, &st);
    return d->dkim != NULL && dkim_set_user_context(d->dkim, d) == DKIM_STAT_OK;
}

static void
opendkim_clear(struct second_dkim *d)
{
    if (d == NULL)
        return;
    if (d->dkim != NULL)
        dkim_free(d->dkim);
    if (d->lib != NULL)
        dkim_close(d->lib);
    body_canon_clear(d->count);
    d->dkim = NULL;
    d->lib = NULL;
    d->count = NULL;
}

static struct second_dkim *
opendkim_start(struct arena *a, struct dns_session *dns, const struct dkim_options *o)
{
    struct second_dkim *d = arena_zalloc(a, sizeof(*d));
    if (d == NULL)
        return NULL;
    *d = (struct second_dkim){ .a = a, .dns = dns, .options = *o };
    d->end = &d->first;
    if (!set_up(d)) {
        opendkim_clear(d);
        return NULL;
    }
    return d;
}

static bool
is_signature(const struct header_field *f)
{
    return slice_ieq(f->name, SLICE("DKIM-Signature"));
}

static enum status
opendkim_add_field(struct second_dkim *d, const struct header_field *f)
{
    if (!is_signature(f))
        return ST_OK;
    struct candidate *c = arena_zalloc(d->a, sizeof(*c));
    if (c == NULL)
        return ST_NOMEM;
    *d->end = c;
    d->end = &c->next;
    enum status st =
        dkim_signature_parse(d->a, f, SIGNATURE_DKIM, d->options.accept_rsa_sha1, &c->sig, &c->objection);
    if (st == ST_OK && c->objection.code == DKIM_NONE && d->n++ < d->options.max_signatures)
        dns_start(d->dns, DNS_TXT, c->sig.key_name, NULL, NULL);
    return st;
}

static void
choose(struct second_dkim *d, slice author_domain)
{
    for (unsigned far = 0; far <= 2; far++)
        for (struct candidate *c = d->first; c != NULL && d->shown < d->options.max_signatures; c = c->next)
            if (c->objection.code == DKIM_NONE && dkim_distance(&c->sig, author_domain) == far) {
                c->shown = true;
                d->shown++;
            }
}

static bool
is_shown(const struct second_dkim *d, const struct header_field *f)
{
    for (const struct candidate *c = d->first; c != NULL; c = c->next)
        if (c->sig.field == f)
            return c->shown;
    return true;
}

/* The library lists what it was shown in header order. */
static bool
find_infos(struct second_dkim *d)
{
    DKIM_SIGINFO **list = NULL;
    int n = 0;
    if (dkim_getsiglist(d->dkim, &list, &n) != DKIM_STAT_OK || n < 0 || (size_t)n != d->shown)
        return false;
    size_t i = 0;
    for (struct candidate *c = d->first; c != NULL; c = c->next)
        if (c->shown)
            c->info = list[i++];
    return true;
}

/* Nothing is hashed for a length of 0: this only counts. */
static enum status
count_bodies(struct second_dkim *d)
{
    for (struct candidate *c = d->first; c != NULL; c = c->next) {
        if (!c->shown || !c->sig.has_length)
            continue;
        if (d->count == NULL && (d->count = body_canon_new(d->a)) == NULL)
            return ST_NOMEM;
        c->length_id = body_canon_want(d->count, c->sig.body_canon, 0);
        if (c->length_id < 0)
            return ST_NOMEM;
    }
    return ST_OK;
}

static enum status
opendkim_header_end(struct second_dkim *d, const struct header_list *headers, slice author_domain)
{
    d->headers = headers;
    choose(d, author_domain);
    for (size_t i = 0; i < header_list_count(headers) && d->gave_up == NULL; i++) {
        const struct header_field *f = header_list_at(headers, i);
        if (is_signature(f) && !is_shown(d, f))
            continue;
        DKIM_STAT st = dkim_header(d->dkim, (u_char *)(uintptr_t)f->raw.p, f->raw.n);
        if (st == DKIM_STAT_NORESOURCE)
            return ST_NOMEM;
        if (st != DKIM_STAT_OK)
            d->gave_up = SECOND_NOT_ASKED "libopendkim does not take a header field of this message";
    }
    if (d->shown == 0 || d->gave_up != NULL)
        return ST_OK;
    DKIM_STAT st = dkim_eoh(d->dkim);
    if (st == DKIM_STAT_NORESOURCE)
        return ST_NOMEM;
    if (st != DKIM_STAT_OK || !find_infos(d))
        d->gave_up = SECOND_NOT_ASKED "libopendkim does not take this header";
    return count_bodies(d);
}

static enum status
opendkim_body(struct second_dkim *d, slice chunk)
{
    if (d->shown == 0 || d->gave_up != NULL || chunk.n == 0)
        return ST_OK;
    if (d->count != NULL)
        body_canon_feed(d->count, chunk);
    DKIM_STAT st = dkim_body(d->dkim, (u_char *)(uintptr_t)chunk.p, chunk.n);
    if (st == DKIM_STAT_NORESOURCE)
        return ST_NOMEM;
    if (st != DKIM_STAT_OK)
        d->gave_up = SECOND_NOT_ASKED "libopendkim does not take this body";
    return ST_OK;
}

/* ---- its verdicts */

static enum dkim_result_code
result_of_error(const struct candidate *c, DKIM_SIGERROR error, int body_hash)
{
    switch (c->key_status) {
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
        return DKIM_TEMPERROR;
    case DNS_BUDGET:
        return DKIM_POLICY;
    case DNS_OK:
    case DNS_NODATA:
    case DNS_NXDOMAIN:
    case DNS_BADNAME:
        break;
    }
    bool mismatch = error == DKIM_SIGERROR_BADSIG || (error == DKIM_SIGERROR_OK && body_hash == DKIM_SIGBH_MISMATCH);
    return mismatch ? DKIM_FAIL : DKIM_PERMERROR;
}

/* It asks the system's clock, whatever time the message is judged by (a replay, a test). */
static bool
goes_by_another_clock(const struct second_dkim *d, int error)
{
    int64_t apart = clock_wall_s() - d->options.now;
    return (error == DKIM_SIGERROR_EXPIRED || error == DKIM_SIGERROR_FUTURE) && (apart > 60 || apart < -60);
}

static enum status
ask(struct second_dkim *d, struct candidate *c, struct dkim_result *r)
{
    unsigned int bits = 0;
    if ((dkim_sig_getflags(c->info) & DKIM_SIGFLAG_PROCESSED) == 0)
        (void)dkim_sig_process(d->dkim, c->info); /* what it returns stands in the signature's error too */
    unsigned int flags = dkim_sig_getflags(c->info);
    int error = dkim_sig_geterror(c->info), body_hash = dkim_sig_getbh(c->info);
    if (dkim_sig_getkeysize(c->info, &bits) == DKIM_STAT_OK)
        r->key_bits = bits;
    r->testing = (flags & DKIM_SIGFLAG_TESTKEY) != 0;
    uint64_t length = c->sig.has_length ? body_canon_length(d->count, c->length_id) : 0;
    if (length > c->sig.length)
        r->unsigned_bytes = length - c->sig.length;
    if ((flags & DKIM_SIGFLAG_PASSED) == 0 || body_hash != DKIM_SIGBH_MATCH || error != DKIM_SIGERROR_OK) {
        if (goes_by_another_clock(d, error)) {
            r->reason = SLICE(SECOND_NOT_ASKED "libopendkim judges times by the system's clock");
            return ST_OK;
        }
        const char *text = error == DKIM_SIGERROR_OK ? NULL : dkim_sig_geterrorstr(error);
        r->result = result_of_error(c, error, body_hash);
        r->reason = text != NULL ? slice_from(text)
                    : body_hash == DKIM_SIGBH_MISMATCH ? SLICE("body hash mismatch")
                    : r->result == DKIM_TEMPERROR ? SLICE("key not available") : SLICE("not verified");
        return ST_OK;
    }
    if (r->key_bits > d->options.max_rsa_bits) {
        r->result = DKIM_PERMERROR;
        r->reason = SLICE("key too large");
        return ST_OK;
    }
    if (c->sig.has_length && c->sig.length > length) { /* the library says nothing of it */
        r->result = DKIM_PERMERROR;
        r->reason = SLICE("l= is larger than the body");
        return ST_OK;
    }
    enum status st = dkim_accept(d->a, &d->options, d->headers, &c->sig, r->unsigned_bytes, &r->reason);
    r->result = r->reason.n > 0 ? DKIM_POLICY : DKIM_PASS;
    return st;
}

static enum status
judge(struct second_dkim *d, struct candidate *c, size_t total, struct dkim_result *r)
{
    const struct dkim_signature *s = &c->sig;
    *r = (struct dkim_result){ .field = s->field, .d = s->d, .s = s->s, .a = s->a, .i = s->i, .b = s->b_text,
                               .result = c->objection.code, .reason = c->objection.reason };
    if (r->result != DKIM_NONE)
        return ST_OK;
    r->result = DKIM_NEUTRAL;
    if (!c->shown) {
        r->result = DKIM_POLICY;
        r->reason = arena_printf(d->a, "ignored: only %u signatures are looked at", d->options.max_signatures);
        return r->reason.p == NULL ? ST_NOMEM : ST_OK;
    }
    if (d->gave_up != NULL)
        r->reason = slice_from(d->gave_up);
    else if (total != d->shown && dkim_signature_names_count(s, SLICE("DKIM-Signature")) > 0)
        r->reason = SLICE(SECOND_NOT_ASKED "it covers signatures that are withheld from libopendkim");
    else
        return ask(d, c, r);
    return ST_OK;
}

static enum status
opendkim_finish(struct second_dkim *d, struct trace *t, const struct dkim_result **results, size_t *n)
{
    size_t total = 0, i = 0;
    for (const struct candidate *c = d->first; c != NULL; c = c->next)
        total++;
    struct dkim_result *all = arena_array(d->a, total + 1, sizeof(*all));
    if (all == NULL)
        return ST_NOMEM;
    if (d->count != NULL && body_canon_finish(d->count) != ST_OK)
        return ST_INTERNAL;
    if (d->shown > 0 && d->gave_up == NULL && dkim_eom(d->dkim, NULL) == DKIM_STAT_NORESOURCE)
        return ST_NOMEM;
    for (struct candidate *c = d->first; c != NULL; c = c->next, i++) {
        enum status st = judge(d, c, total, &all[i]);
        if (st != ST_OK)
            return st;
        trace_line(t, "libopendkim: d=%.*s s=%.*s: %s%s%.*s", SLICE_ARG(all[i].d), SLICE_ARG(all[i].s),
                   dkim_result_name(all[i].result), all[i].reason.n > 0 ? ": " : "", SLICE_ARG(all[i].reason));
    }
    *results = all;
    *n = total;
    return ST_OK;
}

const struct second_dkim_ops dkim_libopendkim = {
    .start = opendkim_start,
    .add_field = opendkim_add_field,
    .header_end = opendkim_header_end,
    .body = opendkim_body,
    .finish = opendkim_finish,
    .clear = opendkim_clear,
};

#else
typedef int dkim_libopendkim_is_left_out; /* a translation unit must hold something */
#endif
