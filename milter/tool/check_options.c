#include "tool/check_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char help[] =
    "usage: vidimus check [-c FILE] [-o NAME=VALUE]... [options] [MESSAGE-FILE]\n"
    "What the daemon would do with this message (standard input without a file).\n"
    "\n"
    "the SMTP envelope\n"
    "  --ip ADDRESS          address of the client\n"
    "  --client-name NAME    its host name, as the MTA would give it\n"
    "  --helo NAME           argument of HELO or EHLO\n"
    "  --from PATH           MAIL FROM; '' is the null reverse-path\n"
    "  --rcpt ADDRESS        RCPT TO, as often as needed\n"
    "  --authenticated       the client has logged in\n"
    "  --queue-id ID         as the MTA would give it\n"
    "\n"
    "configuration and DNS\n"
    "  -c, --config FILE     configuration file\n"
    "  -o NAME=VALUE         override one option\n"
    "  --nameserver ADDR[@PORT]  ask this server, not the system's; as often as needed\n"
    "  --dns-timeout SECONDS for one question\n"
    "  --zone FILE           answer DNS from a master file (RFC 1035) in memory, no network\n"
    "  --record DIR          keep the DNS answers in DIR\n"
    "  --replay DIR          answer DNS from what --record kept\n"
    "  --now TIME            judge as of this Unix time\n"
    "\n"
    "what is judged\n"
    "  --spf-only            SPF alone; no message is read\n"
    "  --seal                also make the ARC set that the configuration asks for\n"
    "  --results-from-header seal with the newest Authentication-Results of AuthservID (for tests of sealing)\n"
    "  --second-opinion      also ask libspf2 and libopendkim, and say where they differ\n"
    "  --old-rules           let rsa-sha1 count, as before RFC 8301 (for old test messages)\n"
    "  --min-key-bits N      let RSA keys below MinimumKeyBits count (for old test messages)\n"
    "  --org-domain NAME     only print the Organizational Domain of NAME by the public suffix list\n"
    "\n"
    "output\n"
    "  --json                one line of JSON\n"
    "  --explain             the decision told step by step\n"
    "  -h, --help            this text\n";

enum {
    OPT_IP = 1000, OPT_CLIENT_NAME, OPT_HELO, OPT_FROM, OPT_RCPT, OPT_AUTHENTICATED, OPT_QUEUE_ID, OPT_NAMESERVER,
    OPT_DNS_TIMEOUT, OPT_ZONE, OPT_RECORD, OPT_REPLAY, OPT_NOW, OPT_SPF_ONLY, OPT_SEAL, OPT_RESULTS, OPT_SECOND,
    OPT_OLD_RULES, OPT_MIN_BITS, OPT_ORG_DOMAIN, OPT_JSON, OPT_EXPLAIN
};

static const struct option long_options[] = {
    { "ip", required_argument, NULL, OPT_IP },
    { "client-name", required_argument, NULL, OPT_CLIENT_NAME },
    { "helo", required_argument, NULL, OPT_HELO },
    { "from", required_argument, NULL, OPT_FROM },
    { "rcpt", required_argument, NULL, OPT_RCPT },
    { "authenticated", no_argument, NULL, OPT_AUTHENTICATED },
    { "queue-id", required_argument, NULL, OPT_QUEUE_ID },
    { "config", required_argument, NULL, 'c' },
    { "nameserver", required_argument, NULL, OPT_NAMESERVER },
    { "dns-timeout", required_argument, NULL, OPT_DNS_TIMEOUT },
    { "zone", required_argument, NULL, OPT_ZONE },
    { "record", required_argument, NULL, OPT_RECORD },
    { "replay", required_argument, NULL, OPT_REPLAY },
    { "now", required_argument, NULL, OPT_NOW },
    { "spf-only", no_argument, NULL, OPT_SPF_ONLY },
    { "seal", no_argument, NULL, OPT_SEAL },
    { "results-from-header", no_argument, NULL, OPT_RESULTS },
    { "second-opinion", no_argument, NULL, OPT_SECOND },
    { "old-rules", no_argument, NULL, OPT_OLD_RULES },
    { "min-key-bits", required_argument, NULL, OPT_MIN_BITS },
    { "org-domain", required_argument, NULL, OPT_ORG_DOMAIN },
    { "json", no_argument, NULL, OPT_JSON },
    { "explain", no_argument, NULL, OPT_EXPLAIN },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

/* One more string at the end of a list; memory is only short before anything was done, so the tool gives up. */
static void
append(const char ***list, size_t *n, const char *text)
{
    const char **grown = realloc(*list, (*n + 1) * sizeof(*grown));
    if (grown == NULL) {
        fputs("vidimus check: out of memory\n", stderr);
        exit(EX_OSERR);
    }
    *list = grown;
    grown[(*n)++] = text;
}

/* An option of the command line that is an option of the configuration under a shorter name. */
static void
append_override(struct check_options *o, const char *name, const char *value)
{
    size_t n = strlen(name) + strlen(value) + 2;
    char *text = malloc(n);
    if (text != NULL)
        snprintf(text, n, "%s=%s", name, value);
    append(&o->overrides, &o->n_overrides, text == NULL ? "" : text);
}

static int
read_now(const char *text, int64_t *out)
{
    uint64_t v;
    if (!slice_to_u64(slice_from(text), &v)) {
        fprintf(stderr, "vidimus check: --now %s: not a Unix time (seconds since 1970)\n", text);
        return EX_USAGE;
    }
    *out = (int64_t)v;
    return EX_OK;
}

static int
read_bits(const char *text, unsigned *out)
{
    uint64_t v;
    if (!slice_to_u64(slice_from(text), &v) || v < 512 || v > 8192) {
        fprintf(stderr, "vidimus check: --min-key-bits %s: a number from 512 to 8192 is wanted\n", text);
        return EX_USAGE;
    }
    *out = (unsigned)v;
    return EX_OK;
}

static int
read_ip(const char *text, struct netaddr *out)
{
    if (netaddr_parse(slice_from(text), out))
        return EX_OK;
    fprintf(stderr, "vidimus check: --ip %s: not an IPv4 or IPv6 address\n", text);
    return EX_USAGE;
}

struct nameservers {
    const char **items;
    size_t n;
};

static void
set_flag(struct check_options *o, int c)
{
    bool *flags[] = { [OPT_AUTHENTICATED - OPT_IP] = &o->authenticated, [OPT_SPF_ONLY - OPT_IP] = &o->spf_only,
                      [OPT_SEAL - OPT_IP] = &o->seal, [OPT_RESULTS - OPT_IP] = &o->results_from_header,
                      [OPT_SECOND - OPT_IP] = &o->second_opinion, [OPT_OLD_RULES - OPT_IP] = &o->old_rules,
                      [OPT_JSON - OPT_IP] = &o->json, [OPT_EXPLAIN - OPT_IP] = &o->explain };
    *flags[c - OPT_IP] = true;
}

static void
set_text(struct check_options *o, int c, const char *text)
{
    const char **texts[] = { [OPT_CLIENT_NAME - OPT_IP] = &o->client_name, [OPT_HELO - OPT_IP] = &o->helo,
                             [OPT_FROM - OPT_IP] = &o->mail_from, [OPT_QUEUE_ID - OPT_IP] = &o->queue_id,
                             [OPT_ZONE - OPT_IP] = &o->zone_file, [OPT_RECORD - OPT_IP] = &o->record_dir,
                             [OPT_REPLAY - OPT_IP] = &o->replay_dir, [OPT_ORG_DOMAIN - OPT_IP] = &o->org_domain };
    *texts[c - OPT_IP] = text;
}

static int
read_one(struct check_options *o, int c, const char *text, struct nameservers *servers)
{
    switch (c) {
    case 'c':
        o->config_file = text;
        return EX_OK;
    case 'o':
        append(&o->overrides, &o->n_overrides, strdup(text));
        return EX_OK;
    case OPT_IP:
        return read_ip(text, &o->client);
    case OPT_NOW:
        return read_now(text, &o->now);
    case OPT_MIN_BITS:
        return read_bits(text, &o->min_key_bits);
    case OPT_RCPT:
        append(&o->rcpts, &o->n_rcpts, text);
        return EX_OK;
    case OPT_NAMESERVER:
        append(&servers->items, &servers->n, text);
        return EX_OK;
    case OPT_DNS_TIMEOUT:
        append_override(o, "DNSTimeout", text);
        return EX_OK;
    case 'h':
        fputs(help, stdout);
        return -1;
    case '?':
        fputs("vidimus check: see vidimus check --help\n", stderr);
        return EX_USAGE;
    default:
        if (text != NULL)
            set_text(o, c, text);
        else
            set_flag(o, c);
        return EX_OK;
    }
}

static void
override_nameservers(struct check_options *o, struct nameservers *servers)
{
    size_t n = 1;
    for (size_t i = 0; i < servers->n; i++)
        n += strlen(servers->items[i]) + 1;
    char *joined = calloc(1, n);
    for (size_t i = 0; joined != NULL && i < servers->n; i++) {
        size_t at = strlen(joined);
        snprintf(joined + at, n - at, "%s%s", i == 0 ? "" : ",", servers->items[i]);
    }
    if (joined != NULL && servers->n > 0)
        append_override(o, "Nameservers", joined);
    free(joined);
    free(servers->items);
}

int
check_options_read(int argc, char **argv, struct check_options *o)
{
    struct nameservers servers = { 0 };
    *o = (struct check_options){ 0 };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "c:o:h", long_options, NULL)) != -1;) {
        int status = read_one(o, c, optarg, &servers);
        if (status != EX_OK) {
            free(servers.items);
            return status;
        }
    }
    override_nameservers(o, &servers);
    if (optind + 1 < argc) {
        fprintf(stderr, "vidimus check: one message at a time: \"%s\" is one too many\n", argv[optind + 1]);
        return EX_USAGE;
    }
    if (optind < argc)
        o->message_file = argv[optind];
    return EX_OK;
}

void
check_options_clear(struct check_options *o)
{
    for (size_t i = 0; i < o->n_overrides; i++)
        free((void *)(uintptr_t)o->overrides[i]);
    free(o->overrides);
    free(o->rcpts);
}
