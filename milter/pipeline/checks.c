#include "pipeline/state.h"

/* A client without an address (a local submission) has nothing that SPF could judge. */
static void
no_client(const struct spf_request *rq, struct spf_outcome *out)
{
    *out = (struct spf_outcome){ .result = SPF_NONE,
                                 .scope = rq->scope,
                                 .domain = SLICE_EMPTY,
                                 .mechanism = SLICE_EMPTY,
                                 .reason = SLICE("the client's address is not known"),
                                 .explanation = SLICE_EMPTY };
}

enum status
checks_spf(struct message *m, const struct spf_request *rq, struct spf_outcome *out)
{
    if (rq->client.family == 0) {
        no_client(rq, out);
        return ST_OK;
    }
    return spf_check(m->a, m->dns, rq, m->t, out);
}
