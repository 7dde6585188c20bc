/*
 * check.c - `vidimus check`: drives the pipeline with one message and an envelope from the command line.
 */
#include "tool/tool.h"

#include "config/config.h"
#include "crypto/keys.h"
#include "dmarc/psl.h"
#include "mail/eml.h"
#include "pipeline/pipeline.h"
#include "pipeline/seal.h"
#include "tool/check_json.h"
#include "tool/check_options.h"
#include "tool/check_resolver.h"
#include "tool/check_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define CACHED_KEYS 64

static struct config *
load_config(const struct check_options *o)
{
    const char *installed = SYSCONFDIR "/vidimus/vidimus.conf";
    const char *file = o->config_file != NULL ? o->config_file : access(installed, R_OK) == 0 ? installed : NULL;
    struct strbuf errors;
    struct config *c = NULL;
    strbuf_init(&errors, 0);
    if (config_load(file, o->overrides, o->n_overrides, &errors, &c) != ST_OK)
        fprintf(stderr, "%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    return c;
}

static enum status
give_header(void *arg, slice name, slice value)
{
    message_header(arg, name, value);
    return ST_OK;
}

static enum status
give_eoh(void *arg)
{
    message_eoh(arg);
    return ST_OK;
}

static enum status
give_body(void *arg, slice chunk)
{
    message_body(arg, chunk);
    return ST_OK;
}

static int
read_message(const struct check_options *o, struct message *m)
{
    static const struct eml_handler handler = { give_header, give_eoh, give_body };
    FILE *f = o->message_file == NULL ? stdin : fopen(o->message_file, "rb");
    if (f == NULL) {
        fprintf(stderr, "vidimus check: %s: %s\n", o->message_file, strerror(errno));
        return EX_NOINPUT;
    }
    enum status st = eml_read_file(f, &handler, m);
    int error = errno;
    if (f != stdin)
        fclose(f);
    if (st == ST_OK)
        return EX_OK;
    const char *name = o->message_file == NULL ? "standard input" : o->message_file;
    if (st == ST_INTERNAL)
        fprintf(stderr, "vidimus check: %s: %s\n", name, strerror(error));
    else
        fprintf(stderr, "vidimus check: %s: %s\n", name, st == ST_LIMIT ? "a header field is too long" : status_name(st));
    return st == ST_INTERNAL ? EX_IOERR : EX_DATAERR;
}

static void
print_early(const struct check_options *o, const struct reply *r, const char *stage)
{
    if (!o->json)
        printf("%s is answered with %s %s %s\n", stage, r->code == NULL ? "250" : r->code, r->xcode == NULL ? "2.1.0" : r->xcode,
               r->text == NULL ? "Ok: the client is in IgnoreHosts, nothing is judged" : r->text);
}

/* The whole of one message, or of its envelope.  A refusal at MAIL is told, and the message judged all the same: that is
 * what the operator asked for. */
static int
judge(const struct check_options *o, struct pipeline *p, int64_t now, struct trace *t)
{
    struct peer peer = { .client = o->client,
                         .name = slice_from(o->client_name),
                         .mta_name = SLICE_EMPTY,
                         .daemon_name = SLICE_EMPTY };
    struct message *m = message_new(p, &peer, t);
    if (m == NULL) {
        fputs("vidimus check: out of memory\n", stderr);
        return EX_OSERR;
    }
    message_queue_id(m, slice_from(o->queue_id));
    message_helo(m, slice_from(o->helo));
    struct reply early = message_mail(m, slice_from(o->mail_from), o->authenticated ? SLICE("yes") : SLICE_EMPTY);
    if (early.kind != REPLY_CONTINUE)
        print_early(o, &early, "MAIL FROM");
    for (size_t i = 0; i < o->n_rcpts; i++)
        message_rcpt(m, slice_from(o->rcpts[i]));
    int status = o->spf_only ? EX_OK : read_message(o, m);
    if (status == EX_OK) {
        const struct verdict *v = o->spf_only ? message_spf_only(m) : message_eom(m);
        if (o->explain)
            check_text_explain(t);
        bool printed = true;
        if (o->json)
            printed = o->spf_only ? check_json_print_spf(v) : check_json_print(v);
        else if (o->spf_only)
            check_text_print_spf(v->record->spf, v->record->spf_helo);
        else
            check_text_print(v);
        status = printed ? EX_OK : EX_OSERR;
        if (status == EX_OK && o->record_dir != NULL)
            status = check_resolver_keep(o, m, v, now);
    }
    message_free(m);
    return status;
}

static int
run(const struct check_options *o, struct config *c)
{
    struct resolver *resolver = NULL;
    int64_t now = 0;
    int status = check_resolver_open(o, c, &resolver, &now);
    if (status != EX_OK)
        return status;
    struct trace *t = o->explain ? trace_new() : NULL;
    struct key_cache *keys = key_cache_new(CACHED_KEYS);
    struct pipeline_parts parts = {
        .config = c, .resolver = resolver, .keys = keys, .now = now, .second_opinion = o->second_opinion,
        .want_explanations = o->spf_only || o->explain,
        .accept_rsa_sha1 = o->old_rules,
        .min_rsa_bits = o->min_key_bits
    };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    if (o->seal && c->arc_seal)
        parts.signer = seal_local_signer(c, false, &errors);
    parts.results_from_header = o->results_from_header;
    struct pipeline *p = o->seal && c->arc_seal && parts.signer == NULL ? NULL : pipeline_new(&parts, &errors);
    status = p == NULL ? EX_CONFIG : judge(o, p, now, t);
    fputs(strbuf_str(&errors), stderr);
    strbuf_clear(&errors);
    pipeline_release(p);
    trace_free(t);
    key_cache_free(keys);
    resolver_free(resolver);
    return status;
}

/* `--org-domain NAME`: the list's answer alone (RFC 7489 3.2). */
static int
print_org_domain(const struct check_options *o, const struct config *c)
{
    struct dmarc_psl *psl = NULL;
    if (dmarc_psl_load(c->public_suffix_list, &psl) != ST_OK) {
        fprintf(stderr, "vidimus check: PublicSuffixList %s cannot be read, or this program was built without libpsl\n",
                c->public_suffix_list == NULL ? "of the system" : c->public_suffix_list);
        return EX_CONFIG;
    }
    struct arena *a = arena_new(0);
    slice org = a == NULL ? SLICE_EMPTY : dmarc_psl_org_domain(psl, a, slice_from(o->org_domain));
    if (o->json && org.n > 0)
        printf("{\"version\":1,\"org_domain\":\"%.*s\"}\n", SLICE_ARG(org));
    else if (o->json)
        puts("{\"version\":1,\"org_domain\":null}");
    else
        printf("%.*s\n", SLICE_ARG(org.n > 0 ? org : SLICE("-")));
    arena_free(a);
    dmarc_psl_free(psl);
    return EX_OK;
}

int
tool_check(int argc, char **argv)
{
    struct check_options o;
    int status = check_options_read(argc, argv, &o);
    struct config *c = status == EX_OK ? load_config(&o) : NULL;
    if (status == EX_OK && c == NULL)
        status = EX_CONFIG;
    else if (status == EX_OK)
        status = o.org_domain != NULL ? print_org_domain(&o, c) : run(&o, c);
    config_release(c);
    check_options_clear(&o);
    return status < 0 ? EX_OK : status;
}
