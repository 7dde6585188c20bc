/*
 * address.h - mailboxes of a From field and SMTP paths (RFC 5322 3.4 and 4.4 with the obsolete forms, RFC 6854
 * groups, RFC 6531/6532 UTF-8).  One reader with one exit: what is left over is an error, never ignored.
 * Iterative and linear in the length of the text.
 */
#ifndef VIDIMUS_MAIL_ADDRESS_H
#define VIDIMUS_MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

struct mailbox {
    slice local_part; /* unquoted */
    slice domain;     /* as written, comments and white space removed; may be a [literal] or hold U-labels */
};

struct mailbox_list {
    struct mailbox *boxes;
    size_t n;         /* members of groups included */
    bool has_group;
};

/* The body of a From field (folds allowed).  Two things are read beyond RFC 5322, for both are common: dots in a row or behind
 * the last word of a local part, and a bare address for a display name, `a@b <c@d>`, of which both are taken.
 * ST_SYNTAX: not an address list.  ST_LIMIT: more than max_boxes.  ST_OK with n == 0: only empty groups. */
enum status address_list_parse(struct arena *a, slice text, size_t max_boxes, struct mailbox_list *out);
/* A reverse-path or forward-path of SMTP, with or without <>; source routes are dropped (RFC 5321 4.1.2).
 * An empty path gives empty local part and domain.  A path without "@" gives an empty domain.  ST_SYNTAX: malformed. */
enum status address_path_parse(struct arena *a, slice path, struct mailbox *out);
/* dot-atom-text of RFC 5322 3.2.3, ASCII only: a local part that needs no quotes. */
bool address_is_dot_atom(slice s);

#endif
