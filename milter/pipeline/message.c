#include "pipeline/state.h"

#include "base/clock.h"
#include "dns/replay.h"
#include "dmarc/walk.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "pipeline/iprev.h"
#include "pipeline/sealing.h"
#include "record/failure.h"

#include <stdlib.h>

/* For DMARC: the walk from the Author Domain (RFC 9989 4.10).  Of the default of 120 the others may spend 112, one
 * more than a record within RFC 7208 4.6.4 can ask for: itself, 10 MX and 10 hosts of each. */
#define QUERIES_KEPT DMARC_WALK_MAX

static const struct reply reply_continue = { .kind = REPLY_CONTINUE };
static const struct reply reply_no_memory = { REPLY_TEMPFAIL, "451", "4.3.0", "Out of memory, try again later" };

void
message_note(struct message *m, enum status st)
{
    if (st != ST_OK && m->trouble == ST_OK)
        m->trouble = st;
}

/* The answer of a step that found no memory; with OnError accept it is given at the end. */
static struct reply
no_memory(struct message *m)
{
    message_note(m, ST_NOMEM);
    return m->c->on_error == TROUBLE_ACCEPT ? reply_continue : reply_no_memory;
}

static int64_t
judging_time(const struct pipeline *p)
{
    return p->parts.now != 0 ? p->parts.now : clock_wall_s();
}

static enum status
copy(struct arena *a, slice text, slice *out)
{
    *out = arena_slice(a, text);
    return out->p == NULL ? ST_NOMEM : ST_OK;
}

/* The name to write results under: the MTA's where AuthservIDMacro asks for it and it is a domain name. */
static enum status
find_reporter(struct message *m, const struct peer *peer)
{
    slice macro = slice_from(m->c->authserv_id_macro), told = SLICE_EMPTY, name;
    if (slice_eq(macro, SLICE("j")))
        told = peer->mta_name;
    else if (slice_eq(macro, SLICE("daemon_name")))
        told = peer->daemon_name;
    m->record.reporter = slice_from(m->c->authserv_id);
    if (told.n == 0)
        return ST_OK;
    enum status st = domain_from_text(m->a, told, &name);
    if (st == ST_OK)
        m->record.reporter = name;
    return st == ST_NOMEM ? st : ST_OK;
}

struct message *
message_new(struct pipeline *p, const struct peer *peer, struct trace *t)
{
    struct arena *a = arena_new(p->parts.config->maximum_message_memory);
    struct message *m = a == NULL ? NULL : arena_zalloc(a, sizeof(*m));
    if (m == NULL) {
        arena_free(a);
        return NULL;
    }
    m->p = pipeline_acquire(p);
    m->c = p->parts.config;
    m->a = a;
    m->t = t;
    struct record *r = &m->record;
    r->client = peer->client;
    message_note(m, copy(a, peer->name, &r->client_name));
    message_note(m, find_reporter(m, peer));
    r->queue_id = SLICE_EMPTY;
    unsigned long long sequence = atomic_fetch_add(&p->sequence, 1);
    r->id = arena_printf(a, "%s-%llx-%llx", p->run, (unsigned long long)peer->connection, sequence);
    if (r->id.p == NULL)
        message_note(m, ST_NOMEM);
    return m;
}

void
message_free(struct message *m)
{
    if (m == NULL)
        return;
    struct pipeline *p = m->p;
    dns_session_free(m->dns); /* first: its callbacks read the requests in the arena */
    checks_dkim_clear(m);
    body_canon_clear(m->body);
    strbuf_clear(&m->kept_body);
    arena_free(m->a);
    pipeline_release(p);
}

void
message_queue_id(struct message *m, slice queue_id)
{
    if (!slice_eq(m->record.queue_id, queue_id))
        message_note(m, copy(m->a, queue_id, &m->record.queue_id));
}

struct reply
message_helo(struct message *m, slice helo)
{
    message_note(m, copy(m->a, helo, &m->record.helo));
    return m->trouble == ST_OK ? reply_continue : no_memory(m);
}

/* The reverse-path taken apart.  Of one that is no mailbox, what stands behind the last "@" is judged as its domain, if it is
 * a domain name: that is where an MTA that takes the path would send its bounce.  With nothing there, or without an "@", it is
 * no null path and gives no domain (RFC 7208 2.4, 2.6.1): kept whole, in the brackets that make it a name of nothing. */
static enum status
read_sender(struct message *m, slice path)
{
    struct record *r = &m->record;
    struct spf_request *rq = &m->mfrom_request;
    path = slice_trim(path);
    if (path.n >= 2 && path.p[0] == '<' && path.p[path.n - 1] == '>')
        path = (slice){ path.p + 1, path.n - 2 };
    enum status st = copy(m->a, path, &r->mail_from);
    struct mailbox box = { 0 };
    if (st == ST_OK)
        st = address_path_parse(m->a, r->mail_from, &box);
    if (st == ST_NOMEM)
        return st;
    bool readable = st == ST_OK && (box.domain.n > 0 || r->mail_from.n == 0);
    size_t at = slice_rfind(r->mail_from, '@');
    if (!readable && at + 1 < r->mail_from.n)
        box = (struct mailbox){ slice_head(r->mail_from, at), slice_tail(r->mail_from, at + 1) };
    else if (!readable)
        box = (struct mailbox){ SLICE_EMPTY, arena_printf(m->a, "<%.*s>", SLICE_ARG(r->mail_from)) };
    if (box.domain.p == NULL)
        return ST_NOMEM;
    rq->sender_local = box.local_part;
    rq->sender_domain = box.domain;
    st = domain_from_text(m->a, box.domain, &r->mail_from_domain);
    if (st == ST_NOMEM)
        return st;
    if (st != ST_OK)
        r->mail_from_domain = SLICE_EMPTY;
    sealing_sender(m, rq->sender_local);
    return ST_OK;
}

static void
fill_requests(struct message *m)
{
    const struct string_list *reject[] = { &m->c->spf_reject, &m->c->spf_reject_helo };
    struct spf_request *rq[] = { &m->mfrom_request, &m->helo_request };
    for (size_t i = 0; i < COUNT(rq); i++) {
        rq[i]->scope = i == 0 ? SPF_SCOPE_MFROM : SPF_SCOPE_HELO;
        rq[i]->client = m->record.client;
        rq[i]->helo = m->record.helo;
        rq[i]->receiver = m->record.reporter;
        rq[i]->now = judging_time(m->p);
        rq[i]->max_voids = m->c->spf_void_lookups;
        rq[i]->want_explanation =
            m->p->parts.want_explanations || reject[i]->n > 0 || (m->record.mail_from.n == 0 && reject[1]->n > 0);
    }
}

/* What SPF records of these names mostly go on to ask, "mx" of a sender's domain and "a" of a mail server's name: asked
 * together with the records, it costs no second round trip where it is needed. */
static void
start_likely_lookups(struct message *m)
{
    const struct record *r = &m->record;
    if (r->mail_from_domain.n > 0)
        dns_start(m->dns, DNS_MX, r->mail_from_domain, NULL, NULL);
    slice host;
    struct netaddr address;
    if (domain_from_text(m->a, r->helo, &host) == ST_OK && domain_labels(host) > 2 && !netaddr_parse(host, &address))
        dns_start(m->dns, r->client.family == 6 ? DNS_AAAA : DNS_A, host, NULL, NULL);
}

static void
start_lookups(struct message *m)
{
    struct dns_limits limits = { .timeout_ms = m->c->message_timeout_ms, .max_queries = m->c->message_queries };
    m->dns = dns_session_new(m->p->parts.resolver, &limits);
    if (m->dns == NULL) {
        message_note(m, ST_NOMEM);
        return;
    }
    dns_session_keep(m->dns, limits.max_queries >= 4 * QUERIES_KEPT ? QUERIES_KEPT : limits.max_queries / 4,
                     limits.timeout_ms / 4);
    fill_requests(m);
    spf_prefetch(m->a, m->dns, &m->mfrom_request);
    if (m->record.mail_from.n > 0) /* the null path's check is the one of HELO already */
        spf_prefetch(m->a, m->dns, &m->helo_request);
    start_likely_lookups(m);
    if (m->c->check_iprev)
        iprev_prefetch(m->dns, &m->record.client, m->record.client_name);
}

static bool
is_listed(const struct string_list *results, enum spf_result r)
{
    for (size_t i = 0; i < results->n; i++)
        if (slice_ieq(slice_from(results->items[i]), slice_from(spf_result_name(r))))
            return true;
    return false;
}

/* RFC 7208 8.4, 8.6 and 8.7 with the codes of RFC 7372 3.2, which are for fail and for errors. */
static struct reply
spf_refusal(struct message *m, const struct spf_outcome *s)
{
    const char *who = s->scope == SPF_SCOPE_HELO || m->record.mail_from.n == 0 ? "HELO" : "MAIL FROM";
    if (s->result == SPF_TEMPERROR) {
        slice text = arena_printf(m->a, "SPF check of %s %.*s could not be finished, try again later", who, SLICE_ARG(s->domain));
        return text.p == NULL ? no_memory(m) : (struct reply){ REPLY_TEMPFAIL, "451", "4.4.3", text.p };
    }
    const char *xcode = s->result == SPF_FAIL ? "5.7.23" : s->result == SPF_PERMERROR ? "5.7.24" : "5.7.1";
    slice said = arena_printf(m->a, "SPF %s for %s%s%.*s", spf_result_name(s->result), who, s->domain.n > 0 ? " " : "",
                              SLICE_ARG(s->domain)),
          text = said;
    /* The domain's own words are said to be that (RFC 7208 6.2, 8.4), and whole or not at all: they may end in a URL. */
    static const char explains[] = ", which explains: ";
    if (said.p == NULL)
        return no_memory(m);
    if (s->explanation.n > 0 && said.n + sizeof(explains) - 1 + s->explanation.n <= REPLY_TEXT_MAX)
        text = arena_printf(m->a, "%.*s%s%.*s", SLICE_ARG(said), explains, SLICE_ARG(s->explanation));
    else if (s->reason.n > 0)
        text = arena_printf(m->a, "%.*s: %.*s", SLICE_ARG(said),
                            SLICE_ARG(slice_head(s->reason, REPLY_TEXT_MAX - 2 - said.n)));
    return text.p == NULL ? no_memory(m) : (struct reply){ REPLY_REJECT, "550", xcode, text.p };
}

/* As with every other refusal: never of an exempt client, nor on a result that the second engine may veto. */
static struct reply
refuse_if_allowed(struct message *m, const struct spf_outcome *s)
{
    message_finish_iprev(m);
    bool vetoed = m->c->second_opinion == SECOND_VETO && m->contradiction.n > 0;
    return vetoed || message_exemption(m) != NULL ? reply_continue : spf_refusal(m, s);
}

/* SPFReject: the one case in which a verdict is given before the message is seen. */
static struct reply
refuse_early(struct message *m)
{
    if (m->c->enforcement == ENFORCE_MONITOR || message_exemption(m) != NULL)
        return reply_continue;
    /* The null path is judged as postmaster@HELO (RFC 7208 2.4): that is the result of the HELO name too. */
    bool null_path = m->record.mail_from.n == 0;
    if (m->c->spf_reject_helo.n > 0 && !null_path) {
        message_note(m, checks_spf(m, &m->helo_request, &m->helo));
        m->helo_done = true;
        if (m->trouble == ST_OK && is_listed(&m->c->spf_reject_helo, m->helo.result))
            return refuse_if_allowed(m, &m->helo);
    }
    if (m->trouble == ST_OK && (m->c->spf_reject.n > 0 || (null_path && m->c->spf_reject_helo.n > 0))) {
        message_note(m, checks_spf(m, &m->mfrom_request, &m->mfrom));
        m->mfrom_done = true;
        if (m->trouble == ST_OK && (is_listed(&m->c->spf_reject, m->mfrom.result) ||
                                    (null_path && is_listed(&m->c->spf_reject_helo, m->mfrom.result))))
            return refuse_if_allowed(m, &m->mfrom);
    }
    return m->trouble == ST_OK ? reply_continue : no_memory(m);
}

struct reply
message_mail(struct message *m, slice path, slice authenticated_as)
{
    struct record *r = &m->record;
    m->started_ms = clock_mono_ms();
    r->time_ms = m->p->parts.now != 0 ? m->p->parts.now * 1000 : clock_wall_ms();
    r->authenticated = authenticated_as.n > 0;
    /* the client's name is not confirmed yet: only addresses can skip the checks altogether */
    if (m->c->ignore_hosts_skip && netlist_has(m->c->ignore_hosts, &r->client, SLICE_EMPTY)) {
        m->skipped = true;
        return (struct reply){ .kind = REPLY_ACCEPT };
    }
    struct header_limits limits = { m->c->maximum_header_fields, m->c->maximum_header_bytes };
    m->headers = header_list_new(m->a, &limits);
    if (m->headers == NULL)
        message_note(m, ST_NOMEM);
    message_note(m, read_sender(m, path));
    if (m->trouble == ST_OK)
        start_lookups(m);
    m->verdict.at_mail = m->trouble == ST_OK ? refuse_early(m) : no_memory(m);
    return m->verdict.at_mail;
}

struct reply
message_rcpt_via(struct message *m, slice path, slice transport, slice relay)
{
    struct mailbox box;
    slice name;
    enum status st = address_path_parse(m->a, path, &box);
    if (st == ST_OK)
        st = domain_from_text(m->a, box.domain, &name);
    if (st == ST_NOMEM)
        message_note(m, st);
    message_note_recipient(m, st == ST_OK ? box.local_part : SLICE_EMPTY, st == ST_OK ? name : SLICE_EMPTY);
    if (st != ST_OK) { /* a recipient without a domain is the MTA's business, but is one */
        m->record.rcpt_without_name = true;
        return reply_continue;
    }
    sealing_recipient(m, &(struct seal_address){ box.local_part, name, transport, relay });
    message_note(m, recipients_add_domain(m, name));
    return reply_continue;
}

struct reply
message_rcpt(struct message *m, slice path)
{
    return message_rcpt_via(m, path, SLICE_EMPTY, SLICE_EMPTY);
}

static void
first_header(struct message *m)
{
    m->header_seen = true;
    dns_session_restart(m->dns);
    int64_t now = judging_time(m->p);
    unsigned min_bits = m->p->parts.min_rsa_bits;
    struct dkim_options o = { .min_rsa_bits = min_bits != 0 ? min_bits : m->c->minimum_key_bits,
                              .max_rsa_bits = m->c->maximum_key_bits,
                              .max_signatures = m->c->maximum_signatures_to_verify,
                              .clock_skew_s = m->c->clock_drift_s,
                              .accept_unsigned_body = m->c->accept_unsigned_body,
                              .accept_rsa_sha1 = m->p->parts.accept_rsa_sha1,
                              .explain = m->t != NULL,
                              .now = now };
    checks_dkim_start(m, &o);
    m->arc = arc_new(m->a, m->dns, m->p->parts.keys, &o);
    if (m->arc == NULL)
        message_note(m, ST_NOMEM);
}

/* Lookups that a field makes necessary begin here; the verdict is taken from the whole header later. */
static void
look_at_field(struct message *m, const struct header_field *f)
{
    checks_dkim_field(m, f);
    message_note(m, arc_header(m->arc, f));
    if (slice_ieq(f->name, SLICE("List-Id")) || slice_ieq(f->name, SLICE("List-Post"))) {
        m->record.list_traffic = true;
        if (slice_ieq(f->name, SLICE("List-Id")))
            m->record.list_id = header_unfold(m->a, f->value);
    }
    if (m->from_seen || !slice_ieq(f->name, SLICE("From")))
        return;
    m->from_seen = true;
    struct author author;
    message_note(m, author_of_field(m->a, f, &author));
    if (m->trouble == ST_OK && author.state == AUTHOR_ONE)
        dmarc_prefetch(m->a, m->dns, author.domain);
}

struct reply
message_header(struct message *m, slice name, slice value)
{
    if (m->trouble != ST_OK || m->header_limit != NULL || m->skipped)
        return reply_continue;
    if (!m->header_seen)
        first_header(m);
    m->record.bytes += name.n + value.n + 3;
    enum status st = m->trouble == ST_OK ? header_list_add(m->headers, name, value) : m->trouble;
    if (st == ST_LIMIT) {
        m->header_limit = "the header is larger than MaximumHeaderFields or MaximumHeaderBytes allow";
        return reply_continue;
    }
    message_note(m, st);
    if (m->trouble == ST_OK)
        look_at_field(m, header_list_at(m->headers, header_list_count(m->headers) - 1));
    return reply_continue;
}

struct reply
message_eoh(struct message *m)
{
    if (m->trouble != ST_OK || m->skipped)
        return reply_continue;
    if (!m->header_seen)
        first_header(m);
    m->body = m->trouble == ST_OK ? body_canon_new(m->a) : NULL;
    if (m->body == NULL) {
        message_note(m, ST_NOMEM);
        return reply_continue;
    }
    message_note(m, author_find(m->a, m->headers, &m->author));
    m->record.header_from = m->author.domain;
    checks_dkim_header_end(m);
    message_note(m, arc_eoh(m->arc, m->headers, m->body));
    sealing_eoh(m);
    return reply_continue;
}

struct reply
message_body(struct message *m, slice chunk)
{
    m->record.bytes += chunk.n;
    if (m->c->failure_reports && m->c->failure_report_body && m->kept_body.n < FAILURE_BODY_MAX)
        strbuf_add(&m->kept_body, slice_head(chunk, FAILURE_BODY_MAX - m->kept_body.n));
    if (m->trouble == ST_OK && m->body != NULL) {
        body_canon_feed(m->body, chunk);
        checks_dkim_body(m, chunk);
    }
    return reply_continue;
}

const struct verdict *
message_eom(struct message *m)
{
    if (m->trouble == ST_OK && !m->skipped && m->body == NULL)
        message_eoh(m); /* an MTA may leave out the end of an empty header */
    if (m->dns != NULL)
        dns_session_restart(m->dns);
    return message_decide(m);
}

void
message_write_dns(struct message *m, int64_t now, struct strbuf *out)
{
    if (m->dns != NULL)
        dns_session_write(m->dns, now, out);
}
