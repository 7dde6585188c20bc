/*
 * chain.h - the ARC fields of a message put in order by instance (RFC 8617 4.2, 5.2 steps 1 to 3).  Internal to arc/.
 * No key, no hash: after chain_close() either every instance from 1 to the highest has its three readable fields and
 * right cv= values, or there is a reason why not.
 */
#ifndef VIDIMUS_ARC_CHAIN_H
#define VIDIMUS_ARC_CHAIN_H

#include "arc/arc.h"
#include "dkim/signature.h"

enum seal_cv { CV_UNREADABLE, CV_NONE, CV_PASS, CV_FAIL };

struct chain_set {
    const struct header_field *aar;
    slice aar_payload;
    struct dkim_signature ams, as; /* field NULL: absent */
    enum seal_cv cv;
};

struct chain {
    bool any;                 /* there is an ARC field */
    unsigned highest;         /* readable instance number, possibly beyond ARC_MAX_SETS; 0: none */
    const char *problem;      /* the first one found, static text; NULL: none so far */
    unsigned problem_instance; /* 0: not known */
    slice problem_detail;
    bool sealed_fail;         /* the newest seal says cv=fail */
    struct chain_set *sets[ARC_MAX_SETS + 1]; /* by instance; NULL: no field of it */
};

/* Take in a field; *sig is the signature to ask a key for, or NULL.  Fields that are not of ARC are passed over. */
enum status chain_add(struct arena *a, struct chain *c, const struct header_field *f,
                      const struct dkim_signature **sig);
/* All fields are there: what is still wrong becomes c->problem. */
void chain_close(struct chain *c);

/* "i=N;" at the front of an AAR's value, comments and white space around it allowed.  False: not there. */
bool chain_aar_instance(slice value, unsigned *instance, slice *payload);

#endif
