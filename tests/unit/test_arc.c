#include "signed.h"

#include "arc/chain.h"

static struct bed *bed;

static int
begin(void **state)
{
    (void)state;
    bed = bed_new();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    bed_free(bed);
    return 0;
}

static const char header[] = "From: Joe <joe@example.org>\r\nTo: sue@example.net\r\nSubject: dinner\r\n";
static const char body[] = "Hi.\r\n\r\nAre you hungry yet?\r\n";

#define SETS_MAX 52

struct fields {
    slice aar, ams, as; /* whole, with CRLF */
};

static struct fields chain[SETS_MAX + 1];

/* The message with sets 1 to n on top, the newest first. */
static slice
with_sets(unsigned n, const char *below)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    for (unsigned i = n; i >= 1; i--) {
        strbuf_add(&b, chain[i].as);
        strbuf_add(&b, chain[i].ams);
        strbuf_add(&b, chain[i].aar);
    }
    strbuf_add_str(&b, below);
    return strbuf_finish(&b, bed->a);
}

static slice
seal_with(unsigned n, const char *tags)
{
    struct strbuf text;
    unsigned char digest[HASH_SIZE_MAX];
    slice bare = bed_printf(bed, "ARC-Seal: %s b=\r\n", tags);
    chain[n].as = bare;
    strbuf_init(&text, 0);
    for (unsigned i = 1; i <= n; i++) {
        slice three[] = { chain[i].aar, chain[i].ams, chain[i].as };
        for (size_t k = 0; k < 3; k++) {
            struct header_list *l = bed_headers(bed, three[k]);
            header_canon_add(&text, CANON_RELAXED, header_list_at(l, 0));
            if (i < n || k < 2)
                strbuf_add_str(&text, "\r\n");
        }
    }
    assert_int_equal(hash_once(HASH_SHA256, strbuf_slice(&text), digest), ST_OK);
    strbuf_clear(&text);
    return bed_printf(bed, "%.*s%s\r\n", (int)bare.n - 2, bare.p, bed_sign_digest(bed, bed->rsa, digest).p);
}

static slice
seal(unsigned n, const char *cv, const char *selector)
{
    return seal_with(n, bed_printf(bed, "i=%u; a=rsa-sha256; cv=%s; d=example.org; s=%s;", n, cv, selector).p);
}

/* Sets 1 to n over the message, each signed by the same key at `selector`. */
static void
build_sets(unsigned n, const char *selector, const char *ams_tags)
{
    for (unsigned i = 1; i <= n; i++) {
        chain[i].aar = bed_printf(bed, "ARC-Authentication-Results: i=%u; mx%u.example; spf=pass smtp.mailfrom=a.example\r\n", i, i);
        slice tags = bed_printf(bed, "i=%u; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=%s; %s", i, selector, ams_tags);
        chain[i].ams = bed_sign_as(bed, "ARC-Message-Signature", SIGNATURE_AMS, bed->rsa, tags.p, with_sets(i - 1, header),
                                   slice_from(body));
        chain[i].as = seal(i, i == 1 ? "none" : "pass", selector);
    }
}

static void
build(unsigned n)
{
    build_sets(n, "rsa", "h=from:to:subject;");
}

static void
expect(const char *label, slice head, const char *with_body, enum arc_status want, const char *reason)
{
    bed_verify_in(bed, head, slice_from(with_body), 0);
    if (bed->arc.status != want || !slice_icontains(bed->arc.reason, slice_from(reason)))
        fail_msg("%s: got %s \"%.*s\", wanted %s \"%s\"", label, arc_status_name(bed->arc.status),
                 SLICE_ARG(bed->arc.reason), arc_status_name(want), reason);
}

static void
chains_of_all_lengths_pass(void **state)
{
    (void)state;
    expect("no set", slice_from(header), body, ARC_NONE, "");
    assert_int_equal(bed->arc.sets, 0);
    assert_int_equal(bed->arc.highest_instance, 0);
    build(SETS_MAX);
    static const unsigned lengths[] = { 1, 2, 3, 10, 49, 50 };
    for (size_t i = 0; i < COUNT(lengths); i++) {
        expect("chain", with_sets(lengths[i], header), body, ARC_PASS, "");
        assert_int_equal(bed->arc.sets, lengths[i]);
        assert_int_equal(bed->arc.oldest_pass, 0);
        assert_slice(bed->arc.chain[0].seal_d, "example.org");
        assert_slice(bed->arc.chain[0].ams_s, "rsa");
        assert_slice(slice_trim(slice_head(bed->arc.chain[0].aar_payload, 13)), "mx1.example;");
    }
    expect("51 sets", with_sets(51, header), body, ARC_FAIL, "above 50");
    assert_int_equal(bed->arc.highest_instance, 51);
    assert_int_equal(bed->arc.sets, 0);
    assert_null(bed->arc.chain);
    expect("52 sets", with_sets(52, header), body, ARC_FAIL, "above 50");
}

static void
changes_break_the_chain(void **state)
{
    (void)state;
    build(3);
    expect("body", with_sets(3, header), "other\r\n", ARC_FAIL, "i=3: ARC-Message-Signature: body changed");
    assert_int_equal(bed->arc.oldest_pass, -1);
    expect("header", with_sets(3, "From: eve@example.org\r\n"), body, ARC_FAIL, "i=3: ARC-Message-Signature: signature");
    slice all = with_sets(3, header);
    for (size_t i = 0; i + strlen(header) < all.n; i += 7) { /* any octet of the sets but white space and case */
        slice copy = arena_slice(bed->a, all);
        char *c = (char *)(uintptr_t)copy.p + i;
        if (*c == '\r' || *c == '\n' || *c == ' ' || *c == ':')
            continue;
        *c = *c == 'x' ? 'y' : 'x';
        bed_verify_in(bed, copy, slice_from(body), 0);
        /* a field that is no ARC field any more leaves a gap, so nothing but fail is possible */
        if (bed->arc.status != ARC_FAIL)
            fail_msg("octet %zu: %.20s", i, all.p + i);
    }
}

/* RFC 8617 5.2 step 6: every seal is verified, also the first, which no other one covers or which others cover as it is. */
static void
each_seal_is_verified(void **state)
{
    (void)state;
    build(1);
    expect("as it was made", with_sets(1, header), body, ARC_PASS, "");
    struct fields made = chain[1];
    chain[1].aar = bed_printf(bed, "ARC-Authentication-Results: i=1; mx1.example; spf=pass smtp.mailfrom=b.example\r\n");
    expect("other results under the only seal", with_sets(1, header), body, ARC_FAIL, "i=1: ARC-Seal: signature");
    for (unsigned i = 2; i <= 3; i++) { /* by sealers that did not look */
        chain[i].aar = bed_printf(bed, "ARC-Authentication-Results: i=%u; mx%u.example; none\r\n", i, i);
        chain[i].ams = bed_sign_as(bed, "ARC-Message-Signature", SIGNATURE_AMS, bed->rsa,
                                   bed_printf(bed, "i=%u; a=rsa-sha256; d=example.org; s=rsa; h=from:to:subject;", i).p,
                                   slice_from(header), slice_from(body));
        chain[i].as = seal(i, "pass", "rsa");
        expect("other results under the first seal", with_sets(i, header), body, ARC_FAIL, "i=1: ARC-Seal: signature");
    }
    chain[1] = made;
    expect("the others cover what was there", with_sets(3, header), body, ARC_FAIL, "i=3: ARC-Seal: signature");
    chain[2].as = seal(2, "pass", "rsa");
    chain[3].as = seal(3, "pass", "rsa");
    expect("all in order", with_sets(3, header), body, ARC_PASS, "");
}

/* RFC 8617 5.2 step 5: what changed after set 2 was made and before set 3. */
static void
oldest_pass_is_found(void **state)
{
    (void)state;
    static const char before[] = "From: Joe <joe@example.org>\r\nTo: sue@example.net\r\nSubject: supper\r\n";
    build(2);
    struct fields first = chain[1], second = chain[2];
    for (unsigned changed_after = 1; changed_after <= 2; changed_after++) {
        chain[1] = first;
        chain[2] = second;
        for (unsigned i = changed_after + 1; i <= 4; i++) {
            slice tags = bed_printf(bed, "i=%u; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; h=from:to:subject;", i);
            chain[i].aar = bed_printf(bed, "ARC-Authentication-Results: i=%u; mx; none\r\n", i);
            chain[i].ams = bed_sign_as(bed, "ARC-Message-Signature", SIGNATURE_AMS, bed->rsa, tags.p, slice_from(before),
                                       slice_from(body));
            chain[i].as = seal(i, "pass", "rsa");
        }
        expect("changed on the way", with_sets(4, before), body, ARC_PASS, "");
        assert_int_equal(bed->arc.oldest_pass, changed_after + 1);
    }
}

static void
structure_is_demanded(void **state)
{
    (void)state;
    build(3);
    static const struct {
        const char *label;
        char drop[4]; /* which of the nine fields: set, kind */
        const char *reason;
    } cases[] = {
        { "no AAR", "1r", "i=1: no ARC-Authentication-Results" }, { "no AMS", "2m", "i=2: no ARC-Message-Signature" },
        { "no AS", "3s", "i=3: no ARC-Seal" },                    { "no AS in between", "2s", "i=2: no ARC-Seal" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fields *set = &chain[cases[i].drop[0] - '0'], saved = *set;
        *(cases[i].drop[1] == 'r' ? &set->aar : cases[i].drop[1] == 'm' ? &set->ams : &set->as) = SLICE_EMPTY;
        expect(cases[i].label, with_sets(3, header), body, ARC_FAIL, cases[i].reason);
        *set = saved;
    }
    struct fields second = chain[2];
    chain[2] = (struct fields){ SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY };
    expect("a gap", with_sets(3, header), body, ARC_FAIL, "i=2: no field");
    chain[2] = second;
    expect("a set twice", bed_printf(bed, "%.*s%.*s", SLICE_ARG(chain[2].as), SLICE_ARG(with_sets(3, header))), body, ARC_FAIL,
           "i=2: two ARC-Seals");
    expect("an AAR twice", bed_printf(bed, "%.*s%.*s", SLICE_ARG(chain[1].aar), SLICE_ARG(with_sets(3, header))), body,
           ARC_FAIL, "i=1: two ARC-Authentication-Results");
    /* the order of fields means nothing (RFC 8617 5.1.1) */
    slice mixed = bed_printf(bed, "%.*s%.*s%.*s%.*s%.*s%.*s%.*s%.*s%.*s%s", SLICE_ARG(chain[1].aar), SLICE_ARG(chain[3].as),
                             SLICE_ARG(chain[2].ams), SLICE_ARG(chain[1].as), SLICE_ARG(chain[2].aar), SLICE_ARG(chain[3].aar),
                             SLICE_ARG(chain[1].ams), SLICE_ARG(chain[3].ams), SLICE_ARG(chain[2].as), header);
    expect("mixed up", mixed, body, ARC_PASS, "");
}

static void
cv_is_demanded(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        enum arc_status want;
        const char *reason;
        bool sealed_fail;
    } cases[] = {
        { "none", "pass", ARC_PASS, "", false },
        { "pass", "pass", ARC_FAIL, "i=1: the first seal", false },
        { "none", "none", ARC_FAIL, "i=2: the seal does not say", false },
        { "none", "fail", ARC_FAIL, "newest seal says cv=fail", true },
        { "fail", "pass", ARC_FAIL, "i=1: the first seal", false },
        { "none", "Pass", ARC_FAIL, "i=2: the seal does not say", false },
        { "", "pass", ARC_FAIL, "i=1: the first seal", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        build(2);
        chain[1].as = seal(1, cases[i].first, "rsa");
        chain[2].as = seal(2, cases[i].second, "rsa");
        expect(cases[i].second, with_sets(2, header), body, cases[i].want, cases[i].reason);
        assert_int_equal(bed->arc.sealed_fail, cases[i].sealed_fail);
        assert_int_equal(bed->arc.highest_instance, 2);
        assert_int_equal(bed->arc.chain != NULL, cases[i].want == ARC_PASS);
    }
}

/* RFC 8617 5.1 step 2: the most recent seal counts, be it not of the highest instance. */
static void
nothing_is_sealed_after_a_seal_of_failure(void **state)
{
    (void)state;
    build(3);
    struct fields first = chain[1], third = chain[3];
    chain[2].as = seal(2, "fail", "rsa");
    expect("a seal above it", with_sets(3, header), body, ARC_FAIL, "i=2: the seal does not say cv=pass");
    assert_false(bed->arc.sealed_fail);
    chain[3].as = SLICE_EMPTY;
    expect("only the other fields above it", with_sets(3, header), body, ARC_FAIL, "i=2: the newest seal says cv=fail");
    assert_true(bed->arc.sealed_fail);
    chain[3] = (struct fields){ third.aar, SLICE_EMPTY, SLICE_EMPTY };
    expect("one field above it", with_sets(3, header), body, ARC_FAIL, "i=2: the newest seal says cv=fail");
    assert_true(bed->arc.sealed_fail);
    assert_int_equal(bed->arc.highest_instance, 3);
    chain[1] = (struct fields){ first.aar, first.ams, SLICE_EMPTY };
    chain[2].as = SLICE_EMPTY;
    expect("no seal at all", with_sets(3, header), body, ARC_FAIL, "i=1: no ARC-Seal");
    assert_false(bed->arc.sealed_fail);
}

static void
junk_fails_and_never_more(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "ARC-Seal: x\r\n", "ARC-Seal:\r\n", "ARC-Seal: i=1\r\n", "ARC-Seal: (null)=pass\r\n", "ARC-Seal: i=0; cv=none\r\n",
        "ARC-Seal: i=-1; cv=none\r\n", "ARC-Seal: i=99999999999999999999; cv=pass\r\n", "ARC-Seal: i=1; i=2\r\n",
        "ARC-Seal: i=1; cv=none; a=; b=; d=; s=\r\n", "ARC-Message-Signature: i=1\r\n", "ARC-Message-Signature: \xff\r\n",
        "ARC-Message-Signature: ;;;;\r\n", "ARC-Authentication-Results:\r\n", "ARC-Authentication-Results: i\r\n",
        "ARC-Authentication-Results: i=\r\n", "ARC-Authentication-Results: i=1\r\n", "ARC-Authentication-Results: i=1.5; x\r\n",
        "ARC-Authentication-Results: i=1 2; x\r\n", "ARC-Authentication-Results: i=51; x\r\n",
        "ARC-Authentication-Results: mx; i=1; x\r\n", "ARC-Authentication-Results: (((((((((\r\n",
        "ARC-Authentication-Results: I=1; x\r\n", "arc-seal: i=1; cv=fail\r\n",
    };
    build(1);
    for (size_t i = 0; i < COUNT(junk); i++) {
        expect(junk[i], bed_printf(bed, "%s%s", junk[i], header), body, ARC_FAIL, "");
        assert_int_not_equal(bed->arc.reason.n, 0);
        expect(junk[i], bed_printf(bed, "%s%.*s", junk[i], SLICE_ARG(with_sets(1, header))), body, ARC_FAIL, "");
    }
}

static void
an_aar_begins_with_its_instance(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool good;
        unsigned instance;
        const char *payload;
    } cases[] = {
        { " i=1; mx; none", true, 1, " mx; none" },
        { "i = 50 ;mx", true, 50, "mx" },
        { " (a (nested \\) one)) i(x)=\r\n (y)7(z);mx", true, 7, "mx" },
        { " i=01; mx", true, 1, " mx" },
        { " i=001; mx", false, 0, "" },
        { " i=51; mx", true, 51, " mx" },
        { " i=0; mx", false, 0, "" },
        { " i=1000; mx", false, 0, "" },
        { " i=1, mx", false, 0, "" },
        { " i=; mx", false, 0, "" },
        { " mx; i=1", false, 0, "" },
        { " (open i=1; mx", false, 0, "" },
        { " i=1", false, 0, "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned instance = 0;
        slice payload = SLICE_EMPTY, exact = test_exact(cases[i].value);
        if (chain_aar_instance(exact, &instance, &payload) != cases[i].good)
            fail_msg("%s", cases[i].value);
        if (cases[i].good) {
            assert_int_equal(instance, cases[i].instance);
            assert_slice(payload, cases[i].payload);
        }
        test_release(exact);
    }
}

static void
keys_are_asked_for_early(void **state)
{
    (void)state;
    static const char *const selectors[] = { "one", "two", "three" };
    for (unsigned i = 0; i < 3; i++)
        bed_txt(bed, bed_printf(bed, "%s._domainkey.example.org", selectors[i]).p,
                bed_printf(bed, "p=%s", bed_public(bed, bed->rsa)).p);
    for (unsigned i = 1; i <= 3; i++) {
        struct fields older[4];
        memcpy(older, chain, sizeof(older));
        build_sets(i, selectors[i - 1], "h=from:to:subject;");
        for (unsigned k = 1; k < i; k++)
            chain[k] = older[k];
        chain[i].as = seal(i, i == 1 ? "none" : "pass", selectors[i - 1]);
    }
    expect("three sealers", with_sets(3, header), body, ARC_PASS, "");
    assert_int_equal(bed->asked_early, 3); /* one round trip, not three */
    assert_int_equal(bed->usage.questions, 3);
}

/* Fifty sets with a hundred keys, and something wrong with the chain: the queries of the message are not all spent. */
static void
a_flood_asks_for_few_keys(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 0);
    for (unsigned i = 1; i <= 50; i++)
        strbuf_printf(&b, "ARC-Seal: i=%u; a=rsa-sha256; cv=pass; d=example.org; s=x%u; b=AAAA\r\n"
                          "ARC-Message-Signature: i=%u; a=rsa-sha256; d=example.org; s=y%u; h=from; "
                          "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA\r\n"
                          "ARC-Authentication-Results: i=%u; mx; none\r\n", i, i, i, i, i);
    strbuf_add_str(&b, header);
    expect("flood", strbuf_slice(&b), body, ARC_FAIL, "i=1: the first seal");
    assert_int_equal(bed->usage.questions, 20);
    strbuf_clear(&b);
}

/* RFC 8617 5.2.1: every error is permanent. */
static void
trouble_with_dns_fails(void **state)
{
    (void)state;
    strbuf_add_str(&bed->zone, "$STATUS broken._domainkey.example.org TXT servfail\n");
    build_sets(1, "broken", "h=from;");
    expect("servfail", with_sets(1, header), body, ARC_FAIL, "not available (servfail)");
    build_sets(1, "gone", "h=from;");
    expect("nxdomain", with_sets(1, header), body, ARC_FAIL, "no key at gone._domainkey.example.org");
}

static void
tags_of_the_fields_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *tags;
        enum arc_status want;
        const char *reason;
    } cases[] = {
        { "h=from:to:subject;", ARC_PASS, "" },
        { "h=from; l=28;", ARC_PASS, "" },
        { "h=from; l=27;", ARC_FAIL, "unsigned" },
        { "h=from; l=29;", ARC_FAIL, "larger than the body" },
        { "h=;", ARC_PASS, "" },
        { "h=from; v=1;", ARC_PASS, "" },
        { "h=from; v=2;", ARC_PASS, "" },
        { "h=from:arc-seal;", ARC_FAIL, "covers ARC-Seal" },
        { "h=from; x=1;", ARC_PASS, "" },
        { "h=from; t=1; x=1;", ARC_FAIL, "x=" },
        { "h=from; t=;", ARC_FAIL, "t=" },
        { "h=from; q=http;", ARC_FAIL, "q=" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        build_sets(1, "rsa", cases[i].tags);
        expect(cases[i].tags, with_sets(1, header), body, cases[i].want, cases[i].reason);
    }
}

/* RFC 8617 4.1.3 names the tags of a seal: h= is forbidden, others are ignored (RFC 6376 3.2), whatever DKIM makes of them. */
static void
a_seal_has_few_tags(void **state)
{
    (void)state;
    static const struct {
        const char *tags;
        enum arc_status want;
        const char *reason;
    } cases[] = {
        { "t=1700000000;", ARC_PASS, "" },   { "x=1;", ARC_PASS, "" },
        { "x=junk;", ARC_PASS, "" },         { "t=5; x=4;", ARC_PASS, "" },
        { "c=simple/nofws;", ARC_PASS, "" }, { "l=junk; bh=; q=http; v=9; z=;", ARC_PASS, "" },
        { "h=from;", ARC_FAIL, "no h=" },    { "h=;", ARC_FAIL, "no h=" },
        { "t=junk;", ARC_FAIL, "t=" },       { "t=;", ARC_FAIL, "t=" },
        { "x=1; x=1;", ARC_FAIL, "twice" },
    };
    build(1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        chain[1].as = seal_with(1, bed_printf(bed, "i=1; a=rsa-sha256; cv=none; d=example.org; s=rsa; %s", cases[i].tags).p);
        expect(cases[i].tags, with_sets(1, header), body, cases[i].want, cases[i].reason);
    }
}

/* `instance = [CFWS] %s"i" [CFWS] "=" [CFWS] position`, then `[CFWS] ";" tag-list`; position = 1*2DIGIT (RFC 8617 3.9). */
static void
instances_are_written_by_the_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *instance;
        enum arc_status want;
    } cases[] = {
        { "i=1;", ARC_PASS },
        { "i=01;", ARC_PASS },
        { "i=001;", ARC_FAIL },
        { "i=+1;", ARC_FAIL },
        { "i=1.0;", ARC_FAIL },
        { "I=1;", ARC_FAIL },
        { "(c) i=1;", ARC_PASS },
        { "(i=2; (\\)))\r\n\ti(=) = (;)\t1 (b=x) ;", ARC_PASS },
        { "i(open=1;", ARC_FAIL },
        { "i=(c);", ARC_FAIL },
        { "i=0(c)1;", ARC_FAIL },
        { "zz=(c)1; i=1;", ARC_PASS },  /* plain text of an unknown tag */
        { "zz(c)=1; i=1;", ARC_FAIL },  /* comments are for the instance in front alone */
        { "i=1; (c) zz=1;", ARC_FAIL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *instance = cases[i].instance, *rest = "a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; h=from;";
        build(1);
        if (cases[i].want == ARC_PASS) /* the signer under test reads the field too */
            chain[1].ams = bed_sign_as(bed, "ARC-Message-Signature", SIGNATURE_AMS, bed->rsa,
                                       bed_printf(bed, "%s %s", instance, rest).p, slice_from(header), slice_from(body));
        chain[1].as = seal_with(1, bed_printf(bed, "%s a=rsa-sha256; cv=none; d=example.org; s=rsa;", instance).p);
        expect(instance, with_sets(1, header), body, cases[i].want, "");
    }
}

/* One verification in an arena of so many octets.  ST_OK only with the right results. */
static enum status
verify_within(size_t limit, slice head, struct resolver *dns)
{
    struct header_limits none = { 0, 0 };
    struct arena *a = arena_new(limit);
    struct dns_session *s = dns_session_new(dns, &bed->limits);
    struct header_list *l = header_list_new(a, &none);
    struct dkim *d = dkim_new(a, s, bed->keys, &bed->options);
    struct arc *c = arc_new(a, s, bed->keys, &bed->options);
    struct body_canon *canon = body_canon_new(a);
    const struct dkim_result *results;
    size_t n;
    struct arc_result arc;
    enum status st = l == NULL || d == NULL || c == NULL || canon == NULL ? ST_NOMEM : ST_OK;
    while (st == ST_OK && head.n > 0) {
        size_t end = 0;
        slice name, value;
        do
            end = end + slice_find(slice_tail(head, end), '\n') + 1;
        while (end < head.n && ascii_is_wsp(head.p[end]));
        slice_cut(slice_head(head, end - 2), ':', &name, &value);
        st = header_list_add(l, name, value);
        const struct header_field *f = st == ST_OK ? header_list_at(l, header_list_count(l) - 1) : NULL;
        st = st == ST_OK ? dkim_add_field(d, f) : st;
        st = st == ST_OK ? arc_header(c, f) : st;
        head = slice_tail(head, end);
    }
    st = st == ST_OK ? dkim_header_end(d, l, SLICE("example.org"), canon) : st;
    st = st == ST_OK ? arc_eoh(c, l, canon) : st;
    if (st == ST_OK)
        body_canon_feed(canon, SLICE(body));
    st = st == ST_OK ? body_canon_finish(canon) : st;
    st = st == ST_OK ? dkim_finish(d, NULL, &results, &n) : st;
    st = st == ST_OK ? arc_finish(c, NULL, &arc) : st;
    if (st == ST_OK) {
        assert_int_equal(arc.status, ARC_PASS);
        assert_int_equal(n, 1);
        assert_int_equal(results[0].result, DKIM_PASS);
    }
    body_canon_clear(canon);
    dns_session_free(s);
    arena_free(a);
    return st;
}

static void
memory_may_run_out_anywhere(void **state)
{
    (void)state;
    struct strbuf errors;
    struct resolver *dns = NULL;
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(strbuf_slice(&bed->zone), &errors, &dns), ST_OK);
    build(20);
    slice sig = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:to:subject;", header, body);
    slice head = bed_printf(bed, "%.*s%.*s%s", SLICE_ARG(with_sets(20, "")), SLICE_ARG(sig), header);
    unsigned without = 0;
    enum status st = ST_NOMEM;
    for (size_t limit = 1; st != ST_OK && limit < 4000000; limit += limit / 16 + 1) {
        st = verify_within(limit, head, dns);
        assert_true(st == ST_OK || st == ST_NOMEM);
        without += st == ST_NOMEM;
    }
    assert_int_equal(st, ST_OK);
    assert_in_range(without, 20, 10000);
    resolver_free(dns);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(chains_of_all_lengths_pass), CASE(changes_break_the_chain),         CASE(oldest_pass_is_found),
        CASE(each_seal_is_verified),
        CASE(structure_is_demanded),      CASE(nothing_is_sealed_after_a_seal_of_failure),
        CASE(cv_is_demanded),                  CASE(junk_fails_and_never_more),
        CASE(an_aar_begins_with_its_instance), CASE(keys_are_asked_for_early),   CASE(trouble_with_dns_fails),
        CASE(tags_of_the_fields_are_judged), CASE(a_seal_has_few_tags),          CASE(instances_are_written_by_the_grammar),
        CASE(a_flood_asks_for_few_keys),  CASE(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
