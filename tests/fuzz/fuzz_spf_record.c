/* SPF records: whatever is accepted is read term by term without leaving the text, and each term stands alone too. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "spf/macro.h"
#include "spf/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
inside(slice part, slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* "v=spf1 " and the term alone must be accepted as well. */
static void
check_alone(slice term)
{
    struct spf_record r;
    struct spf_syntax_error e;
    char *text = malloc(term.n + 7);
    if (text == NULL)
        abort();
    memcpy(text, "v=spf1 ", 7);
    memcpy(text + 7, term.p, term.n);
    assert(spf_record_parse((slice){ text, term.n + 7 }, &r, &e) == ST_OK);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct spf_record r;
    struct spf_syntax_error e;
    if (!spf_record_is(text))
        return 0;
    if (spf_record_parse(text, &r, &e) != ST_OK) {
        assert(e.why != NULL && e.term.n > 0 && inside(e.term, text));
        return 0;
    }
    assert(inside(r.redirect, text) && inside(r.explanation, text));
    assert(!r.has_all || r.redirect.n == 0);
    size_t at = 0, terms = 0;
    struct spf_term t;
    bool all = false;
    while (spf_record_next(&r, &at, &t)) {
        assert(!all && t.text.n > 0 && inside(t.text, text) && inside(t.domain_spec, t.text));
        assert(t.prefix4 <= 32 && t.prefix6 <= 128);
        assert(t.domain_spec.n == 0 || spf_macro_check_domain_spec(t.domain_spec) == NULL);
        all = t.mechanism == SPF_MECH_ALL;
        if (terms++ < 50)
            check_alone(t.text);
    }
    assert(all == r.has_all);
    return 0;
}
