/*
 * second.h - the other engines: what operators' stacks run today, behind the interfaces of our own.
 * Each asks our resolver, never DNS itself, and is guarded where it is known to be wrong or to break.
 */
#ifndef VIDIMUS_SECOND_SECOND_H
#define VIDIMUS_SECOND_SECOND_H

#include "dkim/dkim.h"
#include "spf/spf.h"

/* The signature of spf_check(). */
typedef enum status spf_engine(struct arena *a, struct dns_session *dns, const struct spf_request *rq, struct trace *t,
                               struct spf_outcome *out);

/* libspf2, or NULL in a build without it. */
spf_engine *second_spf(void);

/* What an engine refuses to judge is no opinion: its outcome has a reason that begins with these words. */
#define SECOND_NOT_ASKED "not asked: "
bool second_spf_has_opinion(const struct spf_outcome *o);
/* Two outcomes of one request, in words: "native pass (ip4:192.0.2.1), libspf2 fail (-all)"; empty if they agree, or if the
 * other one has no opinion.  {NULL,0}: no memory. */
slice second_spf_difference(struct arena *a, const struct spf_outcome *native, const struct spf_outcome *other);

/* ---- DKIM: as dkim.h, but the body is handed over in chunks, and what the library holds must be freed */
struct second_dkim; /* one message */

struct second_dkim_ops {
    struct second_dkim *(*start)(struct arena *a, struct dns_session *dns, const struct dkim_options *o); /* NULL: no memory */
    enum status (*add_field)(struct second_dkim *d, const struct header_field *f);
    enum status (*header_end)(struct second_dkim *d, const struct header_list *headers, slice author_domain);
    enum status (*body)(struct second_dkim *d, slice chunk);
    enum status (*finish)(struct second_dkim *d, struct trace *t, const struct dkim_result **results, size_t *n);
    void (*clear)(struct second_dkim *d); /* NULL is fine */
};

/* libopendkim, or NULL in a build without it. */
const struct second_dkim_ops *second_dkim(void);

/* As second_spf_has_opinion(). */
bool second_dkim_has_opinion(const struct dkim_result *r);
/* Where one says pass and the other does not, signature by signature: "d=example.org s=x: native pass, libopendkim fail
 * (why)"; empty if they agree.  Ways of not passing are not compared.  {NULL,0}: no memory. */
slice second_dkim_difference(struct arena *a, const struct dkim_result *native, size_t n_native,
                             const struct dkim_result *other, size_t n_other);

#endif
