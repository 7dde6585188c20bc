/*
 * check_host() (RFC 7208 4): records are walked with a stack of frames in one array, never by
 * calling oneself; the counters stand beside it and are one set for all records of the check.
 */
#include "mail/domain.h"
#include "spf/ahead.h"
#include "spf/walk.h"

const char *
spf_result_name(enum spf_result r)
{
    switch (r) {
    case SPF_NONE:
        return "none";
    case SPF_NEUTRAL:
        return "neutral";
    case SPF_PASS:
        return "pass";
    case SPF_FAIL:
        return "fail";
    case SPF_SOFTFAIL:
        return "softfail";
    case SPF_TEMPERROR:
        return "temperror";
    case SPF_PERMERROR:
        return "permerror";
    }
    return "none";
}

/*
 * Ask at once for all that the topmost record still has to ask, where prefetching has not done so
 * already.  Only as far as the budget covers it if nothing matches: as long as another record may
 * add terms of its own there must be room for one at least, so that nested records of 10 includes
 * each are never asked for in breadth.
 */
static void
ask_ahead(struct spf_walk *w)
{
    unsigned left = 0, records = 0;
    struct spf_frame *f = spf_walk_top(w);
    if (f->asked_ahead || f->asks < 2 ||
        (w->rq->ahead != NULL && spf_prefetch_terms(w->rq->ahead) != SPF_MAX_TERMS))
        return;
    for (size_t i = 0; i < w->depth; i++) {
        left += w->frames[i].asks;
        records += w->frames[i].records;
    }
    if (w->lookups + left > SPF_MAX_TERMS - (records > 0 && !f->returned))
        return;
    f->asked_ahead = true;
    struct spf_ahead h = { .record = &f->record, .client = &w->rq->client, .at = f->at };
    struct spf_macro_facts facts = w->id.facts;
    facts.domain = f->domain;
    for (struct spf_question q; spf_ahead_next(&h, &q);) {
        slice name = f->domain;
        if (q.kind == SPF_ASK_LATE || !spf_identity_expands(&w->id, q.domain_spec))
            continue;
        if (q.domain_spec.n > 0 &&
            spf_macro_target(&w->scratch, q.domain_spec, &facts, &name) != ST_OK)
            continue;
        if (q.kind != SPF_ASK_RECORD || domain_labels(name) >= 2)
            dns_start(w->dns, q.type, name, NULL, NULL);
    }
}

struct verdict {
    bool decided; /* about the topmost record */
    enum spf_result result;
};

static const struct verdict go_on = { .decided = false };

static struct verdict
decide(enum spf_result r)
{
    return (struct verdict){ .decided = true, .result = r };
}

/* RFC 7208 5.2 */
static struct verdict
enter_include(struct spf_walk *w, const struct spf_term *t)
{
    slice name;
    struct spf_frame *parent = spf_walk_top(w);
    parent->records--;
    enum spf_match m = spf_walk_target(w, t->domain_spec, false, &name);
    if (m != SPF_MATCH)
        return m == SPF_NO_MATCH ? go_on : decide(SPF_PERMERROR);
    parent->term = *t;
    struct spf_frame *f = &w->frames[w->depth];
    f->redirect = SLICE_EMPTY;
    switch (spf_load_record(w, f, name, false)) {
    case SPF_RECORD_FOUND:
        w->depth++;
        ask_ahead(w);
        return go_on;
    case SPF_RECORD_TEMPERROR:
        return decide(SPF_TEMPERROR);
    case SPF_RECORD_NONE: /* an include without a record is an error of the one who includes */
        w->reason = arena_printf(w->arena, "%.*s: %.*s", SLICE_ARG(spf_say(w->arena, t->text, 100)),
                                 SLICE_ARG(w->reason));
        return decide(SPF_PERMERROR);
    case SPF_RECORD_PERMERROR:
        break;
    }
    return decide(SPF_PERMERROR);
}

/* RFC 7208 6.1: the target's record takes this one's place. */
static struct verdict
follow_redirect(struct spf_walk *w)
{
    struct spf_frame *f = spf_walk_top(w);
    slice name, text = f->record.redirect_text;
    if (!spf_count_term(w))
        return decide(SPF_PERMERROR);
    trace_line(w->trace, "%.*s [DNS-lookup term %u of 10]", SLICE_ARG(text), w->lookups);
    enum spf_match m = spf_walk_target(w, f->record.redirect, false, &name);
    w->matched = SLICE_EMPTY; /* what matched so far did so in includes that are left */
    if (m != SPF_MATCH)
        return decide(m == SPF_NO_MATCH ? SPF_NEUTRAL : SPF_PERMERROR);
    f->redirect = text;
    switch (spf_load_record(w, f, name, false)) {
    case SPF_RECORD_FOUND:
        ask_ahead(w);
        return go_on;
    case SPF_RECORD_TEMPERROR:
        return decide(SPF_TEMPERROR);
    case SPF_RECORD_NONE:
        w->reason = arena_printf(w->arena, "%.*s: %.*s", SLICE_ARG(spf_say(w->arena, text, 100)),
                                 SLICE_ARG(w->reason));
        break;
    case SPF_RECORD_PERMERROR:
        break;
    }
    return decide(SPF_PERMERROR);
}

static struct verdict
matched(struct spf_walk *w, const struct spf_term *t)
{
    w->matched = t->text;
    w->matched_depth = w->depth;
    return decide(t->result);
}

static void
end_term(struct spf_walk *w, const char *what, slice why)
{
    trace_line(w->trace, "%s%.*s", what, SLICE_ARG(why));
    trace_end(w->trace);
}

static struct verdict
judge_term(struct spf_walk *w, const struct spf_term *t)
{
    if (!spf_term_asks(t)) {
        bool match = spf_term_matches_alone(t, &w->rq->client);
        trace_line(w->trace, "%.*s: %s", SLICE_ARG(t->text), match ? "match" : "no match");
        return match ? matched(w, t) : go_on;
    }
    if (!spf_count_term(w)) {
        trace_line(w->trace, "%.*s: more than 10 DNS-lookup terms", SLICE_ARG(t->text));
        return decide(SPF_PERMERROR);
    }
    spf_walk_top(w)->asks--;
    trace_begin(w->trace, "%.*s [DNS-lookup term %u of 10]", SLICE_ARG(t->text), w->lookups);
    if (t->mechanism == SPF_MECH_INCLUDE) {
        size_t depth = w->depth;
        struct verdict v = enter_include(w, t);
        if (w->depth == depth) /* it could not be entered; else leave_include() closes it */
            end_term(w, v.decided ? "error: " : "no match", v.decided ? w->reason : SLICE_EMPTY);
        return v;
    }
    enum spf_match m = spf_match_asking(w, t);
    if (m == SPF_MATCH || m == SPF_NO_MATCH)
        end_term(w, m == SPF_MATCH ? "match" : "no match", SLICE_EMPTY);
    else
        end_term(w, "error: ", w->reason);
    switch (m) {
    case SPF_NO_MATCH:
        return go_on;
    case SPF_MATCH:
        return matched(w, t);
    case SPF_MATCH_TEMPERROR:
        return decide(SPF_TEMPERROR);
    case SPF_MATCH_PERMERROR:
        break;
    }
    return decide(SPF_PERMERROR);
}

static struct verdict
judge_next(struct spf_walk *w)
{
    struct spf_frame *f = spf_walk_top(w);
    struct spf_term t;
    if (spf_record_next(&f->record, &f->at, &t))
        return judge_term(w, &t);
    if (f->record.redirect.n > 0)
        return follow_redirect(w);
    trace_line(w->trace, "no term matched: neutral");
    w->matched = SLICE_EMPTY;
    return decide(SPF_NEUTRAL); /* 4.7 */
}

/* What an include's result means to the record above (table of RFC 7208 5.2). */
static struct verdict
leave_include(struct spf_walk *w, enum spf_result r)
{
    bool match = r == SPF_PASS, error = r == SPF_TEMPERROR || r == SPF_PERMERROR || r == SPF_NONE;
    trace_line(w->trace, "the included record says %s: %s", spf_result_name(r),
               match   ? "match"
               : error ? "an error of the whole check"
                       : "no match");
    trace_end(w->trace);
    w->depth--;
    struct spf_frame *f = spf_walk_top(w);
    f->returned = true;
    switch (r) {
    case SPF_PASS:
        return decide(f->term.result);
    case SPF_FAIL:
    case SPF_SOFTFAIL:
    case SPF_NEUTRAL:
        ask_ahead(w);
        return go_on;
    case SPF_NONE:
    case SPF_TEMPERROR:
    case SPF_PERMERROR:
        break;
    }
    return decide(r);
}

static enum spf_result
walk(struct spf_walk *w)
{
    switch (spf_load_record(w, &w->frames[0], w->id.facts.domain, true)) {
    case SPF_RECORD_FOUND:
        break;
    case SPF_RECORD_NONE:
        return SPF_NONE;
    case SPF_RECORD_TEMPERROR:
        return SPF_TEMPERROR;
    case SPF_RECORD_PERMERROR:
        return SPF_PERMERROR;
    }
    w->depth = 1;
    ask_ahead(w);
    for (;;) {
        struct verdict v = judge_next(w);
        while (v.decided && w->depth > 1 && w->st == ST_OK)
            v = leave_include(w, v.result);
        if (v.decided || w->st != ST_OK)
            return v.result;
    }
}

/* "include:a.example -> ip4:192.0.2.0/24": the way to the term that decided, shortened. */
static slice
tell_match(struct spf_walk *w)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    for (size_t i = 0; i < w->matched_depth; i++) {
        const struct spf_frame *f = &w->frames[i];
        if (i > 1 && i + 2 < w->matched_depth) {
            if (i == 2)
                strbuf_add_str(&b, "... -> ");
            continue;
        }
        if (f->redirect.n > 0) {
            strbuf_add(&b, spf_say(w->arena, f->redirect, 100));
            strbuf_add_str(&b, " -> ");
        }
        if (i + 1 < w->matched_depth) {
            strbuf_add(&b, spf_say(w->arena, f->term.text, 100));
            strbuf_add_str(&b, " -> ");
        }
    }
    strbuf_add(&b, spf_say(w->arena, w->matched, 100));
    return strbuf_finish(&b, w->arena);
}

static void
conclude(struct spf_walk *w, enum spf_result r, struct spf_outcome *o)
{
    o->result = r;
    o->lookups = w->lookups;
    o->voids = w->voids;
    switch (r) {
    case SPF_PASS:
    case SPF_FAIL:
    case SPF_SOFTFAIL:
    case SPF_NEUTRAL:
        if (w->matched.n == 0) {
            o->mechanism = SLICE("default");
            o->reason = SLICE("no term matched");
            break;
        }
        o->mechanism =
            spf_say(w->arena, w->matched_depth > 1 ? w->frames[0].term.text : w->matched, 100);
        o->reason = tell_match(w);
        break;
    case SPF_NONE:
    case SPF_TEMPERROR:
    case SPF_PERMERROR:
        o->reason = w->reason;
        o->reason_names_sender = w->names_sender;
        break;
    }
    if (r == SPF_FAIL && w->rq->want_explanation)
        o->explanation = spf_explain(w);
    if (o->reason.p == NULL || o->mechanism.p == NULL)
        w->st = ST_NOMEM;
}

enum status
spf_check(struct arena *a, struct dns_session *dns, const struct spf_request *rq, struct trace *t,
          struct spf_outcome *out)
{
    struct spf_walk w = {
        .arena = a, .dns = dns, .rq = rq, .trace = t, .reason = SLICE_EMPTY, .matched = SLICE_EMPTY
    };
    struct spf_outcome o = { .scope = rq->scope,
                             .mechanism = SLICE_EMPTY,
                             .reason = SLICE_EMPTY,
                             .explanation = SLICE_EMPTY };
    char client[NETADDR_TEXT_MAX];
    enum status st = spf_identity_of(a, rq, &w.id);
    if (st != ST_OK)
        return st;
    strbuf_init(&w.scratch, 0);
    o.domain = w.id.facts.domain;
    trace_begin(t, "SPF of %s %.*s for client %s",
                rq->scope == SPF_SCOPE_HELO ? "HELO" : "MAIL FROM", SLICE_ARG(o.domain),
                netaddr_text(&rq->client, client));
    if (w.id.why_none != NULL) {
        w.reason = slice_from(w.id.why_none);
        conclude(&w, SPF_NONE, &o);
    } else {
        enum spf_result r = walk(&w);
        if (w.st == ST_OK)
            conclude(&w, r, &o);
    }
    trace_line(t, "result: %s (%.*s); DNS-lookup terms: %u of 10, void lookups: %u of %u",
               spf_result_name(o.result), SLICE_ARG(o.reason), o.lookups, o.voids, rq->max_voids);
    trace_end(t);
    strbuf_clear(&w.scratch);
    if (w.st == ST_OK)
        *out = o;
    return w.st;
}
