/* The verdict of arrival: believed for this message, in time, once; never for another. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/twopass.h"

#define ARRIVED 1790000000
#define MAX_AGE 3600

static char directory[] = "/tmp/vidimus-twopass.XXXXXX";
static const char one[] = "0123456789abcdef0123456789abcdef\n", other[] = "fedcba9876543210fedcba9876543210\n";

struct field {
    const char *name, *value;
};

static const struct field message[] = {
    { "Received", " from x" },
    { "From", " Joe\n\t<joe@author.example>" },
    { "To", " list@lists.example" },
    { "Subject", " hello" },
    { "Date", " Sat, 21 Nov 2026 20:00:00 +0000" },
    { "Message-ID", " <1@author.example>" },
    { "ARC-Seal", " i=1; cv=none; b=x" },
    { "ARC-Message-Signature", " i=1; b=y" },
    { "ARC-Authentication-Results", " i=1; z; none" },
};

static struct header_list *
list(struct arena *a)
{
    static const struct header_limits limits = { 100, 100000 };
    return header_list_new(a, &limits);
}

static void
add(struct header_list *h, const char *name, slice value)
{
    assert_int_equal(header_list_add(h, slice_from(name), value), ST_OK);
}

static struct two_pass *
secret(const char *text)
{
    char path[64];
    struct strbuf errors;
    strbuf_init(&errors, 0);
    snprintf(path, sizeof(path), "%s/secret", directory);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, 0600);
    struct two_pass *t = two_pass_load(path, &errors);
    if (t == NULL)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    unlink(path);
    return t;
}

/* The message as it comes back: field `changed` has another value, or goes if that is NULL. */
static struct header_list *
returned(struct arena *a, slice verdict, const char *changed, const char *value, unsigned copies)
{
    struct header_list *h = list(a);
    for (unsigned i = 0; i < copies; i++)
        add(h, TWO_PASS_FIELD, verdict);
    for (size_t i = 0; i < COUNT(message); i++)
        if (changed == NULL || strcmp(changed, message[i].name) != 0)
            add(h, message[i].name, slice_from(message[i].value));
        else if (value != NULL)
            add(h, changed, slice_from(value));
    return h;
}

static slice
make(struct arena *a, const struct two_pass *t)
{
    struct header_list *h = returned(a, SLICE_EMPTY, NULL, NULL, 0);
    const struct two_pass_verdict v = { ARRIVED, ARC_PASS, 1, SLICE(" mx.example;\n\tdmarc=pass header.from=author.example;\n\tarc=pass") };
    slice s = two_pass_make(a, t, h, &v);
    assert_non_null(s.p);
    return s;
}

static void
it_is_believed_for_its_message_only(void **state)
{
    (void)state;
    static const struct {
        const char *label, *changed, *value;
        int64_t now;
        unsigned copies;
        bool believed;
    } cases[] = {
        { "as it was", NULL, NULL, ARRIVED + 1, 1, true },
        { "Subject tagged", "Subject", " [SPAM] hello", ARRIVED + 1, 1, true },
        { "Received added to", "Received", " from filter", ARRIVED + 1, 1, true },
        { "From folded anew", "From", " Joe <joe@author.example>", ARRIVED + 1, 1, true },
        { "another author", "From", " Joe <joe@bank.example>", ARRIVED + 1, 1, false },
        { "no author", "From", NULL, ARRIVED + 1, 1, false },
        { "another message", "Message-ID", " <2@author.example>", ARRIVED + 1, 1, false },
        { "another day", "Date", " Sun, 22 Nov 2026 20:00:00 +0000", ARRIVED + 1, 1, false },
        { "another chain", "ARC-Seal", " i=1; cv=none; b=w", ARRIVED + 1, 1, false },
        { "a chain cut", "ARC-Message-Signature", NULL, ARRIVED + 1, 1, false },
        { "at the last second", NULL, NULL, ARRIVED + MAX_AGE, 1, true },
        { "too old", NULL, NULL, ARRIVED + MAX_AGE + 1, 1, false },
        { "clocks a little apart", NULL, NULL, ARRIVED - 300, 1, true },
        { "from the future", NULL, NULL, ARRIVED - 301, 1, false },
        { "twice", NULL, NULL, ARRIVED + 1, 2, false },
        { "not there", NULL, NULL, ARRIVED + 1, 0, false },
    };
    struct two_pass *t = secret(one);
    struct arena *a = arena_new(0);
    slice field = make(a, t);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct two_pass_verdict v;
        const char *why;
        struct header_list *h = returned(a, field, cases[i].changed, cases[i].value, cases[i].copies);
        enum status st = two_pass_read(a, t, h, cases[i].now, MAX_AGE, &v, &why);
        if ((st == ST_OK) != cases[i].believed || (st == ST_OK) != (why == NULL))
            fail_msg("%s: %s", cases[i].label, why == NULL ? "believed" : why);
        if (st != ST_OK)
            continue;
        assert_int_equal(v.arrived, ARRIVED);
        assert_int_equal(v.arc, ARC_PASS);
        assert_int_equal(v.sets, 1);
        assert_slice(v.authres, " mx.example;\n\tdmarc=pass header.from=author.example;\n\tarc=pass");
    }
    arena_free(a);
    two_pass_free(t);
}

static void
no_octet_of_it_can_be_changed(void **state)
{
    (void)state;
    struct two_pass *t = secret(one);
    struct arena *a = arena_new(0);
    slice field = make(a, t);
    for (size_t i = 0; i < field.n; i++) {
        struct two_pass_verdict v;
        const char *why;
        char *copy = arena_strdup(a, field);
        bool space = copy[i] == ' ' || copy[i] == '\n' || copy[i] == '\t';
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        struct header_list *h = returned(a, (slice){ copy, field.n }, NULL, NULL, 1);
        if (two_pass_read(a, t, h, ARRIVED, MAX_AGE, &v, &why) == ST_OK)
            fail_msg("believed with octet %zu changed%s", i, space ? " (white space)" : "");
    }
    arena_free(a);
    two_pass_free(t);
}

static void
a_secret_can_be_rotated(void **state)
{
    (void)state;
    struct two_pass *old = secret(one), *next = secret(other);
    char both[128];
    snprintf(both, sizeof(both), "# new, then old\n%s\n%s", other, one);
    struct two_pass *two = secret(both);
    struct arena *a = arena_new(0);
    struct two_pass_verdict v;
    const char *why;
    struct header_list *h = returned(a, make(a, old), NULL, NULL, 1);
    assert_int_equal(two_pass_read(a, two, h, ARRIVED, MAX_AGE, &v, &why), ST_OK);
    assert_int_equal(two_pass_read(a, next, h, ARRIVED, MAX_AGE, &v, &why), ST_SYNTAX);
    h = returned(a, make(a, two), NULL, NULL, 1);
    assert_int_equal(two_pass_read(a, next, h, ARRIVED, MAX_AGE, &v, &why), ST_OK);
    assert_int_equal(two_pass_read(a, old, h, ARRIVED, MAX_AGE, &v, &why), ST_SYNTAX);
    arena_free(a);
    two_pass_free(old);
    two_pass_free(next);
    two_pass_free(two);
}

static void
a_weak_secret_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
        mode_t mode;
    } cases[] = {
        { "0123456789abcdef0123456789abcde\n", "at least 32 octets", 0600 },
        { "\n# none\n", "no secret in it", 0600 },
        { one, "others could read it", 0644 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64];
        struct strbuf errors;
        strbuf_init(&errors, 0);
        snprintf(path, sizeof(path), "%s/weak", directory);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(cases[i].text, f);
        fclose(f);
        chmod(path, cases[i].mode);
        assert_null(two_pass_load(path, &errors));
        assert_non_null(strstr(strbuf_str(&errors), cases[i].error));
        strbuf_clear(&errors);
        unlink(path);
    }
}

/* Beyond a bound is said, never cut: a secret at the end must not become another one. */
static void
a_file_beyond_the_bounds_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t octets; /* filled up by a comment before the secrets */
        unsigned secrets;
        const char *error; /* NULL: it is taken */
    } cases[] = {
        { 16383, 1, NULL }, { 16384, 1, "not below 16 KB" }, { 40000, 1, "not below 16 KB" },
        { 1000, 8, NULL },  { 1000, 9, "more than 8 secrets" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64];
        struct strbuf errors;
        strbuf_init(&errors, 0);
        snprintf(path, sizeof(path), "%s/bounds", directory);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        size_t comment = cases[i].octets - cases[i].secrets * strlen(one);
        fprintf(f, "#%0*d\n", (int)comment - 2, 0);
        for (unsigned k = 0; k < cases[i].secrets; k++)
            fputs(one, f);
        assert_int_equal(ftell(f), cases[i].octets);
        fclose(f);
        chmod(path, 0600);
        struct two_pass *t = two_pass_load(path, &errors);
        if ((t == NULL) != (cases[i].error != NULL) || (t == NULL && strstr(strbuf_str(&errors), cases[i].error) == NULL))
            fail_msg("%zu octets, %u secrets: %s", cases[i].octets, cases[i].secrets, strbuf_str(&errors));
        two_pass_free(t);
        strbuf_clear(&errors);
        unlink(path);
    }
}

static int
set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_believed_for_its_message_only),
        cmocka_unit_test(no_octet_of_it_can_be_changed),
        cmocka_unit_test(a_secret_can_be_rotated),
        cmocka_unit_test(a_weak_secret_is_refused),
        cmocka_unit_test(a_file_beyond_the_bounds_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
