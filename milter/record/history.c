#include "autoconf.h"

#include "record/history.h"
#include "base/jsonw.h"
#include "mail/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* The numbers are OpenDMARC's, as its reporting scripts read them. */
enum { HISTORY_REJECT = 0, HISTORY_ACCEPT = 2, HISTORY_TEMPFAIL = 3, HISTORY_QUARANTINE = 4 };
enum { HISTORY_ABSENT = 14, HISTORY_PASS = 15, HISTORY_P_REJECT = 16, HISTORY_P_QUARANTINE = 17, HISTORY_P_NONE = 18 };
enum { HISTORY_ALIGNED = 4, HISTORY_NOT_ALIGNED = 5 };

static int
spf_number(enum spf_result r)
{
    switch (r) {
    case SPF_PASS: return 0;
    case SPF_SOFTFAIL: return 2;
    case SPF_NEUTRAL: return 3;
    case SPF_TEMPERROR: return 4;
    case SPF_PERMERROR: return 5;
    case SPF_NONE: return 6;
    case SPF_FAIL: return 7;
    }
    return 6;
}

static int
dkim_number(enum dkim_result_code r)
{
    switch (r) {
    case DKIM_PASS: return 0;
    case DKIM_NEUTRAL: return 3;
    case DKIM_TEMPERROR: return 4;
    case DKIM_PERMERROR: return 5;
    case DKIM_NONE: return 6;
    case DKIM_FAIL: return 7;
    case DKIM_POLICY: return 8;
    }
    return 6;
}

static int
action_number(enum action a)
{
    switch (a) {
    case ACTION_ACCEPT: return HISTORY_ACCEPT;
    case ACTION_QUARANTINE: return HISTORY_QUARANTINE;
    case ACTION_REJECT: return HISTORY_REJECT;
    case ACTION_TEMPFAIL: return HISTORY_TEMPFAIL;
    }
    return HISTORY_ACCEPT;
}

static int
policy_number(const struct dmarc_result *d)
{
    if (d->record == NULL)
        return HISTORY_ABSENT;
    if (d->result == DMARC_PASS)
        return HISTORY_PASS;
    switch (d->policy) {
    case DMARC_POLICY_REJECT: return HISTORY_P_REJECT;
    case DMARC_POLICY_QUARANTINE: return HISTORY_P_QUARANTINE;
    case DMARC_POLICY_UNSET:
    case DMARC_POLICY_NONE: return HISTORY_P_NONE;
    }
    return HISTORY_P_NONE;
}

static int
policy_letter(enum dmarc_policy p, int unset)
{
    const char *name = dmarc_policy_name(p);
    return name == NULL ? unset : name[0];
}

/* One word: white space or an odd octet would begin another field. */
static slice
one_word(slice s, slice otherwise)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return otherwise;
    return s.n > 0 ? s : otherwise;
}

static void
requested(struct strbuf *b, const struct dmarc_record *p)
{
    for (size_t i = 0; p != NULL && i < p->n_rua; i++)
        strbuf_printf(b, "rua %.*s\n", SLICE_ARG(one_word(p->rua[i], SLICE("-"))));
    if (p == NULL || p->n_rua == 0)
        strbuf_add_str(b, "rua -\n");
    strbuf_printf(b, "pct 100\nadkim %d\naspf %d\np %d\nsp %d\n", p != NULL && p->adkim_strict ? 's' : 'r',
                  p != NULL && p->aspf_strict ? 's' : 'r', policy_letter(p == NULL ? DMARC_POLICY_UNSET : p->p, 'n'),
                  policy_letter(p == NULL ? DMARC_POLICY_UNSET : p->sp, 0));
}

/* "arc_policy NUMBER json:[...]": the importer wants the list even if it is empty. */
static void
chain(struct strbuf *b, const struct record *r)
{
    static const int numbers[] = { [ARC_NONE] = 0, [ARC_PASS] = 1, [ARC_FAIL] = 2 };
    strbuf_printf(b, "arc %d\narc_policy %d json:", numbers[r->arc.status], r->arc_trusted ? 0 : r->arc.status == ARC_PASS ? 2 : 1);
    struct strbuf list;
    strbuf_init(&list, 0);
    jsonw_open(&list, NULL, '[');
    for (unsigned i = r->arc.chain == NULL ? 0 : r->arc.sets; i-- > 0;) {
        const struct arc_set *s = &r->arc.chain[i];
        if (!domain_is_name(s->seal_d) || !domain_is_name(s->seal_s))
            continue;
        jsonw_open(&list, NULL, '{');
        jsonw_int(&list, "i", s->instance);
        jsonw_text(&list, "d", s->seal_d);
        jsonw_text(&list, "s", s->seal_s);
        jsonw_close(&list, '}');
    }
    jsonw_close(&list, ']');
    strbuf_add(b, strbuf_slice(&list));
    if (strbuf_status(&list) != ST_OK)
        b->st = ST_NOMEM;
    strbuf_clear(&list);
    strbuf_add_char(b, '\n');
}

slice
history_text(struct arena *a, const struct record *r)
{
    char ip[NETADDR_TEXT_MAX];
    struct strbuf b;
    if (r->header_from.n == 0 || r->client.family == 0)
        return SLICE_EMPTY;
    strbuf_init(&b, 0);
    strbuf_printf(&b, "job %.*s\nreporter %.*s\nreceived %lld\nipaddr %s\nfrom %.*s\n",
                  SLICE_ARG(one_word(r->queue_id, one_word(r->id, SLICE("unknown")))),
                  SLICE_ARG(one_word(r->reporter, SLICE("unknown"))), (long long)(r->time_ms / 1000), netaddr_text(&r->client, ip),
                  SLICE_ARG(r->header_from));
    /* The null path stands under the name that SPF judged in its place (RFC 7208 2.4). */
    slice judged = r->spf != NULL && domain_is_name(r->spf->domain) ? r->spf->domain : r->header_from;
    strbuf_printf(&b, "mfrom %.*s\nspf %d\n", SLICE_ARG(r->mail_from_domain.n > 0 ? r->mail_from_domain : judged),
                  r->spf == NULL ? spf_number(SPF_NONE) : spf_number(r->spf->result));
    for (size_t i = 0; i < r->n_dkim; i++)
        if (domain_is_name(r->dkim[i].d) && domain_is_name(r->dkim[i].s))
            strbuf_printf(&b, "dkim %.*s %.*s %d\n", SLICE_ARG(r->dkim[i].d), SLICE_ARG(r->dkim[i].s), dkim_number(r->dkim[i].result));
    strbuf_printf(&b, "pdomain %.*s\npolicy %d\n", SLICE_ARG(r->dmarc.policy_domain.n > 0 ? r->dmarc.policy_domain : r->header_from),
                  policy_number(&r->dmarc));
    requested(&b, r->dmarc.record);
    strbuf_printf(&b, "align_dkim %d\nalign_spf %d\n", r->dmarc.dkim_aligned ? HISTORY_ALIGNED : HISTORY_NOT_ALIGNED,
                  r->dmarc.spf_aligned ? HISTORY_ALIGNED : HISTORY_NOT_ALIGNED);
    chain(&b, r);
    strbuf_printf(&b, "action %d\n", action_number(r->action));
    return strbuf_finish(&b, a);
}

enum status
history_append(const char *path, slice text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return ST_INTERNAL;
    ssize_t n;
    flock(fd, LOCK_EX); /* against a reader that locks; without a lock the write is one all the same */
    do
        n = write(fd, text.p, text.n);
    while (n < 0 && errno == EINTR);
    int error = n < 0 ? errno : ENOSPC;
    close(fd);
    if (n == (ssize_t)text.n)
        return ST_OK;
    errno = error;
    return ST_INTERNAL;
}
