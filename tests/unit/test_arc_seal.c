/* What a set covers and says (RFC 8617 4.1, 5.1; RFC 6376 5.4), with a signer that writes down what it was asked. */
#include "test.h"

#include "arc/seal.h"
#include "crypto/hash.h"

struct notes {
    struct signer signer;
    unsigned char digests[8][DIGEST_SIZE];
    size_t n;
};

static bool
note_find(struct signer *s, slice key, enum sign_algorithm *algorithm)
{
    (void)s;
    *algorithm = slice_eq(key, SLICE("ed")) ? SIGN_ED25519_SHA256 : SIGN_RSA_SHA256;
    return !slice_eq(key, SLICE("none"));
}

static enum status
note_sign(struct signer *s, slice key, enum sign_algorithm algorithm, const unsigned char digest[DIGEST_SIZE], struct signature *out)
{
    struct notes *n = (struct notes *)s;
    (void)key, (void)algorithm;
    memcpy(n->digests[n->n++], digest, DIGEST_SIZE);
    *out = (struct signature){ .n = 3, .bytes = "abc" }; /* "YWJj" */
    return ST_OK;
}

static void
note_free(struct signer *s)
{
    (void)s;
}

static const struct signer_ops ops = { note_find, note_sign, note_free };

struct field {
    const char *name, *value;
};

static struct header_list *
header(struct arena *a, const struct field *f, size_t n)
{
    static const struct header_limits limits = { 1000, 1000000 };
    struct header_list *h = header_list_new(a, &limits);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(header_list_add(h, slice_from(f[i].name), slice_from(f[i].value)), ST_OK);
    return h;
}

struct made {
    enum status st;
    struct arc_seal_set set;
};

static struct made
make(struct arena *a, struct notes *n, const struct header_list *h, char *const *names, size_t n_names, char *const *over, size_t n_over,
     const struct arc_result *chain, const char *key)
{
    struct body_canon *b = body_canon_new(a);
    struct arc_seal *s = arc_seal_new(a, b);
    body_canon_feed(b, SLICE("hello \r\n\r\n"));
    assert_int_equal(body_canon_finish(b), ST_OK);
    const struct arc_seal_options o = { SLICE("d.example"), SLICE("s"), slice_from(key), &n->signer, 1790000000, names, n_names, over, n_over };
    struct made m;
    n->n = 0;
    m.st = arc_seal_finish(s, &o, h, SLICE(" mx.example;\n\tspf=pass"), chain, &m.set);
    body_canon_clear(b);
    return m;
}

/* The text between `tag` and the next ";", white space taken out. */
static slice
tag(struct arena *a, slice value, const char *name)
{
    char *text = arena_strdup(a, value), *at = strstr(text, name);
    assert_non_null(at);
    at += strlen(name);
    size_t n = 0;
    for (char *p = at; *p != '\0' && *p != ';'; p++)
        if (*p != ' ' && *p != '\t' && *p != '\n')
            at[n++] = *p;
    return (slice){ at, n };
}

static const struct arc_result none = { .status = ARC_NONE, .oldest_pass = -1 };

static void
h_names_what_is_there(void **state)
{
    (void)state;
    static const struct field one[] = { { "Received", " x" }, { "From", " a" }, { "To", " b" }, { "subject", " c" },
                                        { "Authentication-Results", " x; none" }, { "DKIM-Signature", " 1" }, { "DKIM-Signature", " 2" },
                                        { "ARC-Seal", " i=x" } };
    static char *const usual[] = { "From", "To", "Cc", "Subject", "DKIM-Signature" };
    static char *const no_from[] = { "Subject", "subject", "SUBJECT" };
    static char *const forbidden[] = { "From", "Authentication-Results", "ARC-Seal", "ARC-Message-Signature", "arc-authentication-results" };
    static char *const from[] = { "From" };
    static char *const others[] = { "From", "Cc", "Reply-To", "Authentication-Results", "reply-to" };
    const struct {
        const char *label;
        char *const *names;
        size_t n;
        char *const *over;
        size_t n_over;
        const char *h;
    } cases[] = {
        { "those that exist, all their instances", usual, COUNT(usual), NULL, 0, "from:to:subject:dkim-signature:dkim-signature" },
        { "From always (RFC 6376 5.4), names once", no_from, COUNT(no_from), NULL, 0, "from:subject" },
        { "never results nor ARC fields (RFC 8617 4.1.2)", forbidden, COUNT(forbidden), NULL, 0, "from" },
        { "oversigned, one more than there are", usual, COUNT(usual), from, 1, "from:from:to:subject:dkim-signature:dkim-signature" },
        { "oversigned though absent", usual, COUNT(usual), others, COUNT(others),
          "from:from:to:cc:subject:dkim-signature:dkim-signature:reply-to" },
        { "no list at all", NULL, 0, from, 1, "from:from" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(0);
        struct notes n = { .signer = { &ops } };
        struct made m = make(a, &n, header(a, one, COUNT(one)), cases[i].names, cases[i].n, cases[i].over, cases[i].n_over, &none, "k");
        assert_int_equal(m.st, ST_OK);
        slice h = tag(a, m.set.ams, "h=");
        if (!slice_eq(h, slice_from(cases[i].h)))
            fail_msg("%s: %.*s", cases[i].label, SLICE_ARG(h));
        arena_free(a);
    }
}

/* The very octets of RFC 6376 3.7 and RFC 8617 5.1.1, put together by hand. */
static void
the_right_octets_are_signed(void **state)
{
    (void)state;
    static const struct field one[] = { { "FROM", " A\n\t B " }, { "X", " y" }, { "to", " 1" }, { "To", " 2" } };
    static char *const names[] = { "To", "From" };
    static char *const over[] = { "From" };
    struct arena *a = arena_new(0);
    struct notes n = { .signer = { &ops } };
    struct made m = make(a, &n, header(a, one, COUNT(one)), names, 2, over, 1, &none, "k");
    assert_int_equal(m.st, ST_OK);
    assert_int_equal(n.n, 2);
    /* instances from the bottom up; what is oversigned adds nothing; b= emptied, no CRLF at the end.
     * bh: SHA-256 of "hello" CRLF in base64, by openssl dgst. */
    static const char ams[] = "to:2\r\nto:1\r\nfrom:A B\r\n"
                              "arc-message-signature:i=1; a=rsa-sha256; c=relaxed/relaxed; d=d.example; s=s; t=1790000000;"
                              " h=to:to:from:from; bh=zS7KNTV0HyeorkDDGwxB1AV6enuRKzO5rthkhdHIRnY=; b=";
    unsigned char want[HASH_SIZE_MAX];
    assert_int_equal(hash_once(HASH_SHA256, slice_from(ams), want), ST_OK);
    assert_memory_equal(n.digests[0], want, DIGEST_SIZE);
    static const char as[] = "arc-authentication-results:i=1; mx.example; spf=pass\r\n"
                             "arc-message-signature:i=1; a=rsa-sha256; c=relaxed/relaxed; d=d.example; s=s; t=1790000000;"
                             " h=to:to:from:from; bh=zS7KNTV0HyeorkDDGwxB1AV6enuRKzO5rthkhdHIRnY=; b=YWJj\r\n"
                             "arc-seal:i=1; a=rsa-sha256; cv=none; d=d.example; s=s; t=1790000000; b=";
    assert_int_equal(hash_once(HASH_SHA256, slice_from(as), want), ST_OK);
    assert_memory_equal(n.digests[1], want, DIGEST_SIZE);
    arena_free(a);
}

/* RFC 8617 5.1.2: over a failed chain the seal covers its own set only, "as if this newest ARC Set was the only set
 * present", also where the older fields are well-formed and could be put in order. */
static void
a_failed_chain_is_not_covered(void **state)
{
    (void)state;
    static const struct field one[] = { { "From", " a" } };
    static const struct header_field older = { .raw = SLICE("ARC-Seal: x"), .name = SLICE("ARC-Seal"), .value = SLICE(" x") };
    static const struct arc_set set = { .instance = 1, .aar = &older, .ams = &older, .as = &older };
    static const char ams[] = "arc-message-signature:i=2; a=rsa-sha256; c=relaxed/relaxed; d=d.example; s=s; t=1790000000;"
                              " h=from; bh=zS7KNTV0HyeorkDDGwxB1AV6enuRKzO5rthkhdHIRnY=; b=YWJj";
    for (int passed = 0; passed < 2; passed++) {
        const struct arc_result chain = { .status = passed ? ARC_PASS : ARC_FAIL, .sets = 1, .highest_instance = 1, .chain = &set };
        struct arena *a = arena_new(0);
        struct notes n = { .signer = { &ops } };
        struct made m = make(a, &n, header(a, one, 1), NULL, 0, NULL, 0, &chain, "k");
        unsigned char want[HASH_SIZE_MAX];
        char as[1000];
        snprintf(as, sizeof(as), "%sarc-authentication-results:i=2; mx.example; spf=pass\r\n%s\r\n"
                 "arc-seal:i=2; a=rsa-sha256; cv=%s; d=d.example; s=s; t=1790000000; b=",
                 passed ? "arc-seal:x\r\narc-seal:x\r\narc-seal:x\r\n" : "", ams, passed ? "pass" : "fail");
        assert_int_equal(m.st, ST_OK);
        assert_int_equal(hash_once(HASH_SHA256, slice_from(as), want), ST_OK);
        assert_memory_equal(n.digests[1], want, DIGEST_SIZE);
        arena_free(a);
    }
}

static void
whether_there_is_a_set(void **state)
{
    (void)state;
    static const struct field f[] = { { "From", " a" } };
    static const struct header_field dummy = { .raw = SLICE("ARC-Seal: x"), .name = SLICE("ARC-Seal"), .value = SLICE(" x") };
    struct arc_set sets[50];
    for (unsigned i = 0; i < 50; i++)
        sets[i] = (struct arc_set){ .instance = i + 1, .aar = &dummy, .ams = &dummy, .as = &dummy };
    const struct {
        const char *label;
        struct arc_result chain;
        const char *key;
        enum status st;
        unsigned instance;
        const char *cv;
    } cases[] = {
        { "first", none, "k", ST_OK, 1, "none" },
        { "second", { .status = ARC_PASS, .sets = 1, .highest_instance = 1, .chain = sets }, "k", ST_OK, 2, "pass" },
        { "the 50th", { .status = ARC_PASS, .sets = 49, .highest_instance = 49, .chain = sets }, "k", ST_OK, 50, "pass" },
        { "no 51st", { .status = ARC_PASS, .sets = 50, .highest_instance = 50, .chain = sets }, "k", ST_OK, 0, NULL },
        { "a failed chain", { .status = ARC_FAIL, .highest_instance = 3 }, "k", ST_OK, 4, "fail" },
        { "of which nothing is readable", { .status = ARC_FAIL }, "k", ST_OK, 1, "fail" },
        { "failed, and full", { .status = ARC_FAIL, .highest_instance = 50 }, "k", ST_OK, 0, NULL },
        { "sealed as failed", { .status = ARC_FAIL, .highest_instance = 3, .sealed_fail = true }, "k", ST_OK, 0, NULL },
        { "a pass without a chain is a contradiction", { .status = ARC_PASS, .sets = 1, .highest_instance = 1 }, "k", ST_OK, 0, NULL },
        { "no key", none, "none", ST_SYNTAX, 0, NULL },
        { "ed25519", none, "ed", ST_OK, 1, "none" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(0);
        struct notes n = { .signer = { &ops } };
        struct made m = make(a, &n, header(a, f, 1), NULL, 0, NULL, 0, &cases[i].chain, cases[i].key);
        if (m.st != cases[i].st || m.set.instance != cases[i].instance)
            fail_msg("%s: status %d, i=%u", cases[i].label, m.st, m.set.instance);
        assert_true((m.set.instance == 0) == (n.n == 0));
        if (cases[i].cv == NULL) {
            assert_true(m.st != ST_OK || m.set.why_not != NULL);
            arena_free(a);
            continue;
        }
        assert_slice(tag(a, m.set.as, "cv="), cases[i].cv);
        const slice fields[] = { m.set.aar, m.set.ams, m.set.as };
        for (size_t k = 0; k < COUNT(fields); k++) { /* i= first, as the grammar has it; the same in all three */
            char want[16];
            snprintf(want, sizeof(want), " i=%u;", cases[i].instance);
            assert_true(slice_starts(fields[k], slice_from(want)));
        }
        const char *algorithm = strcmp(cases[i].key, "ed") == 0 ? "ed25519-sha256" : "rsa-sha256";
        assert_slice(tag(a, m.set.ams, " a="), algorithm);
        assert_slice(tag(a, m.set.as, " a="), algorithm);
        assert_null(strstr(arena_strdup(a, m.set.as), "h=")); /* RFC 8617 4.1.3 */
        arena_free(a);
    }
}

static void
lines_stay_short(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct field many[200];
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = (struct field){ "List-Unsubscribe-Post", " x" };
    static char *const names[] = { "List-Unsubscribe-Post" };
    struct notes n = { .signer = { &ops } };
    struct made m = make(a, &n, header(a, many, COUNT(many)), names, 1, NULL, 0, &none, "k");
    assert_int_equal(m.st, ST_OK);
    size_t column = strlen("ARC-Message-Signature:"), at = 0;
    for (size_t i = 0; i < m.set.ams.n; i++) {
        column = m.set.ams.p[i] == '\n' ? 0 : column + 1;
        if (m.set.ams.p[i] == '\n') /* a fold is followed by white space */
            assert_int_equal(m.set.ams.p[i + 1], '\t');
        assert_in_range(column, 0, 78); /* RFC 5322 2.1.1 */
        at += m.set.ams.p[i] == ':';
    }
    assert_int_equal(at, 49); /* a flood of one name is covered from the bottom up to a bound */
    arena_free(a);
}

#define ROOM ((size_t)16384) /* one block of an arena */

/* With so much of the room taken: the whole set or none, and ST_OK stands for the whole. */
static bool
seals_in_what_is_left(const struct header_list *h, char *const *names, size_t n_names, size_t taken)
{
    struct arena *a = arena_new(ROOM), *others = arena_new(0);
    struct notes n = { .signer = { &ops } };
    struct body_canon *b = body_canon_new(others);
    assert_non_null(arena_alloc(a, taken));
    struct arc_seal *s = arc_seal_new(a, b);
    body_canon_feed(b, SLICE("hello\r\n"));
    assert_int_equal(body_canon_finish(b), ST_OK);
    const struct arc_seal_options o = { SLICE("d.example"), SLICE("s"), SLICE("k"), &n.signer, 1790000000, NULL, 0, names, n_names };
    struct arc_seal_set set;
    enum status st = s == NULL ? ST_NOMEM : arc_seal_finish(s, &o, h, SLICE(" mx.example;\n\tspf=pass"), &none, &set);
    if (s != NULL) {
        bool whole = set.instance == 1 && set.aar.n > 0 && set.ams.n > n_names * 10 && set.as.n > 0;
        if (st == ST_OK ? !whole : st != ST_NOMEM || set.instance != 0 || set.aar.n + set.ams.n + set.as.n > 0)
            fail_msg("%zu octets taken: status %d, i=%u, fields of %zu, %zu, %zu", taken, st, set.instance, set.aar.n, set.ams.n, set.as.n);
    }
    body_canon_clear(b);
    arena_free(a);
    arena_free(others);
    return st == ST_OK;
}

static void
short_of_memory_there_is_no_set(void **state)
{
    (void)state;
    static const struct field f[] = { { "From", " a" }, { "To", " b" } };
    static char text[120][40];
    static char *names[COUNT(text)]; /* all of them make an AMS that is longer than what is kept after it, half of them fit in */
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(text[i], sizeof(text[i]), "A-Name-That-Is-Not-In-The-Header-%03zu", i);
        names[i] = text[i];
    }
    struct arena *a = arena_new(0);
    const struct header_list *h = header(a, f, COUNT(f));
    size_t made = 0, refused = 0;
    for (size_t n = COUNT(names) / 2; n <= COUNT(names); n += COUNT(names) / 2)
        for (size_t taken = 0; taken < ROOM; taken += 16)
            *(seals_in_what_is_left(h, names, n, taken) ? &made : &refused) += 1;
    assert_true(made > 0 && refused > 0);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h_names_what_is_there),
        cmocka_unit_test(the_right_octets_are_signed),
        cmocka_unit_test(a_failed_chain_is_not_covered),
        cmocka_unit_test(whether_there_is_a_set),
        cmocka_unit_test(lines_stay_short),
        cmocka_unit_test(short_of_memory_there_is_no_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
