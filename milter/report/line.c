#include "autoconf.h"

#include "report/line.h"
#include "base/netlist.h"
#include "mail/domain.h"
#include "report/day.h"
#include "report/member.h"

#include <stdio.h>
#include <string.h>

#define VERSION_MAX 1
#define TIME_MIN_MS 946684800000 /* 2000: an older clock was never set */

struct reading {
    const char *wrong; /* first thing found, NULL: all is well */
    const char *where;
};

static void
refuse(struct reading *rd, const char *where, const char *wrong)
{
    if (rd->wrong == NULL) {
        rd->wrong = wrong;
        rd->where = where;
    }
}

/* A text member; absent and null are empty. */
static slice
text(struct reading *rd, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (v != NULL && !json_is_null(v) && !json_is_string(v))
        refuse(rd, name, "is not text");
    return value_text(v);
}

static slice
name(struct reading *rd, const json_t *o, const char *member)
{
    slice s = text(rd, o, member);
    if (s.n > 0 && !domain_is_name(s))
        refuse(rd, member, "is no domain name");
    return s;
}

/* One of the words, separated by spaces. */
static slice
word(struct reading *rd, const json_t *o, const char *member, const char *words, bool may_be_empty)
{
    slice s = text(rd, o, member), rest = slice_from(words), one;
    if (s.n == 0 && may_be_empty)
        return s;
    for (bool more = true; more;) {
        more = slice_cut(rest, ' ', &one, &rest);
        if (slice_eq(one, s))
            return s;
    }
    refuse(rd, member, "is not one of its words");
    return s;
}

static bool
flag(struct reading *rd, const json_t *o, const char *member)
{
    const json_t *v = json_object_get(o, member);
    if (v != NULL && !json_is_boolean(v))
        refuse(rd, member, "is neither true nor false");
    return json_is_true(v);
}

static void
transaction(struct reading *rd, int64_t now, struct line *l)
{
    const json_t *time = json_object_get(l->json, "time");
    l->id = text(rd, l->json, "id");
    if (l->id.n == 0 || l->id.n > 255)
        refuse(rd, "id", "is missing or too long");
    if (!json_is_integer(time) || json_integer_value(time) < TIME_MIN_MS || json_integer_value(time) / 1000 > now + 86400)
        refuse(rd, "time", "is missing, before 2000 or ahead of the clock");
    else
        l->time_ms = json_integer_value(time);
    l->day = day_of(l->time_ms / 1000);
    l->queue_id = text(rd, l->json, "queue_id");
    l->reporter = text(rd, l->json, "reporter");
    l->source = text(rd, l->json, "client_ip");
    struct netaddr a;
    if (l->source.n > 0 && !netaddr_parse(l->source, &a))
        refuse(rd, "client_ip", "is no address");
    l->author = name(rd, l->json, "header_from");
    l->mail_from = name(rd, l->json, "mail_from_domain");
    l->null_path = flag(rd, l->json, "null_path");
}

static void
methods(struct reading *rd, struct line *l)
{
    const json_t *spf = json_object_get(l->json, "spf"), *dkim = json_object_get(l->json, "dkim"),
                 *arc = json_object_get(l->json, "arc");
    l->has_spf = json_is_object(spf);
    if (l->has_spf) {
        l->spf_result = word(rd, spf, "result", "none neutral pass fail softfail temperror permerror policy", false);
        l->spf_domain = name(rd, spf, "domain");
        l->spf_reason = text(rd, spf, "reason");
    }
    for (size_t i = 0; i < json_array_size(dkim) && l->n_dkim < LINE_MAX_DKIM; i++) {
        const json_t *one = json_array_get(dkim, i);
        struct line_dkim *d = &l->dkim[l->n_dkim++];
        d->result = word(rd, one, "result", "none pass fail policy neutral temperror permerror", false);
        d->d = name(rd, one, "d");
        d->s = name(rd, one, "s");
        d->reason = text(rd, one, "reason");
        d->aligned = flag(rd, one, "aligned");
        d->pass = slice_eq(d->result, SLICE("pass"));
    }
    l->arc_trusted = flag(rd, arc, "trusted");
    if (l->arc_trusted)
        l->sealer = value_text(json_array_get(json_object_get(arc, "sealers"), 0));
    if (l->sealer.n > 0 && !domain_is_name(l->sealer))
        refuse(rd, "sealers", "is no domain name");
}

static void
policy(struct reading *rd, struct line *l)
{
    const json_t *d = json_object_get(l->json, "dmarc");
    json_t *p = json_object_get(d, "published");
    if (!json_is_object(d)) {
        refuse(rd, "dmarc", "is missing");
        return;
    }
    l->dmarc_result = word(rd, d, "result", "none pass fail temperror permerror", false);
    l->policy = word(rd, d, "policy", "none quarantine reject", true);
    l->disposition = word(rd, d, "disposition", "none quarantine reject", true);
    l->policy_domain = name(rd, d, "policy_domain");
    l->spf_aligned = flag(rd, d, "spf_aligned");
    l->dkim_aligned = flag(rd, d, "dkim_aligned");
    l->testing = flag(rd, d, "testing");
    if (json_is_object(p) && l->policy_domain.n > 0) {
        l->published = p;
        word(rd, p, "p", "none quarantine reject", true);
        word(rd, p, "sp", "none quarantine reject", true);
        word(rd, p, "np", "none quarantine reject", true);
        word(rd, p, "adkim", "r s", true);
        word(rd, p, "aspf", "r s", true);
        word(rd, p, "t", "y n", true);
        word(rd, p, "psd", "y n u", true);
        text(rd, p, "fo");
        text(rd, p, "warning");
    }
}

static void
outcome(struct reading *rd, struct line *l)
{
    l->action = word(rd, l->json, "action", "accept quarantine reject tempfail", false);
    l->would = word(rd, l->json, "would", "none quarantine reject", true);
    l->rule = text(rd, l->json, "rule");
    l->exempt = flag(rd, l->json, "exempt");
    l->authenticated = flag(rd, l->json, "authenticated");
    l->to_reports = flag(rd, l->json, "to_reports");
    const json_t *overrides = json_object_get(l->json, "override");
    for (size_t i = 0; i < json_array_size(overrides) && l->n_overrides < LINE_MAX_OVERRIDES; i++) {
        const json_t *o = json_array_get(overrides, i);
        struct line_override *to = &l->overrides[l->n_overrides++];
        to->type = word(rd, o, "type", "local_policy mailing_list other policy_test_mode trusted_forwarder", false);
        to->comment = text(rd, o, "comment");
    }
}

bool
line_read(slice line, int64_t now, struct line *out, char *reason, size_t reason_size)
{
    struct reading rd = { NULL, NULL };
    json_error_t error;
    out->json = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &error);
    if (out->json == NULL) {
        snprintf(reason, reason_size, "no JSON: %.80s", error.text);
        return false;
    }
    const json_t *version = json_object_get(out->json, "v");
    json_t *json = out->json;
    *out = (struct line){ .json = json };
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        refuse(&rd, "v", "is missing");
    else if (json_integer_value(version) > VERSION_MAX)
        refuse(&rd, "v", "is newer than this program reads");
    if (rd.wrong == NULL) {
        transaction(&rd, now, out);
        methods(&rd, out);
        policy(&rd, out);
        outcome(&rd, out);
    }
    if (rd.wrong == NULL)
        return true;
    snprintf(reason, reason_size, "%s %s", rd.where, rd.wrong);
    line_clear(out);
    return false;
}

void
line_clear(struct line *l)
{
    json_decref(l->json);
    l->json = NULL;
}
