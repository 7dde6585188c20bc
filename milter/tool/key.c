/*
 * key.c - `vidimus key make` and `vidimus key test`.
 */
#include "tool/tool.h"

#include "base/clock.h"
#include "config/config.h"
#include "crypto/sign.h"
#include "dns/network.h"
#include "mail/domain.h"
#include "pipeline/key_check.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "usage: vidimus key make -d DOMAIN -s SELECTOR [-t rsa | ed25519] [-b BITS] [-D FOLDER] [--testing]\n"
    "       vidimus key test [-c FILE] [-o NAME=VALUE]... [--nameserver ADDR[@PORT]]...\n"
    "make writes a private key, mode 0600, and prints the DNS record to publish and the line for the KeyTable.\n"
    "test asks DNS for each key of the KeyTable whether it is published (exit status 1 if one is not).\n";

#define MAX_OVERRIDES 64
#define MAX_SERVERS 8
#define TXT_STRING 255 /* octets of one string of a TXT record (RFC 1035 3.3.14) */

struct arguments {
    const char *file, *domain, *selector, *type, *folder;
    const char *overrides[MAX_OVERRIDES], *servers[MAX_SERVERS];
    size_t n_overrides, n_servers;
    unsigned bits;
    bool testing;
};

static bool
read_bits(const char *text, unsigned *out)
{
    uint64_t v;
    if (!slice_to_u64(slice_from(text), &v) || v < SIGN_RSA_MIN_BITS || v > SIGN_RSA_MAX_BITS) {
        fprintf(stderr, "vidimus key: --bits \"%s\": a number from %u to %u is wanted\n", text, (unsigned)SIGN_RSA_MIN_BITS,
                (unsigned)SIGN_RSA_MAX_BITS);
        return false;
    }
    *out = (unsigned)v;
    return true;
}

/* 0: fine; 1: help was asked for; -1: wrong. */
static int
read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' }, { "domain", required_argument, NULL, 'd' },
        { "selector", required_argument, NULL, 's' }, { "type", required_argument, NULL, 't' },
        { "bits", required_argument, NULL, 'b' }, { "folder", required_argument, NULL, 'D' },
        { "nameserver", required_argument, NULL, 'n' }, { "testing", no_argument, NULL, 'y' },
        { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
    };
    *a = (struct arguments){ .file = SYSCONFDIR "/vidimus/vidimus.conf", .folder = ".", .type = "rsa", .bits = 2048 };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "c:o:d:s:t:b:D:h", longs, NULL)) != -1;) {
        bool good = true;
        if (c == 'h')
            return 1;
        else if (c == 'c')
            a->file = optarg;
        else if (c == 'd')
            a->domain = optarg;
        else if (c == 's')
            a->selector = optarg;
        else if (c == 't')
            a->type = optarg;
        else if (c == 'D')
            a->folder = optarg;
        else if (c == 'y')
            a->testing = true;
        else if (c == 'b')
            good = read_bits(optarg, &a->bits);
        else if (c == 'o' && a->n_overrides < MAX_OVERRIDES)
            a->overrides[a->n_overrides++] = optarg;
        else if (c == 'n' && a->n_servers < MAX_SERVERS)
            a->servers[a->n_servers++] = optarg;
        else
            good = false;
        if (!good)
            return -1;
    }
    return optind == argc ? 0 : -1;
}

/* ------------------------------------------------------------------ make */

/* As a zone file wants it: absolute, the text in strings of at most 255 octets. */
static void
print_record(slice selector, slice domain, slice text)
{
    printf("%.*s._domainkey.%.*s. IN TXT (", SLICE_ARG(selector), SLICE_ARG(domain));
    for (size_t at = 0; at < text.n; at += TXT_STRING)
        printf("\n\t\"%.*s\"", SLICE_ARG(slice_head(slice_tail(text, at), TXT_STRING)));
    puts(" )");
}

static int
make_key(struct arena *a, const struct arguments *o, slice domain, slice selector)
{
    enum sign_algorithm algorithm = strcmp(o->type, "rsa") == 0 ? SIGN_RSA_SHA256 : SIGN_ED25519_SHA256;
    char *folder = realpath(o->folder, NULL);
    slice path = folder == NULL ? (slice){ NULL, 0 }
                                : arena_printf(a, "%s/%.*s.%.*s.pem", folder, SLICE_ARG(domain), SLICE_ARG(selector));
    if (folder == NULL) {
        fprintf(stderr, "vidimus key: %s: %s\n", o->folder, strerror(errno));
        return EX_CANTCREAT;
    }
    free(folder);
    struct private_key *key = private_key_make(algorithm, o->bits);
    struct strbuf text;
    strbuf_init(&text, 0);
    int rc = EX_OK;
    if (key == NULL || path.p == NULL || private_key_record(key, o->testing, &text) != ST_OK) {
        fputs("vidimus key: the key could not be made\n", stderr);
        rc = EX_SOFTWARE;
    } else if (!private_key_write(key, path.p)) {
        fprintf(stderr, "vidimus key: %s: %s\n", path.p, strerror(errno));
        rc = EX_CANTCREAT;
    } else {
        printf("; the private key is in %s\n; publish this record, wait until every name server has it, then `vidimus key test`\n",
               path.p);
        print_record(selector, domain, strbuf_slice(&text));
        printf("; line for the KeyTable:\n; %.*s %.*s:%.*s:%s\n", SLICE_ARG(domain), SLICE_ARG(domain), SLICE_ARG(selector), path.p);
    }
    strbuf_clear(&text);
    private_key_free(key);
    return rc;
}

static int
run_make(const struct arguments *o)
{
    slice domain, selector;
    if (o->domain == NULL || o->selector == NULL || (strcmp(o->type, "rsa") != 0 && strcmp(o->type, "ed25519") != 0)) {
        fputs(help, stderr);
        return EX_USAGE;
    }
    struct arena *a = arena_new(0);
    int rc = EX_USAGE;
    if (a == NULL)
        rc = EX_OSERR;
    else if (domain_from_text(a, slice_from(o->domain), &domain) != ST_OK)
        fprintf(stderr, "vidimus key: %s is no domain name\n", o->domain);
    else if (domain_from_text(a, slice_from(o->selector), &selector) != ST_OK)
        fprintf(stderr, "vidimus key: %s cannot be a selector\n", o->selector);
    else
        rc = make_key(a, o, domain, selector);
    arena_free(a);
    return rc;
}

/* ------------------------------------------------------------------ test */

static void
print_finding(void *arg, const struct key_entry *e, enum key_state state, const char *text)
{
    static const char *const words[] = { [KEY_PUBLISHED] = "ok", [KEY_WRONG] = "WRONG", [KEY_UNSURE] = "unsure" };
    int *rc = arg;
    printf("%-6s %.*s (%.*s._domainkey.%.*s): %s\n", words[state], SLICE_ARG(e->name), SLICE_ARG(e->selector),
           SLICE_ARG(e->domain), text);
    if (state == KEY_WRONG)
        *rc = 1;
    else if (state == KEY_UNSURE && *rc == EX_OK)
        *rc = EX_TEMPFAIL;
}

static int
ask(const struct arguments *a, const struct config *c, struct strbuf *errors)
{
    struct resolver_network_options o = {
        .nameservers = a->n_servers > 0 ? a->servers : (const char *const *)c->nameservers.items,
        .n_nameservers = a->n_servers > 0 ? a->n_servers : c->nameservers.n,
        .query_timeout_ms = c->dns_timeout_ms,
    };
    struct resolver *r = NULL;
    int rc = EX_OK;
    if (resolver_network_new(&o, errors, &r) != ST_OK)
        rc = EX_CONFIG;
    else if (key_check(c, r, clock_wall_s(), print_finding, &rc, errors) != ST_OK)
        rc = EX_CONFIG;
    resolver_free(r);
    return rc;
}

static int
run_test(const struct arguments *a)
{
    struct strbuf errors;
    struct config *c = NULL;
    strbuf_init(&errors, 0);
    int rc = config_load(a->file, a->overrides, a->n_overrides, &errors, &c) == ST_OK ? ask(a, c, &errors) : EX_CONFIG;
    fputs(strbuf_str(&errors), stderr);
    config_release(c);
    strbuf_clear(&errors);
    return rc;
}

int
tool_key(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    struct arguments a;
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0) {
        fputs(help, stdout);
        return EX_OK;
    }
    bool make = strcmp(what, "make") == 0;
    int read = -1;
    if (make || strcmp(what, "test") == 0) {
        argv[1] = argv[0]; /* getopt(3) names the program by it */
        read = read_arguments(argc - 1, argv + 1, &a);
    }
    if (read != 0) {
        fputs(help, read > 0 ? stdout : stderr);
        return read > 0 ? EX_OK : EX_USAGE;
    }
    return make ? run_make(&a) : run_test(&a);
}
