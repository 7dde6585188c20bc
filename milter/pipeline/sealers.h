/*
 * sealers.h - sealers whose word about a message's arrival is believed (TrustedSealers), and the decision for one message.
 * An ARC chain that verifies says nothing by itself: anybody can seal (RFC 8617 7.2).
 * Ownership and threads as in rules.h.
 */
#ifndef VIDIMUS_PIPELINE_SEALERS_H
#define VIDIMUS_PIPELINE_SEALERS_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "base/trace.h"
#include "record/record.h"

struct sealers;

/* NULL: every problem stands in `errors`, as in rules.h. */
struct sealers *sealers_load(const char *file, struct strbuf *errors);
struct sealers *sealers_parse(slice text, const char *file, struct strbuf *errors);
void sealers_free(struct sealers *s); /* NULL is fine */
size_t sealers_count(const struct sealers *s);

struct sealer_trust {
    bool trusted;
    slice sealer;      /* d= whose AAR was believed */
    unsigned instance; /* of that AAR */
    slice comment;     /* of the override (RFC 8617 7.2.2): "arc=pass as[2].d=... as[2].s=... remote-ip[1]=..." */
    slice why;         /* in words, printable ASCII, trusted or not */
};

/* Trusted only if the chain passes now, every hop from the newest down to the one believed is a trusted sealer in scope at
 * `now` (Unix time), and the newest AAR of the one believed says dmarc=pass exactly once, for this author domain.
 * Looked at in the record: arc, header_from, client, client_name, iprev.  ST_NOMEM: *out untouched. */
enum status sealers_trust(struct arena *a, const struct sealers *s, const struct record *m, int64_t now, struct trace *t,
                          struct sealer_trust *out);

#endif
