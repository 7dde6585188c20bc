/* One message's session: memo, budget, deadline, callbacks, and going away while answers are on their way. */
#include "test.h"

#include "base/clock.h"
#include "dns/zone.h"

#include <pthread.h>
#include <stdatomic.h>

static struct resolver *
zone(const char *text)
{
    struct resolver *r = NULL;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    if (resolver_zone_new(slice_from(text), &errors, &r) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    return r;
}

static struct dns_session *
session(struct resolver *r, unsigned timeout_ms, unsigned max_queries)
{
    struct dns_session *s = dns_session_new(r, &(struct dns_limits){ timeout_ms, max_queries });
    assert_non_null(s);
    return s;
}

static void
test_memo(void **state)
{
    (void)state;
    struct resolver *r = zone("a. A 192.0.2.1\n");
    struct dns_session *s = session(r, 1000, 10);
    const struct dns_answer *first = dns_lookup(s, DNS_A, SLICE("a"));
    assert_ptr_equal(dns_lookup(s, DNS_A, SLICE("A.")), first);
    dns_start(s, DNS_A, SLICE("a"), NULL, NULL);
    assert_ptr_not_equal(dns_lookup(s, DNS_TXT, SLICE("a")), first);
    assert_int_equal(dns_session_usage(s).questions, 2);
    dns_session_free(s);
    resolver_free(r);
    dns_session_free(NULL);
    resolver_free(NULL);
}

static void
test_budget(void **state)
{
    (void)state;
    struct resolver *r = zone("a. A 192.0.2.1\nb. A 192.0.2.1\nc. A 192.0.2.1\n");
    struct dns_session *s = session(r, 1000, 2);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("a"))->status, DNS_OK);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("..bad"))->status, DNS_BADNAME); /* not asked, not counted */
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("b"))->status, DNS_OK);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("c"))->status, DNS_BUDGET);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("a"))->status, DNS_OK); /* asking again is free */
    assert_int_equal(dns_session_usage(s).questions, 2);
    dns_session_free(s);
    resolver_free(r);
}

static void
count_one(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    (void)type, (void)name, (void)answer;
    ++*(unsigned *)arg;
}

/* What is kept is there for the questions that decide, whatever came before. */
static void
test_kept_budget(void **state)
{
    (void)state;
    struct resolver *r = zone("*.x. A 192.0.2.1\n");
    struct dns_session *s = session(r, 1000, 6);
    unsigned told = 0;
    dns_session_keep(s, 2, 0);
    for (int i = 0; i < 10; i++) {
        char name[] = { (char)('0' + i), '.', 'x', '\0' };
        assert_int_equal(dns_lookup(s, DNS_A, slice_from(name))->status, i < 4 ? DNS_OK : DNS_BUDGET);
    }
    assert_int_equal(dns_lookup_kept(s, DNS_A, SLICE("0.x"))->status, DNS_OK); /* asked already: free */
    assert_int_equal(dns_lookup_kept(s, DNS_A, SLICE("4.x"))->status, DNS_OK); /* refused before, asked now */
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("4.x"))->status, DNS_OK);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("5.x"))->status, DNS_BUDGET);
    dns_start_kept(s, DNS_A, SLICE("a.x"), NULL, NULL);
    assert_int_equal(dns_lookup_kept(s, DNS_A, SLICE("b.x"))->status, DNS_BUDGET);
    assert_int_equal(dns_session_usage(s).questions, 6);
    dns_session_each(s, count_one, &told);
    assert_int_equal(told, 12); /* 0 to 9, a and b: each once */
    dns_session_free(s);
    /* and what others left of it is theirs again */
    s = session(r, 1000, 3);
    dns_session_keep(s, 2, 0);
    dns_start(s, DNS_A, SLICE("a.x"), NULL, NULL);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("b.x"))->status, DNS_BUDGET);
    dns_session_keep(s, 0, 0);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("b.x"))->status, DNS_OK);
    dns_session_keep(s, 100, 5000); /* more than there is */
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("c.x"))->status, DNS_BUDGET);
    assert_int_equal(dns_lookup_kept(s, DNS_A, SLICE("c.x"))->status, DNS_OK);
    dns_session_free(s);
    resolver_free(r);
}

/* Names that never answer use up the time of the others, not the time that is kept. */
static void
test_kept_time(void **state)
{
    (void)state;
    struct resolver *r = zone("slow. A 192.0.2.1\n$DELAY slow 5000\nlate. A 192.0.2.1\n$DELAY late 50\n");
    struct dns_session *s = session(r, 6300, 10);
    dns_session_keep(s, 1, 6000);
    uint64_t began = clock_mono_ms();
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("slow"))->status, DNS_TIMEOUT);
    uint64_t took = clock_mono_ms() - began;
    assert_true(took >= 299 && took < 4900); /* "slow" would have answered after 5000 */
    assert_int_equal(dns_lookup_kept(s, DNS_A, SLICE("late"))->status, DNS_OK);
    dns_session_free(s);
    resolver_free(r);
}

static void
note_status(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    (void)s;
    atomic_store((atomic_int *)arg, (int)answer->status + 100);
}

static void
test_deadline(void **state)
{
    (void)state;
    struct resolver *r = zone("a. A 192.0.2.1\n$DELAY a 5000\n");
    struct dns_session *s = session(r, 80, 10);
    atomic_int said = 0;
    uint64_t began = clock_mono_ms();
    dns_start(s, DNS_A, SLICE("a"), note_status, &said);
    assert_int_equal(atomic_load(&said), 0);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("a"))->status, DNS_TIMEOUT);
    uint64_t took = clock_mono_ms() - began;
    assert_true(took >= 79 && took < 4900);
    for (int i = 0; i < 200 && atomic_load(&said) == 0; i++) {
        struct timespec pause = { 0, 5000000 };
        nanosleep(&pause, NULL);
    }
    assert_int_equal(atomic_load(&said), DNS_TIMEOUT + 100);
    assert_true(dns_session_usage(s).wait_ms >= 79);
    dns_session_free(s);
    resolver_free(r);
}

/* A chain of callbacks as an include chain makes it, its answers there at once: the stack must not grow with it. */
struct chain {
    unsigned left, ran;
    bool inside, nested;
};

static void
follow(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    struct chain *c = arg;
    c->nested = c->nested || c->inside;
    c->inside = true;
    c->ran++;
    assert_int_equal(answer->status, DNS_OK);
    if (c->left-- > 0) {
        char name[32];
        int n = snprintf(name, sizeof(name), "n%u.example", c->left);
        dns_start(s, DNS_TXT, (slice){ name, (size_t)n }, follow, c);
        dns_start(s, DNS_TXT, SLICE("other.example"), NULL, NULL);
    }
    c->inside = false;
}

static void
test_chain_at_once(void **state)
{
    (void)state;
    struct resolver *r = zone("*.example. TXT x\n");
    struct dns_session *s = session(r, 1000, 1000);
    struct chain c = { .left = 500 };
    dns_start(s, DNS_TXT, SLICE("first.example"), follow, &c);
    assert_int_equal(c.ran, 501);
    assert_false(c.nested);
    assert_int_equal(dns_session_usage(s).questions, 502);
    atomic_int said = 0;
    dns_start(s, DNS_TXT, SLICE("first.example"), note_status, &said); /* done already: at once as well */
    assert_int_equal(atomic_load(&said), DNS_OK + 100);
    dns_session_free(s);
    resolver_free(r);
}

/* A tree of callbacks: each asks for two more at once, and asks for one of them twice. */
struct tree {
    unsigned ran, asked;
};

static void
branch(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    struct tree *t = arg;
    assert_int_equal(answer->status, DNS_OK);
    t->ran++;
    for (int i = 0; i < 2 && t->asked < 200; i++) {
        char name[32];
        int n = snprintf(name, sizeof(name), "n%u.example", t->asked++);
        dns_start(s, DNS_TXT, (slice){ name, (size_t)n }, branch, t);
        if (i == 1)
            dns_start(s, DNS_TXT, (slice){ name, (size_t)n }, branch, t);
    }
}

static void
test_tree_at_once(void **state)
{
    (void)state;
    struct resolver *r = zone("*.example. TXT x\n");
    struct dns_session *s = session(r, 1000, 1000);
    struct tree t = { 0 };
    dns_start(s, DNS_TXT, SLICE("first.example"), branch, &t);
    assert_int_equal(t.asked, 200);
    assert_int_equal(t.ran, 1 + 200 + 100);
    dns_session_free(s);
    resolver_free(r);
}

static void
test_restart(void **state)
{
    (void)state;
    struct resolver *r = zone("a. A 192.0.2.1\n$DELAY a 300\n");
    struct dns_session *s = session(r, 250, 10);
    struct timespec pause = { 0, 150000000 };
    nanosleep(&pause, NULL); /* the MTA was slow: that is no time of ours */
    dns_session_restart(s);
    uint64_t began = clock_mono_ms();
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("a"))->status, DNS_TIMEOUT);
    assert_true(clock_mono_ms() - began >= 249);
    dns_session_free(s);
    resolver_free(r);
}

/* The same with answers that come late, on the resolver's thread, while this one sleeps in a lookup. */
static void
test_chain_late(void **state)
{
    (void)state;
    struct resolver *r = zone("*.example. TXT x\n$DELAY *.example 3\nlast. TXT y\n$DELAY last. 400\n");
    struct dns_session *s = session(r, 5000, 1000);
    struct chain c = { .left = 20 };
    dns_start(s, DNS_TXT, SLICE("first.example"), follow, &c);
    assert_int_equal(dns_lookup(s, DNS_TXT, SLICE("last"))->status, DNS_OK);
    struct dns_usage u = dns_session_usage(s);
    assert_int_equal(u.questions, 23);
    dns_session_free(s);
    assert_int_equal(c.ran, 21);
    resolver_free(r);
}

struct order {
    char text[64];
};

static void
note_question(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    struct order *o = arg;
    size_t n = strlen(o->text);
    snprintf(o->text + n, sizeof(o->text) - n, "%s %.*s %s;", dns_type_name(type), SLICE_ARG(name),
             answer == NULL ? "-" : dns_status_name(answer->status));
}

static void
test_each(void **state)
{
    (void)state;
    struct resolver *r = zone("a. A 192.0.2.1\n$DELAY c 3000\n");
    struct dns_session *s = session(r, 1000, 10);
    struct order o = { "" };
    dns_lookup(s, DNS_TXT, SLICE("b"));
    dns_lookup(s, DNS_A, SLICE("a"));
    dns_start(s, DNS_A, SLICE("c"), NULL, NULL);
    dns_session_each(s, note_question, &o);
    assert_string_equal(o.text, "TXT b nxdomain;A a ok;A c -;");
    dns_session_free(s);
    resolver_free(r);
}

static void
count_call(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    (void)answer;
    atomic_fetch_add((atomic_uint *)arg, 1);
    dns_start(s, DNS_A, SLICE("another"), NULL, NULL);
}

/* Freed while answers are on their way: what the callback points to is gone at once, so a late call would be seen. */
static void
test_freed_in_flight(void **state)
{
    (void)state;
    struct resolver *r = zone("*. A 192.0.2.1\n$DELAY *. 1\n$DELAY x 2\n$DELAY another 1\n");
    for (unsigned round = 0; round < 2000; round++) {
        struct dns_session *s = session(r, 1000, 10);
        atomic_uint *calls = malloc(sizeof(*calls));
        atomic_init(calls, 0);
        dns_start(s, DNS_A, SLICE("x"), count_call, calls);
        dns_start(s, DNS_A, SLICE("y"), count_call, calls);
        dns_start(s, DNS_A, SLICE("y"), count_call, calls);
        if (round % 4 == 0)
            dns_lookup(s, DNS_A, SLICE("y"));
        dns_session_free(s);
        assert_true(atomic_load(calls) <= 3);
        free(calls);
    }
    resolver_free(r);
}

static void *
ask_same(void *arg)
{
    struct dns_session *s = arg;
    return (void *)(uintptr_t)dns_lookup(s, DNS_A, SLICE("x"));
}

static void
test_many_threads(void **state)
{
    (void)state;
    struct resolver *r = zone("x. A 192.0.2.1\n$DELAY x 30\n");
    struct dns_session *s = session(r, 2000, 10);
    pthread_t threads[8];
    void *answers[8];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_same, s), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], &answers[i]);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_ptr_equal(answers[i], answers[0]);
    assert_int_equal(((const struct dns_answer *)answers[0])->status, DNS_OK);
    assert_int_equal(dns_session_usage(s).questions, 1);
    dns_session_free(s);
    resolver_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memo),          cmocka_unit_test(test_budget),
        cmocka_unit_test(test_kept_budget),   cmocka_unit_test(test_kept_time),     cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_chain_at_once), cmocka_unit_test(test_chain_late), cmocka_unit_test(test_each),
        cmocka_unit_test(test_freed_in_flight), cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_tree_at_once), cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
