/*
 * authres.h - Authentication-Results (RFC 8601): read, written, and recognised as a forgery.
 * Every value from mail or DNS reaches a header field only through authres_add_value() and authres_add_comment().
 */
#ifndef VIDIMUS_MAIL_AUTHRES_H
#define VIDIMUS_MAIL_AUTHRES_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"

/* ---- reading */
struct authres_property {
    slice ptype, name; /* "smtp", "mailfrom", in lower case; no ptype: "name=value" as one large sealer writes it */
    slice value;       /* "user@example.org"; unquoted, of an address the local part alone was quoted */
};

struct authres_result {
    slice method, result, reason; /* method and result in lower case; reason unquoted, empty if absent */
    struct authres_property *properties;
    size_t n_properties;
};

struct authres {
    slice authserv_id;  /* unquoted */
    unsigned version;   /* 1 if absent */
    struct authres_result *results;
    size_t n_results;
    bool exact;         /* nothing in it but what RFC 8601 2.2 allows */
};

/*
 * The value of one field (or of an AAR after its "i=N;").  ST_SYNTAX: not RFC 8601.
 * ST_LIMIT: over 100 results, or over 100 properties of one.
 * Read although not in the grammar, as large senders of ARC sets write it and it has but one meaning: "/", ":", "=" and
 * "?" in unquoted values, properties without ptype, "_" in keywords, a ";" at the end.  `exact` is false then.
 */
enum status authres_parse(struct arena *a, slice value, struct authres *out);

/* Does the value bear another version than 1?  Its id and version are all that is read: what follows need not look like
 * version 1, or it would be no other version.  (RFC 8601 2.2, 5)  True also where there is no memory. */
bool authres_is_other_version(struct arena *a, slice value);

/* Does this value claim to be from `id`, in any spelling a lax reader might accept: case, quotes, comments, folding,
 * trailing dot, any version, U-label or A-label, or unparseable but naming it first?  (RFC 8601 5)
 * True also where that cannot be told: no memory, or encoded words where no RFC has them. */
bool authres_claims(struct arena *a, slice value, slice id);

/* ---- writing: one field, folded at results, then between properties, then inside of long text */
struct authres_builder; /* opaque; lives in the arena */

/* NULL: no memory, or an id that cannot be written.  Calls on a NULL builder do nothing. */
struct authres_builder *authres_builder_new(struct arena *a, slice authserv_id, size_t max_bytes);
void authres_add_result(struct authres_builder *b, const char *method, const char *result);
/* What follows belongs to the result begun last.  It is left out where it cannot be written: control characters,
 * octets that are no UTF-8, a word that would make a line longer than RFC 5322 2.1.1 allows. */
void authres_add_comment(struct authres_builder *b, slice text); /* "(text)", escaped, unprintable octets dropped */
void authres_add_reason(struct authres_builder *b, slice text);  /* reason="text"; before the values, and once */
/* ptype.property=value, quoted where RFC 8601 2.2 asks for it; an empty value is left out.  Addresses keep the
 * local@domain form: the local part is given unquoted. */
void authres_add_value(struct authres_builder *b, const char *ptype, const char *property, slice value);
/* The field's value with leading space, folds as LF WSP (what smfi_insheader wants).  "id; none" without results.
 * {NULL,0}: no memory or too long. */
slice authres_finish(struct authres_builder *b);

#endif
