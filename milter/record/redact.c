#include "autoconf.h"

#include "record/redact.h"
#include "base/base64.h"
#include "base/strbuf.h"
#include "crypto/hmac.h"
#include "mail/address.h"
#include "record/failure.h"

#include <string.h>

#define BOXES_MAX 1000
#define HASH_OCTETS 18 /* 24 characters of base64, without padding */

static void
hash_local_part(struct strbuf *out, slice local, slice key)
{
    unsigned char digest[HMAC_SIZE];
    if (hmac_sha256(key, &local, 1, digest) != ST_OK) {
        strbuf_add_str(out, "redacted"); /* never the original */
        return;
    }
    base64_encode(out, (slice){ (const char *)digest, HASH_OCTETS });
}

static bool
is_atom(char c)
{
    return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool
is_space(char c)
{
    return ascii_is_wsp(c) || c == '\r' || c == '\n';
}

/* As far back as an address can reach: what is hashed too much costs nothing, what is hashed too little is somebody's name. */
static size_t
delimiter_before(slice s, size_t at)
{
    size_t i = at;
    while (i > 0 && strchr("<,;:", s.p[i - 1]) == NULL)
        i--;
    return i;
}

/* Where the local part before the "@" at `at` begins: a quoted string, an atom; or, with white space or comments between its
 * words or before the "@" (RFC 5322 4.4 obs-local-part), everything since the last delimiter. */
static size_t
local_start(slice s, size_t at)
{
    size_t i = at;
    if (i > 0 && s.p[i - 1] == '"') {
        for (i--; i > 0 && (s.p[i - 1] != '"' || (i > 1 && s.p[i - 2] == '\\')); i--)
            ;
        i -= i > 0;
    } else {
        while (i > 0 && is_atom(s.p[i - 1]))
            i--;
    }
    size_t before = i;
    while (before > 0 && is_space(s.p[before - 1]))
        before--;
    bool more = i == at || s.p[i] == '.' || (before > 0 && (s.p[before - 1] == '.' || s.p[before - 1] == ')'));
    return more ? delimiter_before(s, at) : i;
}

/* Text from anywhere, made to fit a 7-bit part: line ends as LF, the rest of what is not printable as "?". */
static void
add_plain(struct strbuf *out, slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\r')
            continue;
        strbuf_add_char(out, c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f) ? c : '?');
    }
}

static void
redact(struct strbuf *out, slice text, slice key)
{
    size_t from = 0;
    for (size_t at = slice_find(text, '@'); at < text.n; at += 1 + slice_find(slice_tail(text, at + 1), '@')) {
        size_t start = local_start(text, at);
        if (start < from)
            start = from;
        add_plain(out, (slice){ text.p + from, start - from });
        if (start < at)
            hash_local_part(out, (slice){ text.p + start, at - start }, key);
        from = at;
    }
    add_plain(out, slice_tail(text, from));
}

slice
failure_redact(struct arena *a, slice text, slice key)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    redact(&b, text, key);
    return strbuf_finish(&b, a);
}

static bool
holds_addresses(slice name)
{
    static const char *const names[] = { "From", "To", "Cc", "Bcc", "Sender", "Reply-To", "Resent-From", "Resent-To", "Resent-Cc",
                                         "Resent-Bcc", "Resent-Sender", "Return-Path", "Delivered-To", "Envelope-To",
                                         "X-Original-To", "Errors-To", "Disposition-Notification-To" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_ieq(name, slice_from(names[i])))
            return true;
    return false;
}

static bool
addresses_only(struct strbuf *out, struct arena *a, const struct header_field *f, slice key)
{
    struct mailbox_list list;
    if (!holds_addresses(f->name) || address_list_parse(a, f->value, BOXES_MAX, &list) != ST_OK)
        return false;
    add_plain(out, f->name);
    strbuf_add_char(out, ':');
    for (size_t i = 0; i < list.n; i++) {
        strbuf_add_str(out, i == 0 ? " <" : ",\n <");
        hash_local_part(out, list.boxes[i].local_part, key);
        strbuf_add_char(out, '@');
        add_plain(out, list.boxes[i].domain);
        strbuf_add_char(out, '>');
    }
    return true;
}

slice
redact_headers(struct arena *a, const struct header_list *headers, slice key)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    for (size_t i = 0; i < header_list_count(headers); i++) {
        const struct header_field *f = header_list_at(headers, i);
        if (b.n > REDACT_HEADERS_MAX) {
            strbuf_add_str(&b, "X-Header-Cut: the rest is left out\n");
            break;
        }
        if (!addresses_only(&b, a, f, key))
            redact(&b, slice_head(f->raw, REDACT_HEADERS_MAX), key);
        strbuf_add_char(&b, '\n');
    }
    return strbuf_finish(&b, a);
}
