/*
 * spf_compare.c - generated records, judged by the native engine and by libspf2 from the same zone.
 *
 * A case is a small world: a domain, some records it includes, hosts, one client.  Half of the cases hold only what every
 * engine is expected to read alike; the others have exactly one of the features named in quirks[], each of which stands in
 * spf-deviations.md with its RFC section.  So a difference in a plain case is unexplained and fails the run, and one in
 * another case is counted under the one feature that it has.  Compared are the result and the names asked for: what libspf2
 * asks for the native engine has to have asked for too, which shows each macro expansion whatever the answer.
 *
 * Usage: spf_compare [-n COUNT] [-s SEED] [-q QUIRK] [-o CASES.jsonl] [-v]     (-o: for spf_compare_pyspf.py)
 */
#include "autoconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "dns/zone.h"
#include "second/second.h"
#include "spf_generate.h"

/* ---- judging it */

struct asked {
    slice *names;
    size_t n, cap;
    struct arena *arena;
};

static void
note_question(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    struct asked *q = arg;
    (void)answer;
    if (q->n == q->cap) {
        size_t cap = q->cap == 0 ? 32 : q->cap * 2;
        q->names = realloc(q->names, cap * sizeof(*q->names));
        q->cap = cap;
    }
    q->names[q->n++] = arena_printf(q->arena, "%s %.*s", dns_type_name(type), SLICE_ARG(name));
}

struct verdict {
    struct spf_outcome out;
    struct asked asked;
};

static void
judge(struct arena *a, struct resolver *r, const struct world *w, spf_engine *engine, struct verdict *v)
{
    static const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 1000 };
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .client = w->client, .helo = slice_from(w->helo),
                              .sender_local = slice_from(w->local), .sender_domain = SLICE("d.example"),
                              .receiver = SLICE("mta.example.org"), .now = 1700000000, .max_voids = 2 };
    struct dns_session *dns = dns_session_new(r, &limits);
    memset(v, 0, sizeof(*v));
    v->asked.arena = a;
    if (dns == NULL || engine(a, dns, &rq, NULL, &v->out) != ST_OK)
        abort();
    dns_session_each(dns, note_question, &v->asked);
    dns_session_free(dns);
}

/* A name made of macros that the other engine asked for and the native one did not; NULL: none. */
static const slice *
stray_question(const struct asked *native, const struct asked *other)
{
    for (size_t i = 0; i < other->n; i++) {
        size_t k = 0;
        if (!slice_iends(other->names[i], SLICE("m.example")) && !slice_iends(other->names[i], SLICE("n.example")))
            continue;
        while (k < native->n && !slice_ieq(native->names[k], other->names[i]))
            k++;
        if (k == native->n)
            return &other->names[i];
    }
    return NULL;
}

static void
write_case(FILE *f, unsigned long nth, const struct world *w, const char *zone, const struct verdict *native,
           const struct verdict *other)
{
    json_t *names = json_array();
    for (size_t i = 0; i < native->asked.n; i++)
        json_array_append_new(names, json_stringn(native->asked.names[i].p, native->asked.names[i].n));
    json_t *c = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s%, s:s, s:o}", "nth", (int)nth, "quirk", quirks[w->quirk],
                          "zone", zone, "client", w->client_text, "helo", w->helo, "local", w->local, "native",
                          spf_result_name(native->out.result), "reason", native->out.reason.p, native->out.reason.n, "libspf2",
                          other == NULL || !second_spf_has_opinion(&other->out) ? "" : spf_result_name(other->out.result),
                          "asked", names);
    json_dumpf(c, f, JSON_COMPACT);
    fputc('\n', f);
    json_decref(c);
}

struct counts {
    unsigned long cases, results, questions, unasked;
};

static bool
compare(const struct world *w, const char *zone, const struct verdict *native, const struct verdict *other, bool verbose,
        struct counts *n)
{
    const slice *stray = stray_question(&native->asked, &other->asked);
    n->cases++;
    if (!second_spf_has_opinion(&other->out)) {
        n->unasked++;
        return true;
    }
    bool same = native->out.result == other->out.result;
    n->results += !same;
    n->questions += same && stray != NULL;
    if (same && stray == NULL)
        return true;
    if (verbose || w->quirk == PLAIN)
        printf("%s: client %s local %s helo %s: native %s (%.*s), libspf2 %s (%.*s)%s%.*s\n%s\n", quirks[w->quirk],
               w->client_text, w->local, w->helo, spf_result_name(native->out.result), SLICE_ARG(native->out.reason),
               spf_result_name(other->out.result), SLICE_ARG(other->out.reason), stray == NULL ? "" : ", strange question ",
               SLICE_ARG(stray == NULL ? SLICE_EMPTY : *stray), zone);
    return w->quirk != PLAIN;
}

struct options {
    unsigned long count;
    int quirk; /* -1: any */
    FILE *out;
    bool verbose;
};

static int
run(const struct options *o)
{
    struct counts n[QUIRKS] = { { 0 } };
    struct strbuf text, errors;
    static struct world w;
    unsigned long unexplained = 0;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    for (unsigned long i = 0; i < o->count; i++) {
        struct resolver *r = NULL;
        struct arena *a = arena_new(0);
        struct verdict native, other;
        bool has_other = second_spf() != NULL;
        enum quirk any = generate_roll(2) ? PLAIN : (enum quirk)(1 + generate_roll(QUIRKS - 1));
        generate_world(&w, o->quirk >= 0 ? (enum quirk)o->quirk : any);
        if (a == NULL || resolver_zone_new(world_zone(&w, &text), &errors, &r) != ST_OK) {
            fprintf(stderr, "%s", strbuf_str(&errors));
            abort();
        }
        judge(a, r, &w, spf_check, &native);
        if (has_other) {
            judge(a, r, &w, second_spf(), &other);
            unexplained += !compare(&w, strbuf_str(&text), &native, &other, o->verbose, &n[w.quirk]);
            free(other.asked.names);
        }
        if (o->out != NULL)
            write_case(o->out, i, &w, strbuf_str(&text), &native, has_other ? &other : NULL);
        free(native.asked.names);
        resolver_free(r);
        arena_free(a);
    }
    printf("%-18s %10s %10s %10s %10s\n", "feature", "cases", "results", "questions", "not asked");
    for (int q = 0; q < QUIRKS; q++)
        printf("%-18s %10lu %10lu %10lu %10lu\n", quirks[q], n[q].cases, n[q].results, n[q].questions, n[q].unasked);
    printf("%lu cases, %lu unexplained differences\n", o->count, unexplained);
    strbuf_clear(&text);
    strbuf_clear(&errors);
    world_clear(&w);
    return unexplained > 0;
}

int
main(int argc, char **argv)
{
    struct options o = { .count = 3000, .quirk = -1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            o.verbose = true;
        else if (i + 1 == argc)
            return 2;
        else if (strcmp(argv[i], "-n") == 0)
            o.count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0)
            generate_seed(strtoul(argv[++i], NULL, 10));
        else if (strcmp(argv[i], "-o") == 0)
            o.out = fopen(argv[++i], "w");
        else if (strcmp(argv[i], "-q") == 0)
            for (i++, o.quirk = QUIRKS - 1; o.quirk > 0 && strcmp(argv[i], quirks[o.quirk]) != 0;)
                o.quirk--;
    }
    int rc = run(&o);
    if (o.out != NULL)
        fclose(o.out);
    return rc;
}
