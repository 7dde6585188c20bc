/*
 * Sealing as the pipeline does it: what is inserted and in which order, that the result verifies when it comes in again, the
 * two passes, a rule's word, and what happens when nobody can sign.
 */
#include "test.h"

#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arc/seal.h"
#include "config/config.h"
#include "crypto/keys.h"
#include "crypto/signer.h"
#include "dns/zone.h"
#include "pipeline/pipeline.h"
#include "pipeline/twopass.h"
#include "nomem.h"

#define NOW 1790000000

static char directory[] = "/tmp/vidimus-sealing.XXXXXX";
static char key_path[64], table[64], signing[64], secret[64], rules[64];
static char *zone;

static void
write_file(char path[64], const char *name, const char *text)
{
    snprintf(path, 64, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
}

/* ------------------------------------------------------------------ one world */

struct world {
    struct resolver *resolver;
    struct key_cache *keys;
    struct pipeline *pipeline;
};

static void
world_open(struct world *w, struct signer *signer, const char *const *more, size_t n)
{
    char kt[96], st[96];
    const char *overrides[16] = { "AuthservID=mx.forward.example", "ArcSeal=yes", kt, st, "CheckIPRev=no", "InternalHosts=127.0.0.0/8" };
    size_t count = 6;
    snprintf(kt, sizeof(kt), "KeyTable=%s", table);
    snprintf(st, sizeof(st), "SigningTable=%s", signing);
    for (size_t i = 0; i < n; i++)
        overrides[count++] = more[i];
    struct config *c = NULL;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    if (config_load(NULL, overrides, count, &errors, &c) != ST_OK ||
        resolver_zone_new(slice_from(zone), &errors, &w->resolver) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    w->keys = key_cache_new(10);
    const struct pipeline_parts parts = { .config = c, .resolver = w->resolver, .keys = w->keys, .signer = signer, .now = NOW };
    w->pipeline = pipeline_new(&parts, &errors);
    if (w->pipeline == NULL)
        fail_msg("%s", strbuf_str(&errors));
    config_release(c);
    strbuf_clear(&errors);
}

static void
world_close(struct world *w)
{
    pipeline_release(w->pipeline);
    resolver_free(w->resolver);
    key_cache_free(w->keys);
}

static struct signer *
local_signer(void)
{
    struct signer_keys list = { 0 };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    signer_keys_add(&list, slice_from(key_path), slice_from(key_path));
    struct signer *s = signer_local_new(&list, false, &errors);
    assert_int_equal(errors.n, 0);
    signer_keys_clear(&list);
    strbuf_clear(&errors);
    return s;
}

/* ------------------------------------------------------------------ one message */

struct field {
    char *name, *value;
};

struct mail {
    struct field fields[40]; /* from the top */
    size_t n;
    const char *body;
};

static const char body[] = "Dear customer,\r\n\r\nyour statement is ready.\r\n";

static void
mail_add(struct mail *m, const char *name, const char *value)
{
    memmove(m->fields + 1, m->fields, m->n * sizeof(m->fields[0]));
    m->fields[0] = (struct field){ strdup(name), strdup(value) };
    m->n++;
}

static void
mail_remove(struct mail *m, slice name, unsigned nth)
{
    for (size_t i = 0, seen = 0; i < m->n; i++)
        if (slice_ieq(slice_from(m->fields[i].name), name) && ++seen == nth) {
            free(m->fields[i].name);
            free(m->fields[i].value);
            memmove(m->fields + i, m->fields + i + 1, (m->n - i - 1) * sizeof(m->fields[0]));
            m->n--;
            return;
        }
    fail_msg("there is no such field to delete");
}

static void
mail_init(struct mail *m)
{
    *m = (struct mail){ .body = body };
    mail_add(m, "Date", " Sat, 21 Nov 2026 20:00:00 +0000");
    mail_add(m, "Message-ID", " <1@author.example>");
    mail_add(m, "Subject", " your statement");
    mail_add(m, "To", " list@forward.example");
    mail_add(m, "From", " Author <a@author.example>");
    mail_add(m, "Received", " from x by y; Sat, 21 Nov 2026 20:00:00 +0000");
}

static void
mail_clear(struct mail *m)
{
    while (m->n > 0)
        mail_remove(m, slice_from(m->fields[0].name), 1);
}

struct outcome {
    enum reply_kind reply;
    enum action action;
    bool sealed;
    enum arc_status arc;
    unsigned sets, instance;
    char why[64];
    size_t n_inserts;
};

/* Through the pipeline, and the edits made as an MTA makes them. */
static struct outcome
pass(struct world *w, struct mail *mail, const char *ip, const char *rcpt)
{
    struct peer peer = { .name = SLICE("x.author.example"), .mta_name = SLICE_EMPTY, .daemon_name = SLICE_EMPTY };
    assert_true(netaddr_parse(slice_from(ip), &peer.client));
    nomem_counted = true; /* the test's own are not */
    struct message *m = message_new(w->pipeline, &peer, NULL);
    if (m == NULL) {
        nomem_counted = false;
        return (struct outcome){ .reply = REPLY_TEMPFAIL, .action = ACTION_TEMPFAIL };
    }
    message_helo(m, SLICE("x.author.example"));
    message_mail(m, SLICE("<a@author.example>"), SLICE_EMPTY);
    message_rcpt(m, slice_from(rcpt));
    for (size_t i = 0; i < mail->n; i++)
        message_header(m, slice_from(mail->fields[i].name), slice_from(mail->fields[i].value));
    message_eoh(m);
    message_body(m, slice_from(mail->body));
    const struct verdict *v = message_eom(m);
    nomem_counted = false;
    struct outcome o = { v->reply.kind, v->record->action, v->seal != NULL, v->record->arc.status, v->record->arc.sets,
                         v->seal == NULL ? 0 : v->seal->instance, "", v->n_inserts };
    snprintf(o.why, sizeof(o.why), "%.*s", SLICE_ARG(v->record->why));
    assert_int_equal(v->record->sealed, v->seal != NULL);
    for (size_t i = v->n_deletes; i-- > 0;)
        mail_remove(mail, v->deletes[i].name, v->deletes[i].nth);
    for (size_t i = 0; i < v->n_inserts; i++) {
        char name[64], value[8192];
        snprintf(name, sizeof(name), "%.*s", SLICE_ARG(v->inserts[i].name));
        snprintf(value, sizeof(value), "%.*s", SLICE_ARG(v->inserts[i].value));
        assert_int_equal(v->inserts[i].nth, 0);
        mail_add(mail, name, value);
    }
    message_free(m);
    return o;
}

static size_t
count_of(const struct mail *m, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += strcasecmp(m->fields[i].name, name) == 0;
    return n;
}

#define OUTSIDE "192.0.2.1"
#define INSIDE "127.0.0.1"

/* ------------------------------------------------------------------ tests */

static void
a_set_stands_on_top_in_order_and_verifies(void **state)
{
    (void)state;
    struct world w;
    struct mail m;
    world_open(&w, local_signer(), NULL, 0);
    mail_init(&m);
    struct outcome o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
    assert_true(o.sealed);
    assert_int_equal(o.instance, 1);
    static const char *const top[] = { "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results", "Authentication-Results",
                                       "Received" };
    for (size_t i = 0; i < COUNT(top); i++)
        assert_string_equal(m.fields[i].name, top[i]);
    /* the AAR is our own field, after its instance (RFC 8617 4.1.1) */
    assert_memory_equal(m.fields[2].value, " i=1; mx.forward.example", 24);
    assert_string_equal(m.fields[2].value + 5, m.fields[3].value);
    for (unsigned hop = 2; hop <= 4; hop++) {
        o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
        assert_int_equal(o.arc, ARC_PASS);
        assert_int_equal(o.sets, hop - 1);
        assert_int_equal(o.instance, hop);
    }
    m.body = "something else\r\n";
    o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
    assert_int_equal(o.arc, ARC_FAIL);
    assert_int_equal(o.instance, 5); /* the one set that says cv=fail (RFC 8617 5.1.2) */
    assert_non_null(strstr(m.fields[0].value, "cv=fail"));
    o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
    assert_false(o.sealed); /* and none after it (5.1 step 2) */
    mail_clear(&m);
    world_close(&w);
}

static void
only_what_the_options_ask_for(void **state)
{
    (void)state;
    char rule_option[96];
    snprintf(rule_option, sizeof(rule_option), "RulesFile=%s", rules);
    static const char *const nothing[1];
    const struct {
        const char *label, *options[2], *rcpt;
        bool sealed;
    } cases[] = {
        { "another domain", { nothing[0] }, "<x@elsewhere.example>", false },
        { "SealFor", { "SealFor=forward.example" }, "<x@forward.example>", true },
        { "not SealFor", { "SealFor=other.example" }, "<x@forward.example>", false },
        { "by rule", { "SealFor=other.example", rule_option }, "<x@forward.example>", true },
        { "not by rule", { rule_option }, "<x@quiet.forward.example>", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world w;
        struct mail m;
        size_t n = cases[i].options[0] == NULL ? 0 : cases[i].options[1] == NULL ? 1 : 2;
        world_open(&w, local_signer(), cases[i].options, n);
        mail_init(&m);
        struct outcome o = pass(&w, &m, OUTSIDE, cases[i].rcpt);
        if (o.sealed != cases[i].sealed)
            fail_msg("%s", cases[i].label);
        mail_clear(&m);
        world_close(&w);
    }
}

static void
the_results_of_arrival_are_sealed_at_the_second_pass(void **state)
{
    (void)state;
    char option[96];
    snprintf(option, sizeof(option), "TwoPassSecretFile=%s", secret);
    const char *options[] = { option };
    struct world w;
    struct mail m;
    world_open(&w, local_signer(), options, 1);
    mail_init(&m);
    mail_add(&m, TWO_PASS_FIELD, " v=1; t=1790000000; arc=pass; n=0; h=AAAA; r=AAAA"); /* from outside: nothing worth */
    struct outcome o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
    assert_false(o.sealed);
    assert_int_equal(count_of(&m, TWO_PASS_FIELD), 1);
    assert_string_equal(m.fields[0].name, TWO_PASS_FIELD);
    char *arrival = strdup(m.fields[0].value), *results = strdup(m.fields[1].value);

    m.body = "taken apart by a filter\r\n";
    struct mail other = { 0 };
    mail_init(&other); /* the same author and Message-ID: a second copy, whose filter took another way */
    other.body = m.body;
    mail_add(&other, TWO_PASS_FIELD, arrival);
    o = pass(&w, &m, INSIDE, "<list@forward.example>");
    assert_true(o.sealed);
    assert_string_equal(o.why, "second pass, judged at arrival");
    assert_int_equal(count_of(&m, TWO_PASS_FIELD), 0);
    assert_int_equal(count_of(&m, "Authentication-Results"), 1); /* of arrival */
    assert_string_equal(m.fields[0].name, "ARC-Seal");
    assert_string_equal(m.fields[2].value + 5, results);

    o = pass(&w, &other, OUTSIDE, "<list@forward.example>"); /* the same field from outside */
    assert_false(o.sealed);
    assert_int_not_equal(strcmp(o.why, "second pass, judged at arrival"), 0);
    assert_int_equal(count_of(&other, TWO_PASS_FIELD), 1);
    mail_clear(&other);
    mail_init(&other);
    mail_remove(&other, SLICE("From"), 1);
    mail_add(&other, "From", " Bank <a@bank.example>");
    mail_add(&other, TWO_PASS_FIELD, arrival);
    o = pass(&w, &other, INSIDE, "<list@forward.example>"); /* on another author's message */
    assert_false(o.sealed);
    assert_int_equal(count_of(&other, TWO_PASS_FIELD), 0);

    struct world far; /* what was sealed there verifies elsewhere */
    world_open(&far, local_signer(), NULL, 0);
    o = pass(&far, &m, OUTSIDE, "<list@forward.example>");
    assert_int_equal(o.arc, ARC_PASS);
    world_close(&far);
    mail_clear(&other);
    mail_clear(&m);
    free(arrival);
    free(results);
    world_close(&w);
}

/* The filter breaks the newest ARC-Message-Signature; cv= says what was found at arrival all the same (RFC 8617 4.4, 5.1), and the
 * chain goes on: the older seals cover each other, not the body. */
static void
the_chain_of_arrival_goes_on_at_the_second_pass(void **state)
{
    (void)state;
    char option[96];
    snprintf(option, sizeof(option), "TwoPassSecretFile=%s", secret);
    const char *options[] = { option };
    struct world w, far;
    struct mail m;
    world_open(&w, local_signer(), options, 1);
    world_open(&far, local_signer(), NULL, 0);
    mail_init(&m);
    struct outcome o = pass(&far, &m, OUTSIDE, "<list@forward.example>");
    assert_int_equal(o.instance, 1);
    o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
    assert_int_equal(o.arc, ARC_PASS);
    assert_false(o.sealed);
    m.body = "taken apart by a filter\r\n";
    o = pass(&w, &m, INSIDE, "<list@forward.example>");
    assert_int_equal(o.instance, 2);
    assert_string_equal(m.fields[0].name, "ARC-Seal");
    assert_non_null(strstr(m.fields[0].value, "cv=pass"));
    o = pass(&far, &m, OUTSIDE, "<list@forward.example>");
    assert_int_equal(o.arc, ARC_PASS);
    assert_int_equal(o.sets, 2);
    mail_clear(&m);
    world_close(&far);
    world_close(&w);
}

/* ------------------------------------------------------------------ nobody can sign */

static bool
broken_find(struct signer *s, slice key, enum sign_algorithm *algorithm)
{
    (void)s, (void)key;
    *algorithm = SIGN_RSA_SHA256;
    return true;
}

static enum status
broken_sign(struct signer *s, slice key, enum sign_algorithm algorithm, const unsigned char digest[DIGEST_SIZE],
            struct signature *out)
{
    (void)s, (void)key, (void)algorithm, (void)digest, (void)out;
    return ST_TIMEOUT;
}

static void
broken_free(struct signer *s)
{
    (void)s;
}

static void
without_a_signature_SealOnError_decides(void **state)
{
    (void)state;
    static const struct signer_ops ops = { broken_find, broken_sign, broken_free };
    static struct signer broken = { &ops };
    static const struct {
        const char *option;
        enum reply_kind reply;
        enum action action;
        const char *why;
    } cases[] = { { "SealOnError=accept", REPLY_CONTINUE, ACTION_ACCEPT, "no record" },
                  { "SealOnError=tempfail", REPLY_TEMPFAIL, ACTION_TEMPFAIL, "it cannot be sealed" } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world w;
        struct mail m;
        world_open(&w, &broken, &cases[i].option, 1);
        mail_init(&m);
        struct outcome o = pass(&w, &m, OUTSIDE, "<list@forward.example>");
        assert_false(o.sealed);
        assert_int_equal(o.reply, cases[i].reply);
        assert_int_equal(o.action, cases[i].action); /* what log and record say is what the MTA hears */
        assert_string_equal(o.why, cases[i].why);
        assert_int_equal(count_of(&m, "ARC-Seal") + count_of(&m, "ARC-Message-Signature") + count_of(&m, "ARC-Authentication-Results"), 0);
        mail_clear(&m);
        world_close(&w);
    }
}

/* Any one allocation may fail: then the message is deferred, and never is there half a set or a field on its own. */
static void
short_of_memory_all_or_nothing(void **state)
{
    (void)state;
    char option[96];
    snprintf(option, sizeof(option), "TwoPassSecretFile=%s", secret);
    const char *options[] = { option };
    nomem_counted = false;
    for (int turn = 0; turn < 3; turn++) { /* one pass; the first of two; the second */
        struct world w;
        struct mail first;
        world_open(&w, local_signer(), options, turn > 0);
        mail_init(&first);
        if (turn == 2)
            pass(&w, &first, OUTSIDE, "<list@forward.example>");
        char *arrival = turn == 2 ? strdup(first.fields[0].value) : NULL;
        mail_clear(&first);
        bool through = false;
        for (long n = 1; n <= 5000 && !through; n++) {
            struct mail m;
            mail_init(&m);
            if (arrival != NULL)
                mail_add(&m, TWO_PASS_FIELD, arrival);
            nomem_in = n;
            struct outcome o = pass(&w, &m, turn == 2 ? INSIDE : OUTSIDE, "<list@forward.example>");
            through = nomem_in > 0; /* there was none left to fail */
            size_t sets = count_of(&m, "ARC-Seal") + count_of(&m, "ARC-Message-Signature") + count_of(&m, "ARC-Authentication-Results");
            bool complete = turn == 1 ? count_of(&m, TWO_PASS_FIELD) == 1 && sets == 0 : o.sealed && sets == 3;
            if (o.reply == REPLY_TEMPFAIL ? sets != 0 : !complete)
                fail_msg("turn %d, allocation %ld: reply %d, %zu fields", turn, n, o.reply, sets);
            mail_clear(&m);
        }
        nomem_in = 0;
        assert_true(through);
        free(arrival);
        world_close(&w);
    }
}

static int
set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return 1;
    char text[256];
    struct strbuf record;
    strbuf_init(&record, 0);
    snprintf(key_path, sizeof(key_path), "%s/key", directory);
    struct private_key *k = private_key_make(SIGN_RSA_SHA256, 2048);
    if (k == NULL || !private_key_write(k, key_path) || private_key_record(k, false, &record) != ST_OK)
        return 1;
    private_key_free(k);
    size_t size = record.n + 200;
    zone = malloc(size);
    snprintf(zone, size, "s._domainkey.forward.example. TXT \"%s\"\nauthor.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n",
             strbuf_str(&record));
    strbuf_clear(&record);
    snprintf(text, sizeof(text), "seal forward.example:s:%s\n", key_path);
    write_file(table, "KeyTable", text);
    write_file(signing, "SigningTable", "*@*forward.example seal\n");
    write_file(secret, "secret", "0123456789abcdef0123456789abcdef\n");
    write_file(rules, "rules", "rule quiet: rcpt quiet.forward.example, dmarc any -> continue no-seal\n"
                               "rule loud: rcpt forward.example, dmarc any -> continue seal\n");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    unlink(key_path);
    unlink(table);
    unlink(signing);
    unlink(secret);
    unlink(rules);
    free(zone);
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_stands_on_top_in_order_and_verifies),
        cmocka_unit_test(only_what_the_options_ask_for),
        cmocka_unit_test(the_results_of_arrival_are_sealed_at_the_second_pass),
        cmocka_unit_test(the_chain_of_arrival_goes_on_at_the_second_pass),
        cmocka_unit_test(without_a_signature_SealOnError_decides),
        cmocka_unit_test(short_of_memory_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
