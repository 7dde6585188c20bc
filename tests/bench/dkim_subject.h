/*
 * dkim_subject.h - messages with any number of valid signatures and ARC sets, for the benchmarks of dkim/ and arc/.
 */
#ifndef VIDIMUS_BENCH_DKIM_SUBJECT_H
#define VIDIMUS_BENCH_DKIM_SUBJECT_H

#include "arc/arc.h"
#include "base/arena.h"
#include "crypto/keys.h"
#include "crypto/sign.h"
#include "dkim/verify.h"

#define CHUNK 65535u /* of the milter protocol */

struct subject {
    slice body;
    struct strbuf header; /* with its signatures; lines end in CRLF */
    unsigned signatures;
    struct resolver *dns;
    struct key_cache *keys;
    struct dkim_options options;
};

extern const char subject_fields[]; /* the header before signing */

void die(const char *program_and_reason);
/* Text as people write it: words, lines of 60 to 76 octets; one line in eight ends in a space (format=flowed), and here
 * and there two spaces or a tab. */
slice subject_body(struct arena *a, size_t n);
void subject_feed(struct body_canon *c, slice body);
struct header_list *subject_headers(struct arena *a, slice header);
/* One more on top of the header, with d=example.org and s=s<number>. */
void subject_add_signature(struct subject *s, const struct private_key *k, enum canon canon, unsigned number);
/* ARC set `instance` on top, with s=a<instance>; sets are added from 1 on. */
void subject_add_set(struct subject *s, const struct private_key *k, unsigned instance);

#endif
