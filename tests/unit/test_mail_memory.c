/*
 * Memory may end at any allocation: the readers then say ST_NOMEM and nothing else, the builder gives no field at all, and
 * a forged field is taken for one.
 */
#include "test.h"

#include "mail/address.h"
#include "mail/authres.h"
#include "mail/domain.h"
#include "mail/headers.h"
#include "mail/taglist.h"

#define BLOCK ((size_t)16384)

/* An arena that has room for so many octets and no more. */
static struct arena *
arena_with(size_t room)
{
    struct arena *a = arena_new(BLOCK);
    assert_non_null(a);
    assert_non_null(arena_alloc(a, BLOCK - room));
    return a;
}

/* Calls `attempt` with more and more room; it must fail with ST_NOMEM up to some point and succeed from there on. */
static void
with_ever_more_room(enum status (*attempt)(struct arena *a))
{
    bool worked = false;
    for (size_t room = 0; room < BLOCK; room += 16) {
        struct arena *a = arena_with(room);
        enum status st = attempt(a);
        assert_true(st == (worked ? ST_OK : st) && (st == ST_OK || st == ST_NOMEM));
        worked = st == ST_OK;
        arena_free(a);
    }
    assert_true(worked);
}

static enum status
read_addresses(struct arena *a)
{
    struct mailbox_list l;
    enum status st = address_list_parse(
        a, SLICE("\"a\\\"\" . b@c . d, g: x@[ 1 2 ], <@r,@s (c) . t:\"q\" (c) . \"r\"@e>;, f@g, h@i, j@k"), 9, &l);
    if (st == ST_OK) {
        assert_int_equal(l.n, 6);
        assert_slice(l.boxes[0].local_part, "a\".b");
        assert_slice(l.boxes[2].local_part, "q.r");
    }
    return st;
}

static enum status
read_path(struct arena *a)
{
    struct mailbox m;
    return address_path_parse(a, SLICE("<@a:\"b\\\"c\"@d>"), &m);
}

static enum status
read_name(struct arena *a)
{
    slice name;
    return domain_from_text(a, SLICE("B\xc3\xbc" "cher.Example."), &name);
}

static enum status
read_tags(struct arena *a)
{
    struct taglist l;
    enum status st = taglist_parse(a, SLICE("a=b;c=d \r\n e"), &l);
    if (st != ST_OK)
        return st;
    return taglist_strip_fws(a, taglist_find(&l, SLICE("c"))->value).p == NULL ? ST_NOMEM : ST_OK;
}

static enum status
read_results(struct arena *a)
{
    struct authres r;
    enum status st = authres_parse(a,
                                   SLICE("\"x\\\"y\" 1; a=b reason=\"c\" d.e=\"f g\"@h d.i=j d.k=l d.m=n d.o=p d.q=r; a=b;"
                                         "a=b; a=b; a=b; a=b; a=b; a=b; a=b; a=b; a=b"),
                                   &r);
    if (st == ST_OK) {
        assert_int_equal(r.n_results, 11);
        assert_int_equal(r.results[0].n_properties, 6);
        assert_slice(r.results[0].properties[0].value, "f g@h");
    }
    return st;
}

static enum status
see_forgery(struct arena *a)
{
    assert_true(authres_claims(a, SLICE("\"mx.b\xc3\xbc" "cher.\" (c) example; x=y"), SLICE("mx.xn--bcher-kva.example")));
    return authres_claims(a, SLICE("other.b\xc3\xbc" "cher.example; x=y"), SLICE("mx.xn--bcher-kva.example")) ? ST_NOMEM
                                                                                                           : ST_OK;
}

static enum status
build_results(struct arena *a)
{
    static char long_text[700];
    memset(long_text, 'x', sizeof(long_text));
    struct authres_builder *b = authres_builder_new(a, SLICE("mx.example.org"), 5000);
    authres_add_result(b, "a", "b");
    authres_add_comment(b, SLICE("comment"));
    authres_add_reason(b, SLICE("the reason"));
    authres_add_value(b, "c", "d", SLICE("e f@g"));
    authres_add_value(b, "c", "h", (slice){ long_text, sizeof(long_text) });
    slice field = authres_finish(b);
    assert_true(field.p == NULL ||
                (field.n > 760 && slice_starts(field, SLICE(" mx.example.org;\n\ta=b (comment) reason=\"the reason\"")) &&
                 slice_iends(field, SLICE("xxxxx"))));
    return field.p == NULL ? ST_NOMEM : ST_OK;
}

static enum status
add_fields(struct arena *a)
{
    struct header_list *l = header_list_new(a, &(struct header_limits){ 0 });
    enum status st = l == NULL ? ST_NOMEM : ST_OK;
    for (unsigned i = 0; i < 40 && st == ST_OK; i++) {
        char name[20];
        snprintf(name, sizeof(name), "X-%u", i);
        size_t before = header_list_count(l);
        st = header_list_add(l, slice_from(name), SLICE(" a\n b"));
        assert_int_equal(header_list_count(l), before + (st == ST_OK));
        if (st == ST_OK)
            st = header_unfold(a, header_list_at(l, i)->value).p == NULL ? ST_NOMEM : ST_OK;
    }
    return st;
}

static void
every_allocation_may_fail(void **state)
{
    (void)state;
    with_ever_more_room(read_addresses);
    with_ever_more_room(read_path);
    with_ever_more_room(read_name);
    with_ever_more_room(read_tags);
    with_ever_more_room(read_results);
    with_ever_more_room(see_forgery);
    with_ever_more_room(build_results);
    with_ever_more_room(add_fields);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
