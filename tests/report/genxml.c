/*
 * genxml.c - aggregate reports over records in which every text is whatever octets chance gives, past all checks that would
 * keep such names out; for xmllint.
 *   genxml DIR COUNT SEED      writes DIR/N.xml of 1,000 records each
 */
#include "autoconf.h"

#include "base/strbuf.h"
#include "report/aggregate_xml.h"
#include "report/row.h"
#include "spoolgen.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_A_FILE 1000

static slice
anything(struct spoolgen *g, struct arena *a)
{
    static const char *const pieces[] = { "]]>", "<", "&", "&#0;", "\"", "'", "<!--", "-->", "<?x", "\x01", "\x0b", "\x1b[0m", "\xef\xbf\xbe",
                                          "\xef\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xc0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x93\xa7",
                                          "\xc2\x85", "\xe2\x80\xae", "\\u0000", "\\ud800", "a.example", "none", "pass" };
    char *p = arena_alloc(a, 400);
    size_t n = 0, want = (size_t)spoolgen_random(g, 60);
    if (p == NULL)
        abort();
    while (n < want) {
        const char *s = pieces[spoolgen_random(g, COUNT(pieces))];
        if (spoolgen_random(g, 2) == 0) {
            p[n++] = (char)spoolgen_random(g, 256);
        } else {
            memcpy(p + n, s, strlen(s));
            n += strlen(s);
        }
    }
    return (slice){ p, n };
}

static slice
word(struct spoolgen *g, struct arena *a, const char *const *words, size_t n)
{
    uint64_t k = spoolgen_random(g, n + 1);
    return k < n ? slice_from(words[k]) : anything(g, a);
}

static void
fill(struct spoolgen *g, struct arena *a, struct line *l)
{
    static const char *const results[] = { "none", "pass", "fail", "policy", "neutral", "temperror", "permerror", "softfail" };
    static const char *const policies[] = { "none", "quarantine", "reject" };
    static const char *const actions[] = { "accept", "quarantine", "reject" };
    static const char *const types[] = { "local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder" };
    static const char *const verdicts[] = { "pass", "fail" };
    *l = (struct line){ .source = anything(g, a), .author = anything(g, a), .mail_from = anything(g, a),
                        .null_path = spoolgen_random(g, 2) == 0, .has_spf = spoolgen_random(g, 2) == 0,
                        .spf_result = word(g, a, results, COUNT(results)), .spf_domain = anything(g, a), .spf_reason = anything(g, a),
                        .dmarc_result = word(g, a, verdicts, COUNT(verdicts)), .policy = word(g, a, policies, COUNT(policies)),
                        .disposition = word(g, a, policies, COUNT(policies)), .action = word(g, a, actions, COUNT(actions)),
                        .spf_aligned = spoolgen_random(g, 2) == 0, .dkim_aligned = spoolgen_random(g, 2) == 0,
                        .testing = spoolgen_random(g, 2) == 0 };
    l->n_dkim = (size_t)spoolgen_random(g, 5);
    for (size_t i = 0; i < l->n_dkim; i++)
        l->dkim[i] = (struct line_dkim){ .d = anything(g, a), .s = anything(g, a), .result = word(g, a, results, COUNT(results)),
                                         .reason = anything(g, a), .pass = spoolgen_random(g, 2) == 0, .aligned = spoolgen_random(g, 2) == 0 };
    l->n_overrides = (size_t)spoolgen_random(g, 3);
    for (size_t i = 0; i < l->n_overrides; i++)
        l->overrides[i] = (struct line_override){ word(g, a, types, COUNT(types)), anything(g, a) };
}

static bool
to_file(void *arg, slice text)
{
    return fwrite(text.p, 1, text.n, arg) == text.n;
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: genxml DIR COUNT SEED\n", stderr);
        return 64;
    }
    unsigned long count = strtoul(argv[2], NULL, 10);
    struct spoolgen g = { .state = strtoull(argv[3], NULL, 10) };
    for (unsigned long file = 0; file * RECORDS_A_FILE < count; file++) {
        struct arena *a = arena_new(0);
        char path[512];
        snprintf(path, sizeof(path), "%s/%lu.xml", argv[1], file);
        FILE *f = fopen(path, "w");
        struct strbuf policy, row;
        strbuf_init(&policy, 0);
        strbuf_init(&row, 0);
        struct line l;
        fill(&g, a, &l);
        l.published = json_pack("{s:s}", "p", "reject");
        row_policy_text(&l, &policy);
        json_decref(l.published);
        const struct aggregate_sink to = { to_file, f };
        const struct aggregate_about about = { anything(&g, a), anything(&g, a), anything(&g, a), anything(&g, a), 1795000000, 1795086399,
                                               anything(&g, a), strbuf_slice(&policy) };
        struct aggregate_xml *x = f == NULL ? NULL : aggregate_xml_new(&about, &to);
        if (x == NULL)
            return 73;
        for (unsigned long i = file * RECORDS_A_FILE; i < count && i < (file + 1) * RECORDS_A_FILE; i++) {
            strbuf_reset(&row);
            fill(&g, a, &l);
            row_text(&l, &row);
            aggregate_xml_row(x, strbuf_slice(&row), spoolgen_random(&g, UINT64_MAX / 4));
        }
        if (aggregate_xml_finish(x) != ST_OK || fclose(f) != 0)
            return 74;
        strbuf_clear(&policy);
        strbuf_clear(&row);
        arena_free(a);
    }
    return 0;
}
