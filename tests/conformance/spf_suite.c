/*
 * spf_suite.c - the cases of an SPF conformance suite (one JSON object a line: zone, envelope, expect), judged by an engine
 * in this process with DNS from zone text.  Usage: spf_suite [-e native|libspf2] [-x ID] [-v] CASES.jsonl
 * The last line says how many passed; the exit status is 1 if a case failed, 77 if no file was named (nothing to run).
 */
#include "autoconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/trace.h"
#include "dns/zone.h"
#include "mail/address.h"
#include "second/second.h"
#include "spf/spf.h"

struct options {
    spf_engine *engine;
    const char *only;
    bool verbose;
};

struct totals {
    unsigned passed, failed;
};

/* ---- JSON zone to zone text */

static void
add_octets(struct strbuf *b, const char *p, size_t n, const char *plain)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 128 && (ascii_is_alnum(p[i]) || (c != 0 && strchr(plain, c) != NULL)))
            strbuf_add_char(b, p[i]);
        else
            strbuf_printf(b, "\\%03u", c);
    }
}

static void
add_name(struct strbuf *b, const char *name)
{
    /* names come with \. and \DDD as in zone files already */
    for (; *name != '\0' && strcmp(name, ".") != 0; name++) {
        if (*name == '\\' && name[1] != '\0') {
            strbuf_add_char(b, *name++);
            strbuf_add_char(b, *name);
        } else {
            add_octets(b, name, 1, ".-_*");
        }
    }
    strbuf_add_char(b, '.');
}

static void
add_string(struct strbuf *b, const json_t *s)
{
    strbuf_add_str(b, " \"");
    add_octets(b, json_string_value(s), json_string_length(s), " .-_=:/+~?,%{}");
    strbuf_add_char(b, '"');
}

static void
add_record(struct strbuf *b, const char *name, const char *type, const json_t *r)
{
    add_name(b, name);
    strbuf_printf(b, " %s", type);
    if (strcmp(type, "TXT") == 0) {
        if (json_is_string(r))
            add_string(b, r);
        for (size_t i = 0; i < json_array_size(r); i++)
            add_string(b, json_array_get(r, i));
        if (json_is_array(r) && json_array_size(r) == 0)
            strbuf_add_str(b, " \"\"");
    } else if (strcmp(type, "MX") == 0) {
        strbuf_printf(b, " %d ", (int)json_integer_value(json_array_get(r, 0)));
        add_name(b, json_string_value(json_array_get(r, 1)));
    } else if (strcmp(type, "PTR") == 0 || strcmp(type, "CNAME") == 0) {
        strbuf_add_char(b, ' ');
        add_name(b, json_string_value(r));
    } else {
        strbuf_printf(b, " %s", json_string_value(r));
    }
    strbuf_add_char(b, '\n');
}

static void
add_status(struct strbuf *b, const char *name, const char *type, const char *word)
{
    strbuf_add_str(b, "$STATUS ");
    add_name(b, name);
    strbuf_printf(b, " %s %s\n", type, word);
}

static void
add_owner(struct strbuf *b, const char *name, json_t *types)
{
    static const char *const asked[] = { "A", "AAAA", "MX", "PTR", "TXT" };
    for (const char *label = name; label != NULL; label = strchr(label, '.')) {
        label += *label == '.';
        if (strcspn(label, ".") > 63) /* cannot be asked for */
            return;
    }
    if (json_is_string(types)) {
        add_status(b, name, "*", json_string_value(types));
        return;
    }
    const char *type;
    json_t *records;
    json_object_foreach(types, type, records) {
        if (strcmp(type, "SPF") == 0 || strcmp(type, "*") == 0)
            continue;
        if (json_is_string(records))
            add_status(b, name, type, json_string_value(records));
        for (size_t i = 0; i < json_array_size(records); i++)
            add_record(b, name, type, json_array_get(records, i));
    }
    json_t *others = json_object_get(types, "*");
    for (size_t i = 0; others != NULL && i < COUNT(asked); i++)
        if (json_object_get(types, asked[i]) == NULL)
            add_status(b, name, asked[i], json_string_value(others));
}

static struct resolver *
zone_of(json_t *zone)
{
    struct strbuf text, errors;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    const char *name;
    json_t *types;
    json_object_foreach(zone, name, types)
        add_owner(&text, name, types);
    struct resolver *r = NULL;
    if (resolver_zone_new(strbuf_slice(&text), &errors, &r) != ST_OK)
        fprintf(stderr, "%s", strbuf_str(&errors));
    strbuf_clear(&text);
    strbuf_clear(&errors);
    return r;
}

/* ---- one case */

static bool
accepts(const json_t *expect, const char *got)
{
    if (expect == NULL)
        return true;
    if (json_is_string(expect))
        return strcmp(json_string_value(expect), got) == 0
               || (strcmp(json_string_value(expect), "DEFAULT") == 0 && got[0] == '\0');
    for (size_t i = 0; i < json_array_size(expect); i++)
        if (accepts(json_array_get(expect, i), got))
            return true;
    return false;
}

static void
print_line(void *arg, unsigned depth, const char *text)
{
    (void)arg;
    printf("    %*s%s\n", (int)depth * 2, "", text);
}

static bool
run_case(const struct options *o, json_t *c, struct arena *a, struct dns_session *dns)
{
    const char *id = json_string_value(json_object_get(c, "id"));
    json_t *env = json_object_get(c, "envelope"), *expect = json_object_get(c, "expect");
    slice from = slice_from(json_string_value(json_object_get(env, "mailfrom")));
    size_t at = slice_rfind(from, '@');
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .max_voids = 2, .want_explanation = true, .now = 1700000000 };
    netaddr_parse(slice_from(json_string_value(json_object_get(env, "ip"))), &rq.client);
    rq.helo = slice_from(json_string_value(json_object_get(env, "helo")));
    rq.sender_local = at < from.n ? slice_head(from, at) : SLICE_EMPTY;
    rq.sender_domain = slice_tail(from, at + 1);
    rq.receiver = SLICE("mta.example.net");
    struct trace *t = trace_new();
    struct spf_outcome out;
    bool ok = false;
    spf_prefetch(a, dns, &rq);
    if (o->engine(a, dns, &rq, t, &out) == ST_OK) {
        const char *explanation = arena_strdup(a, out.explanation);
        ok = accepts(json_object_get(expect, "spf"), spf_result_name(out.result))
             && accepts(json_object_get(expect, "spf.exp"), explanation);
        if (!ok || o->verbose || o->only != NULL) {
            char *want = json_dumps(expect, JSON_COMPACT);
            printf("%s %s: %s (%.*s) \"%s\", wanted %s\n", ok ? "ok  " : "FAIL", id, spf_result_name(out.result),
                   SLICE_ARG(out.reason), explanation, want);
            free(want);
        }
        if (o->only != NULL)
            trace_each(t, print_line, NULL);
    }
    trace_free(t);
    return ok;
}

static void
take_case(const struct options *o, json_t *c, struct totals *n)
{
    const char *id = json_string_value(json_object_get(c, "id"));
    if (id == NULL || (o->only != NULL && strcmp(o->only, id) != 0))
        return;
    const struct dns_limits limits = { .timeout_ms = 2000, .max_queries = 200 };
    struct resolver *r = zone_of(json_object_get(c, "zone"));
    struct dns_session *dns = r == NULL ? NULL : dns_session_new(r, &limits);
    struct arena *a = arena_new(0);
    bool ok = dns != NULL && a != NULL && run_case(o, c, a, dns);
    *(ok ? &n->passed : &n->failed) += 1;
    dns_session_free(dns);
    arena_free(a);
    resolver_free(r);
}

static int
run_file(const struct options *o, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        return 2;
    }
    struct totals n = { 0 };
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, f) > 0) {
        json_t *c = json_loads(line, JSON_ALLOW_NUL, NULL);
        take_case(o, c, &n);
        json_decref(c);
    }
    free(line);
    fclose(f);
    printf("%u passed, %u failed\n", n.passed, n.failed);
    return n.failed > 0;
}

int
main(int argc, char **argv)
{
    struct options o = { .engine = spf_check };
    const char *path = getenv("SPF_SUITE");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            o.verbose = true;
        else if (strcmp(argv[i], "-x") == 0 && i + 1 < argc)
            o.only = argv[++i];
        else if (strcmp(argv[i], "-e") == 0 && i + 1 < argc)
            o.engine = strcmp(argv[++i], "libspf2") == 0 ? second_spf() : spf_check;
        else
            path = argv[i];
    }
    if (o.engine == NULL) {
        fprintf(stderr, "built without libspf2\n");
        return 77;
    }
    if (path == NULL) {
        fprintf(stderr, "usage: spf_suite [-e native|libspf2] [-x ID] [-v] CASES.jsonl\n");
        return 77;
    }
    return run_file(&o, path);
}
