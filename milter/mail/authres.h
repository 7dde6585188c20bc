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
    slice ptype, name, value; /* "smtp", "mailfrom", "user@example.org"; the value unquoted */
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
};

/* The value of one field (or of an AAR after its "i=N;").  ST_SYNTAX: not RFC 8601.  ST_LIMIT: over 100 results. */
enum status authres_parse(struct arena *a, slice value, struct authres *out);

/* Does this value claim to be from `id`, in any spelling a lax reader might accept: case, quotes, comments, folding,
 * trailing dot, any version, U-label or A-label, or unparseable but naming it first?  (RFC 8601 5) */
bool authres_claims(struct arena *a, slice value, slice id);

/* ---- writing: one field, folded at results */
struct authres_builder; /* opaque; lives in the arena */

struct authres_builder *authres_builder_new(struct arena *a, slice authserv_id, size_t max_bytes);
void authres_add_result(struct authres_builder *b, const char *method, const char *result);
void authres_add_comment(struct authres_builder *b, slice text);  /* "(text)", escaped, unprintable octets dropped */
void authres_add_reason(struct authres_builder *b, slice text);   /* reason="text" */
/* ptype.property=value of the result begun last, quoted where RFC 8601 2.2 asks for it; an empty value or one that
 * cannot be written (control characters) is left out.  Addresses keep the local@domain form. */
void authres_add_value(struct authres_builder *b, const char *ptype, const char *property, slice value);
/* The field's value with leading space, folds as LF HTAB (what smfi_insheader wants).  "id; none" without results.
 * {NULL,0}: no memory or too long. */
slice authres_finish(struct authres_builder *b);

#endif
