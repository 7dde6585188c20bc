/*
 * libspf2 1.2.10 asks through our session and is watched while it does.  What the guard holds, and why:
 *  - records are fetched, selected (RFC 7208 4.5) and checked (4.6) by our own code before the library
 *    reads them: it takes most syntax errors for harmless;
 *  - a record whose compiled form might not fit its tables is not shown: over 511 octets it drops terms
 *    silently, and the size of a string after many macros underflows (CVE-2023-42118);
 *  - the texts of exp= are expanded by us (same defect; it also leaks every answer);
 *  - terms and void lookups are counted over the whole check (4.6.4): its own count begins again in every
 *    include;
 *  - nothing but printable ASCII is ever given to it (CVE-2021-33912, CVE-2021-33913);
 *  - what it takes for an impossible state ends the check and not the process.
 * Everything else it decides as it does, right or wrong.
 */
#include "autoconf.h"

#ifdef HAVE_SPF2

#include "second/second.h"
#include "second/spf_bounds.h"
#include "second/spf_libspf2.h"
#include "spf/identity.h"
#include "spf/limits.h"
#include "spf/record.h"
#include "spf/say.h"

#include <netinet/in.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <spf2/spf.h>

#define TEXT_MAX 255u /* HELO and local part */

struct guard {
    struct arena *arena;
    struct dns_session *dns;
    const struct spf_request *rq;
    struct trace *trace;
    struct spf_identity id;
    SPF_request_t *request;
    bool first_seen; /* the domain's own record has been asked for */
    unsigned lookups, voids;
    const struct dns_answer *hosts; /* of the mx or ptr that the library is walking */
    size_t next_host;
    bool hosts_by_ptr, hosts_void; /* void: one of them was, which counts once */
    slice refused; /* why the library must not be asked; empty: go on */
    slice problem; /* permerror by our own count or parser; empty: none */
    slice explanation;
};

/* ---- the library's own idea of errors */

static _Thread_local jmp_buf *escape;

static void __attribute__((noreturn)) on_library_error(const char *file, int line, const char *text)
{
    (void)file, (void)line, (void)text;
    if (escape != NULL)
        longjmp(*escape, 1);
    abort();
}

static void
on_library_talk(const char *file, int line, const char *text)
{
    (void)file, (void)line, (void)text;
}

static void
set_handlers(void)
{
    SPF_error_handler = on_library_error;
    SPF_warning_handler = on_library_talk;
    SPF_info_handler = on_library_talk;
    SPF_debug_handler = on_library_talk;
}

/* ---- what it may see */

static bool
stopped(const struct guard *g)
{
    return g->refused.n > 0 || g->problem.n > 0;
}

static bool
count_term(struct guard *g)
{
    if (g->lookups < SPF_MAX_TERMS) {
        g->lookups++;
        return true;
    }
    g->problem = SLICE("more than 10 DNS-lookup terms");
    return false;
}

static const struct dns_answer *
ask(struct guard *g, enum dns_type type, slice name, bool count_void)
{
    const struct dns_answer *answer = dns_lookup(g->dns, type, name);
    spf_trace_answer(g->trace, type, name, answer);
    if (count_void && (answer->status == DNS_NODATA || answer->status == DNS_NXDOMAIN) &&
        ++g->voids > g->rq->max_voids)
        g->problem = arena_printf(g->arena, "more than %u void DNS lookups", g->rq->max_voids);
    return answer;
}

static int
herrno_of(enum dns_status st)
{
    switch (st) {
    case DNS_OK:
        return NETDB_SUCCESS;
    case DNS_NODATA:
        return NO_DATA;
    case DNS_NXDOMAIN:
    case DNS_BADNAME:
        return HOST_NOT_FOUND;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BUDGET:
        break;
    }
    return TRY_AGAIN;
}

/* ---- the DNS layer it asks */

static SPF_errcode_t
add_rr(SPF_dns_rr_t *rr, enum dns_type type, const struct dns_record *r)
{
    size_t size = type == DNS_A || type == DNS_AAAA ? sizeof(struct in6_addr) : r->data.n + 1;
    SPF_errcode_t err = SPF_dns_rr_buf_realloc(rr, rr->num_rr, size);
    if (err != SPF_E_SUCCESS)
        return err;
    SPF_dns_rr_data_t *d = rr->rr[rr->num_rr++];
    if (type == DNS_A) {
        memcpy(&d->a, r->addr.bytes, sizeof(d->a));
    } else if (type == DNS_AAAA) {
        memcpy(&d->aaaa, r->addr.bytes, sizeof(d->aaaa));
    } else { /* names may be empty (null MX); all members of the union are text then */
        memcpy((char *)d, r->data.p, r->data.n);
        ((char *)d)[r->data.n] = '\0';
    }
    return SPF_E_SUCCESS;
}

static bool
type_of(ns_type ns, enum dns_type *out)
{
    static const struct {
        ns_type ns;
        enum dns_type type;
    } types[] = {
        { ns_t_a, DNS_A }, { ns_t_aaaa, DNS_AAAA }, { ns_t_mx, DNS_MX }, { ns_t_ptr, DNS_PTR }
    };
    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].ns == ns) {
            *out = types[i].type;
            return true;
        }
    return false;
}

/* The answer to one question of the library; NULL with *herrno set if there is nothing to give. */
static const struct dns_answer *
answer_for(struct guard *g, enum dns_type type, slice name, int *herrno)
{
    *herrno = TRY_AGAIN;
    if (stopped(g))
        return NULL;
    bool host = g->hosts != NULL && g->next_host < g->hosts->n &&
                (type == DNS_A || type == DNS_AAAA) &&
                slice_ieq(g->hosts->records[g->next_host].data, name);
    if (host)
        g->next_host++;
    else if (!count_term(g))
        return NULL;
    unsigned voids_before = g->voids;
    const struct dns_answer *answer = ask(g, type, name, !host || !(g->hosts_by_ptr || g->hosts_void));
    *herrno = herrno_of(answer->status);
    if (host && g->voids > voids_before)
        g->hosts_void = true;
    if (!host && (type == DNS_MX || type == DNS_PTR)) {
        g->hosts = answer;
        g->next_host = 0;
        g->hosts_by_ptr = type == DNS_PTR;
        g->hosts_void = false;
    }
    if (stopped(g)) {
        *herrno = TRY_AGAIN;
        return NULL;
    }
    return answer;
}

static SPF_dns_rr_t *
on_lookup(SPF_dns_server_t *server, const char *domain, ns_type ns, int should_cache)
{
    (void)should_cache;
    struct guard *g = server->hook;
    enum dns_type type;
    int herrno = NO_DATA;
    const struct dns_answer *answer = NULL;
    /* no TXT: records and explanations have hooks of their own */
    if (domain[0] != '\0' && type_of(ns, &type))
        answer = answer_for(g, type, slice_from(domain), &herrno);
    SPF_dns_rr_t *rr = SPF_dns_rr_new_init(server, domain, ns, 0, herrno);
    for (size_t i = 0; rr != NULL && answer != NULL && i < answer->n; i++)
        if (add_rr(rr, type, &answer->records[i]) != SPF_E_SUCCESS)
            break;
    return rr;
}

static SPF_errcode_t
finish(SPF_response_t *response, SPF_result_t result, SPF_errcode_t err)
{
    response->result = result;
    response->reason = SPF_REASON_FAILURE;
    response->err = err;
    return err;
}

static SPF_errcode_t
give_record(struct guard *g, SPF_server_t *spf_server, SPF_response_t *response, SPF_record_t **out,
            slice text)
{
    struct spf_record record;
    struct spf_syntax_error error;
    if (spf_record_parse(text, &record, &error) != ST_OK) {
        g->problem = arena_printf(g->arena, "syntax error in term \"%.*s\": %s",
                                  SLICE_ARG(spf_say(g->arena, error.term, 100)), error.why);
        return finish(response, SPF_RESULT_PERMERROR, SPF_E_SYNTAX);
    }
    const char *c_text = arena_strdup(g->arena, text);
    if (!spf_libspf2_survives(text))
        g->refused = SLICE("a record beyond what libspf2 survives");
    else if (c_text == NULL)
        g->refused = SLICE("no memory");
    if (g->refused.n > 0)
        return finish(response, SPF_RESULT_TEMPERROR, SPF_E_DNS_ERROR);
    return SPF_record_compile(spf_server, response, out, c_text);
}

static SPF_errcode_t
on_get_record(SPF_server_t *spf_server, SPF_request_t *request, SPF_response_t *response,
              SPF_record_t **out)
{
    struct guard *g = spf_server->resolver->hook;
    slice domain = slice_from(request->cur_dom), text = SLICE_EMPTY;
    bool first = !g->first_seen;
    *out = NULL;
    g->first_seen = true;
    g->hosts = NULL;
    if (stopped(g) || (!first && !count_term(g)))
        return finish(response, SPF_RESULT_TEMPERROR, SPF_E_DNS_ERROR);
    const struct dns_answer *txt = ask(g, DNS_TXT, domain, !first);
    if (herrno_of(txt->status) == TRY_AGAIN)
        return finish(response, SPF_RESULT_TEMPERROR, SPF_E_DNS_ERROR);
    size_t n = 0;
    for (size_t i = 0; i < txt->n; i++)
        if (spf_record_is(txt->records[i].data)) {
            text = txt->records[i].data;
            n++;
        }
    if (n == 0)
        return finish(response, SPF_RESULT_NONE, SPF_E_NOT_SPF);
    if (n > 1)
        return finish(response, SPF_RESULT_PERMERROR, SPF_E_MULTIPLE_RECORDS);
    return give_record(g, spf_server, response, out, text);
}

/* RFC 7208 6.2, by our own code; `domain` is *buf. */
static slice
explain(struct guard *g, slice domain)
{
    const struct dns_answer *txt = ask(g, DNS_TXT, domain, false);
    if (txt->status != DNS_OK || txt->n != 1 ||
        spf_macro_check_explain(txt->records[0].data) != NULL)
        return SLICE_EMPTY;
    struct spf_macro_facts facts = g->id.facts;
    facts.domain = arena_slice(g->arena, slice_from(g->request->cur_dom));
    if (spf_macro_uses(txt->records[0].data, "p"))
        facts.validated_name = slice_from(SPF_request_get_client_dom(g->request));
    struct strbuf b;
    strbuf_init(&b, SPF_EXPLANATION_MAX);
    spf_macro_expand(&b, txt->records[0].data, &facts);
    slice text = strbuf_finish(&b, g->arena);
    return text.p == NULL ? SLICE_EMPTY : text;
}

static SPF_errcode_t
on_get_explanation(SPF_server_t *spf_server, const char *domain, char **buf, size_t *size)
{
    struct guard *g = spf_server->resolver->hook;
    slice text = SLICE_EMPTY;
    if (g->rq->want_explanation && !stopped(g))
        text = explain(g, slice_from(domain));
    if (text.n >= *size) {
        char *grown = realloc(*buf, text.n + 1);
        if (grown == NULL)
            return SPF_E_NO_MEMORY;
        *buf = grown;
        *size = text.n + 1;
    }
    memcpy(*buf, text.p, text.n);
    (*buf)[text.n] = '\0';
    g->explanation = text;
    return SPF_E_SUCCESS;
}

/* ---- one check */

static enum spf_result
result_of(SPF_response_t *response, SPF_errcode_t err)
{
    switch (SPF_response_result(response)) {
    case SPF_RESULT_NEUTRAL:
        return SPF_NEUTRAL;
    case SPF_RESULT_PASS:
        return SPF_PASS;
    case SPF_RESULT_FAIL:
        return SPF_FAIL;
    case SPF_RESULT_SOFTFAIL:
        return SPF_SOFTFAIL;
    case SPF_RESULT_NONE:
        return SPF_NONE;
    case SPF_RESULT_TEMPERROR:
        return SPF_TEMPERROR;
    case SPF_RESULT_PERMERROR:
        return SPF_PERMERROR;
    case SPF_RESULT_INVALID: /* a record that it could not compile */
        break;
    }
    return err == SPF_E_NO_MEMORY || err == SPF_E_DNS_ERROR ? SPF_TEMPERROR : SPF_PERMERROR;
}

static SPF_request_t *
new_request(struct guard *g, SPF_server_t *server)
{
    SPF_request_t *r = SPF_request_new(server);
    const struct spf_macro_facts *f = &g->id.facts;
    slice sender =
        arena_printf(g->arena, "%.*s@%.*s", SLICE_ARG(f->local), SLICE_ARG(f->sender_domain));
    const char *from = sender.p == NULL ? NULL : arena_strdup(g->arena, sender);
    const char *helo = arena_strdup(g->arena, f->helo),
               *receiver = arena_strdup(g->arena, g->rq->receiver);
    bool ok = r != NULL && from != NULL && helo != NULL && receiver != NULL;
    if (ok && g->rq->client.family == 4) {
        struct in_addr a;
        memcpy(&a, g->rq->client.bytes, sizeof(a));
        ok = SPF_request_set_ipv4(r, a) == SPF_E_SUCCESS;
    } else if (ok) {
        struct in6_addr a;
        memcpy(&a, g->rq->client.bytes, sizeof(a));
        ok = SPF_request_set_ipv6(r, a) == SPF_E_SUCCESS;
    }
    ok =
        ok && SPF_request_set_env_from(r, from) == 0 &&
        SPF_request_set_helo_dom(r, helo) == SPF_E_SUCCESS &&
        SPF_server_set_rec_dom(server, receiver[0] == '\0' ? "unknown" : receiver) == SPF_E_SUCCESS;
    if (ok)
        return r;
    if (r != NULL)
        SPF_request_free(r);
    return NULL;
}

static void
take_response(struct guard *g, SPF_response_t *response, SPF_errcode_t err, struct spf_outcome *o)
{
    o->result = result_of(response, err);
    o->reason = arena_printf(g->arena, "%s",
                             SPF_response_reason(response) == SPF_REASON_MECH ? "a term matched"
                             : o->result == SPF_NEUTRAL                       ? "no term matched"
                                                                              : SPF_strerror(err));
    if (o->result == SPF_FAIL && g->explanation.n > 0 &&
        slice_eq(slice_from(SPF_response_get_explanation(response)), g->explanation))
        o->explanation = g->explanation;
}

/* False: no memory.  After longjmp() nothing is looked at that has changed since setjmp(). */
static bool
run(struct guard *g, struct spf_outcome *o)
{
    SPF_dns_server_t dns = { .lookup = on_lookup,
                             .get_spf = on_get_record,
                             .get_exp = on_get_explanation,
                             .name = "vidimus",
                             .hook = g };
    SPF_server_t *volatile server = NULL;
    SPF_response_t *response = NULL;
    volatile bool ok = false;
    jmp_buf here;
    if (setjmp(here) != 0) { /* what the library held is lost: the price of a process that lives */
        escape = NULL;
        g->refused = SLICE("libspf2 gave up");
        return true;
    }
    escape = &here;
    server = SPF_server_new_dns(&dns, 0);
    if (server != NULL)
        g->request = new_request(g, server);
    if (g->request != NULL) {
        SPF_errcode_t err = SPF_request_query_mailfrom(g->request, &response);
        if (response != NULL) {
            take_response(g, response, err, o);
            SPF_response_free(response);
            ok = true;
        }
        SPF_request_free(g->request);
    }
    if (server != NULL)
        SPF_server_free(server);
    escape = NULL;
    return ok;
}

/* What must not even reach the library's setters. */
static void
look_at_request(struct guard *g)
{
    const struct netaddr *c = &g->rq->client;
    const struct spf_macro_facts *f = &g->id.facts;
    struct netaddr six_loopback = { .family = 6 };
    six_loopback.bytes[15] = 1;
    if (!g->id.local_usable || !g->id.helo_usable)
        g->refused = SLICE("text outside ASCII");
    else if (f->local.n > TEXT_MAX || f->helo.n > TEXT_MAX || g->rq->receiver.n > TEXT_MAX)
        g->refused = SLICE("a very long HELO or local part");
    else if ((c->family == 4 && c->bytes[0] == 127) || netaddr_equal(c, &six_loopback))
        g->refused = SLICE("libspf2 passes every loopback client");
}

static enum status
ask_native(struct guard *g, struct spf_outcome *out)
{
    enum status st = spf_check(g->arena, g->dns, g->rq, g->trace, out);
    if (st != ST_OK)
        return st;
    out->reason = arena_printf(g->arena, SECOND_NOT_ASKED "%.*s; native: %.*s",
                               SLICE_ARG(g->refused), SLICE_ARG(out->reason));
    return out->reason.p == NULL ? ST_NOMEM : ST_OK;
}

enum status
spf_libspf2_check(struct arena *a, struct dns_session *dns, const struct spf_request *rq,
                  struct trace *t, struct spf_outcome *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_handlers);
    struct guard g = { .arena = a, .dns = dns, .rq = rq, .trace = t };
    enum status st = spf_identity_of(a, rq, &g.id);
    if (st != ST_OK)
        return st;
    struct spf_outcome o = { .scope = rq->scope,
                             .domain = g.id.facts.domain,
                             .reason = SLICE_EMPTY,
                             .mechanism = SLICE_EMPTY,
                             .explanation = SLICE_EMPTY };
    if (g.id.why_none != NULL) {
        o.result = SPF_NONE;
        o.reason = slice_from(g.id.why_none);
        *out = o;
        return ST_OK;
    }
    trace_begin(t, "SPF of %.*s by libspf2", SLICE_ARG(o.domain));
    look_at_request(&g);
    bool ok = g.refused.n > 0 || run(&g, &o);
    trace_line(t, "libspf2: %s (%.*s)", ok ? spf_result_name(o.result) : "no memory",
               SLICE_ARG(o.reason));
    trace_end(t);
    if (!ok)
        return ST_NOMEM;
    if (g.refused.n > 0)
        return ask_native(&g, out);
    if (g.problem.n > 0) {
        o.result = SPF_PERMERROR;
        o.reason = g.problem;
        o.explanation = SLICE_EMPTY;
    }
    o.lookups = g.lookups;
    o.voids = g.voids;
    if (o.reason.p == NULL)
        return ST_NOMEM;
    *out = o;
    return ST_OK;
}

#else
typedef int spf_libspf2_is_not_built_in;
#endif
