#include "pipeline/story.h"

#include "base/strbuf.h"

static slice
policy_word(enum dmarc_policy p)
{
    const char *word = dmarc_policy_name(p);
    return word == NULL ? SLICE("-") : slice_from(word);
}

/* One word for all signatures: that of the best one. */
static const char *
dkim_word(const struct record *r)
{
    static const enum dkim_result_code best[] = { DKIM_PASS, DKIM_TEMPERROR, DKIM_FAIL, DKIM_POLICY, DKIM_NEUTRAL, DKIM_PERMERROR };
    for (size_t k = 0; k < COUNT(best); k++)
        for (size_t i = 0; i < r->n_dkim; i++)
            if (r->dkim[i].result == best[k])
                return dkim_result_name(best[k]);
    return dkim_result_name(DKIM_NONE);
}

void
story_log(struct log *l, const struct record *r)
{
    struct log_line *line = log_begin(l, LOG_LEVEL_INFO, r->queue_id);
    if (line == NULL)
        return;
    char ip[NETADDR_TEXT_MAX];
    struct strbuf client;
    strbuf_init(&client, 0);
    strbuf_printf(&client, "[%s]", netaddr_text(&r->client, ip));
    log_field(line, "client", strbuf_slice(&client));
    strbuf_clear(&client);
    log_field(line, "from", r->header_from);
    log_field(line, "dmarc", slice_from(dmarc_result_name(r->dmarc.result)));
    log_field(line, "policy", policy_word(r->dmarc.policy));
    log_field(line, "disposition", policy_word(r->dmarc.disposition));
    log_field(line, "spf", slice_from(spf_result_name(r->spf == NULL ? SPF_NONE : r->spf->result)));
    log_field(line, "dkim", slice_from(dkim_word(r)));
    log_field(line, "arc", slice_from(arc_status_name(r->arc.status)));
    log_field(line, "action", slice_from(action_name(r->action)));
    log_field(line, "rule", r->rule.n > 0 ? r->rule : SLICE("default"));
    if (r->sealed)
        log_field(line, "sealed", SLICE("yes"));
    if (r->why.n > 0)
        log_field(line, "why", r->why);
    log_field_u64(line, "ms", r->ms);
    log_end(line);
}
