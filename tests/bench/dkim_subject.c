#include "dkim_subject.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"

const char subject_fields[] =
    "Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.net with ESMTPS id 4cRzk12\r\n"
    "\tfor <sue@example.net>; Fri, 21 Nov 2025 10:00:00 +0000 (UTC)\r\n"
    "Message-ID: <20251121100000.12345@mail.example.org>\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
    "MIME-Version: 1.0\r\nUser-Agent: Mozilla Thunderbird\r\nSubject: the minutes of our meeting last week\r\n"
    "To: Sue Smith <sue@example.net>\r\nFrom: Joe Miller <joe@example.org>\r\n"
    "Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n";

#define SIGNED_NAMES "From:To:Subject:Date:Message-ID:MIME-Version:Content-Type:\r\n\t Content-Transfer-Encoding"

void
die(const char *program_and_reason)
{
    fprintf(stderr, "%s\n", program_and_reason);
    exit(1);
}

slice
subject_body(struct arena *a, size_t n)
{
    char *p = arena_alloc(a, n + 4);
    uint32_t r = 42;
    size_t at = 0, column = 0;
    if (p == NULL)
        die("subject_body: no memory");
    while (at + 2 < n) {
        r = r * 1664525u + 1013904223u;
        unsigned dice = r >> 16;
        if (column > 60 + dice % 16) {
            if (dice % 8 == 0)
                p[at++] = ' ';
            p[at++] = '\r';
            p[at++] = '\n';
            column = 0;
            continue;
        }
        for (unsigned i = 0; i < 1 + dice % 9 && at < n; i++, column++)
            p[at++] = (char)('a' + (dice + i * 7) % 26);
        if (at < n)
            p[at++] = dice % 200 == 0 ? '\t' : ' ';
        if (at < n && dice % 211 == 0)
            p[at++] = ' ';
        column++;
    }
    p[at++] = '\r';
    p[at++] = '\n';
    return (slice){ p, at };
}

void
subject_feed(struct body_canon *c, slice body)
{
    for (size_t i = 0; i < body.n; i += CHUNK)
        body_canon_feed(c, slice_head(slice_tail(body, i), CHUNK));
}

struct header_list *
subject_headers(struct arena *a, slice header)
{
    struct header_limits none = { 0, 0 };
    struct header_list *l = header_list_new(a, &none);
    while (header.n > 0) {
        size_t end = 0;
        do
            end = end + slice_find(slice_tail(header, end), '\n') + 1;
        while (end < header.n && ascii_is_wsp(header.p[end]));
        slice name, value;
        slice_cut(slice_head(header, end - 2), ':', &name, &value);
        if (header_list_add(l, name, value) != ST_OK)
            die("subject_headers: no memory");
        header = slice_tail(header, end);
    }
    return l;
}

static void
add_body_hash(struct strbuf *out, struct arena *a, enum canon canon, slice body)
{
    struct body_canon *c = body_canon_new(a);
    int id = body_canon_want(c, canon, CANON_NO_LIMIT);
    subject_feed(c, body);
    body_canon_finish(c);
    base64_encode(out, body_canon_digest(c, id));
    body_canon_clear(c);
}

static void
put_on_top(struct subject *s, slice field)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add(&b, field);
    strbuf_add(&b, strbuf_slice(&s->header));
    strbuf_reset(&s->header);
    strbuf_add(&s->header, strbuf_slice(&b));
    strbuf_clear(&b);
}

static void
add_signed(struct strbuf *field, const struct private_key *k, const unsigned char digest[HASH_SIZE_MAX])
{
    struct signature value;
    if (private_key_sign(k, digest, &value) != ST_OK)
        die("subject: cannot sign");
    base64_encode(field, (slice){ (const char *)value.bytes, value.n });
    strbuf_add_str(field, "\r\n");
}

/* `field` ends in "b=" and becomes whole. */
static void
sign_field(struct subject *s, struct arena *a, const struct private_key *k, enum signature_kind kind, struct strbuf *field)
{
    struct strbuf draft;
    struct dkim_signature sig;
    struct dkim_objection o;
    unsigned char digest[HASH_SIZE_MAX];
    strbuf_init(&draft, 0);
    strbuf_add(&draft, strbuf_slice(field));
    strbuf_add_str(&draft, "AAAA\r\n");
    strbuf_add(&draft, strbuf_slice(&s->header));
    struct header_list *l = subject_headers(a, strbuf_slice(&draft));
    if (dkim_signature_parse(a, header_list_at(l, 0), kind, false, &sig, &o) != ST_OK || o.code != DKIM_NONE ||
        signed_fields_hash(a, &sig, signed_fields(a, l, &sig), sig.n_names, digest) != ST_OK)
        die("subject: cannot hash");
    add_signed(field, k, digest);
    strbuf_clear(&draft);
}

void
subject_add_signature(struct subject *s, const struct private_key *k, enum canon canon, unsigned number)
{
    struct arena *a = arena_new(0);
    struct strbuf field;
    strbuf_init(&field, 0);
    strbuf_printf(&field,
                  "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/%s; d=example.org; s=s%u;\r\n\tt=1700000000;\r\n\th="
                  SIGNED_NAMES ";\r\n\tbh=",
                  canon == CANON_RELAXED ? "relaxed" : "simple", number);
    add_body_hash(&field, a, canon, s->body);
    strbuf_add_str(&field, ";\r\n\tb=");
    sign_field(s, a, k, SIGNATURE_DKIM, &field);
    put_on_top(s, strbuf_slice(&field));
    strbuf_clear(&field);
    arena_free(a);
}

/* The fields of one set as they lie on top of the header: AS, AMS, AAR; its seal covers them from set 1 on. */
static void
add_seal(struct subject *s, struct arena *a, const struct private_key *k, unsigned instance)
{
    struct strbuf field, text;
    unsigned char digest[HASH_SIZE_MAX];
    strbuf_init(&field, 0);
    strbuf_init(&text, 0);
    strbuf_printf(&field, "ARC-Seal: i=%u; a=rsa-sha256; cv=%s; d=example.org; s=a%u; b=", instance,
                  instance == 1 ? "none" : "pass", instance);
    struct header_list *l = subject_headers(a, strbuf_slice(&s->header));
    for (unsigned i = 1; i <= instance; i++) {
        size_t newest = ((size_t)instance - i) * 3; /* where the set begins; the newest has no AS yet */
        size_t aar = newest + 1, ams = newest, as = newest - 1;
        header_canon_add(&text, CANON_RELAXED, header_list_at(l, aar));
        strbuf_add_str(&text, "\r\n");
        header_canon_add(&text, CANON_RELAXED, header_list_at(l, ams));
        strbuf_add_str(&text, "\r\n");
        if (i < instance) {
            header_canon_add(&text, CANON_RELAXED, header_list_at(l, as));
            strbuf_add_str(&text, "\r\n");
        }
    }
    struct strbuf draft;
    strbuf_init(&draft, 0);
    strbuf_add(&draft, strbuf_slice(&field));
    strbuf_add_str(&draft, "\r\n");
    header_canon_add(&text, CANON_RELAXED, header_list_at(subject_headers(a, strbuf_slice(&draft)), 0));
    if (hash_once(HASH_SHA256, strbuf_slice(&text), digest) != ST_OK)
        die("subject: cannot hash");
    add_signed(&field, k, digest);
    put_on_top(s, strbuf_slice(&field));
    strbuf_clear(&draft);
    strbuf_clear(&text);
    strbuf_clear(&field);
}

void
subject_add_set(struct subject *s, const struct private_key *k, unsigned instance)
{
    struct arena *a = arena_new(0);
    struct strbuf field, aar;
    strbuf_init(&field, 0);
    strbuf_init(&aar, 0);
    strbuf_printf(&field, "ARC-Message-Signature: i=%u; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=a%u;\r\n\th="
                          SIGNED_NAMES ";\r\n\tbh=", instance, instance);
    add_body_hash(&field, a, CANON_RELAXED, s->body);
    strbuf_add_str(&field, ";\r\n\tb=");
    sign_field(s, a, k, SIGNATURE_AMS, &field);
    strbuf_printf(&aar, "ARC-Authentication-Results: i=%u; mx%u.example.net; spf=pass smtp.mailfrom=example.org\r\n", instance,
                  instance);
    put_on_top(s, strbuf_slice(&aar));
    put_on_top(s, strbuf_slice(&field));
    add_seal(s, a, k, instance);
    strbuf_clear(&aar);
    strbuf_clear(&field);
    arena_free(a);
}
