/* Received-SPF (RFC 7208 9.1): read back by a reader of its grammar written here; no octet of mail gets out of its place. */
#include "test.h"

#include "spf/received.h"

static slice
field(struct arena *a, struct spf_request *rq, struct spf_outcome *o)
{
    slice s = spf_received_field(a, rq, o);
    assert_non_null(s.p);
    return s;
}

/* One key-value-pair at *p; the value unquoted into out. */
static bool
read_pair(const char **p, const char *end, const char *key, char *out)
{
    const char *s = *p;
    char name[40];
    size_t n = 0;
    while (s < end && strchr(" \t\n;", *s) != NULL)
        s++;
    while (s < end && *s != '=' && n + 1 < sizeof(name))
        name[n++] = *s++;
    name[n] = '\0';
    if (s == end || *s++ != '=')
        return false;
    if (*s == '"') {
        for (s++; s < end && *s != '"'; s++) {
            if (*s == '\\')
                s++;
            *out++ = *s;
        }
        s++;
    } else {
        while (s < end && *s != ';')
            *out++ = *s++;
    }
    *out = '\0';
    *p = s;
    return strcmp(name, key) == 0;
}

static void
test_pairs(void **state)
{
    (void)state;
    static const struct { const char *key, *value; } want[] = {
        { "identity", "mailfrom" },   { "client-ip", "2001:db8::1" }, { "receiver", "mta.example.org" },
        { "helo", "mx.example.net" }, { "envelope-from", "a\"b\\c@d.example" }, { "mechanism", "include:_spf.d.example" },
    };
    struct arena *a = arena_new(0);
    struct spf_request rq = { .helo = SLICE("mx.example.net"), .sender_local = SLICE("a\"b\\c"), .sender_domain = SLICE("d.example"),
                              .receiver = SLICE("mta.example.org") };
    struct spf_outcome o = { .result = SPF_PASS, .domain = SLICE("d.example"), .mechanism = SLICE("include:_spf.d.example"),
                             .reason = SLICE("x") };
    char value[400];
    netaddr_parse(SLICE("2001:db8::1"), &rq.client);
    slice s = field(a, &rq, &o);
    static const char start[] = " pass\n\t(mta.example.org: domain of d.example designates 2001:db8::1 as permitted sender)";
    assert_true(slice_starts(s, SLICE(start)));
    const char *p = s.p + sizeof(start) - 1;
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_true(read_pair(&p, s.p + s.n, want[i].key, value));
        assert_string_equal(value, want[i].value);
    }
    assert_ptr_equal(p, s.p + s.n);
    arena_free(a);
}

/* Whatever stands in mail: printable ASCII alone, lines of at most 998 octets, folds followed by white space. */
static void
test_hostile(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    char *text = malloc(70000);
    assert_non_null(text);
    for (int kind = 0; kind < 260; kind++) {
        size_t n = kind < 256 ? 3 : (size_t)(kind - 255) * 16000;
        memset(text, kind < 256 ? kind : '(', n);
        slice any = { text, n };
        struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .helo = any, .sender_local = any, .sender_domain = any, .receiver = any };
        struct spf_outcome o = { .result = (enum spf_result)(kind % 7), .domain = SLICE("d.example"), .mechanism = any, .reason = any };
        slice s = field(a, &rq, &o);
        size_t line = 0;
        for (size_t i = 0; i < s.n; i++) {
            if (s.p[i] == '\n') {
                assert_true(i + 1 < s.n && s.p[i + 1] == '\t');
                line = 0;
                continue;
            }
            assert_true((s.p[i] >= 0x20 && s.p[i] < 0x7f) || s.p[i] == '\t');
            assert_true(++line <= 998);
        }
    }
    free(text);
    arena_free(a);
}

static void
test_problem(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .helo = SLICE("h.example") };
    struct spf_outcome o = { .result = SPF_PERMERROR, .domain = SLICE("h.example"), .mechanism = SLICE_EMPTY,
                             .reason = SLICE("more than 10 DNS-lookup terms") };
    netaddr_parse(SLICE("192.0.2.1"), &rq.client);
    assert_slice(field(a, &rq, &o), " permerror\n\t(domain of h.example has an SPF record with an error)\n"
                                    "\tidentity=mailfrom; client-ip=192.0.2.1; helo=h.example; envelope-from=\"<>\";\n"
                                    "\tproblem=\"more than 10 DNS-lookup terms\"");
    rq.scope = SPF_SCOPE_HELO;
    o.result = SPF_NONE;
    o.reason = SLICE_EMPTY;
    assert_slice(field(a, &rq, &o), " none\n\t(domain of h.example publishes no SPF record)\n"
                                    "\tidentity=helo; client-ip=192.0.2.1; helo=h.example");
    arena_free(a);
}

/* RFC 8616 4: names in A-labels; a local part that is not ASCII cannot be shown at all. */
static void
test_international(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .helo = SLICE("m\xc3\xbc.example"), .sender_local = SLICE("user"),
                              .sender_domain = SLICE("b\xc3\xbc" "cher.example") };
    struct spf_outcome o = { .result = SPF_PASS, .domain = SLICE("xn--bcher-kva.example"), .mechanism = SLICE("+all") };
    netaddr_parse(SLICE("192.0.2.1"), &rq.client);
    static const char before[] = " pass\n\t(domain of xn--bcher-kva.example designates 192.0.2.1 as permitted sender)\n"
                                 "\tidentity=mailfrom; client-ip=192.0.2.1; helo=xn--m-eha.example;\n\t";
    char want[400];
    snprintf(want, sizeof(want), "%senvelope-from=\"user@xn--bcher-kva.example\"; mechanism=+all", before);
    assert_slice(field(a, &rq, &o), want);
    rq.sender_local = SLICE("j\xc3\xb8rn");
    snprintf(want, sizeof(want), "%smechanism=+all", before);
    assert_slice(field(a, &rq, &o), want);
    rq.helo = SLICE("m\xfc.example"); /* Latin-1 */
    assert_false(slice_icontains(field(a, &rq, &o), SLICE("helo=")));
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_pairs), cmocka_unit_test(test_hostile),
                                        cmocka_unit_test(test_problem), cmocka_unit_test(test_international) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
