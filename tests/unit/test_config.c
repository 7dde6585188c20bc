/* The configuration: the table against itself, values, errors with their places, includes, counting under threads. */
#include "autoconf.h"

#include "test.h"

#include <pthread.h>
#include <unistd.h>

#include "config/config.h"
#include "config/load.h"
#include "config/options.h"

struct loaded {
    enum status st;
    struct config *c;
    struct strbuf errors;
};

static struct loaded
load(const char *file, const char *const *overrides)
{
    struct loaded l = { .c = NULL };
    size_t n = 0;
    while (overrides != NULL && overrides[n] != NULL)
        n++;
    strbuf_init(&l.errors, 0);
    l.st = config_load(file, overrides, n, &l.errors, &l.c);
    return l;
}

static void
unload(struct loaded *l)
{
    config_release(l->c);
    strbuf_clear(&l->errors);
}

static char folder[] = "/tmp/vidimus-config-XXXXXX";

static const char *
in_folder(const char *name)
{
    static char path[4][200];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, 200, "%s/%s", folder, name);
    return p;
}

static const char *
write_file(const char *name, const char *text)
{
    const char *path = in_folder(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
    (void)state;
    static const char *const files[] = { "main.conf", "a.conf", "b.conf", "list", "deep0", "deep1", "deep2",  "deep3",  "deep4",
                                         "deep5",     "deep6",  "deep7",  "deep8", "deep9", "deep10", "deep11" };
    for (size_t i = 0; i < COUNT(files); i++)
        (void)unlink(in_folder(files[i]));
    return rmdir(folder);
}

static void
the_defaults_are_valid_and_dump_to_themselves(void **state)
{
    (void)state;
    struct loaded l = load(NULL, NULL);
    assert_int_equal(l.st, ST_OK);
    assert_string_equal(strbuf_str(&l.errors), "");
    assert_int_equal(l.c->dns_timeout_ms, 5000);
    assert_int_equal(l.c->message_timeout_ms, 20000);
    assert_int_equal(l.c->umask, 7);
    assert_int_equal(l.c->on_error, TROUBLE_TEMPFAIL);
    assert_int_equal(l.c->record_segment_bytes, 16 << 20);
    assert_true(netlist_count(l.c->ignore_hosts) == 2);
    assert_string_equal(l.c->oversign_headers.items[0], "From");
    assert_true(l.c->authserv_id != NULL && l.c->authserv_id[0] != '\0');
    struct strbuf dump, again;
    strbuf_init(&dump, 0);
    strbuf_init(&again, 0);
    config_dump(l.c, false, &dump);
    struct loaded second = load(write_file("main.conf", strbuf_str(&dump)), NULL);
    assert_string_equal(strbuf_str(&second.errors), "");
    config_dump(second.c, false, &again);
    assert_string_equal(strbuf_str(&again), strbuf_str(&dump));
    strbuf_reset(&again);
    config_dump(second.c, true, &again);
    assert_string_equal(strbuf_str(&again), "");
    strbuf_clear(&dump);
    strbuf_clear(&again);
    unload(&second);
    unload(&l);
}

static void
the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        assert_true(option_find(slice_from(d->name)) == i);
        for (size_t j = i + 1; j < option_count; j++)
            if (d->offset == option_table[j].offset)
                fail_msg("%s and %s share a field", d->name, option_table[j].name);
    }
}

static void
values_are_read_by_their_type(void **state)
{
    (void)state;
    static const struct {
        enum option_type type;
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {
        { OT_MSEC, "5", true, 5000 },      { OT_MSEC, "500ms", true, 500 },  { OT_MSEC, "2m", true, 120000 },
        { OT_MSEC, "5 s", true, 5000 },    { OT_MSEC, "5d", false, 0 },      { OT_MSEC, "-5", false, 0 },
        { OT_MSEC, "", false, 0 },         { OT_MSEC, "s", false, 0 },       { OT_MSEC, "1.5s", false, 0 },
        { OT_SEC, "300s", true, 300 },     { OT_SEC, "1d", true, 86400 },    { OT_SEC, "2w", true, 1209600 },
        { OT_SEC, "5x", false, 0 },        { OT_DAYS, "4w", true, 28 },      { OT_DAYS, "30", true, 30 },
        { OT_DAYS, "30s", false, 0 },      { OT_SIZE, "64K", true, 65536 },  { OT_SIZE, "16m", true, 16777216 },
        { OT_SIZE, "65536", true, 65536 }, { OT_SIZE, "1T", false, 0 },      { OT_UINT, "12", true, 12 },
        { OT_UINT, "12k", false, 0 },      { OT_UINT, "0x10", false, 0 },    { OT_OCTAL, "0027", true, 027 },
        { OT_OCTAL, "8", false, 0 },       { OT_OCTAL, "77777777", false, 0 }, { OT_SIZE, "9223372036854775807G", false, 0 },
        { OT_SEC, "99999999999999999999", false, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t v = 0;
        slice exact = test_exact(cases[i].text);
        bool good = config_read_number(cases[i].type, exact, &v);
        test_release(exact);
        if (good != cases[i].good || (good && v != cases[i].value))
            fail_msg("\"%s\" of type %d", cases[i].text, (int)cases[i].type);
    }
}

static void
sockets_are_read_in_both_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: refused */
    } cases[] = {
        { "Socket=inet:8890@localhost", "inet:8890@localhost" },
        { "Socket=inet:localhost:8890", "inet:8890@localhost" },
        { "Socket=inet:8890", "inet:8890" },
        { "Socket=inet6:8890@[::1]", "inet6:8890@::1" },
        { "Socket=inet:[::1]:8890", "inet6:8890@::1" },
        { "Socket=unix:/run/v.sock", "local:/run/v.sock" },
        { "Socket=local:/run/v.sock", "local:/run/v.sock" },
        { "Socket=/run/v.sock", "local:/run/v.sock" },
        { "Socket=inet:0@localhost", NULL },
        { "Socket=inet:65536@localhost", NULL },
        { "Socket=unix:run/v.sock", NULL },
        { "Socket=tcp:1@x", NULL },
        { "Socket=", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct loaded l = load(NULL, (const char *const[]){ cases[i].text, NULL });
        if ((l.st == ST_OK) != (cases[i].want != NULL) || (l.st == ST_OK && strcmp(l.c->socket, cases[i].want) != 0))
            fail_msg("%s gives %s", cases[i].text, l.st == ST_OK ? l.c->socket : strbuf_str(&l.errors));
        unload(&l);
    }
}

/* What the timers would find out alone, days later. */
static void
where_reports_go_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "ReportStore=/var/lib/x.sqlite", true },
        { "ReportStore=sqlite:/var/lib/x.sqlite", true },
        { "ReportStore=postgresql:///vidimus", true },
        { "ReportStore=postgres://user@db.example/vidimus", true },
        { "ReportStore=x.sqlite", false },
        { "ReportStore=/", false },
        { "ReportStore=mysql://db.example/x", false },
        { "ReportSMTP=smtp://relay.example:25", true },
        { "ReportSMTP=smtps://relay.example", true },
        { "ReportSMTP=", true },
        { "ReportSMTP=relay.example", false },
        { "ReportSMTP=http://relay.example", false },
        { "ReportSMTP=smtp://", false },
        { "ReportEmail=dmarc-noreply+x@example.org", true },
        { "ReportEmail=", true },
        { "ReportEmail=dmarc", false },
        { "ReportEmail=@example.org", false },
        { "ReportEmail=dmarc@", false },
        { "ReportEmail=a@b@example.org", false },
        { "ReportEmail=Reports <dmarc@example.org>", false },
        { "ReportEmail=a@example.org, b@example.org", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct loaded l = load(NULL, (const char *const[]){ cases[i].text, NULL });
        if ((l.st == ST_OK) != cases[i].good)
            fail_msg("%s: %s", cases[i].text, strbuf_str(&l.errors));
        unload(&l);
    }
}

static void
all_problems_are_said_with_their_place(void **state)
{
    (void)state;
    const char *path = write_file("main.conf", "  stray continuation\n"
                                               "Socket inet:8890@localhost  # a comment\n"
                                               "DNSTimout 5\n"
                                               "DNSTimeout 61\n"
                                               "\n"
                                               "# a comment of its own\n"
                                               "IgnoreHosts 10.0.0.0/8,\n"
                                               "    # a comment in between\n"
                                               "    10.0.0.0/33, mx.example.org\n"
                                               "Enforcement sometimes\n"
                                               "Syslog perhaps\n"
                                               "Syslog yes\n"
                                               "RulesFile rules.conf\n"
                                               "SPFReject fail softfial\n"
                                               "Include nowhere.conf\n"
                                               "Xyzzy\n");
    struct loaded l = load(path, (const char *const[]){ "MessageQueries=9", "nonsense", NULL });
    assert_int_equal(l.st, ST_SYNTAX);
    assert_null(l.c);
    static const char *const wanted[] = {
        "main.conf:1: a line that begins with white space",
        "main.conf:3: unknown option \"DNSTimout\"; did you mean DNSTimeout?",
        "main.conf:4: DNSTimeout: \"61\" is not allowed; it takes 100 to 60000 ms, written as 500ms, 5s or 2m",
        "main.conf:7: IgnoreHosts: \"10.0.0.0/33\" is no address, network (CIDR) or host name",
        "main.conf:10: Enforcement: \"sometimes\" is none of: full, quarantine, monitor",
        "main.conf:11: Syslog: \"perhaps\" is neither yes nor no",
        "main.conf:12: Syslog is already set in line 11",
        "main.conf:13: RulesFile: \"rules.conf\" is not an absolute path",
        "main.conf:14: SPFReject: \"softfial\" is none of: fail, softfail,",
        "nowhere.conf: No such file",
        "main.conf:16: unknown option \"Xyzzy\"; vidimus.conf(5)",
        "-o: MessageQueries: \"9\" is not allowed; it takes a number from 10 to 10000",
        "-o: \"nonsense\" is not NAME=VALUE",
    };
    const char *text = strbuf_str(&l.errors);
    for (size_t i = 0; i < COUNT(wanted); i++)
        if (strstr(text, wanted[i]) == NULL)
            fail_msg("missing \"%s\" in:\n%s", wanted[i], text);
    size_t lines = 0;
    for (const char *p = text; *p != '\0'; p++)
        lines += *p == '\n';
    if (lines != COUNT(wanted))
        fail_msg("%zu lines for %zu problems:\n%s", lines, COUNT(wanted), text);
    unload(&l);
}

static void
lists_come_inline_and_from_files(void **state)
{
    (void)state;
    char text[600];
    const char *list = write_file("list", "# own relays\n192.0.2.1\n192.0.2.2, 192.0.2.3 # three\n\n");
    snprintf(text, sizeof(text),
             "InternalHosts file:%s 198.51.100.0/24\nNameservers 127.0.0.1@5353,\n  ::1\nSPFReject Fail\nTrustedAuthservIDs\n", list);
    struct loaded l = load(write_file("main.conf", text), NULL);
    assert_string_equal(strbuf_str(&l.errors), "");
    assert_int_equal(netlist_count(l.c->internal_hosts), 4);
    assert_int_equal(l.c->nameservers.n, 2);
    assert_string_equal(l.c->nameservers.items[1], "::1");
    assert_int_equal(l.c->spf_reject.n, 1);
    assert_string_equal(l.c->spf_reject.items[0], "fail");
    assert_int_equal(l.c->trusted_authserv_ids.n, 0);
    unload(&l);
    write_file("list", "192.0.2.1\n192.0.2.300\n");
    l = load(in_folder("main.conf"), NULL);
    assert_int_equal(l.st, ST_SYNTAX);
    assert_non_null(strstr(strbuf_str(&l.errors), "list:2): \"192.0.2.300\" is no address"));
    unload(&l);
}

static void
includes_nest_and_never_loop(void **state)
{
    (void)state;
    write_file("b.conf", "MessageQueries 50\n");
    write_file("a.conf", "Include b.conf\nMessageQueries 60\n");
    struct loaded l = load(write_file("main.conf", "MessageQueries 40\nInclude a.conf\n"), NULL);
    assert_string_equal(strbuf_str(&l.errors), "");
    assert_int_equal(l.c->message_queries, 60); /* the last word counts, across files */
    unload(&l);
    write_file("b.conf", "\xEF\xBB\xBFMessageQueries 70\n"); /* as some editors save UTF-8 */
    l = load(write_file("main.conf", "\xEF\xBB\xBFMessageQueries 40\nInclude b.conf\n"), NULL);
    assert_string_equal(strbuf_str(&l.errors), "");
    assert_int_equal(l.c->message_queries, 70);
    unload(&l);
    write_file("b.conf", "Include main.conf\n");
    l = load(write_file("main.conf", "Include b.conf\n"), NULL);
    assert_int_equal(l.st, ST_SYNTAX);
    assert_non_null(strstr(strbuf_str(&l.errors), "being read already"));
    unload(&l);
    for (unsigned i = 0; i < 12; i++) {
        char name[20], text[40];
        snprintf(name, sizeof(name), "deep%u", i);
        snprintf(text, sizeof(text), i == 11 ? "Syslog no\n" : "Include deep%u\n", i + 1);
        write_file(name, text);
    }
    l = load(in_folder("deep0"), NULL);
    assert_int_equal(l.st, ST_SYNTAX);
    assert_non_null(strstr(strbuf_str(&l.errors), "deeper than 10 files"));
    unload(&l);
    l = load(in_folder("deep3"), NULL);
    assert_int_equal(l.st, ST_OK);
    assert_false(l.c->syslog);
    unload(&l);
}

static void
options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        { "MinimumKeyBits=4096", "MaximumKeyBits=2048", NULL },
        { "DNSTimeout=10s", "MessageTimeout=5s", NULL },
        { "ArcSeal=yes", NULL, NULL },
        { "AuthservID=a b", NULL, NULL },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct loaded l = load(NULL, bad[i]);
        if (l.st != ST_SYNTAX)
            fail_msg("%s was taken", bad[i][0]);
        unload(&l);
    }
}

static void
what_is_no_text_is_refused(void **state)
{
    (void)state;
    FILE *f = fopen(in_folder("main.conf"), "w");
    fwrite("Syslog no\0\n", 1, 11, f);
    fclose(f);
    struct loaded l = load(in_folder("main.conf"), NULL);
    assert_int_equal(l.st, ST_SYNTAX);
    unload(&l);
    l = load(folder, NULL);
    assert_int_equal(l.st, ST_SYNTAX);
    unload(&l);
    l = load("/dev/null", NULL);
    assert_int_equal(l.st, ST_OK);
    unload(&l);
}

/* The count of a snapshot is what keeps it, on whatever thread it is taken. */
static void *
take_and_let_go(void *arg)
{
    struct config *c = arg;
    for (unsigned i = 0; i < 1000; i++)
        config_release(config_acquire(c));
    return NULL;
}

static void
a_snapshot_is_counted_on_all_threads(void **state)
{
    (void)state;
    struct loaded l = load(NULL, NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_let_go, l.c), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&l.c->references), 1);
    unload(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(the_defaults_are_valid_and_dump_to_themselves),
        cmocka_unit_test(values_are_read_by_their_type),
        cmocka_unit_test(sockets_are_read_in_both_spellings),
        cmocka_unit_test(where_reports_go_is_checked),
        cmocka_unit_test(a_snapshot_is_counted_on_all_threads),
        cmocka_unit_test(all_problems_are_said_with_their_place),
        cmocka_unit_test(lists_come_inline_and_from_files),
        cmocka_unit_test(includes_nest_and_never_loop),
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
        cmocka_unit_test(what_is_no_text_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
