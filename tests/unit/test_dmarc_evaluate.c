/* test_dmarc_evaluate.c - discovery, alignment and result over zone text: RFC 9989 4.4, 4.10, 5.3, A.4, B. */
#include "test.h"

#include "base/strbuf.h"
#include "dmarc/dmarc.h"
#include "dns/zone.h"

#define TROUBLE "$STATUS _dmarc."
#define R "_dmarc.example.com TXT \"v=DMARC1; p=reject\"\n"

static const struct {
    const char *label, *zone, *author;
    const char *spf;  /* "result domain"; NULL: not done */
    const char *dkim; /* "result domain, ..." */
    const char *want; /* "result policy disposition policy-domain org-domain"; "-" none, "?" not looked at */
    const char *aligned; /* spf, dkim: y or n each */
} cases[] = {
    /* B.1.1, B.1.2 */
    { "B.1.1-1", R, "example.com", "pass example.com", "", "pass reject none example.com ?", "yn" },
    { "B.1.1-2", R, "example.com", "pass child.example.com", "", "pass reject none example.com example.com", "yn" },
    { "B.1.1-3", R, "child.example.com", "pass example.net", "", "fail reject reject example.com example.com", "nn" },
    { "B.1.2-1", R, "example.com", "none relay.test", "pass example.com", "pass reject none example.com ?", "ny" },
    { "B.1.2-2", R, "child.example.com", "none -", "pass example.com", "pass reject none example.com example.com", "ny" },
    { "B.1.2-3", R, "child.example.com", "none -", "pass sample.net", "fail reject reject example.com example.com", "nn" },
    /* B.4.1: signing.example.com has a record of its own, example.com is the highest */
    { "B.4.1", R "_dmarc.signing.example.com TXT \"v=DMARC1; p=none\"\n", "example.com", "pass example.com",
      "pass signing.example.com", "pass reject none example.com example.com", "yy" },
    { "B.4.1 dkim", R "_dmarc.signing.example.com TXT \"v=DMARC1; p=none\"\n", "example.com", "fail example.com",
      "pass signing.example.com", "pass reject none example.com example.com", "ny" },
    { "B.4.2", R "_dmarc.signing.example.com TXT \"v=DMARC1; p=none\"\n", "a.b.c.d.e.f.g.h.i.j.k.example.com",
      "pass example.com", "pass signing.example.com", "pass reject none example.com example.com", "yy" },
    /* B.4.3 */
    { "B.4.3 spf", "_dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"\n"
                   "_dmarc.giant.bank.example TXT \"v=DMARC1; p=quarantine\"\n",
      "giant.bank.example", "pass mail.giant.bank.example", "pass mail.mega.bank.example",
      "pass quarantine none giant.bank.example giant.bank.example", "yn" },
    { "B.4.3 dkim", "_dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"\n"
                    "_dmarc.giant.bank.example TXT \"v=DMARC1; p=quarantine\"\n",
      "giant.bank.example", "fail mail.giant.bank.example", "pass mail.mega.bank.example",
      "fail quarantine quarantine giant.bank.example giant.bank.example", "nn" },
    /* 4.4 table 1 */
    { "4.4 siblings", R, "news.example.com", "pass foo.example.com", "", "pass reject none example.com example.com", "yn" },
    { "4.4 no common", R, "news.example.com", "pass foo.example.net", "", "fail reject reject example.com example.com", "nn" },
    { "4.4 suffix of the text only", R, "example.com", "pass notexample.com", "pass xexample.com",
      "fail reject reject example.com ?", "nn" },
    /* strict means strict, in both directions, for each method alone */
    { "aspf=s below", "_dmarc.example.com TXT \"v=DMARC1; p=reject; aspf=s\"\n", "example.com", "pass a.example.com", "",
      "fail reject reject example.com ?", "nn" },
    { "aspf=s above", "_dmarc.a.example.com TXT \"v=DMARC1; p=reject; aspf=s\"\n", "a.example.com", "pass example.com", "",
      "fail reject reject a.example.com ?", "nn" },
    { "aspf=s same", "_dmarc.example.com TXT \"v=DMARC1; p=reject; aspf=s\"\n", "example.com", "pass example.com", "",
      "pass reject none example.com ?", "yn" },
    { "aspf=s leaves dkim", "_dmarc.example.com TXT \"v=DMARC1; p=reject; aspf=s\"\n", "example.com", "pass a.example.com",
      "pass a.example.com", "pass reject none example.com example.com", "ny" },
    { "adkim=s below", "_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s\"\n", "example.com", "none -",
      "pass a.example.com", "fail reject reject example.com ?", "nn" },
    { "adkim=s above", "_dmarc.a.example.com TXT \"v=DMARC1; p=reject; adkim=s\"\n", "a.example.com", "none -",
      "pass example.com", "fail reject reject a.example.com ?", "nn" },
    { "adkim=s same", "_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s\"\n", "example.com", "none -",
      "pass example.com", "pass reject none example.com ?", "ny" },
    { "adkim=s leaves spf", "_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s\"\n", "example.com", "pass a.example.com",
      "pass a.example.com", "pass reject none example.com example.com", "yn" },
    { "strict by the organization's record", "_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s\"\n", "a.example.com",
      "none -", "pass example.com", "fail reject reject example.com example.com", "nn" },
    /* 4.10.2, rule by rule */
    { "rule 3", "_dmarc.mail.example.com TXT \"v=DMARC1; p=none\"\n" R, "a.mail.example.com", "pass other.example.com", "",
      "pass reject none example.com example.com", "yn" },
    { "rule 1", "_dmarc.mail.example.com TXT \"v=DMARC1; p=quarantine; psd=n\"\n" R, "a.mail.example.com",
      "pass other.example.com", "", "fail quarantine quarantine mail.example.com mail.example.com", "nn" },
    { "rule 1, sibling", "_dmarc.mail.example.com TXT \"v=DMARC1; p=quarantine; psd=n\"\n" R, "a.mail.example.com", "none -",
      "pass b.mail.example.com", "pass quarantine none mail.example.com mail.example.com", "ny" },
    { "rule 1 at the start, parent", "_dmarc.mail.example.com TXT \"v=DMARC1; p=reject; psd=n\"\n" R, "mail.example.com",
      "none -", "pass example.com", "fail reject reject mail.example.com mail.example.com", "nn" },
    { "rule 1 below the author", "_dmarc.example.com TXT \"v=DMARC1; p=none\"\n_dmarc.sub.example.com TXT \"v=DMARC1; p=reject; psd=n\"\n",
      "example.com", "pass sub.example.com", "", "fail none none example.com example.com", "nn" },
    { "rule 2", "_dmarc.com TXT \"v=DMARC1; p=reject; psd=y\"\na.mail.example.com A 192.0.2.1\n", "a.mail.example.com",
      "pass other.example.com", "", "pass reject none com example.com", "yn" },
    { "rule 2, another registrant", "_dmarc.com TXT \"v=DMARC1; p=reject; psd=y\"\n", "example.com", "pass other.com", "",
      "fail reject reject com example.com", "nn" },
    { "rule 2 not at the start", "_dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"\n", "bank.example",
      "pass sub.bank.example", "pass a.b.bank.example", "fail reject reject bank.example bank.example", "nn" },
    { "rule 2 at the start, itself", "_dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"\n", "bank.example",
      "pass bank.example", "", "pass reject none bank.example bank.example", "yn" },
    { "rule 2 over the cut", "_dmarc.com TXT \"v=DMARC1; p=reject; psd=y\"\n", "a.b.c.d.e.f.g.h.example.com",
      "pass example.com", "", "pass reject none com example.com", "yn" },
    { "no record for the identifier", R, "example.com", "pass example.net", "", "fail reject reject example.com ?", "nn" },
    { "a suffix without a record does not join", "_dmarc.one.co.example TXT \"v=DMARC1; p=reject\"\n", "one.co.example",
      "pass two.co.example", "", "fail reject reject one.co.example one.co.example", "nn" },
    { "a suffix with a record does (11.8)",
      "_dmarc.one.co.example TXT \"v=DMARC1; p=reject\"\n_dmarc.co.example TXT \"v=DMARC1; p=none\"\n", "one.co.example",
      "pass two.co.example", "", "pass reject none one.co.example co.example", "yn" },
    { "same domain, another record above", "_dmarc.mail.example.com TXT \"v=DMARC1; p=reject\"\n" R, "mail.example.com",
      "pass mail.example.com", "pass mail.example.com", "pass reject none mail.example.com ?", "yy" },
    /* 4.10.1 */
    { "author's p", "_dmarc.sub.example.com TXT \"v=DMARC1; p=quarantine; sp=reject; np=reject\"\n" R, "sub.example.com",
      "none -", "", "fail quarantine quarantine sub.example.com ?", "nn" },
    { "the organization's p for itself", "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"\n",
      "example.com", "none -", "", "fail reject reject example.com ?", "nn" },
    { "sp", "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"\nsub.example.com A 192.0.2.1\n",
      "sub.example.com", "none -", "", "fail quarantine quarantine example.com ?", "nn" },
    { "np", "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"\n", "sub.example.com", "none -", "",
      "fail none none example.com ?", "nn" },
    { "np=reject", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n", "sub.example.com", "none -", "",
      "fail reject reject example.com ?", "nn" },
    { "np, by the question of SPF", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n", "sub.example.com",
      "none sub.example.com", "", "fail reject reject example.com ?", "nn" },
    { "no np: sp", "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=reject\"\n", "sub.example.com", "none -", "",
      "fail reject reject example.com ?", "nn" },
    { "neither: p", "_dmarc.example.com TXT \"v=DMARC1; p=quarantine\"\n", "sub.example.com", "none -", "",
      "fail quarantine quarantine example.com ?", "nn" },
    { "A.4 only MX", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\nsub.example.com MX 10 mx.example.com.\n",
      "sub.example.com", "none -", "", "fail none none example.com ?", "nn" },
    { "A.4 empty non-terminal", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\nw.sub.example.com A 192.0.2.1\n",
      "sub.example.com", "none -", "", "fail none none example.com ?", "nn" },
    { "the PSD's sp", "_dmarc.bank.example TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"\ngiant.bank.example A 192.0.2.1\n",
      "giant.bank.example", "none -", "", "fail quarantine quarantine bank.example giant.bank.example", "nn" },
    { "the PSD's np", "_dmarc.bank.example TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"\n", "giant.bank.example",
      "none -", "", "fail reject reject bank.example giant.bank.example", "nn" },
    { "the PSD's is not used under a record", "_dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"\n_dmarc.giant.bank.example TXT \"v=DMARC1; p=none\"\n",
      "sub.giant.bank.example", "none -", "", "fail none none giant.bank.example giant.bank.example", "nn" },
    { "records between are not used", "_dmarc.mail.example.com TXT \"v=DMARC1; p=none\"\n" R, "a.mail.example.com", "none -",
      "", "fail reject reject example.com example.com", "nn" },
    { "no record", "example.com TXT \"v=spf1 -all\"\n", "example.com", "pass example.com", "", "none - none - ?", "nn" },
    { "two records", "_dmarc.example.com TXT \"v=DMARC1; p=reject\"\n_dmarc.example.com TXT \"v=DMARC1; p=none\"\n",
      "example.com", "none -", "", "none - none - ?", "nn" },
    { "two records, one above", "_dmarc.sub.example.com TXT \"v=DMARC1; p=none\"\n_dmarc.sub.example.com TXT \"v=DMARC1;\"\n" R,
      "sub.example.com", "none -", "", "fail reject reject example.com example.com", "nn" },
    { "other TXT beside", "_dmarc.example.com TXT \"v=spf1 -all\"\n_dmarc.example.com TXT \"v=DMARC2; p=none\"\n" R,
      "example.com", "none -", "", "fail reject reject example.com ?", "nn" },
    { "strings joined", "_dmarc.example.com TXT \"v=DMARC1; p=rej\" \"ect; ad\" \"kim=s\"\n", "example.com", "none -",
      "pass a.example.com", "fail reject reject example.com ?", "nn" },
    { "behind a CNAME", "_dmarc.example.com CNAME d.hosted.test.\nd.hosted.test TXT \"v=DMARC1; p=reject\"\n", "example.com",
      "none -", "", "fail reject reject example.com ?", "nn" },
    { "bad p, rua", "_dmarc.example.com TXT \"v=DMARC1; p=bogus; rua=mailto:d@example.com\"\n", "example.com",
      "none -", "", "fail none none example.com ?", "nn" },
    { "bad p, rua, pass", "_dmarc.example.com TXT \"v=DMARC1; p=bogus; rua=mailto:d@example.com\"\n", "example.com",
      "pass example.com", "", "pass none none example.com ?", "yn" },
    { "bad p, no rua", "_dmarc.example.com TXT \"v=DMARC1; p=bogus\"\n", "example.com", "pass example.com", "",
      "none - none - ?", "nn" },
    { "bad sp, rua", "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=x; rua=mailto:d@example.com\"\n", "example.com",
      "none -", "", "fail none none example.com ?", "nn" },
    { "bad p, a good sp below", "_dmarc.example.com TXT \"v=DMARC1; p=bogus; sp=reject; rua=mailto:d@example.com\"\na.example.com A 192.0.2.1\n",
      "a.example.com", "none -", "", "fail none none example.com ?", "nn" },
    { "no p, a good np below", "_dmarc.example.com TXT \"v=DMARC1; np=reject; rua=mailto:d@example.com\"\n", "a.example.com",
      "none -", "", "fail none none example.com ?", "nn" },
    { "bad np, a good sp below", "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=reject; np=x; rua=mailto:d@example.com\"\n",
      "a.example.com", "none -", "", "fail none none example.com ?", "nn" },
    /* t=y: one level below (4.7) */
    { "t=y reject", "_dmarc.example.com TXT \"v=DMARC1; p=reject; t=y\"\n", "example.com", "none -", "",
      "fail reject quarantine example.com ?", "nn" },
    { "t=y quarantine", "_dmarc.example.com TXT \"v=DMARC1; p=quarantine; t=y\"\n", "example.com", "none -", "",
      "fail quarantine none example.com ?", "nn" },
    { "t=y none", "_dmarc.example.com TXT \"v=DMARC1; p=none; t=y\"\n", "example.com", "none -", "",
      "fail none none example.com ?", "nn" },
    { "t=y sp", "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=reject; t=y\"\na.example.com A 192.0.2.1\n", "a.example.com",
      "none -", "", "fail reject quarantine example.com ?", "nn" },
    { "t=y np", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject; t=y\"\n", "a.example.com", "none -", "",
      "fail reject quarantine example.com ?", "nn" },
    { "t=y pass", "_dmarc.example.com TXT \"v=DMARC1; p=reject; t=y\"\n", "example.com", "pass example.com", "",
      "pass reject none example.com ?", "yn" },
    /* 5.3.6: neither pass nor fail while an answer is missing that could still decide */
    { "author's record", TROUBLE "example.com TXT servfail\n", "example.com", "pass example.com", "pass example.com",
      "temperror - none - ?", "nn" },
    { "parent's record", TROUBLE "example.com TXT servfail\n", "sub.example.com", "none -", "", "temperror - none - ?", "nn" },
    { "a record found, trouble above it: fail undecided", R TROUBLE "com TXT servfail\n", "sub.example.com", "none -", "",
      "temperror reject none example.com ?", "nn" },
    { "a record found, trouble above it: the same name passes", R TROUBLE "com TXT servfail\n", "sub.example.com",
      "pass sub.example.com", "", "pass reject none example.com ?", "yn" },
    { "a strict record may not be the one that applies", "_dmarc.example.com TXT \"v=DMARC1; p=reject; aspf=s\"\n" TROUBLE "com TXT servfail\n",
      "sub.example.com", "pass example.com", "", "temperror reject none example.com ?", "nn" },
    { "spf temperror that would align", R, "example.com", "temperror example.com", "", "temperror reject none example.com ?",
      "nn" },
    { "spf temperror below, relaxed", R, "example.com", "temperror b.example.com", "", "temperror reject none example.com ?",
      "nn" },
    { "spf temperror below, strict", "_dmarc.example.com TXT \"v=DMARC1; p=reject; aspf=s\"\n", "example.com",
      "temperror b.example.com", "", "fail reject reject example.com ?", "nn" },
    { "spf temperror elsewhere", R, "example.com", "temperror example.net", "", "fail reject reject example.com ?", "nn" },
    { "dkim temperror that would align", R, "example.com", "none -", "temperror example.com",
      "temperror reject none example.com ?", "nn" },
    { "dkim temperror elsewhere", R, "example.com", "none -", "temperror relay.test", "fail reject reject example.com ?",
      "nn" },
    { "spf temperror, dkim aligned", R, "example.com", "temperror example.com", "pass example.com",
      "pass reject none example.com ?", "ny" },
    { "dkim temperror, spf aligned", R, "example.com", "pass example.com", "temperror example.com",
      "pass reject none example.com ?", "yn" },
    { "an identifier's walk fails", R TROUBLE "b.example.com TXT servfail\n", "example.com", "pass b.example.com", "",
      "temperror reject none example.com ?", "nn" },
    { "an identifier's walk fails, another passes", R TROUBLE "b.example.com TXT servfail\n", "example.com",
      "pass b.example.com", "pass example.com", "pass reject none example.com ?", "ny" },
    { "the author's walk fails, an identifier elsewhere", R TROUBLE "com TXT servfail\n", "example.com",
      "pass example.net", "", "fail reject reject example.com ?", "nn" },
    { "existence unknown", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n$STATUS sub.example.com * servfail\n$STATUS _dmarc.sub.example.com * nxdomain\n",
      "sub.example.com", "none -", "", "temperror none none example.com ?", "nn" },
    { "existence unknown, but the same either way", "_dmarc.example.com TXT \"v=DMARC1; p=reject; np=reject\"\n$STATUS sub.example.com * servfail\n$STATUS _dmarc.sub.example.com * nxdomain\n",
      "sub.example.com", "none -", "", "fail reject reject example.com ?", "nn" },
    /* results that are no pass */
    { "softfail", R, "example.com", "softfail example.com", "", "fail reject reject example.com ?", "nn" },
    { "neutral", R, "example.com", "neutral example.com", "", "fail reject reject example.com ?", "nn" },
    { "permerror", R, "example.com", "permerror example.com", "permerror example.com", "fail reject reject example.com ?",
      "nn" },
    { "dkim policy, fail", R, "example.com", "fail example.com", "policy example.com, fail example.com, neutral -",
      "fail reject reject example.com ?", "nn" },
    { "three signatures, one aligned", R, "example.com", "none -", "pass relay.test, fail example.com, pass example.com",
      "pass reject none example.com ?", "ny" },
    { "an aligned one that fails, another's that passes", R, "example.com", "none -", "fail example.com, pass relay.test",
      "fail reject reject example.com ?", "nn" },
    { "spf not done", R, "example.com", NULL, "", "fail reject reject example.com ?", "nn" },
};

static const char *const spf_words[] = { "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" };
static const char *const dkim_words[] = { "none", "pass", "fail", "policy", "neutral", "temperror", "permerror" };

/* "word domain" -> the index of the word; "-" is no domain. */
static unsigned
identifier(slice text, const char *const words[7], slice *domain)
{
    slice word;
    slice_cut(slice_trim(text), ' ', &word, domain);
    if (slice_eq(*domain, SLICE("-")))
        *domain = SLICE_EMPTY;
    for (unsigned i = 0; i < 7; i++)
        if (slice_eq(word, slice_from(words[i])))
            return i;
    fail_msg("no result \"%.*s\"", SLICE_ARG(word));
    return 0;
}

struct world {
    struct arena *a;
    struct resolver *resolver;
    struct dns_session *dns;
    struct dmarc_input in;
    struct spf_outcome spf;
    struct dkim_result dkim[8];
};

static void
world_open(struct world *w, const char *zone, const char *author, const char *spf, const char *dkim)
{
    const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 120 };
    struct strbuf errors;
    memset(w, 0, sizeof(*w));
    strbuf_init(&errors, 0);
    if (resolver_zone_new(slice_from(zone), &errors, &w->resolver) != ST_OK)
        fail_msg("zone: %s", strbuf_str(&errors));
    strbuf_clear(&errors);
    w->a = arena_new(0);
    w->dns = dns_session_new(w->resolver, &limits);
    w->in.author_domain = slice_from(author);
    if (spf != NULL) {
        w->spf.result = (enum spf_result)identifier(slice_from(spf), spf_words, &w->spf.domain);
        w->in.spf = &w->spf;
    }
    for (slice rest = slice_from(dkim), one; rest.n > 0;) {
        slice_cut(rest, ',', &one, &rest);
        struct dkim_result *d = &w->dkim[w->in.n_dkim++];
        d->result = (enum dkim_result_code)identifier(one, dkim_words, &d->d);
    }
    w->in.dkim = w->dkim;
}

static void
world_close(struct world *w)
{
    dns_session_free(w->dns);
    resolver_free(w->resolver);
    arena_free(w->a);
}

static slice
result_text(struct arena *a, const struct dmarc_result *r)
{
    const char *policy = dmarc_policy_name(r->policy);
    slice at = r->policy_domain.n > 0 ? r->policy_domain : SLICE("-");
    slice org = r->org_domain.n > 0 ? r->org_domain : SLICE("-");
    return arena_printf(a, "%s %s %s %.*s %.*s", dmarc_result_name(r->result), policy == NULL ? "-" : policy,
                        dmarc_policy_name(r->disposition), SLICE_ARG(at), SLICE_ARG(org));
}

static void
test_evaluate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int prefetched = 0; prefetched < 2; prefetched++) {
            struct world w;
            struct dmarc_result r;
            world_open(&w, cases[i].zone, cases[i].author, cases[i].spf, cases[i].dkim);
            if (prefetched)
                dmarc_prefetch(w.a, w.dns, w.in.author_domain);
            assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
            slice got = result_text(w.a, &r), want = slice_from(cases[i].want);
            if (want.p[want.n - 1] == '?') {
                want = slice_head(want, want.n - 1);
                got = slice_head(got, want.n);
            }
            if (!slice_eq(got, want) || r.spf_aligned != (cases[i].aligned[0] == 'y') ||
                r.dkim_aligned != (cases[i].aligned[1] == 'y'))
                fail_msg("%s: got %.*s (%d%d), wanted %s", cases[i].label, SLICE_ARG(got), r.spf_aligned, r.dkim_aligned,
                         cases[i].want);
            if ((r.result == DMARC_PASS) != (r.spf_aligned || r.dkim_aligned))
                fail_msg("%s: a pass without an aligned identifier, or the other way round", cases[i].label);
            if (r.testing != (r.result == DMARC_FAIL && r.disposition != r.policy)) /* nothing but t=y lowers it here */
                fail_msg("%s: t=y is said to have lowered the policy, or not to have", cases[i].label);
            world_close(&w);
        }
}

/* ---- what is asked: RFC 9989 4.10 and 5.1.8, and not a question more than needed */

static const struct {
    const char *label, *zone, *author, *spf, *dkim;
    const char *asked; /* in order, without "_dmarc." for TXT; other types as "A name" */
} walks[] = {
    { "4.10, thirteen labels", "", "a.b.c.d.e.f.g.h.i.j.mail.example.com", "none -", "",
      "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com "
      "j.mail.example.com mail.example.com example.com com" },
    { "5.1.8, ten labels", "_dmarc.b.c.d.e.f.g.example.com TXT \"v=DMARC1; p=none; psd=n\"\n",
      "mail.a.b.c.d.e.f.g.example.com", "none -", "",
      "mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com f.g.example.com "
      "g.example.com example.com com" },
    { "eight labels", "", "h7.h6.h5.h4.h3.h2.b.c", "none -", "",
      "h7.h6.h5.h4.h3.h2.b.c h6.h5.h4.h3.h2.b.c h5.h4.h3.h2.b.c h4.h3.h2.b.c h3.h2.b.c h2.b.c b.c c" },
    { "nine labels: eight are skipped", "", "h8.h7.h6.h5.h4.h3.h2.b.c", "none -", "",
      "h8.h7.h6.h5.h4.h3.h2.b.c h6.h5.h4.h3.h2.b.c h5.h4.h3.h2.b.c h4.h3.h2.b.c h3.h2.b.c h2.b.c b.c c" },
    { "one label", "", "com", "none -", "", "com" },
    { "nothing passes: only the policy is wanted", R, "example.com", "fail example.com", "fail example.com", "example.com" },
    { "the same domain", R, "example.com", "pass example.com", "pass example.com", "example.com" },
    { "another top-level domain", R, "example.com", "pass example.net", "pass example.org", "example.com" },
    { "strict", "_dmarc.example.com TXT \"v=DMARC1; p=none; aspf=s; adkim=s\"\n", "example.com", "pass a.example.com",
      "pass b.example.com", "example.com" },
    { "outside the organization", R, "example.com", "pass bounce.esp.com", "pass esp.com", "example.com com" },
    /* what is above a psd tag has been asked at the same time; it is not looked at */
    { "psd=n ends the walk", "_dmarc.example.com TXT \"v=DMARC1; p=none; psd=n\"\n", "a.example.com", "pass example.com", "",
      "a.example.com example.com com" },
    { "psd=n at the start ends it", "_dmarc.example.com TXT \"v=DMARC1; p=none; psd=n\"\n", "example.com",
      "pass a.example.com", "", "example.com a.example.com" },
    { "psd=y at the start ends it", "_dmarc.bank.example TXT \"v=DMARC1; p=none; psd=y\"\n", "bank.example",
      "pass a.bank.example", "", "bank.example a.bank.example" },
    { "names asked once for all walks", R, "mail.example.com", "pass b.example.com", "pass b.example.com, pass c.b.example.com",
      "mail.example.com example.com com b.example.com c.b.example.com" },
    { "a signature that fails asks nothing", R, "example.com", "none -", "fail a.example.com, permerror b.example.com",
      "example.com" },
    { "np unlike sp: does it exist?", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n", "a.example.com", "none -", "",
      "a.example.com example.com com A a.example.com" },
    { "np unlike sp, SPF has asked", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n", "a.example.com",
      "none a.example.com", "", "a.example.com example.com com TXT a.example.com" },
    { "np unlike sp, a name below exists", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n_dmarc.a.example.com TXT \"x\"\n",
      "a.example.com", "none -", "", "a.example.com example.com com" },
    { "np like sp", "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=reject; np=reject\"\n", "a.example.com", "none -", "",
      "a.example.com example.com com" },
    { "np does not matter to the name with the record", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\n",
      "example.com", "none -", "", "example.com" },
};

struct questions {
    struct strbuf text;
    unsigned n;
};

static void
note_question(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    struct questions *q = arg;
    (void)answer;
    if (q->n++ > 0)
        strbuf_add_char(&q->text, ' ');
    if (type == DNS_TXT && slice_starts(name, SLICE("_dmarc.")))
        strbuf_add(&q->text, slice_tail(name, 7));
    else
        strbuf_printf(&q->text, "%s %.*s", dns_type_name(type), SLICE_ARG(name));
}

static void
test_walks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(walks); i++)
        for (int prefetched = 0; prefetched < 2; prefetched++) {
            struct world w;
            struct dmarc_result r;
            struct questions q = { .n = 0 };
            strbuf_init(&q.text, 0);
            world_open(&w, walks[i].zone, walks[i].author, walks[i].spf, walks[i].dkim);
            if (prefetched)
                dmarc_prefetch(w.a, w.dns, w.in.author_domain);
            assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
            dns_session_each(w.dns, note_question, &q);
            if (strcmp(strbuf_str(&q.text), walks[i].asked) != 0) /* asked ahead is what is asked anyway */
                fail_msg("%s: asked %s", walks[i].label, strbuf_str(&q.text));
            world_close(&w);
            strbuf_clear(&q.text);
        }
}

/* No walk asks more than eight names, whatever the name. */
static void
test_eight_at_most(void **state)
{
    (void)state;
    char name[256] = "com";
    for (unsigned labels = 1; labels < 120; labels++) {
        struct world w;
        struct dmarc_result r;
        world_open(&w, "", name, "none -", "");
        assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
        assert_int_equal(r.result, DMARC_NONE);
        assert_int_equal(dns_session_usage(w.dns).questions, labels < 8 ? labels : 8);
        world_close(&w);
        memmove(name + 2, name, strlen(name) + 1);
        memcpy(name, "x.", 2);
    }
}

/* RFC 9989 4.4.2: the HELO identity does not count, though it passes. */
static void
test_helo_does_not_count(void **state)
{
    (void)state;
    struct world w;
    struct dmarc_result r;
    world_open(&w, R, "example.com", "pass example.com", "");
    w.spf.scope = SPF_SCOPE_HELO;
    assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
    assert_int_equal(r.result, DMARC_FAIL);
    assert_false(r.spf_aligned);
    world_close(&w);
}

/* dkim_aligns is there for each signature, and for failing ones from what is known. */
static void
test_each_signature(void **state)
{
    (void)state;
    struct world w;
    struct dmarc_result r;
    world_open(&w, R, "mail.example.com", "none -",
               "fail mail.example.com, fail b.example.com, pass c.example.com, pass example.net, fail example.net, permerror -");
    assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
    static const bool want[] = { true, true, true, false, false, false };
    assert_memory_equal(r.dkim_aligns, want, sizeof(want));
    world_close(&w);
}

/* The reason names SPF and the first signatures, and counts the others. */
static void
test_reason(void **state)
{
    (void)state;
    struct world w;
    struct dmarc_result r;
    world_open(&w, R, "example.com", "softfail a.test", "fail b.test, permerror -, pass c.test, fail d.test, fail e.test, fail f.test");
    assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
    assert_slice(r.reason, "no aligned pass: spf=softfail smtp.mailfrom=a.test, dkim=fail header.d=b.test, dkim=permerror, "
                           "dkim=pass header.d=c.test, dkim=fail header.d=d.test and 2 more");
    world_close(&w);
}

/* A budget or a deadline that is spent is temperror, never fail. */
static void
test_budget(void **state)
{
    (void)state;
    for (unsigned budget = 0; budget < 8; budget++) {
        struct world w;
        struct dmarc_result r;
        const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = budget };
        world_open(&w, R, "a.b.example.com", "pass c.example.com", "");
        dns_session_free(w.dns);
        w.dns = dns_session_new(w.resolver, &limits);
        assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
        assert_int_equal(r.result, budget < 5 ? DMARC_TEMPERROR : DMARC_PASS);
        assert_int_equal(r.disposition, DMARC_POLICY_NONE);
        assert_true((r.reason.n > 0) == (budget < 5));
        world_close(&w);
    }
}

/* Whether the Author Domain exists is one question more than the walk.  Where the message's own lookups have spent what there
 * is, it counts as one that exists: it is judged by sp, and not again and again. */
static void
test_budget_for_existence(void **state)
{
    (void)state;
    for (unsigned budget = 3; budget <= 4; budget++) {
        struct world w;
        struct dmarc_result r;
        const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = budget };
        world_open(&w, "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"\n", "sub.example.com", NULL, "");
        dns_session_free(w.dns);
        w.dns = dns_session_new(w.resolver, &limits);
        assert_int_equal(dmarc_evaluate(w.a, w.dns, &w.in, NULL, &r), ST_OK);
        assert_slice(result_text(w.a, &r), budget == 3 ? "fail quarantine quarantine example.com example.com"
                                                       : "fail reject reject example.com example.com");
        assert_int_equal(r.nonexistent, budget > 3);
        world_close(&w);
    }
}

/* Every allocation that fails is ST_NOMEM and leaves the result alone. */
static void
test_no_memory(void **state)
{
    (void)state;
    bool worked = false;
    for (size_t limit = 1; limit < 100000 && !worked; limit += 37) {
        struct world w;
        struct dmarc_result r = { .result = DMARC_PERMERROR };
        world_open(&w, R, "a.example.com", "pass b.example.com", "fail c.example.com, pass example.net");
        struct arena *small = arena_new(limit);
        if (small != NULL) {
            enum status st = dmarc_evaluate(small, w.dns, &w.in, NULL, &r);
            worked = st == ST_OK;
            assert_true(worked ? r.result == DMARC_PASS : st == ST_NOMEM && r.result == DMARC_PERMERROR);
        }
        arena_free(small);
        world_close(&w);
    }
    assert_true(worked);
}

/* ---- several author domains (RFC 9989 11.5): the strictest policy among those that fail, never a pass */

static void
test_several_authors(void **state)
{
    (void)state;
    static const char zone[] = "_dmarc.none.example TXT \"v=DMARC1; p=none\"\n"
                               "_dmarc.quar.example TXT \"v=DMARC1; p=quarantine\"\n"
                               "_dmarc.rej.example TXT \"v=DMARC1; p=reject\"\n"
                               "_dmarc.pass.example TXT \"v=DMARC1; p=reject\"\n" TROUBLE "late.example * servfail\n";
    static const struct {
        const char *authors, *want; /* result policy disposition policy-domain */
    } several[] = {
        { "pass.example rej.example", "fail reject reject rej.example ?" },
        { "rej.example pass.example", "fail reject reject rej.example ?" },
        { "none.example quar.example", "fail quarantine quarantine quar.example ?" },
        { "quar.example rej.example none.example", "fail reject reject rej.example ?" },
        { "late.example none.example", "fail none none none.example ?" },
        { "late.example gone.example", "temperror - none - ?" },
        { "gone.example left.example", "permerror - none - ?" },
        { "none.example none.example none.example none.example rej.example", "fail none none none.example ?" },
        { "pass.example pass.example", "permerror - none - ?" }, /* not even when each would pass */
    };
    for (size_t i = 0; i < COUNT(several); i++) {
        struct world w;
        struct dmarc_result r;
        slice authors[8];
        size_t n = 0;
        world_open(&w, zone, "unused.example", "pass pass.example", "");
        for (slice rest = slice_from(several[i].authors); rest.n > 0;)
            slice_cut(rest, ' ', &authors[n++], &rest);
        assert_int_equal(dmarc_evaluate_several(w.a, w.dns, &w.in, authors, n, NULL, &r), ST_OK);
        slice got = result_text(w.a, &r), want = slice_from(several[i].want);
        if (!slice_starts(got, slice_head(want, want.n - 1)) || r.reason.n == 0)
            fail_msg("%s: %.*s", several[i].authors, SLICE_ARG(got));
        if (n > DMARC_MAX_AUTHORS)
            assert_true(slice_icontains(r.reason, SLICE("not all evaluated")));
        world_close(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluate),        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_eight_at_most),   cmocka_unit_test(test_helo_does_not_count),
        cmocka_unit_test(test_each_signature),  cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_for_existence),
        cmocka_unit_test(test_reason),
        cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_several_authors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
