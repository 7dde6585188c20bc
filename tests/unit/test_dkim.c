#include "signed.h"


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

static const char header[] = "From: Joe <joe@example.org>\r\nTo: sue@example.net\r\nSubject: dinner\r\n"
                             "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n";
static const char body[] = "Hi.\r\n\r\nAre you hungry yet?\r\n";
#define TAGS "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; h=from:to:subject;"

/* libopendkim is asked about every message here.  Where it says otherwise, it is known why. */
static void
check_second(const char *label)
{
    static const char *const deviations[] = {
        "i quoted",        /* it does not decode dkim-quoted-printable in the domain of i= (RFC 6376 2.11, 3.5) */
        "b in the middle", /* it does not find the value of "b =" with white space before the "=" (3.2, 3.7) */
    };
    slice differs = second_dkim_difference(bed->a, bed->results, bed->n, bed->second, bed->n_second);
    for (size_t i = 0; i < COUNT(deviations); i++)
        if (strcmp(label, deviations[i]) == 0)
            return;
    if (differs.n > 0)
        fail_msg("%s: %.*s", label, SLICE_ARG(differs));
}

static void
expect(const char *label, enum dkim_result_code want, const char *reason)
{
    const struct dkim_result *r = &bed->results[0];
    assert_int_not_equal(bed->n, 0);
    if (r->result != want || !slice_icontains(r->reason, slice_from(reason)) || (want == DKIM_PASS && r->reason.n > 0))
        fail_msg("%s: got %s \"%.*s\", wanted %s \"%s\"", label, dkim_result_name(r->result), SLICE_ARG(r->reason),
                 dkim_result_name(want), reason);
    check_second(label);
}

static void
vectors_pass(const char *file, size_t signatures)
{
    static const size_t steps[] = { 0, 1, 2, 7, 64 };
    slice message = bed_file(bed, file), zone = bed_file(bed, "dkim-keys.zone");
    size_t start = bed_body_start(message);
    strbuf_reset(&bed->zone);
    strbuf_add(&bed->zone, zone);
    for (size_t i = 0; i < COUNT(steps); i++) {
        bed_verify_in(bed, slice_head(message, start - 2), slice_tail(message, start), steps[i]);
        assert_int_equal(bed->n, signatures);
        for (size_t k = 0; k < signatures; k++)
            if (bed->results[k].result != DKIM_PASS)
                fail_msg("%s %zu: %.*s", file, k, SLICE_ARG(bed->results[k].reason));
    }
}

static void
rfc6376_a2_passes(void **state)
{
    (void)state;
    vectors_pass("rfc6376-a2.eml", 1);
    assert_slice(bed->results[0].i, "joe@football.example.com");
    assert_slice(bed->results[0].a, "rsa-sha256");
    assert_int_equal(bed->results[0].key_bits, 1024);
}

static void
rfc8463_passes(void **state)
{
    (void)state;
    vectors_pass("rfc8463.eml", 2);
    assert_slice(bed->results[0].a, "ed25519-sha256");
    assert_slice(slice_head(bed->results[1].b, 8), "F45dVWDf");
}

static void
tags_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *label, *tags;
        enum dkim_result_code want;
        const char *reason;
    } cases[] = {
        { "plain", TAGS, DKIM_PASS, "" },
        { "ed25519", "v=1; a=ed25519-sha256; c=relaxed/simple; d=example.org; s=ed; h=from:to;", DKIM_PASS, "" },
        { "no c", "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:to;", DKIM_PASS, "" },
        { "c of one word", "v=1; a=rsa-sha256; c=relaxed; d=example.org; s=rsa; h=from:to;", DKIM_PASS, "" },
        { "v last", "a=rsa-sha256; c=relaxed; d=example.org; s=rsa; h=from:to; v=1;", DKIM_PASS, "" },
        { "unknown tags", TAGS " zz=1; x1=; foo_bar=a b c;", DKIM_PASS, "" },
        { "folds", "v = 1;\r\n\ta = rsa-sha256 ;c=relaxed ; d =\r\n example.org;\r\n s=rsa; h = from :\r\n\tto:subject ;",
          DKIM_PASS, "" },
        { "no v", "a=rsa-sha256; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "v= is missing" },
        { "v=2", "v=2; a=rsa-sha256; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "version" },
        { "v=1.0", "v=1.0; a=rsa-sha256; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "version" },
        { "no a", "v=1; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "a= is missing" },
        { "sha1", "v=1; a=rsa-sha1; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "rsa-sha1" },
        { "a in capitals", "v=1; a=RSA-SHA256; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "algorithm" },
        { "a unknown", "v=1; a=rsa-sha512; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "algorithm" },
        { "a not the key's", "v=1; a=ed25519-sha256; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "another type" },
        { "c unknown", "v=1; a=rsa-sha256; c=relaxed/nofws; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "c=" },
        { "c in capitals", "v=1; a=rsa-sha256; c=Relaxed/Relaxed; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "c=" },
        { "c empty", "v=1; a=rsa-sha256; c=; d=example.org; s=rsa; h=from;", DKIM_PERMERROR, "c=" },
        { "no d", "v=1; a=rsa-sha256; s=rsa; h=from;", DKIM_PERMERROR, "d= is missing" },
        { "d empty", "v=1; a=rsa-sha256; d=; s=rsa; h=from;", DKIM_PERMERROR, "d= is empty" },
        { "d of one label", "v=1; a=rsa-sha256; d=org; s=rsa; h=from;", DKIM_PERMERROR, "d= is not" },
        { "d with a dot behind", "v=1; a=rsa-sha256; d=example.org.; s=rsa; h=from;", DKIM_PERMERROR, "d= is not" },
        { "d with a comment", "v=1; a=rsa-sha256; d=example.org(.evil.example); s=rsa; h=from;", DKIM_PERMERROR, "d= is not" },
        { "d in capitals", "v=1; a=rsa-sha256; d=EXAMPLE.Org; s=RSA; h=from;", DKIM_PASS, "" },
        { "no s", "v=1; a=rsa-sha256; d=example.org; h=from;", DKIM_PERMERROR, "s= is missing" },
        { "s with a quote", "v=1; a=rsa-sha256; d=example.org; s=rs'a; h=from;", DKIM_PERMERROR, "s= is not" },
        { "no h", "v=1; a=rsa-sha256; d=example.org; s=rsa;", DKIM_PERMERROR, "h= is missing" },
        { "h empty", "v=1; a=rsa-sha256; d=example.org; s=rsa; h=;", DKIM_PERMERROR, "From" },
        { "From not signed", "v=1; a=rsa-sha256; d=example.org; s=rsa; h=to:subject;", DKIM_PERMERROR, "From" },
        { "Resent-From is not From", "v=1; a=rsa-sha256; d=example.org; s=rsa; h=resent-from;", DKIM_PERMERROR, "From" },
        { "h with a space", "v=1; a=rsa-sha256; d=example.org; s=rsa; h=fr om:from;", DKIM_PERMERROR, "h=" },
        { "i", TAGS " i=joe@example.org;", DKIM_PASS, "" },
        { "i below", TAGS " i=@mail.example.org;", DKIM_PASS, "" },
        { "i in capitals", TAGS " i=Joe@EXAMPLE.ORG;", DKIM_PASS, "" },
        { "i quoted", TAGS " i=j=40e@example=2Eorg;", DKIM_PASS, "" },
        { "i above", "v=1; a=rsa-sha256; d=mail.example.org; s=rsa; h=from; i=@example.org;", DKIM_PERMERROR, "i=" },
        { "i beside", TAGS " i=@badexample.org;", DKIM_PERMERROR, "i=" },
        { "i without @", TAGS " i=example.org;", DKIM_PERMERROR, "i=" },
        { "i empty", TAGS " i=;", DKIM_PERMERROR, "i=" },
        { "i with a dot behind", TAGS " i=@example.org.;", DKIM_PERMERROR, "i=" },
        { "i with a quoted dot behind", TAGS " i=@example.org=2E;", DKIM_PERMERROR, "i=" },
        { "i of no domain", TAGS " i=joe@;", DKIM_PERMERROR, "i=" },
        { "q", TAGS " q=dns/txt;", DKIM_PASS, "" },
        { "q a list", TAGS " q=foo/bar : dns/txt;", DKIM_PASS, "" },
        { "q another", TAGS " q=foo/bar;", DKIM_PERMERROR, "q=" },
        { "q empty", TAGS " q=;", DKIM_PERMERROR, "q=" },
        { "t", TAGS " t=1700000000;", DKIM_PASS, "" },
        { "t no number", TAGS " t=12h;", DKIM_PERMERROR, "t= is not a number" },
        { "t negative", TAGS " t=-1;", DKIM_PERMERROR, "t= is not a number" },
        { "t empty", TAGS " t=;", DKIM_PERMERROR, "t= is not a number" },
        { "t as far ahead as allowed", TAGS " t=1700000300;", DKIM_PASS, "" },
        { "t a second further", TAGS " t=1700000301;", DKIM_POLICY, "301 seconds in the future" },
        { "t beyond 64 bits", TAGS " t=18446744073709551617;", DKIM_POLICY, "future" },
        { "x as long ago as allowed", TAGS " x=1699999700;", DKIM_PASS, "" },
        { "x a second longer", TAGS " x=1699999699;", DKIM_POLICY, "expired 301 seconds ago" },
        { "x beyond 64 bits", TAGS " x=18446744073709551617;", DKIM_PASS, "" },
        { "x at t", TAGS " t=1700000000; x=1700000000;", DKIM_PERMERROR, "x=" },
        { "x after t", TAGS " t=1700000000; x=1700000001;", DKIM_PASS, "" },
        { "l of nothing", TAGS " l=0;", DKIM_POLICY, "28 octets of the body are not signed" },
        { "l but one", TAGS " l=27;", DKIM_POLICY, "1 octets of the body" },
        { "l of all", TAGS " l=28;", DKIM_PASS, "" },
        { "l of all, zeros before", TAGS " l=000000000000000000000000000000000000000000000000028;", DKIM_PASS, "" },
        { "l one more", TAGS " l=29;", DKIM_PERMERROR, "larger than the body" },
        { "l beyond 64 bits", TAGS " l=18446744073709551617;", DKIM_PERMERROR, "larger than the body" },
        { "l no number", TAGS " l=0x10;", DKIM_PERMERROR, "l= is not a number" },
        { "a tag twice", TAGS " s=rsa;", DKIM_NEUTRAL, "tag" },
        { "no tag list", "v=1; a=rsa-sha256; =example.org;", DKIM_NEUTRAL, "tag" },
        { "two semicolons", TAGS ";", DKIM_NEUTRAL, "tag" },
        { "no key", "v=1; a=rsa-sha256; d=example.org; s=none; h=from;", DKIM_PERMERROR, "no key" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool ed25519 = strstr(cases[i].tags, "s=ed;") != NULL;
        slice sig = bed_sign(bed, ed25519 ? bed->ed25519 : bed->rsa, cases[i].tags, header, body);
        bed_verify(bed, sig, header, body);
        expect(cases[i].label, cases[i].want, cases[i].reason);
    }
}

static void
key_records_are_judged(void **state)
{
    (void)state;
    const char *p = bed_public(bed, bed->rsa), *ed = bed_public(bed, bed->ed25519);
    struct {
        const char *label, *before, *p, *after;
        enum dkim_result_code want;
        const char *reason;
    } cases[] = {
        { "only p", "p=", p, "", DKIM_PASS, "" },
        { "v not first", "k=rsa; v=DKIM1; p=", p, "", DKIM_PERMERROR, "v=" },
        { "v another", "v=DKIM2; p=", p, "", DKIM_PERMERROR, "v=" },
        { "v in small letters", "v=dkim1; p=", p, "", DKIM_PERMERROR, "v=" },
        { "revoked", "v=DKIM1; p=", "", "", DKIM_PERMERROR, "revoked" },
        { "no p", "v=DKIM1; k=rsa", "", "", DKIM_PERMERROR, "no p=" },
        { "bad p", "v=DKIM1; p=", "!!!", "", DKIM_PERMERROR, "not base64" },
        { "p no key", "v=DKIM1; p=", "Zm9vYmFy", "", DKIM_PERMERROR, "DER" },
        { "k unknown", "v=DKIM1; k=dsa; p=", p, "", DKIM_PERMERROR, "key type" },
        { "k another", "v=DKIM1; k=ed25519; p=", ed, "", DKIM_PERMERROR, "another type" },
        { "h right", "v=DKIM1; h=sha1 : sha256; p=", p, "", DKIM_PASS, "" },
        { "h wrong", "v=DKIM1; h=sha1; p=", p, "", DKIM_PERMERROR, "h=" },
        { "h empty", "v=DKIM1; h=; p=", p, "", DKIM_PERMERROR, "h=" },
        { "s email", "v=DKIM1; s=email; p=", p, "", DKIM_PASS, "" },
        { "s all", "v=DKIM1; s=foo:*; p=", p, "", DKIM_PASS, "" },
        { "s another", "v=DKIM1; s=tlsrpt; p=", p, "", DKIM_PERMERROR, "s=" },
        { "t strict, i is d", "v=DKIM1; t=s; p=", p, "", DKIM_PASS, "" },
        { "unknown flags and tags", "v=DKIM1; t=x:q; foo=bar; p=", p, "; n=a note; g=*", DKIM_PASS, "" },
        { "a tag twice", "v=DKIM1; p=", p, "; v=DKIM1", DKIM_PERMERROR, "twice" },
        { "8 bits", "v=DKIM1; n=caf\\195\\169; p=", p, "", DKIM_PERMERROR, "unprintable" },
        { "NUL", "v=DKIM1; n=\\000; p=", p, "", DKIM_PERMERROR, "unprintable" },
        { "no tags", "hello", "", "", DKIM_PERMERROR, "not a list" },
        { "empty", "", "", "", DKIM_PERMERROR, "not a list" },
        { "another record", "v=spf1 -all", "", "", DKIM_PERMERROR, "v=" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice name = bed_printf(bed, "k%zu", i);
        strbuf_printf(&bed->zone, "%s._domainkey.example.org. TXT \"%s%s%s\"\n", name.p, cases[i].before, cases[i].p,
                      cases[i].after);
        slice tags = bed_printf(bed, "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=%s; h=from;", name.p);
        bed_verify(bed, bed_sign(bed, bed->rsa, tags.p, header, body), header, body);
        expect(cases[i].label, cases[i].want, cases[i].reason);
    }
}

static void
flags_of_the_key_count(void **state)
{
    (void)state;
    slice record = bed_printf(bed, "v=DKIM1; t=y:s; p=%s", bed_public(bed, bed->rsa));
    bed_txt(bed, "flags._domainkey.example.org", record.p);
    static const char strict[] = "v=1; a=rsa-sha256; d=example.org; s=flags; h=from; i=@mail.example.org;";
    static const char right[] = "v=1; a=rsa-sha256; d=example.org; s=flags; h=from; i=@example.org;";
    bed_verify(bed, bed_sign(bed, bed->rsa, strict, header, body), header, body);
    expect("t=s", DKIM_PERMERROR, "t=s");
    bed_verify(bed, bed_sign(bed, bed->rsa, right, header, body), header, body);
    expect("t=y", DKIM_PASS, "");
    assert_true(bed->results[0].testing);
}

static void
several_records_are_tried(void **state)
{
    (void)state;
    struct private_key *other = private_key_make(SIGN_RSA_SHA256, 1024);
    const char *wrong = bed_public(bed, other), *right = bed_public(bed, bed->rsa);
    static const char names[][3] = { "m1", "m2", "m3", "m4" };
    for (size_t i = 0; i < COUNT(names); i++) {
        slice name = bed_printf(bed, "%s._domainkey.example.org", names[i]);
        if (i != 3)
            bed_txt(bed, name.p, "v=spf1 -all");
        for (unsigned k = 0; k < (i == 1 ? 3u : i == 2 ? 4u : 1u); k++) /* different texts, the same wrong key */
            bed_txt(bed, name.p, bed_printf(bed, "v=DKIM1; n=%u; p=%s", k, wrong).p);
        if (i < 3)
            bed_txt(bed, name.p, bed_printf(bed, "v=DKIM1; p=%s", right).p);
    }
    static const enum dkim_result_code want[] = { DKIM_PASS, DKIM_PASS, DKIM_FAIL /* four keys, and no more */, DKIM_FAIL };
    for (size_t i = 0; i < COUNT(names); i++) {
        slice tags = bed_printf(bed, "v=1; a=rsa-sha256; d=example.org; s=%s; h=from;", names[i]);
        bed_verify(bed, bed_sign(bed, bed->rsa, tags.p, header, body), header, body);
        assert_int_equal(bed->results[0].result, want[i]);
    }
    private_key_free(other);
}

static void
key_sizes_have_bounds(void **state)
{
    (void)state;
    static const struct {
        unsigned min, max;
        enum dkim_result_code want;
    } cases[] = { { 1023, 8192, DKIM_PASS }, { 1024, 8192, DKIM_PASS }, { 1025, 8192, DKIM_PERMERROR },
                  { 512, 1023, DKIM_PERMERROR }, { 512, 1024, DKIM_PASS }, { 512, 1025, DKIM_PASS } };
    slice sig = bed_sign(bed, bed->rsa, TAGS, header, body);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bed->options.min_rsa_bits = cases[i].min;
        bed->options.max_rsa_bits = cases[i].max;
        bed_verify(bed, sig, header, body);
        assert_int_equal(bed->results[0].result, cases[i].want);
        assert_int_equal(bed->results[0].key_bits, 1024);
    }
}

static void
changes_are_seen(void **state)
{
    (void)state;
    slice sig = bed_sign(bed, bed->rsa, TAGS, header, body);
    bed_verify(bed, sig, header, "Hi.\r\n\r\nAre you angry yet?\r\n");
    expect("body", DKIM_FAIL, "body changed: its hash is not bh=; the header is intact");
    bed_verify(bed, sig, "From: Joe <joe@example.org>\r\nTo: sue@example.net\r\nSubject: lunch\r\n", body);
    expect("header", DKIM_FAIL, "the signed text was changed");
    bed_verify(bed, sig, "From: Joe <joe@example.org>\r\nSubject: dinner\r\n", body);
    expect("field gone", DKIM_FAIL, "the signed text was changed");
    bed_verify(bed, sig, "Received: x\r\nfrom:Joe   <joe@example.org> \r\nSUBJECT: dinner\r\nTo:\r\n sue@example.net\r\n",
               "Hi. \r\n\r\nAre  you hungry yet?\t\r\n\r\n");
    expect("only what relaxed allows", DKIM_PASS, "");
}

static void
fields_are_taken_from_the_bottom(void **state)
{
    (void)state;
    static const char tags[] = "v=1; a=rsa-sha256; d=example.org; s=rsa; h=From:Received:Received:X-None;";
    static const char three[] = "Received: 3\r\nReceived: 2\r\nReceived: 1\r\nFrom: joe@example.org\r\n";
    slice sig = bed_sign(bed, bed->rsa, tags, three, body);
    bed_verify(bed, sig, three, body);
    expect("as signed", DKIM_PASS, "");
    bed_verify(bed, sig, "Received: 4\r\nReceived: 2\r\nReceived: 1\r\nFrom: joe@example.org\r\n", body);
    expect("the third is not signed", DKIM_PASS, "");
    bed_verify(bed, sig, "Received: 3\r\nReceived: 1\r\nReceived: 2\r\nFrom: joe@example.org\r\n", body);
    expect("the order counts", DKIM_FAIL, "header");
    bed_verify(bed, sig, "X-None: 1\r\nReceived: 2\r\nReceived: 1\r\nFrom: joe@example.org\r\n", body);
    expect("a field signed as absent", DKIM_FAIL, "header");
}

static void
added_copies_are_no_pass(void **state)
{
    (void)state;
    slice once = bed_sign(bed, bed->rsa, TAGS, header, body);
    slice oversigned = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:to:subject:subject;",
                                header, body);
    slice more = bed_printf(bed, "Subject: money\r\n%s", header);
    bed_verify(bed, once, more.p, body);
    expect("a second Subject", DKIM_POLICY, "more than one Subject");
    bed_verify(bed, oversigned, more.p, body);
    expect("a second Subject where none may be", DKIM_FAIL, "header");
    bed_verify(bed, oversigned, header, body);
    expect("oversigned", DKIM_PASS, "");
    more = bed_printf(bed, "From: eve@example.com\r\n%s", header);
    bed_verify(bed, once, more.p, body);
    expect("a second From", DKIM_POLICY, "more than one From");
    slice both = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:from;", more.p, body);
    bed_verify(bed, both, more.p, body);
    expect("two From, both signed", DKIM_POLICY, "more than one From");
    more = bed_printf(bed, "Received: x\r\nX-Y: 1\r\nX-Y: 2\r\n%s", header);
    slice other = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:x-y;", more.p, body);
    bed_verify(bed, other, more.p, body);
    expect("fields that may be there often", DKIM_PASS, "");
}

/* RFC 6376 3.7: the signature being verified is no instance of DKIM-Signature in its own h=. */
static void
a_signature_does_not_sign_itself(void **state)
{
    (void)state;
    static const char tags[] = "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:dkim-signature:dkim-signature;";
    slice first = bed_sign(bed, bed->ed25519, "v=1; a=ed25519-sha256; d=example.org; s=ed; h=from;", header, body);
    slice with_first = bed_printf(bed, "%.*s%s", SLICE_ARG(first), header);
    slice second = bed_sign(bed, bed->rsa, tags, with_first.p, body);
    bed_verify(bed, second, with_first.p, body);
    assert_int_equal(bed->results[0].result, DKIM_PASS);
    assert_int_equal(bed->results[1].result, DKIM_PASS);
    bed_verify(bed, first, bed_printf(bed, "%.*s%s", SLICE_ARG(second), header).p, body); /* the order reversed */
    assert_int_equal(bed->results[0].result, DKIM_PASS);
    assert_int_equal(bed->results[1].result, DKIM_PASS);
}

static void
the_value_of_b_is_emptied_exactly(void **state)
{
    (void)state;
    /* b= not last, "bb=" and "bh=" beside it, white space around it: all of it stands in the hash but the value */
    slice digest_field = bed_printf(bed, "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=rsa; bb=1;"
                                         "\r\n b =\r\n\t; h=from; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; z=b=x");
    slice text = bed_printf(bed, "From: joe@example.org\r\n%.*s", SLICE_ARG(digest_field));
    size_t at = 0;
    while (memcmp(text.p + at, "b =\r\n\t;", 7) != 0)
        at++;
    slice emptied = bed_printf(bed, "%.*sb =;%s", (int)at, text.p, text.p + at + 7);
    unsigned char digest[HASH_SIZE_MAX];
    assert_int_equal(hash_once(HASH_SHA256, emptied, digest), ST_OK);
    slice b = bed_sign_digest(bed, bed->rsa, digest);
    size_t in_field = at - strlen("From: joe@example.org\r\n");
    slice field = bed_printf(bed, "%.*sb =\r\n\t%.*s \r\n\t %.*s\r\n ;%s\r\n", (int)in_field, digest_field.p, 40, b.p,
                             (int)b.n - 40, b.p + 40, digest_field.p + in_field + 7);
    bed_verify(bed, field, "From: joe@example.org\r\n", "");
    expect("b in the middle", DKIM_PASS, "");
}

static void
each_signature_is_judged_by_itself(void **state)
{
    (void)state;
    slice good = bed_sign(bed, bed->rsa, TAGS, header, body);
    bed_verify(bed, bed_printf(bed, "DKIM-Signature:\r\nDKIM-Signature: x\r\nDKIM-Signature: v=1; ;\r\n"
                                    "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=x; h=from; bh=AAAA; b=AAAA\r\n"
                                    "DKIM-SIGNATURE: \xff\xfe\r\n%.*s", SLICE_ARG(good)), header, body);
    assert_int_equal(bed->n, 6);
    for (size_t i = 0; i < 5; i++)
        assert_true(bed->results[i].result == DKIM_NEUTRAL || bed->results[i].result == DKIM_PERMERROR);
    assert_int_equal(bed->results[5].result, DKIM_PASS);
    bed_verify(bed, SLICE_EMPTY, header, body);
    assert_int_equal(bed->n, 0);
}

static void
the_authors_signatures_come_first(void **state)
{
    (void)state;
    struct strbuf all;
    strbuf_init(&all, 0);
    slice own = bed_sign(bed, bed->rsa, TAGS, header, body);
    for (unsigned i = 0; i < 12; i++)
        strbuf_printf(&all, "DKIM-Signature: v=1; a=rsa-sha256; d=e%u.example; s=x; h=from; "
                            "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA\r\n", i);
    strbuf_add(&all, own);
    bed->options.max_signatures = 3;
    bed->author = "example.org";
    bed_verify(bed, strbuf_slice(&all), header, body);
    assert_int_equal(bed->n, 13);
    assert_int_equal(bed->results[12].result, DKIM_PASS);
    assert_int_equal(bed->results[1].result, DKIM_PERMERROR); /* no key */
    assert_int_equal(bed->results[2].result, DKIM_POLICY);
    assert_true(slice_istarts(bed->results[2].reason, SLICE("ignored")));
    bed->author = "mail.example.org";
    bed_verify(bed, strbuf_slice(&all), header, body);
    assert_int_equal(bed->results[12].result, DKIM_PASS);
    bed->author = "other.example";
    bed_verify(bed, strbuf_slice(&all), header, body);
    assert_int_equal(bed->results[12].result, DKIM_POLICY);
    bed->options.max_signatures = 12;
    bed_verify(bed, strbuf_slice(&all), header, body);
    assert_int_equal(bed->results[12].result, DKIM_POLICY);
    bed->options.max_signatures = 13;
    bed_verify(bed, strbuf_slice(&all), header, body);
    assert_int_equal(bed->results[12].result, DKIM_PASS);
    strbuf_clear(&all);
}

static void
trouble_with_dns_is_temperror(void **state)
{
    (void)state;
    static const char tags[] = "v=1; a=rsa-sha256; d=example.org; s=broken; h=from;";
    strbuf_add_str(&bed->zone, "$STATUS broken._domainkey.example.org TXT servfail\n"
                               "$STATUS dead._domainkey.example.org TXT timeout\n");
    slice sig = bed_sign(bed, bed->rsa, tags, header, body);
    bed_verify(bed, sig, header, body);
    expect("servfail", DKIM_TEMPERROR, "servfail");
    bed_verify(bed, sig, header, "changed\r\n");
    expect("servfail, and the body changed", DKIM_TEMPERROR, "servfail");
    bed->limits.timeout_ms = 50;
    bed_verify(bed, bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=dead; h=from;", header, body), header,
               body);
    expect("timeout", DKIM_TEMPERROR, "timeout");
    bed->limits.max_queries = 0;
    bed_verify(bed, bed_sign(bed, bed->rsa, TAGS, header, body), header, body);
    expect("no budget: a limit, not trouble that passes", DKIM_POLICY, "more DNS lookups");
}

static void
keys_are_asked_for_early(void **state)
{
    (void)state;
    struct strbuf all;
    strbuf_init(&all, 0);
    for (unsigned i = 0; i < 3; i++) {
        strbuf_printf(&bed->zone, "s%u._domainkey.example.org. TXT \"p=%s\"\n", i, bed_public(bed, bed->rsa));
        slice tags = bed_printf(bed, "v=1; a=rsa-sha256; d=example.org; s=s%u; h=from;", i);
        strbuf_add(&all, bed_sign(bed, bed->rsa, tags.p, header, body));
    }
    bed_verify(bed, strbuf_slice(&all), header, body);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bed->results[i].result, DKIM_PASS);
    assert_int_equal(bed->asked_early, 3); /* one round trip, not three, and none after the body */
    assert_int_equal(bed->usage.questions, 3);
    strbuf_clear(&all);
}

/* RFC 8616: the names are asked for as A-labels, the octets hashed as they stand. */
static void
u_labels_are_converted_for_dns_only(void **state)
{
    (void)state;
    strbuf_printf(&bed->zone, "xn--bcher-kva._domainkey.xn--bcher-kva.example. TXT \"v=DKIM1; p=%s\"\n",
                  bed_public(bed, bed->rsa));
    static const char tags[] = "v=1; a=rsa-sha256; c=relaxed; d=b\xc3\xbc"
                               "cher.example; s=b\xc3\xbc"
                               "cher; h=from; i=j\xc3\xb6rg@B\xc3\x9c"
                               "CHER.example;";
    bed_verify(bed, bed_sign(bed, bed->rsa, tags, header, body), header, body);
    expect("U-labels", DKIM_PASS, "");
    assert_slice(bed->results[0].d, "xn--bcher-kva.example");
    assert_slice(bed->results[0].s, "xn--bcher-kva");
}

static void
collect(void *arg, unsigned depth, const char *text)
{
    (void)depth;
    struct strbuf *b = arg;
    strbuf_add_str(b, text);
    strbuf_add_char(b, '\n');
}

/* Verify with a trace and look for a text in it. */
static void
explained(slice sig, const char *with_header, const char *with_body, const char *want)
{
    struct strbuf told;
    strbuf_init(&told, 0);
    bed->trace = trace_new();
    bed_verify(bed, sig, with_header, with_body);
    trace_each(bed->trace, collect, &told);
    trace_free(bed->trace);
    bed->trace = NULL;
    if (strstr(strbuf_str(&told), want) == NULL)
        fail_msg("wanted \"%s\" in:\n%s", want, strbuf_str(&told));
    strbuf_clear(&told);
}

static void
failures_are_explained(void **state)
{
    (void)state;
    static const char two[] = "From: joe@example.org\r\nX-A: 1\r\nX-A: 2\r\nX-A: 3\r\n";
    slice sig = bed_sign(bed, bed->rsa, TAGS, header, body);
    explained(sig, header, "changed\r\n", "is now      bh=");
    explained(sig, header, body, "body unchanged: 28 octets");
    bed->options.explain = true;
    slice simple = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from;", header, body);
    explained(simple, header, "Hi.\r\n\r\nAre you  hungry yet?\r\n", "only white space at line ends");
    bed->options.explain = false;
    explained(sig, header, body, "subject: 1 in the header, 1 in h=: signed");
    explained(sig, "From: Joe <joe@example.org>\r\n", body, "subject: 0 in the header, 1 in h=: missing");
    explained(sig, bed_printf(bed, "%sSubject: spam\r\n", header).p, body,
              "it verifies with Subject number 1 in the place of number 2");
    explained(sig, "From: Joe <joe@example.org>\r\nTo: sue@example.net\r\nSubject: [list] dinner\r\n", body,
              "without the [...] at the front of Subject");
    sig = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:to:cc:subject;", header, body);
    explained(sig, bed_printf(bed, "%sCc: x@example.net\r\n", header).p, body, "it verifies without Cc number 1");
    sig = bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=rsa; h=from:x-a:x-a:x-a;", two, body);
    explained(sig, "From: joe@example.org\r\nX-A: 3\r\nX-A: 2\r\nX-A: 1\r\n", body, "taken from the top");
    explained(sig, "From: eve@example.org\r\nX-A: 1\r\nX-A: 2\r\nX-A: 3\r\n", body, "altered or removed");
    explained(sig, two, body, "pass");
    struct private_key *other = private_key_make(SIGN_RSA_SHA256, 1024);
    explained(bed_sign(bed, other, TAGS, header, body), header, body, "header: the signature was not made with this key");
    private_key_free(other);
    explained(bed_sign(bed, bed->rsa, "v=1; a=rsa-sha256; d=example.org; s=no; h=from;", header, body), header, body,
              "no key at no._domainkey.example.org");
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(rfc6376_a2_passes),
        CASE(rfc8463_passes),
        CASE(tags_are_judged),
        CASE(key_records_are_judged),
        CASE(flags_of_the_key_count),
        CASE(several_records_are_tried),
        CASE(key_sizes_have_bounds),
        CASE(changes_are_seen),
        CASE(fields_are_taken_from_the_bottom),
        CASE(added_copies_are_no_pass),
        CASE(a_signature_does_not_sign_itself),
        CASE(the_value_of_b_is_emptied_exactly),
        CASE(each_signature_is_judged_by_itself),
        CASE(the_authors_signatures_come_first),
        CASE(trouble_with_dns_is_temperror),
        CASE(keys_are_asked_for_early),
        CASE(u_labels_are_converted_for_dns_only),
        CASE(failures_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
