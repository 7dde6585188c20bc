/* The spool line, the history file, failure reports: what is kept of a message and what is not. */
#include "autoconf.h"

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../report/spoolgen.h"
#include "config/config.h"
#include "mail/headers.h"
#include "record/failure.h"
#include "record/history.h"
#include "record/redact.h"

/* jansson is the second reader: whatever mail carried, the line is one JSON object in ASCII, and says what it should. */
static void
a_line_is_json_whatever_mail_carried(void **state)
{
    (void)state;
    struct spoolgen g = { .state = 11, .host = "h", .domains = 30, .sources = 100, .first_ms = 1795000000000, .step_ms = 1,
                          .hostile = true };
    for (int i = 0; i < 3000; i++) {
        struct arena *a = arena_new(0);
        const struct record *r = spoolgen_next(&g, a);
        slice line = record_json(a, r, false);
        for (size_t k = 0; k < line.n; k++)
            assert_true(line.p[k] >= 0x20 && line.p[k] < 0x7f);
        json_t *o = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(o));
        assert_int_equal(json_integer_value(json_object_get(o, "v")), 1);
        assert_int_equal(json_integer_value(json_object_get(o, "time")), r->time_ms);
        assert_string_equal(json_string_value(json_object_get(o, "action")), action_name(r->action));
        assert_int_equal(json_array_size(json_object_get(o, "dkim")), r->n_dkim);
        assert_false(slice_icontains(line, SLICE("secret.person")));
        json_decref(o);
        line = record_json(a, r, true);
        assert_int_equal(slice_icontains(line, SLICE("secret.person")), r->mail_from.n > 0);
        arena_free(a);
    }
}

/* No local part is kept unless it is asked for, and what reports tell the domain's owner never holds one (RFC 9990 7.2). */
static void
a_reason_that_names_the_sender_is_not_kept(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct spf_outcome spf = { .result = SPF_TEMPERROR, .domain = SLICE("a.example"), .reason = SLICE("DNS timeout for A of joe._spf.a.example"),
                               .reason_names_sender = true };
    struct record r = { .spf = &spf, .spf_helo = &spf };
    assert_false(slice_icontains(record_json(a, &r, false), SLICE("joe")));
    assert_false(slice_icontains(record_json(a, &r, true), SLICE("joe")));
    spf.reason_names_sender = false;
    assert_true(slice_icontains(record_json(a, &r, false), SLICE("joe")));
    arena_free(a);
}

/* RFC 9990 3.1.3: a report has 100 signatures at most, so that many are kept, and of those the ones that pass. */
static void
signatures_are_kept_up_to_a_hundred(void **state)
{
    (void)state;
    static const struct { size_t n, passes_from, listed, first_pass; } cases[] = {
        { 99, 98, 99, 98 }, { 100, 100, 100, 100 }, { 101, 101, 100, 100 }, { 300, 250, 100, 50 }, { 300, 299, 100, 99 },
        { 5000, 0, 100, 0 },
    };
    struct arena *a = arena_new(0);
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct dkim_result *all = arena_array(a, cases[k].n, sizeof(*all));
        bool *aligns = arena_array(a, cases[k].n, sizeof(*aligns));
        for (size_t i = 0; i < cases[k].n; i++) {
            bool pass = i >= cases[k].passes_from;
            all[i] = (struct dkim_result){ .result = pass ? DKIM_PASS : DKIM_NEUTRAL, .key_bits = (unsigned)i };
            aligns[i] = pass;
        }
        struct record r = { .id = SLICE("id"), .dkim = all, .n_dkim = cases[k].n };
        r.dmarc.dkim_aligns = aligns;
        slice line = record_json(a, &r, false);
        json_t *o = json_loadb(line.p, line.n, 0, NULL), *list = json_object_get(o, "dkim");
        assert_int_equal(json_array_size(list), cases[k].listed);
        json_int_t before = -1;
        for (size_t i = 0; i < cases[k].listed; i++) {
            json_t *one = json_array_get(list, i);
            bool pass = i >= cases[k].first_pass;
            assert_string_equal(json_string_value(json_object_get(one, "result")), pass ? "pass" : "neutral");
            assert_int_equal(json_is_true(json_object_get(one, "aligned")), pass);
            assert_true(json_integer_value(json_object_get(one, "key_bits")) > before);
            before = json_integer_value(json_object_get(one, "key_bits"));
        }
        json_decref(o);
    }
    arena_free(a);
}

/* Keys and numbers as Debian's opendmarc-import and opendmarc-reports read them. */
static void
history_speaks_opendmarc(void **state)
{
    (void)state;
    static const slice rua[] = { { "mailto:a@example.com", 20 }, { "mailto:b@example.net", 20 } };
    static const struct dmarc_record published = { .p = DMARC_POLICY_REJECT, .sp = DMARC_POLICY_QUARANTINE, .aspf_strict = true,
                                                   .rua = rua, .n_rua = 2 };
    static const struct spf_outcome spf = { .result = SPF_SOFTFAIL, .domain = { "example.com", 11 } };
    static const struct dkim_result dkim[] = { { .result = DKIM_PASS, .d = { "example.com", 11 }, .s = { "s1", 2 } },
                                               { .result = DKIM_PERMERROR, .d = { "esp.example", 11 }, .s = { "k", 1 } } };
    struct record r = { .id = SLICE("id"), .queue_id = SLICE("4cRz1"), .reporter = SLICE("mx.example.org"), .time_ms = 1795000000123,
                        .client = { 4, { 192, 0, 2, 1 } }, .mail_from = SLICE("x@example.com"), .mail_from_domain = SLICE("example.com"),
                        .header_from = SLICE("example.com"), .spf = &spf, .dkim = dkim, .n_dkim = 2,
                        .action = ACTION_QUARANTINE };
    r.dmarc = (struct dmarc_result){ .result = DMARC_FAIL, .policy = DMARC_POLICY_REJECT, .record = &published,
                                     .policy_domain = SLICE("example.com"), .dkim_aligned = true };
    struct arena *a = arena_new(0);
    assert_slice(history_text(a, &r),
                 "job 4cRz1\nreporter mx.example.org\nreceived 1795000000\nipaddr 192.0.2.1\nfrom example.com\nmfrom example.com\n"
                 "spf 2\ndkim example.com s1 0\ndkim esp.example k 5\npdomain example.com\npolicy 16\nrua mailto:a@example.com\n"
                 "rua mailto:b@example.net\npct 100\nadkim 114\naspf 115\np 114\nsp 113\nalign_dkim 4\nalign_spf 5\narc 0\n"
                 "arc_policy 1 json:[]\naction 4\n");
    r.queue_id = SLICE("a b\nfrom evil");
    assert_true(slice_starts(history_text(a, &r), SLICE("job id\nreporter")));
    r.header_from = SLICE_EMPTY;
    assert_int_equal(history_text(a, &r).n, 0);
    arena_free(a);
}

struct wanted {
    const char *label, *fo;
    enum dmarc_result_code result;
    bool spf_aligned, dkim_aligned;
    enum spf_result spf;
    enum dkim_result_code dkim;
    enum failure_kind kind;
};

/* RFC 9989 4.7 fo, RFC 9991 2. */
static const struct wanted wanted[] = {
    { "0, all failed", "0", DMARC_FAIL, false, false, SPF_FAIL, DKIM_FAIL, FAILURE_DMARC },
    { "0, one passed", "0", DMARC_PASS, true, false, SPF_PASS, DKIM_FAIL, FAILURE_NONE },
    { "1, one passed", "1", DMARC_PASS, true, false, SPF_PASS, DKIM_FAIL, FAILURE_DMARC },
    { "1, both passed", "1", DMARC_PASS, true, true, SPF_PASS, DKIM_PASS, FAILURE_NONE },
    { "1, the other is a temperror", "1", DMARC_PASS, true, false, SPF_PASS, DKIM_TEMPERROR, FAILURE_NONE },
    { "d, signature failed", "d", DMARC_PASS, true, false, SPF_PASS, DKIM_FAIL, FAILURE_SIGNATURE },
    { "d, signature passed", "d", DMARC_PASS, true, true, SPF_PASS, DKIM_PASS, FAILURE_NONE },
    { "s, SPF failed", "s", DMARC_PASS, false, true, SPF_FAIL, DKIM_PASS, FAILURE_SPF },
    { "s, SPF none", "s", DMARC_PASS, false, true, SPF_NONE, DKIM_PASS, FAILURE_NONE },
    { "d:s, SPF failed", "d:s", DMARC_PASS, false, true, SPF_SOFTFAIL, DKIM_PASS, FAILURE_SPF },
    { "1:d, DMARC first", "1:d", DMARC_PASS, true, false, SPF_PASS, DKIM_FAIL, FAILURE_DMARC },
    { "trouble is no failure", "0", DMARC_TEMPERROR, false, false, SPF_TEMPERROR, DKIM_TEMPERROR, FAILURE_NONE },
};

static void
fo_is_obeyed(void **state)
{
    (void)state;
    static const slice ruf[] = { { "mailto:ruf@example.com", 22 } };
    struct arena *a = arena_new(0);
    struct header_list *none = header_list_new(a, &(struct header_limits){ 100, 10000 });
    for (size_t i = 0; i < COUNT(wanted); i++) {
        const struct wanted *w = &wanted[i];
        struct dmarc_record p = { .p = DMARC_POLICY_REJECT, .psd = 'u', .fo = slice_from(w->fo), .ruf = ruf, .n_ruf = 1 };
        struct spf_outcome spf = { .result = w->spf };
        struct dkim_result dkim = { .result = w->dkim };
        struct record r = { .client = { 4, { 192, 0, 2, 1 } }, .mail_from = SLICE("x@example.com"), .spf = &spf, .dkim = &dkim, .n_dkim = 1 };
        r.dmarc = (struct dmarc_result){ .result = w->result, .record = &p, .spf_aligned = w->spf_aligned, .dkim_aligned = w->dkim_aligned };
        if (failure_wanted(&r, none) != w->kind)
            fail_msg("%s", w->label);
        struct record other = r; /* whatever fo says, never for these */
        other.list_traffic = true;
        assert_int_equal(failure_wanted(&other, none), FAILURE_NONE);
        other = r;
        other.mail_from = SLICE_EMPTY;
        assert_int_equal(failure_wanted(&other, none), FAILURE_NONE);
        other = r;
        other.authenticated = true;
        assert_int_equal(failure_wanted(&other, none), FAILURE_NONE);
        struct header_list *automatic = header_list_new(a, &(struct header_limits){ 100, 10000 });
        header_list_add(automatic, SLICE("Auto-Submitted"), SLICE(" auto-generated"));
        assert_int_equal(failure_wanted(&r, automatic), FAILURE_NONE);
        struct header_list *report = header_list_new(a, &(struct header_limits){ 100, 10000 });
        header_list_add(report, SLICE("Content-Type"), SLICE(" multipart/report; report-type=feedback-report"));
        assert_int_equal(failure_wanted(&r, report), FAILURE_NONE);
        p.psd = 'y';
        assert_int_equal(failure_wanted(&r, none), FAILURE_NONE);
        p.psd = 'u';
        p.n_ruf = 0;
        assert_int_equal(failure_wanted(&r, none), FAILURE_NONE);
    }
    arena_free(a);
}

static void
local_parts_are_hashed(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    slice key = SLICE("0123456789abcdef");
    slice one = failure_redact(a, SLICE("for <bob.smith@example.com>; \"odd one\"@b.example x@y"), key);
    static const char *const gone[] = { "bob", "smith", "odd", "x@" };
    for (size_t i = 0; i < COUNT(gone); i++)
        assert_false(slice_icontains(one, slice_from(gone[i])));
    assert_true(slice_icontains(one, SLICE("@example.com>; ")));
    assert_true(slice_icontains(one, SLICE("@b.example ")));
    static const char *const folded[] = { "bob @example.com", "bob\r\n @example.com", "bob . smith@example.com", "bob(smith)@x", "\"bob\".smith@x",
                                          "bob (smith) @x", "bob.\r@x" }; /* RFC 5322 4.4, and worse */
    for (size_t i = 0; i < COUNT(folded); i++) {
        slice out = failure_redact(a, slice_from(folded[i]), key);
        if (slice_icontains(out, SLICE("bob")) || slice_icontains(out, SLICE("smith")))
            fail_msg("%s: %.*s", folded[i], SLICE_ARG(out));
    }
    slice again = failure_redact(a, SLICE("bob.smith@example.com"), key), other = failure_redact(a, SLICE("bob.smith@example.com"), SLICE("another key here"));
    assert_int_equal(slice_find(again, '@'), 24);
    assert_true(slice_icontains(one, slice_head(again, 24)));
    assert_false(slice_eq(again, other));

    struct header_list *h = header_list_new(a, &(struct header_limits){ 100, 100000 });
    header_list_add(h, SLICE("From"), SLICE(" \"Alice Secret\" <alice@example.com>"));
    header_list_add(h, SLICE("To"), SLICE(" undisclosed: bob@b.example,\n carol@c.example;"));
    header_list_add(h, SLICE("Cc"), SLICE(" broken <alice@@example.com"));
    header_list_add(h, SLICE("Received"), SLICE(" from x by y\n\tfor <dave@d.example>; Thu"));
    header_list_add(h, SLICE("Subject"), SLICE(" caf\xc3\xa9"));
    slice fields = redact_headers(a, h, key);
    static const char *const names[] = { "alice", "secret", "bob@", "carol", "dave" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_icontains(fields, slice_from(names[i])))
            fail_msg("%s in: %.*s", names[i], SLICE_ARG(fields));
    for (size_t i = 0; i < fields.n; i++)
        assert_true(fields.p[i] == '\n' || fields.p[i] == '\t' || (fields.p[i] >= 0x20 && fields.p[i] < 0x7f));
    assert_true(slice_icontains(fields, SLICE("@d.example>; Thu")));
    assert_true(slice_icontains(fields, SLICE("@c.example>")));
    arena_free(a);
}

static void
an_entry_is_whole_or_not_there(void **state)
{
    (void)state;
    char dir[] = "failure-test-XXXXXX", path[64], key[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/" FAILURE_DIRECTORY, dir);
    snprintf(key, sizeof(key), "%s/key", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    struct config c = { .record_directory = dir, .failure_key_file = key, .failure_reports = true };
    struct arena *a = arena_new(0);
    struct spoolgen g = { .state = 5, .host = "h", .domains = 3, .sources = 3, .hostile = true };
    const struct record *r = spoolgen_next(&g, a);
    while (r->dmarc.record == NULL)
        r = spoolgen_next(&g, a);
    struct header_list *h = header_list_new(a, &(struct header_limits){ 100, 100000 });
    header_list_add(h, SLICE("From"), SLICE(" secret.person@example.com"));
    assert_int_equal(failure_enqueue(&c, a, FAILURE_DMARC, r, h, SLICE("body")), ST_INTERNAL); /* no key: no report */
    FILE *f = fopen(key, "w");
    fputs("a key of more than sixteen octets", f);
    fclose(f);
    assert_int_equal(failure_enqueue(&c, a, FAILURE_DMARC, r, h, SLICE("body text")), ST_OK);
    DIR *d = opendir(path);
    int entries = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        char text[65536];
        int fd = openat(dirfd(d), e->d_name, O_RDONLY);
        ssize_t n = read(fd, text, sizeof(text));
        close(fd);
        assert_true(n > 0);
        json_t *o = json_loadb(text, (size_t)n, 0, NULL);
        assert_true(json_is_object(json_object_get(o, "record")));
        assert_string_equal(json_string_value(json_object_get(o, "body")), ""); /* not asked for */
        assert_null(memmem(text, (size_t)n, "secret.person", 13));
        json_decref(o);
        unlinkat(dirfd(d), e->d_name, 0);
        entries++;
    }
    closedir(d);
    assert_int_equal(entries, 1);
    rmdir(path);
    unlink(key);
    rmdir(dir);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_json_whatever_mail_carried),
        cmocka_unit_test(a_reason_that_names_the_sender_is_not_kept),
        cmocka_unit_test(signatures_are_kept_up_to_a_hundred), cmocka_unit_test(history_speaks_opendmarc),
        cmocka_unit_test(fo_is_obeyed),                         cmocka_unit_test(local_parts_are_hashed),
        cmocka_unit_test(an_entry_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
