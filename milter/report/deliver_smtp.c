/* deliver_smtp.c - libcurl is used here and nowhere else. */
#include "autoconf.h"

#include "report/deliver.h"

#ifdef HAVE_CURL

#include "base/arena.h"
#include "base/netlist.h"

#include <curl/curl.h>
#include <string.h>

#define TIMEOUT_S 300L
#define CONNECT_TIMEOUT_S 30L

struct reading {
    slice rest;
};

static size_t
on_read(char *to, size_t size, size_t count, void *arg)
{
    struct reading *r = arg;
    slice piece = slice_head(r->rest, size * count);
    if (piece.n > 0)
        memcpy(to, piece.p, piece.n);
    r->rest = slice_tail(r->rest, piece.n);
    return piece.n;
}

static void
with_crlf(struct strbuf *out, slice text)
{
    for (slice line, rest = text; rest.n > 0;) {
        slice_cut(rest, '\n', &line, &rest);
        strbuf_add(out, line.n > 0 && line.p[line.n - 1] == '\r' ? slice_head(line, line.n - 1) : line);
        strbuf_add_str(out, "\r\n");
    }
}

/* To this very machine mail may go in the clear: nobody else can listen.  Everywhere else TLS or nothing. */
static bool
is_here(const char *url)
{
    const char *after = strstr(url, "://");
    slice host = slice_from(after == NULL ? url : after + strlen("://")), rest;
    struct netaddr a, loopback = { 4, { 127 } };
    host = slice_head(host, slice_find(host, '/'));
    if (slice_has(host, '@'))
        host = slice_tail(host, slice_rfind(host, '@') + 1);
    if (slice_starts(host, SLICE("[::1]")))
        return true;
    slice_cut(host, ':', &host, &rest);
    return slice_ieq(host, SLICE("localhost")) || (netaddr_parse(host, &a) && netaddr_in(&a, &loopback, 8));
}

static enum delivered
judge(CURLcode rc, long code, struct strbuf *note)
{
    if (rc == CURLE_OK)
        return DELIVERED;
    strbuf_printf(note, "%s", curl_easy_strerror(rc));
    if (code > 0)
        strbuf_printf(note, " (SMTP reply %ld)", code);
    /* 550, 551, 553 to RCPT: there is nobody; any other 5xx: not this message (RFC 5321 4.2.3). */
    if (rc == CURLE_SEND_ERROR && (code == 550 || code == 551 || code == 553))
        return DELIVER_NOBODY;
    return code >= 500 && code < 600 && rc != CURLE_LOGIN_DENIED && rc != CURLE_USE_SSL_FAILED ? DELIVER_REFUSED : DELIVER_LATER;
}

enum delivered
deliver_smtp(const char *url, slice sender, slice recipient, slice message, struct strbuf *note)
{
    enum delivered result = DELIVER_LATER;
    struct strbuf text;
    struct arena *a = arena_new(0);
    strbuf_init(&text, 0);
    with_crlf(&text, message);
    slice from = a == NULL ? SLICE_EMPTY : arena_printf(a, "<%.*s>", SLICE_ARG(sender));
    slice to = a == NULL ? SLICE_EMPTY : arena_printf(a, "<%.*s>", SLICE_ARG(recipient));
    char *from_text = from.n == 0 ? NULL : arena_strdup(a, from), *to_text = to.n == 0 ? NULL : arena_strdup(a, to);
    CURL *c = curl_easy_init();
    struct curl_slist *recipients = to_text == NULL ? NULL : curl_slist_append(NULL, to_text);
    if (c == NULL || recipients == NULL || from_text == NULL || strbuf_status(&text) != ST_OK) {
        strbuf_add_str(note, "out of memory");
    } else {
        struct reading r = { strbuf_slice(&text) };
        long code = 0;
        curl_easy_setopt(c, CURLOPT_URL, url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
        curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(is_here(url) ? CURLUSESSL_TRY : CURLUSESSL_ALL));
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, is_here(url) ? 0L : 1L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, is_here(url) ? 0L : 2L);
        curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL); /* a password is better kept there than in our file */
        curl_easy_setopt(c, CURLOPT_MAIL_FROM, from_text);
        curl_easy_setopt(c, CURLOPT_MAIL_RCPT, recipients);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c, CURLOPT_READDATA, &r);
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_TIMEOUT, TIMEOUT_S);
        CURLcode rc = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
        result = judge(rc, code, note);
    }
    curl_slist_free_all(recipients);
    curl_easy_cleanup(c);
    strbuf_clear(&text);
    arena_free(a);
    return result;
}

#else

enum delivered
deliver_smtp(const char *url, slice sender, slice recipient, slice message, struct strbuf *note)
{
    (void)url;
    (void)sender;
    (void)recipient;
    (void)message;
    strbuf_add_str(note, "this vidimus was built without libcurl");
    return DELIVER_LATER;
}

#endif
