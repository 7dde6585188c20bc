/* test_dmarc_record.c - the record's grammar: examples and sentences of RFC 9989 4.7, 4.8, 4.10.1 and B. */
#include "test.h"

#include "base/strbuf.h"
#include "dmarc/record.h"

#define NONE DMARC_POLICY_NONE
#define QUAR DMARC_POLICY_QUARANTINE
#define REJ DMARC_POLICY_REJECT
#define UNSET DMARC_POLICY_UNSET

static const struct {
    const char *text;
    enum status st;
    enum dmarc_policy p, sp, np;
    const char *flags; /* adkim, aspf, psd, t as one letter each */
    unsigned n_rua, n_ruf;
    bool bad, warns;
} cases[] = {
    { "v=DMARC1; p=none", ST_OK, NONE, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v=DMARC1;p=none;", ST_OK, NONE, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v = DMARC1 ; p = none", ST_OK, NONE, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v = DMARC1 ;  p  =  reject  ; adkim = s ;", ST_OK, REJ, UNSET, UNSET, "srun", 0, 0, false, false },
    { "v=DMARC1;\tp=reject", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "V=DMARC1; P=reject", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, false }, /* RFC 5234 2.3 */
    /* "If the tag is not the first in the list, or the tag is absent, or the value is not DMARC1 ..." (4.7) */
    { "v=dmarc1; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "v=DMARC2; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "v=DMARC1x; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "v=DMARC10; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "v=DMARC1 p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "p=none; v=DMARC1", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "p=reject", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "DMARC1; p=reject", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { " v=DMARC1; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { ";v=DMARC1; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "v; p=none", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    { "", ST_SYNTAX, UNSET, UNSET, UNSET, "", 0, 0, false, false },
    /* values but v's are not case-sensitive (RFC 7405 2.1) */
    { "v=DMARC1; p=Reject; adkim=S", ST_OK, REJ, UNSET, UNSET, "srun", 0, 0, false, false },
    { "v=DMARC1; p=REJECT; psd=N; t=Y", ST_OK, REJ, UNSET, UNSET, "rrny", 0, 0, false, false },
    { "v=DMARC1; p=quarantine; np=reject; sp=none", ST_OK, QUAR, NONE, REJ, "rrun", 0, 0, false, false },
    { "v=DMARC1; p=none; psd=y", ST_OK, NONE, UNSET, UNSET, "rryn", 0, 0, false, false },
    { "v=DMARC1; p=none; psd=u", ST_OK, NONE, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v=DMARC1; p=reject; aspf=s; t=n", ST_OK, REJ, UNSET, UNSET, "rsun", 0, 0, false, false },
    /* without a valid p, or with a bad sp or np: as p=none if there is a usable rua (4.10.1) */
    { "v=DMARC1; rua=mailto:a@example.com", ST_OK, NONE, UNSET, UNSET, "rrun", 1, 0, true, true },
    { "v=DMARC1; p=foo; rua=mailto:a@example.com", ST_OK, NONE, UNSET, UNSET, "rrun", 1, 0, true, true },
    { "v=DMARC1; p=; rua=mailto:a@example.com", ST_OK, NONE, UNSET, UNSET, "rrun", 1, 0, true, true },
    { "v=DMARC1; p=reject; sp=foo; rua=mailto:a@example.com", ST_OK, NONE, UNSET, UNSET, "rrun", 1, 0, true, true },
    { "v=DMARC1; p=reject; np=foo; rua=mailto:a@example.com", ST_OK, NONE, UNSET, UNSET, "rrun", 1, 0, true, true },
    { "v=DMARC1", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 0, true, true },
    { "v=DMARC1;", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 0, true, true },
    { "v=DMARC1; p=foo", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 0, true, true },
    { "v=DMARC1; p=foo; rua=not a uri", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 0, true, true },
    { "v=DMARC1; p=foo; rua=", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 0, true, true },
    { "v=DMARC1; p=foo; ruf=mailto:a@example.com", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 1, true, true },
    /* unknown and historic tags are ignored, errors fall back to the default (4.7, 4.8, A.6) */
    { "v=DMARC1; p=reject; pct=0; rf=afrf; ri=86400; foo=bar", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v=DMARC1; p=reject; pct=many", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v=DMARC1; p=reject; adkim=x; aspf=strict; psd=q; t=maybe", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, true },
    { "v=DMARC1; p=reject; aspf=x; foo=bar; rua=mailto:a@x.example!10m", ST_OK, REJ, UNSET, UNSET, "rrun", 1, 0, false,
      true },
    { "v=DMARC1; p=reject; junk; =; =x; ;;; ", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, true },
    { "v=DMARC1; p=reject;;;", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, false },
    { "v=DMARC1; p=reject; adkim=s\x01; t=\xc3\xa9", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, true },
    { "v=DMARC1; p=rej ect", ST_OK, UNSET, UNSET, UNSET, "rrun", 0, 0, true, true },
    /* a name twice: the first stands */
    { "v=DMARC1; p=none; p=reject", ST_OK, NONE, UNSET, UNSET, "rrun", 0, 0, false, true },
    { "v=DMARC1; p=reject; t=y; t=n", ST_OK, REJ, UNSET, UNSET, "rruy", 0, 0, false, true },
    { "v=DMARC1; p=reject; v=DMARC1", ST_OK, REJ, UNSET, UNSET, "rrun", 0, 0, false, true },
    /* B.2.5 and lists of URIs */
    { "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com, mailto:tld-test@thirdparty.example.net; t=y", ST_OK,
      QUAR, UNSET, UNSET, "rruy", 2, 0, false, false },
    { "v=DMARC1; p=none; rua=mailto:a@x.example ,\tmailto:b@x.example,https://x.example/r?a=b#c", ST_OK, NONE, UNSET, UNSET,
      "rrun", 3, 0, false, false },
    { "v=DMARC1; p=none; rua=mailto:a@x.example,,b@x.example; ruf=mailto:f@x.example", ST_OK, NONE, UNSET, UNSET, "rrun", 1,
      1, false, true },
};

static void
test_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(0);
        struct dmarc_record r;
        slice text = test_exact(cases[i].text);
        enum status st = dmarc_record_parse(a, text, &r);
        if (st != cases[i].st || dmarc_record_is(text) != (st == ST_OK))
            fail_msg("%s: status %s", cases[i].text, status_name(st));
        if (st == ST_OK) {
            const char flags[] = { r.adkim_strict ? 's' : 'r', r.aspf_strict ? 's' : 'r', r.psd, r.testing ? 'y' : 'n', '\0' };
            if (r.p != cases[i].p || r.sp != cases[i].sp || r.np != cases[i].np || strcmp(flags, cases[i].flags) != 0 ||
                r.n_rua != cases[i].n_rua || r.n_ruf != cases[i].n_ruf || r.bad_policy != cases[i].bad ||
                (r.warning.n > 0) != cases[i].warns || dmarc_record_psd(text) != r.psd)
                fail_msg("%s: p=%d sp=%d np=%d %s rua=%zu ruf=%zu bad=%d \"%.*s\"", cases[i].text, r.p, r.sp, r.np, flags,
                         r.n_rua, r.n_ruf, r.bad_policy, SLICE_ARG(r.warning));
        }
        test_release(text);
        arena_free(a);
    }
}

/* A NUL is a syntax error where it stands, and of the rest nothing is lost behind it (RFC 9989 4.8). */
static void
test_nul_spoils_one_tag(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct dmarc_record r;
    assert_int_equal(dmarc_record_parse(a, SLICE("v=DMARC1\0; p=reject"), &r), ST_SYNTAX);
    assert_int_equal(dmarc_record_parse(a, SLICE("v=DMARC1; x=a\0b; p=reject; t=y"), &r), ST_OK);
    assert_true(r.p == REJ && r.testing && !r.bad_policy && r.warning.n == 0);
    assert_int_equal(dmarc_record_parse(a, SLICE("v=DMARC1; p=reject; adkim=s\0; psd=\0; fo=\0; rua=mailto:a@x\0.example; t=y"), &r), ST_OK);
    assert_true(r.p == REJ && !r.adkim_strict && r.psd == 'u' && r.n_rua == 0 && r.testing && r.warning.n > 0);
    assert_int_equal(dmarc_record_parse(a, SLICE("v=DMARC1; p=reject\0; t=y"), &r), ST_OK);
    assert_true(r.bad_policy && r.p == UNSET);
    assert_int_equal(dmarc_record_psd(SLICE("v=DMARC1; x=\0; psd=y")), 'y');
    arena_free(a);
}

/* dmarc-fo: each option once, in any order, 0 and 1 not together. */
static void
test_fo(void **state)
{
    static const struct {
        const char *value;
        bool good;
    } fo[] = { { "0", true },     { "1", true },     { "d", true },       { "s", true },    { "1:d:s", true }, { "d:s:0", true },
               { "d:1:s", true }, { "D:S", true },   { "s:d", true },     { "0:1", false }, { "1:1", false },  { "d:d", false },
               { "x", false },    { "1:", false },   { ":1", false },     { "1 : d", false }, { "1d", false },  { "1,d", false } };
    (void)state;
    for (size_t i = 0; i < COUNT(fo); i++) {
        struct arena *a = arena_new(0);
        struct dmarc_record r;
        slice text = arena_printf(a, "v=DMARC1; p=none; ruf=mailto:f@x.example; fo=%s", fo[i].value);
        assert_int_equal(dmarc_record_parse(a, text, &r), ST_OK);
        assert_slice(r.fo, fo[i].good ? fo[i].value : "0");
        assert_int_equal(r.warning.n > 0, !fo[i].good);
        arena_free(a);
    }
}

/* dmarc-uri: RFC 3986 with "," and "!" encoded; obs-dmarc-report-size is taken off. */
static void
test_uris(void **state)
{
    static const struct {
        const char *text, *uri; /* NULL: none */
    } uris[] = {
        { "mailto:a@x.example", "mailto:a@x.example" },
        { " \tmailto:a@x.example ", "mailto:a@x.example" },
        { "MAILTO:a@x.example", "MAILTO:a@x.example" },
        { "mailto:a@x.example!10m", "mailto:a@x.example" },
        { "mailto:a@x.example!10M", "mailto:a@x.example" },
        { "mailto:a@x.example!5", "mailto:a@x.example" },
        { "mailto:a%21b@x.example!5g", "mailto:a%21b@x.example" },
        { "mailto:a%2Cb@x.example?subject=x", "mailto:a%2Cb@x.example?subject=x" },
        { "https://x.example/report", "https://x.example/report" },
        { "gopher+x.y-z:rest", "gopher+x.y-z:rest" },
        { "mailto:a@x.example!10q", NULL },
        { "mailto:a@x.example!10mm", NULL },
        { "mailto:a@x.example!m", NULL },
        { "mailto:a@x.example!1!2", NULL },
        { "mailto:a!b@x.example", NULL },
        { "mailto:a b@x.example", NULL },
        { "mailto:a@x.example%", NULL },
        { "mailto:a@x.example%2", NULL },
        { "mailto:a@x.example%zz", NULL },
        { "mailto:\"a\"@x.example", NULL },
        { "mailto:<a@x.example>", NULL },
        { "mailto:a@b@x.example", NULL },
        { "mailto:a", NULL },
        { "mailto:@x.example", NULL },
        { "mailto:a@", NULL },
        { "mailto:?to=a@x.example", NULL },
        { "mailto:", NULL },
        { "a@x.example", NULL },
        { ":a@x.example", NULL },
        { "1x:y", NULL },
        { "ht tp:y", NULL },
        { "http://x.example/#a#b", NULL },
        { "mailto:\xc3\xa9@x.example", NULL },
        { "", NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(uris); i++) {
        slice text = test_exact(uris[i].text), uri = SLICE_EMPTY;
        bool good = dmarc_uri_parse(text, &uri);
        if (good != (uris[i].uri != NULL) || (good && !slice_eq(uri, slice_from(uris[i].uri))))
            fail_msg("%s: %s \"%.*s\"", uris[i].text, good ? "a URI" : "no URI", SLICE_ARG(uri));
        test_release(text);
    }
}

/* Limits are said, not silent: n-1, n, n+1 of DMARC_MAX_URIS. */
static void
test_many_uris(void **state)
{
    (void)state;
    for (unsigned n = DMARC_MAX_URIS - 1; n <= DMARC_MAX_URIS + 1; n++) {
        struct arena *a = arena_new(0);
        struct strbuf b;
        struct dmarc_record r;
        strbuf_init(&b, 0);
        strbuf_add_str(&b, "v=DMARC1; p=none; rua=mailto:a@0.example");
        for (unsigned i = 1; i < n; i++)
            strbuf_printf(&b, ",mailto:a@%u.example", i);
        assert_int_equal(dmarc_record_parse(a, strbuf_slice(&b), &r), ST_OK);
        assert_int_equal(r.n_rua, n < DMARC_MAX_URIS ? n : DMARC_MAX_URIS);
        assert_int_equal(r.warning.n > 0, n > DMARC_MAX_URIS);
        strbuf_clear(&b);
        arena_free(a);
    }
}

/* A record as large as DNS can carry is read in one pass. */
static void
test_large(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct strbuf b;
    struct dmarc_record r;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "v=DMARC1; p=reject; ");
    while (b.n < 64000)
        strbuf_add_str(&b, ";;,=x=;");
    strbuf_add_str(&b, "; t=y");
    assert_int_equal(dmarc_record_parse(a, strbuf_slice(&b), &r), ST_OK);
    assert_true(r.p == DMARC_POLICY_REJECT && r.testing);
    strbuf_clear(&b);
    arena_free(a);
}

/* ---- every short text over the octets that matter, against a slow reader of another build */

struct slow {
    bool is_record;
    char p, t; /* 'n', 'q', 'r', '-' missing, '!' bad; 'y' or 'n' */
};

/* Cuts into tags first, then into names and values, on copies. */
static struct slow
read_slowly(const char *text)
{
    struct slow out = { false, '-', 'n' };
    char copy[64], *tags[64];
    size_t n = 0;
    bool p_seen = false, t_seen = false;
    snprintf(copy, sizeof(copy), "%s", text);
    tags[n++] = copy;
    for (char *c = copy; *c != '\0'; c++)
        if (*c == ';') {
            *c = '\0';
            tags[n++] = c + 1;
        }
    for (size_t i = 0; i < n; i++) {
        char name[64] = "", value[64] = "";
        char *eq = strchr(tags[i], '=');
        if (eq == NULL) {
            if (i == 0)
                return out;
            continue;
        }
        *eq = '\0';
        if (i == 0 && (tags[0][0] == ' ' || tags[0][0] == '\t'))
            return out;
        sscanf(tags[i], " %63[^\t]", name); /* up to a tab, then without the spaces at its end */
        while (strlen(name) > 0 && name[strlen(name) - 1] == ' ')
            name[strlen(name) - 1] = '\0';
        char *v = eq + 1;
        v += strspn(v, " \t");
        size_t len = strlen(v);
        while (len > 0 && (v[len - 1] == ' ' || v[len - 1] == '\t'))
            len--;
        memcpy(value, v, len);
        value[len] = '\0';
        size_t name_len = strlen(tags[i]);
        while (name_len > 0 && (tags[i][name_len - 1] == ' ' || tags[i][name_len - 1] == '\t'))
            name_len--;
        size_t lead = strspn(tags[i], " \t");
        bool whole = name_len >= lead && strlen(name) == name_len - lead;
        if (i == 0) {
            out.is_record = whole && (strcmp(name, "v") == 0 || strcmp(name, "V") == 0) && strcmp(value, "DMARC1") == 0;
            if (!out.is_record)
                return out;
        } else if (whole && !p_seen && strcmp(name, "p") == 0) {
            p_seen = true;
            out.p = strcmp(value, "none") == 0 ? 'n' : strcmp(value, "reject") == 0 ? 'r' : '!';
        } else if (whole && !t_seen && strcmp(name, "t") == 0) {
            t_seen = true;
            out.t = strcmp(value, "y") == 0 ? 'y' : 'n';
        }
    }
    return out;
}

static void
compare(const char *text, unsigned long *seen)
{
    struct slow want = read_slowly(text);
    struct dmarc_record r;
    struct arena *a = arena_new(0);
    slice exact = test_exact(text);
    bool is_record = dmarc_record_parse(a, exact, &r) == ST_OK;
    if (is_record != want.is_record)
        fail_msg("\"%s\": %s", text, is_record ? "a record" : "no record");
    if (is_record) {
        enum dmarc_policy p = want.p == 'n'   ? DMARC_POLICY_NONE
                              : want.p == 'r' ? DMARC_POLICY_REJECT
                                              : DMARC_POLICY_UNSET;
        if (r.p != p || r.bad_policy != (p == DMARC_POLICY_UNSET) || r.testing != (want.t == 'y'))
            fail_msg("\"%s\": p=%d t=%d", text, r.p, r.testing);
    }
    test_release(exact);
    arena_free(a);
    (*seen)++;
}

/* All texts of up to `most` parts, each put between `before` and `after`. */
static void
all_texts(const char *const *parts, size_t n, unsigned most, const char *before, const char *after, unsigned long *seen)
{
    unsigned at[8] = { 0 };
    for (unsigned len = 0; len <= most; len++) {
        memset(at, 0, sizeof(at));
        for (bool more = true; more;) {
            char text[64];
            snprintf(text, sizeof(text), "%s", before);
            for (unsigned i = 0; i < len; i++)
                strncat(text, parts[at[i]], sizeof(text) - strlen(text) - 1);
            strncat(text, after, sizeof(text) - strlen(text) - 1);
            compare(text, seen);
            unsigned i = 0;
            while (i < len && ++at[i] == n)
                at[i++] = 0;
            more = i < len;
        }
    }
}

static void
test_all_short_texts(void **state)
{
    (void)state;
    static const char *const letters[] = { "v", "=", ";", " ", "\t", "p", "t", "y", "none", "reject", "DMARC1", "x" };
    unsigned long seen = 0;
    all_texts(letters, COUNT(letters), 4, "", "", &seen);
    all_texts(letters, COUNT(letters), 5, "v=DMARC1;", "", &seen);
    all_texts(letters, COUNT(letters), 3, "", "v=DMARC1;p=none", &seen);
    all_texts(letters, COUNT(letters), 4, "v=DMARC1;p=", ";t=y", &seen);
    print_message("%lu texts\n", seen);
}

static void
test_names(void **state)
{
    (void)state;
    assert_string_equal(dmarc_result_name(DMARC_NONE), "none");
    assert_string_equal(dmarc_result_name(DMARC_PASS), "pass");
    assert_string_equal(dmarc_result_name(DMARC_FAIL), "fail");
    assert_string_equal(dmarc_result_name(DMARC_TEMPERROR), "temperror");
    assert_string_equal(dmarc_result_name(DMARC_PERMERROR), "permerror");
    assert_null(dmarc_policy_name(DMARC_POLICY_UNSET));
    assert_string_equal(dmarc_policy_name(DMARC_POLICY_QUARANTINE), "quarantine");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),   cmocka_unit_test(test_nul_spoils_one_tag), cmocka_unit_test(test_fo),
        cmocka_unit_test(test_uris),      cmocka_unit_test(test_many_uris),        cmocka_unit_test(test_large),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_all_short_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
