/*
 * walk.h - the state of one check_host() evaluation, shared by the files of this folder that make it.
 * Ownership: on the stack of spf_check(); text lives in the arena or in the session's answers.
 */
#ifndef VIDIMUS_SPF_WALK_H
#define VIDIMUS_SPF_WALK_H

#include "spf/identity.h"
#include "spf/limits.h"
#include "spf/record.h"
#include "spf/say.h"

struct spf_frame { /* one record being walked: the domain's own, or an include's */
    struct spf_record record;
    size_t at;            /* position for spf_record_next() */
    slice domain;         /* %{d} */
    struct spf_term term; /* the include that led one deeper, while there is a deeper one */
    slice redirect;       /* the modifier that put this record here; empty: none */
    unsigned asks;        /* terms ahead that will ask, if nothing matches before */
    unsigned records;     /* of them those that lead to another record */
    bool asked_ahead;     /* all of them have been asked for */
    bool returned;        /* an include of this record has come back */
};

struct spf_client_name {
    slice name;
    enum { SPF_NAME_UNKNOWN, SPF_NAME_VALID, SPF_NAME_FALSE } state;
};

struct spf_walk {
    struct arena *arena;
    struct dns_session *dns;
    const struct spf_request *rq;
    struct trace *trace;
    struct spf_identity id;
    struct strbuf scratch; /* of spf_macro_target() */
    enum status st;        /* ST_NOMEM ends everything */
    slice reason;          /* of an error */
    bool names_sender;     /* a target was made of the local part */
    slice matched;         /* the term that matched last; empty: none did */
    size_t matched_depth;  /* its frame, counted from 1 */
    unsigned lookups, voids;
    /* depth is bounded by the limit on terms: every frame but the first costs one */
    struct spf_frame frames[SPF_MAX_TERMS + 1];
    size_t depth;
    struct spf_client_name names[SPF_MAX_PTR_NAMES]; /* of the client's address, by PTR */
    size_t n_names;
    bool names_asked, names_void;
};

enum spf_match { SPF_NO_MATCH, SPF_MATCH, SPF_MATCH_TEMPERROR, SPF_MATCH_PERMERROR };

static inline struct spf_frame *
spf_walk_top(struct spf_walk *w)
{
    return &w->frames[w->depth - 1];
}

/* ---- load.c */
enum spf_found { SPF_RECORD_FOUND, SPF_RECORD_NONE, SPF_RECORD_TEMPERROR, SPF_RECORD_PERMERROR };
/* Fetch, select and check a record (RFC 7208 4.3 to 4.6), and make it the frame's; else w->reason says why not. */
enum spf_found spf_load_record(struct spf_walk *w, struct spf_frame *f, slice domain, bool first);

/* ---- match.c */
/* Count one term; false, with the reason set, if it is one too many. */
bool spf_count_term(struct spf_walk *w);
/* Does this a, mx, ptr or exists term (already counted) match the client?  On an error w->reason says why. */
enum spf_match spf_match_asking(struct spf_walk *w, const struct spf_term *t);
/* The name a term is about, expanded; %{p} is looked up here, and counted unless `after` the result is known.
 * SPF_NO_MATCH: it cannot be expanded (RFC 8616 4); SPF_MATCH: *out is it. */
enum spf_match spf_walk_target(struct spf_walk *w, slice domain_spec, bool after, slice *out);
/* Look a validated name of the client up for %{p} (RFC 7208 7.3); empty: none. */
slice spf_validated_name(struct spf_walk *w, slice domain, bool after);
/* Ask and wait, and tell the trace.  NXDOMAIN and NODATA are counted as void if so told. */
const struct dns_answer *spf_walk_ask(struct spf_walk *w, enum dns_type type, slice name, bool count_void);

/* ---- explain.c */
/* The text of exp= of the topmost record after a fail (RFC 7208 6.2); empty: none, or not usable. */
slice spf_explain(struct spf_walk *w);

#endif
