/* A line of the spool: what is accepted keeps its promises (names are names, words are words), and its row is JSON that makes
 * a report which libxml2 can read again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "base/strbuf.h"
#include "mail/domain.h"
#include "report/aggregate_xml.h"
#include "report/row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
append(void *arg, slice text)
{
    strbuf_add(arg, text);
    return true;
}

static void
check_report(slice row, slice policy)
{
    struct strbuf xml;
    strbuf_init(&xml, 0);
    const struct aggregate_sink to = { append, &xml };
    const struct aggregate_about about = { SLICE("o"), SLICE("e"), SLICE("x"), SLICE("i"), 1, 2, SLICE("d"), policy };
    struct aggregate_xml *x = aggregate_xml_new(&about, &to);
    aggregate_xml_row(x, row, 1);
    assert(aggregate_xml_finish(x) == ST_OK && slice_icontains(strbuf_slice(&xml), SLICE("<record>")));
    strbuf_clear(&xml);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[160];
    struct line l;
    if (!line_read((slice){ (const char *)data, size }, 1795000000, &l, reason, sizeof(reason)))
        return 0;
    assert(l.id.n > 0 && l.day >= 20000101 && l.day <= 20261231);
    assert((l.author.n == 0 || domain_is_name(l.author)) && (l.policy_domain.n == 0 || domain_is_name(l.policy_domain)));
    for (size_t i = 0; i < l.n_dkim; i++)
        assert(l.dkim[i].d.n == 0 || domain_is_name(l.dkim[i].d));
    if (row_reportable(&l)) {
        struct strbuf row, policy;
        strbuf_init(&row, 0);
        strbuf_init(&policy, 0);
        row_text(&l, &row);
        row_policy_text(&l, &policy);
        json_t *o = json_loadb(row.p, row.n, JSON_REJECT_DUPLICATES, NULL);
        assert(json_is_object(o));
        json_decref(o);
        check_report(strbuf_slice(&row), strbuf_slice(&policy));
        strbuf_clear(&row);
        strbuf_clear(&policy);
    }
    line_clear(&l);
    return 0;
}
