/* check_host() over zone text: what RFC 7208 and RFC 8616 say that the conformance suite does not ask for, and our words. */
#include "spf_world.h"

#define OPEN_ZONE                                                                                                      \
    "a.example. A 192.0.2.1\n"                                                                                         \
    "a.example. AAAA 2001:db8::1\n"                                                                                    \
    "m.example. MX 10 a.example.\n"                                                                                    \
    "nullmx.example. MX 0 .\n"                                                                                         \
    "1.2.0.192.in-addr.arpa. PTR a.example.\n"                                                                         \
    "1.2.0.192.in-addr.arpa. PTR liar.example.\n"                                                                      \
    "liar.example. A 192.0.2.99\n"                                                                                     \
    "six.example. AAAA 2001:db8::1\n"                                                                                  \
    "pass.example. TXT \"v=spf1 +all\"\n"                                                                              \
    "fail.example. TXT \"v=spf1 -all\"\n"                                                                              \
    "temp.example. TXT \"v=spf1 a:broken.example -all\"\n"                                                             \
    "perm.example. TXT \"v=spf1 foo\"\n"                                                                               \
    "loop.example. TXT \"v=spf1 include:loop.example -all\"\n"                                                         \
    "$STATUS broken.example. * servfail\n"                                                                             \
    "$STATUS brokenptr.example. * servfail\n"

static const struct {
    const char *label, *record, *client;
    enum spf_result want;
    const char *reason;
} cases[] = {
    { "empty record", "v=spf1", "192.0.2.1", SPF_NEUTRAL, "no term matched" },
    { "first match wins", "v=spf1 ?ip4:192.0.2.0/24 -all", "192.0.2.1", SPF_NEUTRAL, "?ip4:192.0.2.0/24" },
    { "ip4", "v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.1", SPF_PASS, "ip4:192.0.2.0/24" },
    { "mapped client, ip4", "v=spf1 ip4:192.0.2.0/24 -all", "::ffff:192.0.2.1", SPF_PASS, "ip4:192.0.2.0/24" },
    { "mapped client, ip6", "v=spf1 ip6:::ffff:192.0.2.0/120 -all", "::ffff:192.0.2.1", SPF_FAIL, "-all" },
    { "mapped client, a asks A", "v=spf1 a:a.example -all", "::ffff:192.0.2.1", SPF_PASS, "a:a.example" },
    { "a, AAAA", "v=spf1 a:a.example//64 -all", "2001:db8::ffff", SPF_PASS, "a:a.example//64" },
    { "mx", "v=spf1 mx:m.example -all", "192.0.2.1", SPF_PASS, "mx:m.example" },
    { "null MX", "v=spf1 mx:nullmx.example -all", "192.0.2.1", SPF_FAIL, "-all" },
    { "mx has no implicit MX", "v=spf1 mx:a.example -all", "192.0.2.1", SPF_FAIL, "-all" },
    { "ptr", "v=spf1 ptr:example -all", "192.0.2.1", SPF_PERMERROR,
      "syntax error in term \"ptr:example\": not a full domain name" },
    { "ptr of a name", "v=spf1 ptr:a.example -all", "192.0.2.1", SPF_PASS, "ptr:a.example" },
    { "ptr, not validated", "v=spf1 ptr:liar.example -all", "192.0.2.1", SPF_FAIL, "-all" },
    { "ptr, none", "v=spf1 ptr:a.example -all", "198.51.100.1", SPF_FAIL, "-all" },
    { "exists asks A for IPv6 too", "v=spf1 exists:liar.example -all", "2001:db8::99", SPF_PASS, "exists:liar.example" },
    { "exists does not ask AAAA", "v=spf1 exists:six.example -all", "2001:db8::99", SPF_FAIL, "-all" },
    { "include pass", "v=spf1 include:pass.example -all", "192.0.2.1", SPF_PASS, "include:pass.example -> +all" },
    { "include pass, qualifier", "v=spf1 ~include:pass.example -all", "192.0.2.1", SPF_SOFTFAIL,
      "~include:pass.example -> +all" },
    { "include fail is no match", "v=spf1 include:fail.example ?all", "192.0.2.1", SPF_NEUTRAL, "?all" },
    { "include temperror", "v=spf1 include:temp.example +all", "192.0.2.1", SPF_TEMPERROR,
      "DNS servfail for A of broken.example" },
    { "include permerror", "v=spf1 include:perm.example +all", "192.0.2.1", SPF_PERMERROR,
      "syntax error in term \"foo\": unknown mechanism, in perm.example" },
    { "include none", "v=spf1 include:a.example +all", "192.0.2.1", SPF_PERMERROR,
      "include:a.example: a.example has no SPF record" },
    { "include of a bad name", "v=spf1 include:%{d1} +all", "192.0.2.1", SPF_PERMERROR,
      "include:%{d1}: \"example\" is not a full domain name" },
    { "redirect", "v=spf1 redirect=pass.example", "192.0.2.1", SPF_PASS, "redirect=pass.example -> +all" },
    { "redirect none", "v=spf1 redirect=a.example", "192.0.2.1", SPF_PERMERROR,
      "redirect=a.example: a.example has no SPF record" },
    { "redirect beside all", "v=spf1 redirect=pass.example -all", "192.0.2.1", SPF_FAIL, "-all" },
    { "error behind the match", "v=spf1 ip4:192.0.2.1 a:1.2.3.4", "192.0.2.1", SPF_PERMERROR,
      "syntax error in term \"a:1.2.3.4\": the last label is not one of a domain name" },
    { "servfail", "v=spf1 mx:broken.example +all", "192.0.2.1", SPF_TEMPERROR, "DNS servfail for MX of broken.example" },
    { "servfail behind the match", "v=spf1 a:a.example mx:broken.example", "192.0.2.1", SPF_PASS, "a:a.example" },
    { "nxdomain is no match", "v=spf1 a:nothing.example -all", "192.0.2.1", SPF_FAIL, "-all" },
    { "empty label is no match", "v=spf1 a:x..example -all", "192.0.2.1", SPF_FAIL, "-all" },
    { "loop", "v=spf1 include:loop.example", "192.0.2.1", SPF_PERMERROR, "more than 10 DNS-lookup terms" },
    { "%{p}", "v=spf1 exists:%{p} -all", "192.0.2.1", SPF_PASS, "exists:%{p}" },
    { "%{p} unknown", "v=spf1 exists:%{p}.x.example ~all", "198.51.100.1", SPF_SOFTFAIL, "~all" },
    { "octets outside ASCII", "v=spf1 a:b\\252cher.example +all", "192.0.2.1", SPF_PERMERROR,
      "syntax error in term \"a:b\\xfccher.example\": an octet outside ASCII" },
    { "any name that can be asked for", "v=spf1 exists:a%_b/c:d.x.example -all", "192.0.2.1", SPF_FAIL, "-all" },
};

static void
test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char zone[4000];
        snprintf(zone, sizeof(zone), OPEN_ZONE "d.example. TXT \"%s\"\n", cases[i].record);
        world_expect(cases[i].label, zone, cases[i].client, "d.example", cases[i].want, cases[i].reason);
    }
}

static void
test_records(void **state)
{
    (void)state;
    world_expect("two records", "d.example. TXT \"v=spf1 -all\"\nd.example. TXT \"V=SPF1 +all\"\n", "192.0.2.1", "d.example",
                 SPF_PERMERROR, "d.example has 2 SPF records");
    world_expect("others beside it", "d.example. TXT x\nd.example. TXT \"v=spf1 -all\"\nd.example. TXT \"v=spf10 +all\"\n",
                 "192.0.2.1", "D.Example.", SPF_FAIL, "-all");
    world_expect("no such domain", "x.example. A 192.0.2.1\n", "192.0.2.1", "d.example", SPF_NONE,
                 "d.example has no SPF record");
    world_expect("servfail", "$STATUS d.example. TXT servfail\n", "192.0.2.1", "d.example", SPF_TEMPERROR,
                 "DNS servfail for TXT of d.example");
    world_expect("not a name", "d.example. TXT \"v=spf1 +all\"\n", "192.0.2.1", "d.example(x)", SPF_NONE, "not a domain name");
    world_expect("a literal", "d.example. TXT \"v=spf1 +all\"\n", "192.0.2.1", "[192.0.2.1]", SPF_NONE, "not a domain name");
    world_expect("a single label", "d. TXT \"v=spf1 +all\"\n", "192.0.2.1", "d", SPF_NONE,
                 "a single label is not a full domain name");
}

/* RFC 7208 5.5: a name whose addresses cannot be had is skipped, and the search goes on.  Which names there are is the
 * client's choice, so those that lead nowhere are not counted against the record (4.6.4, 11.1). */
static void
test_names_that_lead_nowhere(void **state)
{
    (void)state;
    static const char zone[] = "d.example. TXT \"v=spf1 ptr a:gone.example -all\"\n"
                               "1.2.0.192.in-addr.arpa. PTR one.d.example.\n"
                               "1.2.0.192.in-addr.arpa. PTR two.d.example.\n"
                               "1.2.0.192.in-addr.arpa. PTR three.d.example.\n"
                               "1.2.0.192.in-addr.arpa. PTR broken.d.example.\n"
                               "1.2.0.192.in-addr.arpa. PTR mx.d.example.\n"
                               "$STATUS broken.d.example. * servfail\n"
                               "mx.d.example. A 192.0.2.1\n"
                               "2.2.0.192.in-addr.arpa. PTR one.d.example.\n"
                               "2.2.0.192.in-addr.arpa. PTR two.d.example.\n"
                               "2.2.0.192.in-addr.arpa. PTR three.d.example.\n";
    world_expect("behind three that are not there and one that nobody can say", zone, "192.0.2.1", "d.example", SPF_PASS, "ptr");
    world_expect("none that is there", zone, "192.0.2.2", "d.example", SPF_FAIL, "-all");
}

/* RFC 7208 2.3, 2.4: the null reverse-path is judged as postmaster@HELO, and HELO is an identity of its own. */
static void
test_identities(void **state)
{
    (void)state;
    static const char zone[] = "mx.example.net. TXT \"v=spf1 exists:%{l}.%{o}.l.example -all\"\n"
                               "postmaster.mx.example.net.l.example. A 127.0.0.2\n"
                               "d.example. TXT \"v=spf1 exists:%{l}.l.example -all\"\n"
                               "user.l.example. A 127.0.0.2\n"
                               "postmaster.l.example. A 127.0.0.2\n"
                               "192.0.2.1. TXT \"v=spf1 +all\"\n"
                               "192.0.2.1.example. TXT \"v=spf1 +all\"\n";
    static const struct {
        enum spf_scope scope;
        const char *local, *domain, *helo;
        enum spf_result want;
        const char *judged;
    } c[] = {
        { SPF_SCOPE_MFROM, "user", "d.example", "mx.example.net", SPF_PASS, "d.example" },
        { SPF_SCOPE_MFROM, "other", "d.example", "mx.example.net", SPF_FAIL, "d.example" },
        { SPF_SCOPE_MFROM, "", "d.example", "mx.example.net", SPF_PASS, "d.example" },
        { SPF_SCOPE_MFROM, "", "", "mx.example.net", SPF_PASS, "mx.example.net" },
        { SPF_SCOPE_MFROM, "", "", "[192.0.2.1]", SPF_NONE, "" },
        { SPF_SCOPE_MFROM, "", "", "", SPF_NONE, "" },
        { SPF_SCOPE_HELO, "user", "d.example", "mx.example.net", SPF_PASS, "mx.example.net" },
        { SPF_SCOPE_HELO, "user", "d.example", "[192.0.2.1]", SPF_NONE, "" },
        { SPF_SCOPE_HELO, "user", "d.example", "localhost", SPF_NONE, "localhost" },
        /* RFC 1123 2.1: dotted decimals are an address, whatever DNS says of such a name */
        { SPF_SCOPE_HELO, "user", "d.example", "192.0.2.1", SPF_NONE, "192.0.2.1" },
        { SPF_SCOPE_MFROM, "", "", "192.0.2.1", SPF_NONE, "192.0.2.1" },
        { SPF_SCOPE_MFROM, "user", "192.0.2.1", "mx.example.net", SPF_NONE, "192.0.2.1" },
        { SPF_SCOPE_HELO, "user", "d.example", "192.0.2.1.example", SPF_PASS, "192.0.2.1.example" },
        { SPF_SCOPE_HELO, "user", "d.example", "2.0.192.in-addr", SPF_NONE, "2.0.192.in-addr" },
    };
    for (size_t i = 0; i < COUNT(c); i++) {
        struct world w;
        world_open(&w, zone);
        w.rq.scope = c[i].scope;
        w.rq.sender_local = slice_from(c[i].local);
        w.rq.sender_domain = slice_from(c[i].domain);
        w.rq.helo = slice_from(c[i].helo);
        spf_prefetch(w.arena, w.dns, &w.rq);
        world_run(&w, spf_check);
        if (w.out.result != c[i].want || w.out.scope != c[i].scope)
            fail_msg("case %zu: %s (%.*s)", i, spf_result_name(w.out.result), SLICE_ARG(w.out.reason));
        assert_slice(w.out.domain, c[i].judged);
        world_close(&w);
    }
}

/* No address is a normal input; nor does a HELO of 64 KB disturb. */
static void
test_odd_input(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "d.example. TXT \"v=spf1 exists:%{h}.x.example +all\"\n");
    w.rq.client = (struct netaddr){ 0 };
    w.rq.sender_domain = SLICE("d.example");
    spf_prefetch(w.arena, w.dns, &w.rq);
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_NONE);
    assert_int_equal(w.questions, 0);
    world_close(&w);

    char *helo = malloc(65536);
    assert_non_null(helo);
    for (int kind = 0; kind < 3; kind++) {
        memset(helo, kind == 0 ? 'h' : kind == 1 ? '.' : '\xe4', 65536);
        world_open(&w, "d.example. TXT \"v=spf1 exists:%{h}.x.example exists:%{hr-}.y.example +all\"\n");
        w.rq.sender_domain = SLICE("d.example");
        w.rq.helo = (slice){ helo, 65536 };
        spf_prefetch(w.arena, w.dns, &w.rq);
        world_run(&w, spf_check);
        assert_int_equal(w.out.result, SPF_PASS);
        world_close(&w);
    }
    free(helo);
}

/* RFC 8616 4 */
static void
test_international(void **state)
{
    (void)state;
    static const char zone[] = "xn--bcher-kva.example. TXT \"v=spf1 exists:%{l}.%{d} exists:%{s} include:%{l}.none.example"
                               " redirect=%{d}.r.example\"\n"
                               "*.xn--bcher-kva.example. A 127.0.0.2\n"
                               "xn--bcher-kva.example.r.example. TXT \"v=spf1 exists:%{o}.o.example exp=%{d}.exp -all\"\n"
                               "xn--bcher-kva.example.o.example. A 127.0.0.2\n"
                               "bad.example. TXT \"v=spf1 redirect=%{l}.example\"\n"
                               "worse.example. TXT \"v=spf1 include:fail.example redirect=%{l}.example\"\n"
                               "fail.example. TXT \"v=spf1 -all\"\n";
    struct world w;
    world_open(&w, zone);
    w.rq.sender_local = SLICE("j\xc3\xb8ran");
    w.rq.sender_domain = SLICE("B\xc3\xbc" "cher.Example");
    spf_prefetch(w.arena, w.dns, &w.rq);
    world_run(&w, spf_check);
    assert_slice(w.out.domain, "xn--bcher-kva.example");
    assert_int_equal(w.out.result, SPF_PASS);
    assert_int_equal(w.txt, 2); /* no term with %{l} or %{s} asked anything */
    assert_slice(w.out.reason, "redirect=%{d}.r.example -> exists:%{o}.o.example");
    world_close(&w);

    world_open(&w, zone);
    w.rq.sender_domain = SLICE("b\xfc" "cher.example"); /* Latin-1: no name */
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_NONE);
    world_close(&w);

    world_open(&w, zone);
    w.rq.sender_local = SLICE("j\xc3\xb8ran");
    w.rq.sender_domain = SLICE("bad.example");
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_NEUTRAL);
    world_close(&w);

    world_open(&w, zone); /* the term that matched inside the include is not what decided */
    w.rq.sender_local = SLICE("j\xc3\xb8ran");
    w.rq.sender_domain = SLICE("worse.example");
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_NEUTRAL);
    assert_slice(w.out.mechanism, "default");
    assert_slice(w.out.reason, "no term matched");
    world_close(&w);
}

static void
explain(const char *record, const char *exp, bool wanted, const char *want)
{
    char zone[60000];
    struct world w;
    snprintf(zone, sizeof(zone), "d.example. TXT \"%s\"\ne.example. TXT \"%s\"\ninc.example. TXT \"v=spf1 -all exp=no.example\"\n"
             "no.example. TXT \"not this one\"\n", record, exp);
    world_open(&w, zone);
    w.rq.sender_domain = SLICE("d.example");
    w.rq.want_explanation = wanted;
    world_run(&w, spf_check);
    assert_slice(w.out.explanation, want);
    assert_true(wanted || w.txt == 1);
    world_close(&w);
}

/* RFC 7208 6.2 */
static void
test_explanation(void **state)
{
    (void)state;
    char text[30000];
    explain("v=spf1 -all exp=e.example", "%{i} is not one of %{d}'s designated mail servers.", true,
            "192.0.2.1 is not one of d.example's designated mail servers.");
    explain("v=spf1 -all exp=e.example", "never asked", false, "");
    explain("v=spf1 ~all exp=e.example", "no fail", true, "");
    explain("v=spf1 -include:inc.example -all exp=e.example", "the outer one", true, "the outer one");
    explain("v=spf1 -all exp=e.example", "%{c} %{r} %{t} %{p}", true, "192.0.2.1 mta.example.org 1700000000 unknown");
    explain("v=spf1 -all exp=e.example", "bell \\007", true, "");
    explain("v=spf1 -all exp=e.example", "line\\013\\010end", true, "");
    explain("v=spf1 -all exp=e.example", "\\252ber", true, "");
    explain("v=spf1 -all exp=e.example", "%{x}", true, "");
    explain("v=spf1 -all exp=nothing.example", "x", true, "");
    for (int n = 399; n <= 401; n++) { /* the bound, and never a cut */
        memset(text, 'e', (size_t)n);
        text[n] = '\0';
        explain("v=spf1 -all exp=e.example", text, true, n <= 400 ? text : "");
    }
    text[0] = '\0'; /* CVE-2023-42118: 127 macros and 200 letters */
    for (int i = 0; i < 127; i++)
        strcat(text, "%{d}");
    memset(text + 508, 'a', 200);
    text[708] = '\0';
    explain("v=spf1 -all exp=e.example", text, true, "");
}

/* RFC 7208 7.2: %{l} and %{s} bring the local part into the names that an error is about; whoever keeps the reason is told. */
static void
test_reasons_that_name_the_sender(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        enum spf_result want;
        bool names_sender;
    } records[] = {
        { "exists:%{l}.ill.example -all", SPF_TEMPERROR, true },
        { "exists:%{L1r-}.ill.example -all", SPF_TEMPERROR, true },
        { "include:%{S}.none.example -all", SPF_PERMERROR, true },
        { "include:%{l}.none.example -all", SPF_PERMERROR, true },
        { "redirect=%{l}.none.example", SPF_PERMERROR, true },
        { "include:%{l}.in.example -all", SPF_TEMPERROR, true }, /* %{d} of the include is made of it */
        { "exists:%{o}.ill.example -all", SPF_TEMPERROR, false },
        { "exists:%{d}.ill.example -all", SPF_TEMPERROR, false },
        { "include:none.example -all", SPF_PERMERROR, false },
        { "ip4:192.0.2.1 exists:%{l}.ill.example -all", SPF_PASS, false }, /* not come to */
        { "exists:%{l}.none.example -all", SPF_FAIL, false },              /* the term is told as it is written */
    };
    for (size_t i = 0; i < COUNT(records); i++) {
        struct world w;
        char zone[512];
        snprintf(zone, sizeof(zone), "d.example. TXT \"v=spf1 %s\"\n$STATUS user.ill.example. * servfail\n$STATUS d.example.ill.example. * servfail\n"
                 "user.in.example. TXT \"v=spf1 a:ill.%%{d} -all\"\n"
                 "$STATUS ill.user.in.example. * servfail\n", records[i].record);
        world_open(&w, zone);
        w.rq.sender_domain = SLICE("d.example");
        world_run(&w, spf_check);
        if (w.out.result != records[i].want || w.out.reason_names_sender != records[i].names_sender)
            fail_msg("%s: %s, \"%.*s\", %d", records[i].record, spf_result_name(w.out.result), SLICE_ARG(w.out.reason),
                     w.out.reason_names_sender);
        assert_true(w.out.reason_names_sender || !slice_icontains(w.out.reason, SLICE("user")));
        world_close(&w);
    }
}

static void
collect(void *arg, unsigned depth, const char *text)
{
    struct strbuf *b = arg;
    strbuf_printf(b, "%*s%s\n", (int)depth * 2, "", text);
}

static void
test_trace(void **state)
{
    (void)state;
    struct world w;
    struct strbuf b;
    world_open(&w, "d.example. TXT \"v=spf1 a:gone.example include:i.example -all\"\n"
                   "i.example. TXT \"v=spf1 ip4:198.51.100.1 mx:m.example\"\n"
                   "m.example. MX 10 a.example.\na.example. A 192.0.2.1\n");
    strbuf_init(&b, 0);
    w.rq.sender_domain = SLICE("d.example");
    world_run(&w, spf_check);
    trace_each(w.trace, collect, &b);
    assert_string_equal(strbuf_str(&b),
                        "SPF of MAIL FROM d.example for client 192.0.2.1\n"
                        "  DNS TXT d.example: ok\n"
                        "    \"v=spf1 a:gone.example include:i.example -all\"\n"
                        "  a:gone.example [DNS-lookup term 1 of 10]\n"
                        "    DNS A gone.example: nxdomain\n"
                        "    void lookup 1, 2 allowed\n"
                        "    no match\n"
                        "  include:i.example [DNS-lookup term 2 of 10]\n"
                        "    DNS TXT i.example: ok\n"
                        "      \"v=spf1 ip4:198.51.100.1 mx:m.example\"\n"
                        "    ip4:198.51.100.1: no match\n"
                        "    mx:m.example [DNS-lookup term 3 of 10]\n"
                        "      DNS MX m.example: ok\n"
                        "        10 a.example\n"
                        "      DNS A a.example: ok\n"
                        "        192.0.2.1\n"
                        "      match\n"
                        "    the included record says pass: match\n"
                        "  result: pass (include:i.example -> mx:m.example); DNS-lookup terms: 3 of 10, void lookups: 1 of 2\n");
    strbuf_clear(&b);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_records),     cmocka_unit_test(test_identities),
        cmocka_unit_test(test_odd_input),     cmocka_unit_test(test_international), cmocka_unit_test(test_explanation),
        cmocka_unit_test(test_trace),         cmocka_unit_test(test_names_that_lead_nowhere),
        cmocka_unit_test(test_reasons_that_name_the_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
