/*
 * test_dmarc_model.c - random trees of DMARC records, judged by dmarc_evaluate() and by a model.
 *
 * The model is RFC 9989 4.10, 4.10.1, 4.10.2 and 5.3 read word by word: it walks every identifier to the top, keeps every
 * record, and skips nothing that could be skipped.  So it shows that whatever dmarc_evaluate() leaves unasked did not
 * matter.  With names that do not answer, every answer they could have given is tried: a pass or a fail has to hold in all of
 * these worlds (5.3.6), else temperror is right.
 */
#include "test.h"

#include "base/strbuf.h"
#include "dmarc/dmarc.h"
#include "dns/zone.h"

#define NAMES 30      /* two labels on each of four levels */
#define SILENT_MAX 2

struct record_data {
    bool there;
    enum dmarc_policy p, sp, np;
    bool adkim_s, aspf_s, t_y;
    char psd;
};

struct tree {
    char name[NAMES][24];
    int parent[NAMES]; /* -1: none */
    struct record_data record[NAMES];
    bool has_a[NAMES];
    int silent[SILENT_MAX]; /* whose _dmarc name does not answer */
    int n_silent;
};

struct mail {
    int author, spf, dkim[2];
    enum spf_result spf_result;
    enum dkim_result_code dkim_result[2];
};

struct verdict {
    enum dmarc_result_code result;
    enum dmarc_policy policy, disposition;
    bool spf_aligned, dkim_aligned;
};

static uint32_t seed;

static unsigned
pick(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* ---- the model */

/* 4.10.2: the names of the walk with records, longest first, up to and with a psd=n or psd=y; then the three rules. */
static int
org_domain(const struct tree *t, int start)
{
    int found[8], n = 0;
    for (int x = start; x >= 0; x = t->parent[x]) {
        if (!t->record[x].there)
            continue;
        found[n++] = x;
        if (t->record[x].psd != 'u')
            break;
    }
    for (int i = 0; i < n; i++) {
        if (t->record[found[i]].psd == 'n')
            return found[i];
        if (t->record[found[i]].psd == 'y' && found[i] != start) {
            int below = start;
            while (t->parent[below] != found[i])
                below = t->parent[below];
            return below;
        }
    }
    return n > 0 ? found[n - 1] : start;
}

/* 4.10.1: the author's record, the Organizational Domain's, the Public Suffix Domain's; -1: none. */
static int
policy_domain(const struct tree *t, int author)
{
    int org = org_domain(t, author);
    if (t->record[author].there)
        return author;
    if (t->record[org].there)
        return org;
    for (int x = t->parent[org]; x >= 0; x = t->parent[x])
        if (t->record[x].there)
            return t->record[x].psd == 'y' ? x : -1;
    return -1;
}

static bool
is_below(const struct tree *t, int name, int top)
{
    while (name >= 0 && name != top)
        name = t->parent[name];
    return name == top;
}

/* A.4: a name exists if anything is at it or below it; "_dmarc" below it counts, silent or not. */
static bool
exists(const struct tree *t, const bool zone_has[NAMES], int name)
{
    for (int x = 0; x < NAMES; x++)
        if (is_below(t, x, name) && (t->has_a[x] || zone_has[x]))
            return true;
    return false;
}

static bool
aligned(const struct tree *t, bool strict, int author, int identifier)
{
    return strict ? author == identifier : org_domain(t, author) == org_domain(t, identifier);
}

static struct verdict
model(const struct tree *t, const bool zone_has[NAMES], const struct mail *m)
{
    struct verdict v = { .result = DMARC_NONE, .disposition = DMARC_POLICY_NONE };
    int at = policy_domain(t, m->author);
    if (at < 0)
        return v;
    const struct record_data *r = &t->record[at];
    v.policy = r->p;
    if (at != m->author) {
        enum dmarc_policy sp = r->sp != DMARC_POLICY_UNSET ? r->sp : r->p;
        v.policy = !exists(t, zone_has, m->author) && r->np != DMARC_POLICY_UNSET ? r->np : sp;
    }
    v.spf_aligned = m->spf_result == SPF_PASS && aligned(t, r->aspf_s, m->author, m->spf);
    bool late = m->spf_result == SPF_TEMPERROR && aligned(t, r->aspf_s, m->author, m->spf);
    for (int i = 0; i < 2; i++) {
        bool al = aligned(t, r->adkim_s, m->author, m->dkim[i]);
        v.dkim_aligned |= m->dkim_result[i] == DKIM_PASS && al;
        late |= m->dkim_result[i] == DKIM_TEMPERROR && al;
    }
    v.result = v.spf_aligned || v.dkim_aligned ? DMARC_PASS : late ? DMARC_TEMPERROR : DMARC_FAIL;
    if (v.result == DMARC_FAIL)
        v.disposition = !r->t_y                            ? v.policy
                        : v.policy == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE
                                                           : DMARC_POLICY_NONE;
    return v;
}

/* ---- random trees */

static void
make_names(struct tree *t)
{
    static const char letters[] = "ab";
    int n = 0, level_start = 0, level_n = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(t->name[n], sizeof(t->name[n]), "%c", letters[i]);
        t->parent[n++] = -1;
    }
    for (level_n = 2; n < NAMES;) {
        int from = level_start, to = level_start + level_n;
        for (int x = from; x < to; x++)
            for (int i = 0; i < 2; i++) {
                char above[sizeof(t->name[x])];
                memcpy(above, t->name[x], sizeof(above));
                snprintf(t->name[n], sizeof(t->name[n]), "%c.%.20s", letters[i], above);
                t->parent[n++] = x;
            }
        level_start = to;
        level_n *= 2;
    }
}

static enum dmarc_policy
pick_policy(bool unset_too)
{
    return (enum dmarc_policy)(unset_too ? pick(4) : 1 + pick(3));
}

static struct record_data
pick_record(void)
{
    struct record_data r = { .there = true, .p = pick_policy(false), .sp = pick_policy(true), .np = pick_policy(true) };
    r.adkim_s = pick(4) == 0;
    r.aspf_s = pick(4) == 0;
    r.t_y = pick(4) == 0;
    r.psd = "uuuuny"[pick(6)];
    return r;
}

static void
make_tree(struct tree *t, int n_silent)
{
    memset(t, 0, sizeof(*t));
    make_names(t);
    unsigned density = 2 + pick(8);
    for (int x = 0; x < NAMES; x++) {
        if (pick(density) == 0)
            t->record[x] = pick_record();
        t->has_a[x] = pick(6) == 0;
    }
    for (int i = 0; i < n_silent; i++) {
        int x = (int)pick(NAMES);
        t->silent[t->n_silent++] = x;
        t->record[x] = (struct record_data){ 0 };
        t->has_a[x] = true; /* so that existence is one thing in all worlds */
    }
}

static void
pick_mail(const struct tree *t, struct mail *m)
{
    static const enum spf_result spf[] = { SPF_PASS, SPF_PASS, SPF_PASS, SPF_FAIL, SPF_TEMPERROR, SPF_NONE };
    static const enum dkim_result_code dkim[] = { DKIM_PASS, DKIM_PASS, DKIM_FAIL, DKIM_TEMPERROR, DKIM_PERMERROR };
    (void)t;
    m->author = (int)pick(NAMES);
    m->spf = pick(5) == 0 ? m->author : (int)pick(NAMES);
    m->spf_result = spf[pick(COUNT(spf))];
    for (int i = 0; i < 2; i++) {
        m->dkim[i] = pick(8) == 0 ? m->author : (int)pick(NAMES);
        m->dkim_result[i] = dkim[pick(COUNT(dkim))];
    }
}

static void
write_record(struct strbuf *b, const char *name, const struct record_data *r)
{
    strbuf_printf(b, "_dmarc.%s TXT \"v=DMARC1; p=%s", name, dmarc_policy_name(r->p));
    if (r->sp != DMARC_POLICY_UNSET)
        strbuf_printf(b, "; sp=%s", dmarc_policy_name(r->sp));
    if (r->np != DMARC_POLICY_UNSET)
        strbuf_printf(b, "; np=%s", dmarc_policy_name(r->np));
    strbuf_printf(b, "%s%s%s; psd=%c\"\n", r->adkim_s ? "; adkim=s" : "", r->aspf_s ? "; aspf=s" : "", r->t_y ? "; t=y" : "",
                  r->psd);
}

static void
write_zone(const struct tree *t, bool zone_has[NAMES], struct strbuf *b)
{
    for (int x = 0; x < NAMES; x++) {
        zone_has[x] = t->record[x].there;
        if (t->record[x].there)
            write_record(b, t->name[x], &t->record[x]);
        if (t->has_a[x])
            strbuf_printf(b, "%s A 192.0.2.1\n", t->name[x]);
    }
    for (int i = 0; i < t->n_silent; i++)
        strbuf_printf(b, "$STATUS _dmarc.%s TXT servfail\n", t->name[t->silent[i]]);
}

static struct verdict
judge(const struct tree *t, bool zone_has[NAMES], const struct mail *m, bool prefetch)
{
    const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 120 };
    struct resolver *resolver = NULL;
    struct strbuf zone, errors;
    strbuf_init(&zone, 0);
    strbuf_init(&errors, 0);
    write_zone(t, zone_has, &zone);
    if (resolver_zone_new(strbuf_slice(&zone), &errors, &resolver) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    struct dns_session *dns = dns_session_new(resolver, &limits);
    struct arena *a = arena_new(0);
    struct spf_outcome spf = { .result = m->spf_result, .domain = slice_from(t->name[m->spf]) };
    struct dkim_result dkim[2] = { { .result = m->dkim_result[0], .d = slice_from(t->name[m->dkim[0]]) },
                                   { .result = m->dkim_result[1], .d = slice_from(t->name[m->dkim[1]]) } };
    struct dmarc_input in = { .author_domain = slice_from(t->name[m->author]), .spf = &spf, .dkim = dkim, .n_dkim = 2 };
    struct dmarc_result r;
    if (prefetch)
        dmarc_prefetch(a, dns, in.author_domain);
    assert_int_equal(dmarc_evaluate(a, dns, &in, NULL, &r), ST_OK);
    struct verdict v = { r.result, r.policy, r.disposition, r.spf_aligned, r.dkim_aligned };
    dns_session_free(dns);
    resolver_free(resolver);
    arena_free(a);
    strbuf_clear(&zone);
    strbuf_clear(&errors);
    return v;
}

static void
say(const struct tree *t, const struct mail *m, const struct verdict *got, const struct verdict *want)
{
    struct strbuf b;
    bool zone_has[NAMES];
    strbuf_init(&b, 0);
    write_zone(t, zone_has, &b);
    fail_msg("author %s, spf=%s %s, dkim=%s %s, dkim=%s %s: got %s %d/%d %d%d, the model says %s %d/%d %d%d\n%s",
             t->name[m->author], spf_result_name(m->spf_result), t->name[m->spf], dkim_result_name(m->dkim_result[0]),
             t->name[m->dkim[0]], dkim_result_name(m->dkim_result[1]), t->name[m->dkim[1]], dmarc_result_name(got->result),
             got->policy, got->disposition, got->spf_aligned, got->dkim_aligned, dmarc_result_name(want->result), want->policy,
             want->disposition, want->spf_aligned, want->dkim_aligned, strbuf_str(&b));
}

static void
test_against_model(void **state)
{
    (void)state;
    unsigned results[5] = { 0 };
    seed = 20261121;
    for (unsigned i = 0; i < 20000; i++) {
        struct tree t;
        struct mail m;
        bool zone_has[NAMES];
        make_tree(&t, 0);
        pick_mail(&t, &m);
        struct verdict got = judge(&t, zone_has, &m, i % 2 == 0), want = model(&t, zone_has, &m);
        if (got.result != want.result || got.policy != want.policy || got.disposition != want.disposition ||
            got.spf_aligned != want.spf_aligned || got.dkim_aligned != want.dkim_aligned)
            say(&t, &m, &got, &want);
        results[got.result]++;
    }
    for (int r = DMARC_NONE; r <= DMARC_TEMPERROR; r++)
        assert_true(results[r] > 100); /* the trees have something of everything */
}

/* ---- names that do not answer */

struct worlds {
    struct tree t;
    bool zone_has[NAMES];
    const struct mail *m;
    const struct verdict *got;
    bool all_same; /* could a verdict have been given? */
    struct verdict first;
    unsigned n;
};

static void
look_at_world(struct worlds *w)
{
    struct verdict v = model(&w->t, w->zone_has, w->m);
    if (w->n++ == 0)
        w->first = v;
    w->all_same &= v.result == w->first.result;
    if (w->got->result == DMARC_PASS && v.result != DMARC_PASS)
        say(&w->t, w->m, w->got, &v);
    if (w->got->result == DMARC_FAIL && (v.result != DMARC_FAIL || v.disposition != w->got->disposition))
        say(&w->t, w->m, w->got, &v);
    if (w->got->result == DMARC_NONE && v.result != DMARC_NONE)
        say(&w->t, w->m, w->got, &v);
}

/* Every record that a silent name could have had, as far as it makes a difference. */
static void
try_worlds(struct worlds *w, int i)
{
    static const char psd[] = { 'u', 'n', 'y' };
    if (i == w->t.n_silent) {
        look_at_world(w);
        return;
    }
    struct record_data *r = &w->t.record[w->t.silent[i]];
    *r = (struct record_data){ 0 };
    try_worlds(w, i + 1);
    for (int k = 0; k < 24; k++) {
        *r = (struct record_data){ .there = true,
                                   .p = k & 1 ? DMARC_POLICY_REJECT : DMARC_POLICY_NONE,
                                   .adkim_s = k & 2,
                                   .aspf_s = k & 4,
                                   .psd = psd[k / 8] };
        try_worlds(w, i + 1);
    }
    *r = (struct record_data){ 0 };
}

static void
test_silence(void **state)
{
    (void)state;
    unsigned results[5] = { 0 }, needless = 0;
    seed = 4711;
    for (unsigned i = 0; i < 6000; i++) {
        struct worlds w = { .all_same = true };
        struct mail m;
        make_tree(&w.t, 1 + (int)pick(SILENT_MAX));
        pick_mail(&w.t, &m);
        struct verdict got = judge(&w.t, w.zone_has, &m, false);
        w.m = &m;
        w.got = &got;
        try_worlds(&w, 0);
        results[got.result]++;
        needless += got.result == DMARC_TEMPERROR && w.all_same && w.first.result != DMARC_TEMPERROR;
    }
    for (int r = DMARC_NONE; r <= DMARC_TEMPERROR; r++)
        assert_true(results[r] > 100);
    print_message("temperror %u of 6000, of which a verdict could have been given: %u\n", results[DMARC_TEMPERROR], needless);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
