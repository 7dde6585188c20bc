#include "test.h"

#include "base/netlist.h"

static struct netaddr
addr(const char *text)
{
    struct netaddr a;
    if (!netaddr_parse(slice_from(text), &a))
        fail_msg("%s is an address", text);
    return a;
}

static void
addresses_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "1.2.3.4/8", "::g" };
    struct netaddr a;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (netaddr_parse(slice_from(bad[i]), &a))
            fail_msg("\"%s\" was taken", bad[i]);
    a = addr("::ffff:192.0.2.1");
    assert_int_equal(a.family, 4);
    char text[NETADDR_TEXT_MAX], reverse[80];
    assert_string_equal(netaddr_text(&a, text), "192.0.2.1");
    assert_string_equal(netaddr_reverse_name(&a, reverse), "1.2.0.192.in-addr.arpa");
    a = addr("2001:0DB8:0:0::1");
    assert_string_equal(netaddr_text(&a, text), "2001:db8::1");
    assert_string_equal(netaddr_reverse_name(&a, reverse),
                        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void
networks_compare_bits_of_one_family(void **state)
{
    (void)state;
    struct netaddr net = addr("192.0.2.128"), in = addr("192.0.2.255"), out = addr("192.0.2.127"), six = addr("2001:db8::1");
    assert_true(netaddr_in(&in, &net, 25));
    assert_false(netaddr_in(&out, &net, 25));
    assert_true(netaddr_in(&out, &net, 24));
    assert_false(netaddr_in(&six, &net, 0));
    assert_true(netaddr_in(&out, &in, 0));
}

static void
the_first_entry_that_fits_decides(void **state)
{
    (void)state;
    struct netlist *l = netlist_new();
    assert_int_equal(netlist_add(l, SLICE("! 10.0.0.5")), ST_OK);
    assert_int_equal(netlist_add(l, SLICE("10.0.0.0/8")), ST_OK);
    assert_int_equal(netlist_add(l, SLICE("[2001:db8::]/32")), ST_OK);
    assert_int_equal(netlist_add(l, SLICE(".example.org")), ST_OK);
    assert_int_equal(netlist_add(l, SLICE("10.0.0.0/33")), ST_SYNTAX);
    assert_int_equal(netlist_add(l, SLICE("10.0.0.300")), ST_SYNTAX);
    struct netaddr a = addr("10.0.0.5"), b = addr("10.0.0.6"), c = addr("2001:db8:1::"), d = addr("198.51.100.1"), none = { 0 };
    assert_false(netlist_has(l, &a, SLICE_EMPTY));
    assert_true(netlist_has(l, &b, SLICE_EMPTY));
    assert_true(netlist_has(l, &c, SLICE_EMPTY));
    assert_false(netlist_has(l, &d, SLICE("example.org")));
    assert_true(netlist_has(l, &d, SLICE("Mail.Example.org.")));
    assert_false(netlist_has(l, &none, SLICE_EMPTY));
    assert_false(netlist_has(NULL, &a, SLICE_EMPTY));
    netlist_free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_strictly),
        cmocka_unit_test(networks_compare_bits_of_one_family),
        cmocka_unit_test(the_first_entry_that_fits_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
