/* Import into SQLite: counts against counting by hand, exactly once, lines set aside, schema versions, known records. */
#include "autoconf.h"

#include "test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "record/spool.h"
#include "report/import.h"
#include "report/schema.h"
#include "../report/spoolgen.h"
#include "report/store.h"

#define NOW 1795000000 /* 2026-11-18 */

struct world {
    char dir[64], spool[96], db[96];
    struct store *store;
    struct strbuf error;
};

static int
make_world(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    snprintf(w->dir, sizeof(w->dir), "import-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->spool, sizeof(w->spool), "%s/spool", w->dir);
    snprintf(w->db, sizeof(w->db), "%s/reports.sqlite", w->dir);
    assert_int_equal(mkdir(w->spool, 0700), 0);
    strbuf_init(&w->error, 0);
    if (store_open(w->db, &w->error, &w->store) != ST_OK || schema_ready(w->store, &w->error) != ST_OK)
        fail_msg("%s", strbuf_str(&w->error));
    *state = w;
    return 0;
}

static void
remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char inner[512];
        snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(inner) != 0)
            remove_tree(inner);
    }
    if (d != NULL)
        closedir(d);
    rmdir(path);
}

static int
remove_world(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    strbuf_clear(&w->error);
    remove_tree(w->dir);
    free(w);
    return 0;
}

static void
write_segment(struct world *w, const char *name, const char *text, size_t n)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", w->spool, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static struct import_result
import(struct world *w)
{
    struct import_result r;
    const struct import_options o = { .directory = w->spool, .keep_days = 30, .now = NOW, .batch_bytes = 20000 };
    if (import_run(w->store, &o, &r, &w->error) != ST_OK)
        fail_msg("%s", strbuf_str(&w->error));
    return r;
}

static int64_t
number(struct world *w, const char *sql)
{
    int64_t v = -1;
    if (store_query_int(w->store, sql, STORE_NO_VALUES, -1, &v) != ST_OK)
        fail_msg("%s: %s", sql, store_error(w->store));
    return v;
}

static void
spool_records(struct world *w, unsigned count, uint64_t seed, bool hostile)
{
    struct config c = { .record_directory = w->spool, .record_segment_bytes = 100000, .record_segment_age_s = 3600,
                        .record_buffer_bytes = 1 << 20 };
    struct spoolgen g = { .state = seed, .host = "h", .domains = 20, .sources = 40, .first_ms = (int64_t)(NOW - 86400) * 1000,
                          .step_ms = 50000, .hostile = hostile };
    enum status st;
    struct spool *s = spool_open(&c, NULL, &st);
    assert_non_null(s);
    for (unsigned i = 0; i < count; i++) {
        struct arena *a = arena_new(0);
        assert_int_equal(spool_append(s, record_json(a, spoolgen_next(&g, a), false)), ST_OK);
        arena_free(a);
    }
    spool_close(s);
}

/* The same generator again, counted without any of the code under test. */
static void
totals_are_those_of_the_mail(void **state)
{
    struct world *w = *state;
    enum { N = 3000 };
    spool_records(w, N, 7, false);
    struct import_result r = import(w);
    assert_int_equal(r.records, N);
    assert_int_equal(r.set_aside, 0);
    assert_true(r.segments > 10);
    struct spoolgen g = { .state = 7, .host = "h", .domains = 20, .sources = 40, .first_ms = (int64_t)(NOW - 86400) * 1000,
                          .step_ms = 50000 };
    int64_t reportable = 0, spf = 0, dkim = 0, rejected = 0, let_sealer = 0, would = 0;
    for (unsigned i = 0; i < N; i++) {
        struct arena *a = arena_new(0);
        const struct record *x = spoolgen_next(&g, a);
        reportable += x->dmarc.record != NULL;
        spf += x->dmarc.spf_aligned;
        dkim += x->dmarc.dkim_aligned;
        rejected += x->action == ACTION_REJECT;
        let_sealer += x->arc_trusted;
        would += x->would == DMARC_POLICY_REJECT;
        arena_free(a);
    }
    assert_int_equal(number(w, "SELECT count(*) FROM raw"), N);
    assert_int_equal(number(w, "SELECT sum(messages) FROM traffic"), N);
    assert_int_equal(number(w, "SELECT sum(messages) FROM report_row"), reportable);
    assert_int_equal(number(w, "SELECT sum(spf) FROM traffic"), spf);
    assert_int_equal(number(w, "SELECT sum(dkim) FROM traffic"), dkim);
    assert_int_equal(number(w, "SELECT sum(rejected) FROM traffic"), rejected);
    assert_int_equal(number(w, "SELECT sum(would_reject) FROM traffic"), would);
    assert_int_equal(number(w, "SELECT sum(messages) FROM let_through WHERE kind = 'sealer'"), let_sealer);
    assert_int_equal(number(w, "SELECT count(*) FROM report_row GROUP BY day, domain, row_key HAVING count(*) > 1"), -1);
    assert_true(number(w, "SELECT count(*) FROM report_row") < reportable);
    assert_int_equal(number(w, "SELECT count(*) FROM raw WHERE line LIKE '%secret.person%'"), 0); /* no local part */
    r = import(w); /* nothing is left */
    assert_int_equal(r.records + r.segments, 0);
}

static void
hostile_text_gets_through(void **state)
{
    struct world *w = *state;
    spool_records(w, 500, 3, true);
    struct import_result r = import(w);
    assert_int_equal(r.records, 500);
    assert_int_equal(r.set_aside, 0);
}

#define LINE(id) "{\"v\":1,\"id\":\"" id "\",\"time\":1794990000000,\"client_ip\":\"192.0.2.1\",\"header_from\":\"a.example\"," \
                 "\"dmarc\":{\"result\":\"none\"},\"action\":\"accept\"}\n"

static void
what_cannot_be_read_is_set_aside(void **state)
{
    struct world *w = *state;
    static const char text[] = LINE("1") "not json\n" LINE("2") "{\"v\":2,\"id\":\"x\"}\n\n" LINE("3")
        "{\"v\":0,\"id\":\"0\",\"time\":1794990000000,\"dmarc\":{\"result\":\"none\"},\"action\":\"accept\"}\n"
        "{\"v\":1,\"id\":\"4\",\"time\":1794990000000,\"header_from\":\"a..b\",\"dmarc\":{\"result\":\"none\"},\"action\":\"accept\"}\n"
        "{\"v\":1,\"id\":\"5\",\"time\":1794990000000,\"dmarc\":{\"result\":\"maybe\"},\"action\":\"accept\"}\n"
        "\x80\xff\n" "a\0b\n"
        "{\"v\":1,\"id\":\"6\",\"time\":99999999999999,\"dmarc\":{\"result\":\"none\"},\"action\":\"accept\"}\n"
        LINE("7") "{\"v\":1,\"id\":\"8\",\"ti";
    write_segment(w, "a.jsonl", text, sizeof(text) - 1);
    struct import_result r = import(w);
    assert_int_equal(r.records, 4);
    assert_int_equal(r.set_aside, 9);
    assert_int_equal(number(w, "SELECT count(*) FROM aside WHERE reason LIKE 'no JSON%'"), 2);
    assert_int_equal(number(w, "SELECT count(*) FROM aside WHERE reason LIKE 'v is newer%'"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM aside WHERE reason LIKE 'v is missing%'"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM aside WHERE reason LIKE 'header_from is no%'"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM aside WHERE reason LIKE '%never finished'"), 1);
    assert_int_equal(number(w, "SELECT taken FROM segment WHERE name = 'a.jsonl'"), (int64_t)sizeof(text) - 1);
    char path[256];
    snprintf(path, sizeof(path), "%s/a.jsonl", w->spool);
    assert_int_equal(access(path, F_OK), -1);
}

static void
a_record_is_counted_once(void **state)
{
    struct world *w = *state;
    static const char text[] = LINE("1") LINE("2") LINE("1");
    write_segment(w, "a.jsonl", text, sizeof(text) - 1);
    struct import_result r = import(w);
    assert_int_equal(r.records, 2);
    assert_int_equal(r.duplicates, 1);
    static const char again[] = LINE("2") LINE("3"); /* restored from a backup under another name */
    write_segment(w, "b.jsonl", again, sizeof(again) - 1);
    r = import(w);
    assert_int_equal(r.records, 1);
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(number(w, "SELECT sum(messages) FROM traffic"), 3);
    write_segment(w, "a.jsonl", text, sizeof(text) - 1); /* the same file come back */
    r = import(w);
    assert_int_equal(r.records + r.duplicates, 0);
    assert_int_equal(number(w, "SELECT sum(messages) FROM traffic"), 3);
}

/* "One record per (IP, result, authentication identifiers) tuples" (RFC 9990 3.1.1.7): a remark splits no row. */
static void
remarks_split_no_row(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *source, *dkim, *dkim_says, *spf, *spf_says;
    } mails[] = {
        { "192.0.2.1", "fail", "signature expired 17 seconds ago", "temperror", "DNS timeout for A of x.b.example" },
        { "192.0.2.1", "fail", "signature expired 9000 seconds ago", "temperror", "DNS servfail for A of y.b.example" },
        { "192.0.2.1", "fail", "the body was changed", "temperror", "DNS timeout for A of x.b.example" },
        { "192.0.2.1", "neutral", "the body was changed", "temperror", "DNS timeout for A of x.b.example" }, /* another result */
        { "192.0.2.1", "fail", "the body was changed", "neutral", "?all" },
        { "192.0.2.2", "fail", "the body was changed", "neutral", "?all" },                                  /* another source */
    };
    struct strbuf text;
    strbuf_init(&text, 0);
    for (size_t i = 0; i < COUNT(mails); i++)
        strbuf_printf(&text, "{\"v\":1,\"id\":\"m%zu\",\"time\":1794990000000,\"client_ip\":\"%s\",\"header_from\":\"a.example\","
                             "\"mail_from_domain\":\"b.example\",\"spf\":{\"result\":\"%s\",\"domain\":\"b.example\",\"reason\":\"%s\"},"
                             "\"dkim\":[{\"result\":\"%s\",\"d\":\"b.example\",\"s\":\"s\",\"reason\":\"%s\"}],"
                             "\"dmarc\":{\"result\":\"fail\",\"policy\":\"none\",\"policy_domain\":\"a.example\","
                             "\"published\":{\"p\":\"none\",\"rua\":[\"mailto:r@a.example\"]}},\"action\":\"accept\"}\n",
                      i, mails[i].source, mails[i].spf, mails[i].spf_says, mails[i].dkim, mails[i].dkim_says);
    write_segment(w, "a.jsonl", strbuf_str(&text), text.n);
    strbuf_clear(&text);
    assert_int_equal(import(w).records, COUNT(mails));
    assert_int_equal(number(w, "SELECT count(*) FROM report_row"), 4);
    assert_int_equal(number(w, "SELECT messages FROM report_row ORDER BY messages DESC LIMIT 1"), 3);
    assert_int_equal(number(w, "SELECT count(*) FROM report_row WHERE messages = 3 AND content LIKE '%expired 17 seconds%'"), 1);
}

static void
a_long_line_does_not_stop_the_rest(void **state)
{
    struct world *w = *state;
    size_t n = 60000;
    char *text = malloc(n + 1000);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, LINE("1"));
    memset(text + at, 'x', n - at);
    at = n + (size_t)sprintf(text + n, "\n" LINE("2"));
    write_segment(w, "a.jsonl", text, at);
    free(text);
    struct import_result r = import(w);
    assert_int_equal(r.records, 2);
    assert_int_equal(r.set_aside, 1);
}

static void
the_schema_goes_up_and_never_down(void **state)
{
    struct world *w = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/old.sqlite", w->dir);
    struct store *s;
    assert_int_equal(store_open(path, &w->error, &s), ST_OK);
    assert_int_equal(schema_upgrade(s, 1, &w->error), ST_OK);
    assert_int_equal(store_run(s, "INSERT INTO suppressed VALUES ('kept@example.com', 1, 'x')", STORE_NO_VALUES, NULL), ST_OK);
    assert_int_equal(schema_ready(s, &w->error), ST_OK);
    int64_t v;
    assert_int_equal(store_query_int(s, "SELECT version FROM vidimus_schema", STORE_NO_VALUES, 0, &v), ST_OK);
    assert_int_equal(v, SCHEMA_VERSION);
    assert_int_equal(store_query_int(s, "SELECT count(*) FROM suppressed", STORE_NO_VALUES, 0, &v), ST_OK);
    assert_int_equal(v, 1);
    assert_int_equal(store_run(s, "UPDATE vidimus_schema SET version = 99", STORE_NO_VALUES, NULL), ST_OK);
    assert_int_equal(schema_ready(s, &w->error), ST_LIMIT);
    store_close(s);
}

int
main(void)
{
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, make_world, remove_world)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(totals_are_those_of_the_mail), WORLD_TEST(hostile_text_gets_through), WORLD_TEST(what_cannot_be_read_is_set_aside),
        WORLD_TEST(a_record_is_counted_once), WORLD_TEST(remarks_split_no_row), WORLD_TEST(a_long_line_does_not_stop_the_rest),
        WORLD_TEST(the_schema_goes_up_and_never_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
