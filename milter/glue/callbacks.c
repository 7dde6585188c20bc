#include "autoconf.h"

#include "glue/callbacks.h"
#include "base/clock.h"
#include "glue/connection.h"
#include "glue/packets.h"

#include <libmilter/mfdef.h>
#include <stdlib.h>
#include <string.h>

/* Larger packets than the 64 KB of old: a header field of that size comes whole, and with MTAs that can, more body at once. */
#define PACKET_MAX (1024u * 1024)

static struct service *the_service; /* set once, before any callback */

/* ---- answers ---- */

static const struct reply trouble = { REPLY_TEMPFAIL, "451", "4.3.0", "message could not be checked; try again later" };

/* The answer of a step.  Where the MTA was told not to wait for one, it is kept for the end of the message. */
static sfsistat
answer(SMFICTX *ctx, struct connection *c, unsigned long no_reply_bit, struct reply r)
{
    if ((c->no_reply & no_reply_bit) != 0) {
        if (r.kind != REPLY_CONTINUE && !c->has_held) {
            c->held = r;
            c->has_held = true;
        }
        return SMFIS_NOREPLY;
    }
    switch (r.kind) {
    case REPLY_CONTINUE:
        return SMFIS_CONTINUE;
    case REPLY_ACCEPT:
        c->refused = true;
        return SMFIS_ACCEPT;
    case REPLY_REJECT:
    case REPLY_TEMPFAIL:
        c->refused = true;
        return apply_refusal(ctx, &r);
    }
    return SMFIS_TEMPFAIL;
}

static const struct reply go_on = { .kind = REPLY_CONTINUE };

static struct connection *
connection_of(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL)
        return c;
    c = connection_new(the_service); /* an MTA so old that it does not negotiate */
    if (c == NULL)
        return NULL;
    if (smfi_setpriv(ctx, c) == MI_SUCCESS)
        return c;
    connection_free(c);
    return NULL;
}

/* The message that content belongs to; NULL where it is not to be looked at (any more). */
static struct message *
message_of(struct connection *c)
{
    return c == NULL || c->failed || c->refused || c->has_held || !c->enveloped ? NULL : c->message;
}

static char *
macro(SMFICTX *ctx, const char *name)
{
    return smfi_getsymval(ctx, (char *)(uintptr_t)name);
}

/* ---- negotiation ---- */

#define NEEDED_ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
#define NO_REPLY_STEPS                                                                                                 \
    (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_UNKN | SMFIP_NR_HDR |     \
     SMFIP_NR_EOH | SMFIP_NR_BODY)

static void
ask_for_macros(SMFICTX *ctx)
{
    static const struct {
        int stage;
        const char *names;
    } wanted[] = {
        { SMFIM_CONNECT, "j {daemon_name}" },
        { SMFIM_HELO, "j" },
        { SMFIM_ENVFROM, "i {auth_authen} {auth_type}" },
        { SMFIM_ENVRCPT, "i {rcpt_mailer} {rcpt_host}" },
        { SMFIM_DATA, "i" },
        { SMFIM_EOH, "i" },
        { SMFIM_EOM, "i" },
    };
    for (size_t i = 0; i < COUNT(wanted); i++)
        (void)smfi_setsymlist(ctx, wanted[i].stage, (char *)(uintptr_t)wanted[i].names);
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2, unsigned long f3,
             unsigned long *want_actions, unsigned long *want_steps, unsigned long *want_f2, unsigned long *want_f3)
{
    (void)f2;
    (void)f3;
    struct generation *g = service_acquire(the_service);
    if (g == NULL)
        return SMFIS_REJECT; /* the daemon is going down */
    if ((actions & NEEDED_ACTIONS) != NEEDED_ACTIONS) {
        log_event(g->log, LOG_LEVEL_ERROR, SLICE_EMPTY, "event", "milter", "error",
                  "the MTA does not let header fields be added and changed", (char *)NULL);
        generation_release(g);
        return SMFIS_REJECT;
    }
    unsigned long want = NO_REPLY_STEPS | SMFIP_HDR_LEADSPC | SMFIP_NODATA | SMFIP_NOUNKNOWN;
    /* a step that can refuse must be waited for */
    if (g->config->spf_reject_helo.n > 0)
        want &= ~(unsigned long)(SMFIP_NR_HELO | SMFIP_NR_MAIL);
    if (g->config->spf_reject.n > 0)
        want &= ~(unsigned long)SMFIP_NR_MAIL;
    generation_release(g);
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return SMFIS_REJECT;
    *want_actions = actions & (NEEDED_ACTIONS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
    *want_steps = steps & want;
    *want_f2 = *want_f3 = 0;
    c->no_reply = *want_steps & NO_REPLY_STEPS;
    c->lead_space = (*want_steps & SMFIP_HDR_LEADSPC) != 0;
    c->may_quarantine = (actions & SMFIF_QUARANTINE) != 0;
    if ((actions & SMFIF_SETSYMLIST) != 0)
        ask_for_macros(ctx);
    return SMFIS_CONTINUE;
}

/* ---- envelope ---- */

static sfsistat
on_connect(SMFICTX *ctx, char *name, struct sockaddr *address)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return SMFIS_TEMPFAIL;
    connection_end_session(c);
    c->client = netaddr_from_sockaddr(address);
    connection_replace(&c->name, name);
    connection_replace(&c->mta_name, macro(ctx, "j"));
    connection_replace(&c->daemon_name, macro(ctx, "{daemon_name}"));
    return answer(ctx, c, SMFIP_NR_CONN, go_on);
}

/* A message begins here, so that its lookups run while the client speaks; MAIL takes it over. */
static sfsistat
on_helo(SMFICTX *ctx, char *helo)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return SMFIS_TEMPFAIL;
    connection_end_message(c);
    connection_replace(&c->helo, helo);
    if (!connection_begin(c))
        return answer(ctx, c, SMFIP_NR_HELO, go_on); /* MAIL tries again */
    struct reply r = connection_greet(c);
    if (r.kind == REPLY_ACCEPT || (c->no_reply & SMFIP_NR_HELO) != 0)
        r = go_on; /* accepting here would exempt the whole session, and what is held belongs to a message */
    sfsistat st = answer(ctx, c, SMFIP_NR_HELO, r);
    if (c->refused)
        connection_end_message(c);
    return st;
}

static sfsistat
on_mail(SMFICTX *ctx, char **args)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return SMFIS_TEMPFAIL;
    if (c->enveloped)
        connection_end_message(c); /* the MTA began anew without an abort */
    struct message *waiting = c->message;
    bool begun = connection_begin(c);
    c->enveloped = true;
    if (!begun) {
        c->failed = true; /* the end of the message is answered by OnError */
        count(&service_counters(c->service)->failed);
        return answer(ctx, c, SMFIP_NR_MAIL, go_on);
    }
    struct reply r = c->message == waiting ? go_on : connection_greet(c);
    const char *type = macro(ctx, "{auth_type}"), *user = macro(ctx, "{auth_authen}");
    slice authenticated = type != NULL && type[0] != '\0' && user != NULL ? slice_from(user) : SLICE_EMPTY;
    const char *queue_id = macro(ctx, "i");
    if (queue_id != NULL)
        message_queue_id(c->message, slice_from(queue_id));
    if (r.kind == REPLY_CONTINUE || r.kind == REPLY_ACCEPT)
        r = message_mail(c->message, slice_from(args[0]), authenticated);
    return answer(ctx, c, SMFIP_NR_MAIL, r);
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **args)
{
    struct connection *c = connection_of(ctx);
    struct message *m = message_of(c);
    if (m == NULL)
        return c == NULL ? SMFIS_TEMPFAIL : answer(ctx, c, SMFIP_NR_RCPT, go_on);
    return answer(ctx, c, SMFIP_NR_RCPT, message_rcpt_via(m, slice_from(args[0]), slice_from(macro(ctx, "{rcpt_mailer}")),
                                                         slice_from(macro(ctx, "{rcpt_host}"))));
}

/* ---- content ---- */

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
    struct connection *c = connection_of(ctx);
    struct message *m = message_of(c);
    if (m == NULL)
        return c == NULL ? SMFIS_TEMPFAIL : answer(ctx, c, SMFIP_NR_HDR, go_on);
    if (c->lead_space)
        return answer(ctx, c, SMFIP_NR_HDR, message_header(m, slice_from(name), slice_from(value)));
    /* an old MTA took away one blank after the colon; nearly always there was one */
    struct strbuf whole;
    strbuf_init(&whole, 0);
    strbuf_add_char(&whole, ' ');
    strbuf_add_str(&whole, value);
    struct reply r = go_on;
    if (strbuf_status(&whole) == ST_OK)
        r = message_header(m, slice_from(name), strbuf_slice(&whole));
    else
        c->failed = true;
    strbuf_clear(&whole);
    return answer(ctx, c, SMFIP_NR_HDR, r);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
    struct connection *c = connection_of(ctx);
    struct message *m = message_of(c);
    if (m == NULL)
        return c == NULL ? SMFIS_TEMPFAIL : answer(ctx, c, SMFIP_NR_EOH, go_on);
    const char *queue_id = macro(ctx, "i");
    if (queue_id != NULL)
        message_queue_id(m, slice_from(queue_id));
    return answer(ctx, c, SMFIP_NR_EOH, message_eoh(m));
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *chunk, size_t n)
{
    struct connection *c = connection_of(ctx);
    struct message *m = message_of(c);
    struct reply r = m == NULL ? go_on : message_body(m, (slice){ (const char *)chunk, n });
    if (c == NULL)
        return SMFIS_TEMPFAIL;
    /* The last chunk may come with the end of the message, to which libmilter goes on only from here with this answer. */
    bool last = packets_command() == SMFIC_BODYEOB && r.kind == REPLY_CONTINUE;
    return last ? SMFIS_CONTINUE : answer(ctx, c, SMFIP_NR_BODY, r);
}

/* ---- end ---- */

static void
count_verdict(struct counters *n, const struct record *r, uint64_t ms)
{
    unsigned bucket = 0;
    while (bucket < COUNTER_BUCKETS && ms > counters_eom_bound(bucket))
        bucket++;
    count(&n->messages);
    count(&n->eom_bucket[bucket]);
    atomic_fetch_add_explicit(&n->eom_ms_total, ms, memory_order_relaxed);
    if (r == NULL)
        return;
    atomic_fetch_add_explicit(&n->bytes, r->bytes, memory_order_relaxed);
    count(&n->actions[(unsigned)r->action % COUNTER_RESULTS]);
    count(&n->arc[(unsigned)r->arc.status % COUNTER_RESULTS]);
    count(&n->dmarc[(unsigned)r->dmarc.result % COUNTER_RESULTS]);
    if (r->spf != NULL)
        count(&n->spf[(unsigned)r->spf->result % COUNTER_RESULTS]);
    for (size_t i = 0; i < r->n_dkim; i++)
        count(&n->dkim[(unsigned)r->dkim[i].result % COUNTER_RESULTS]);
}

/* There is no verdict, by trouble of our own: OnError decides. */
static sfsistat
without_verdict(SMFICTX *ctx, struct connection *c, const char *queue_id)
{
    struct generation *g = service_acquire(c->service);
    if (g == NULL)
        return apply_refusal(ctx, &trouble);
    bool accept = g->config->on_error == TROUBLE_ACCEPT;
    log_event(g->log, LOG_LEVEL_ERROR, slice_from(queue_id), "event", "milter", "error", "no verdict for want of memory", "action",
              accept ? "accept" : "tempfail", (char *)NULL);
    generation_release(g);
    return accept ? SMFIS_ACCEPT : apply_refusal(ctx, &trouble);
}

static sfsistat
finish(SMFICTX *ctx, struct connection *c)
{
    const char *queue_id = macro(ctx, "i");
    if (c->message == NULL || c->failed || !c->enveloped)
        return without_verdict(ctx, c, queue_id);
    if (queue_id != NULL)
        message_queue_id(c->message, slice_from(queue_id));
    if (c->has_held) {
        if (c->held.kind == REPLY_ACCEPT)
            return SMFIS_ACCEPT;
        return apply_refusal(ctx, &c->held);
    }
    uint64_t began = clock_mono_ms();
    const struct verdict *v = message_eom(c->message);
    if (v == NULL)
        return without_verdict(ctx, c, queue_id);
    count_verdict(service_counters(c->service), v->record, clock_mono_ms() - began);
    return apply_verdict(ctx, c, v);
}

static sfsistat
on_eom(SMFICTX *ctx)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return SMFIS_TEMPFAIL;
    struct counters *n = service_counters(c->service);
    atomic_fetch_add_explicit(&n->finishing, 1, memory_order_relaxed);
    sfsistat st = finish(ctx, c);
    connection_end_message(c);
    atomic_fetch_sub_explicit(&n->finishing, 1, memory_order_relaxed);
    return st;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL) {
        if (c->enveloped)
            count(&service_counters(c->service)->aborted);
        connection_end_message(c);
    }
    return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL && packets_command() == SMFIC_QUIT_NC) { /* the next client's session, on the terms negotiated with the MTA */
        connection_end_session(c);
        return SMFIS_CONTINUE;
    }
    (void)smfi_setpriv(ctx, NULL);
    connection_free(c);
    return SMFIS_CONTINUE;
}

bool
callbacks_register(void)
{
    static char name[] = "vidimus";
    struct smfiDesc filter = {
        .xxfi_name = name,
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_mail,
        .xxfi_envrcpt = on_rcpt,
        .xxfi_header = on_header,
        .xxfi_eoh = on_eoh,
        .xxfi_body = on_body,
        .xxfi_eom = on_eom,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_negotiate = on_negotiate,
    };
    (void)smfi_setmaxdatasize(PACKET_MAX);
    return smfi_register(filter) == MI_SUCCESS;
}

bool
callbacks_serve(struct service *s)
{
    the_service = s;
    return smfi_main() == MI_SUCCESS;
}
