#include "autoconf.h"

#include "record/failure.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "config/config.h"
#include "record/redact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define KEY_MIN 16
#define KEY_MAX 4096

/* Auth-Failure of RFC 6591 3.3, "dmarc" of RFC 9991 4. */
static const char *
kind_name(enum failure_kind k)
{
    switch (k) {
    case FAILURE_NONE:
        return "none";
    case FAILURE_DMARC:
        return "dmarc";
    case FAILURE_SIGNATURE:
        return "signature";
    case FAILURE_SPF:
        return "spf";
    }
    return "none";
}

static bool
has_option(slice fo, char c)
{
    for (slice one, rest = fo; rest.n > 0;) {
        slice_cut(rest, ':', &one, &rest);
        one = slice_trim_wsp(one);
        if (one.n == 1 && ascii_lower(one.p[0]) == c)
            return true;
    }
    return false;
}

/* RFC 9991 5.1, RFC 3834: no report about a report, none about an automatic answer. */
static bool
is_automatic(const struct header_list *headers)
{
    const struct header_field *f = header_list_find(headers, SLICE("Auto-Submitted"), 1);
    if (f != NULL && !slice_istarts(slice_trim(f->value), SLICE("no")))
        return true;
    f = header_list_find(headers, SLICE("Content-Type"), 1);
    return f != NULL && slice_istarts(slice_trim(f->value), SLICE("multipart/report"));
}

enum failure_kind
failure_wanted(const struct record *r, const struct header_list *headers)
{
    const struct dmarc_result *d = &r->dmarc;
    const struct dmarc_record *p = d->record;
    if (p == NULL || p->n_ruf == 0 || p->psd == 'y' || r->exempt || r->authenticated || r->list_traffic || r->to_reports ||
        r->mail_from.n == 0 || r->client.family == 0 || is_automatic(headers))
        return FAILURE_NONE;
    /* A temporary error is not the domain's failure, and a deferred message comes again. */
    if ((d->result != DMARC_PASS && d->result != DMARC_FAIL) || r->action == ACTION_TEMPFAIL)
        return FAILURE_NONE;
    bool spf_trouble = r->spf != NULL && r->spf->result == SPF_TEMPERROR, dkim_trouble = false, dkim_failed = false;
    for (size_t i = 0; i < r->n_dkim; i++) {
        dkim_trouble |= r->dkim[i].result == DKIM_TEMPERROR;
        dkim_failed |= r->dkim[i].result == DKIM_FAIL || r->dkim[i].result == DKIM_PERMERROR;
    }
    if (has_option(p->fo, '1') && ((!d->spf_aligned && !spf_trouble) || (!d->dkim_aligned && !dkim_trouble)))
        return FAILURE_DMARC;
    if (!has_option(p->fo, '1') && d->result == DMARC_FAIL &&
        (has_option(p->fo, '0') || (!has_option(p->fo, 'd') && !has_option(p->fo, 's'))))
        return FAILURE_DMARC;
    if (has_option(p->fo, 'd') && dkim_failed)
        return FAILURE_SIGNATURE;
    if (has_option(p->fo, 's') && r->spf != NULL && (r->spf->result == SPF_FAIL || r->spf->result == SPF_SOFTFAIL))
        return FAILURE_SPF;
    return FAILURE_NONE;
}

/* A key of fewer octets hides nothing: local parts are short and can be tried out. */
static slice
read_key(struct arena *a, const char *path)
{
    char text[KEY_MAX];
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        close(fd);
    if (n < KEY_MIN) {
        errno = path == NULL ? ENOKEY : n >= 0 ? EINVAL : errno;
        return (slice){ NULL, 0 };
    }
    return arena_slice(a, (slice){ text, (size_t)n });
}

bool
failure_key_usable(const char *path, const char **why)
{
    struct arena *a = arena_new(KEY_MAX * 8);
    errno = 0;
    bool good = a != NULL && read_key(a, path).p != NULL;
    *why = good ? "" : path == NULL ? "is not set" : errno == EINVAL ? "holds fewer than 16 octets" : strerror(errno);
    arena_free(a);
    return good;
}

static unsigned
waiting(int dirfd)
{
    unsigned n = 0;
    int again = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    if (d == NULL && again >= 0)
        close(again);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += slice_iends(slice_from(e->d_name), SLICE(FAILURE_SUFFIX));
    if (d != NULL)
        closedir(d);
    return n;
}

static slice
entry_text(struct arena *a, enum failure_kind kind, const struct record *r, const struct header_list *headers, slice body, slice key)
{
    struct strbuf b;
    char ip[NETADDR_TEXT_MAX];
    slice fields = redact_headers(a, headers, key), from = failure_redact(a, r->mail_from, key);
    slice record = record_json(a, r, false), clean = failure_redact(a, slice_head(body, FAILURE_BODY_MAX), key);
    if (fields.p == NULL || from.p == NULL || record.p == NULL || clean.p == NULL)
        return (slice){ NULL, 0 };
    strbuf_init(&b, 0);
    jsonw_open(&b, NULL, '{');
    jsonw_int(&b, "v", 1);
    jsonw_word(&b, "kind", kind_name(kind));
    jsonw_int(&b, "entered", clock_wall_s());
    jsonw_text(&b, "policy_domain", r->dmarc.policy_domain);
    jsonw_text(&b, "author", r->header_from);
    jsonw_text(&b, "source", slice_from(netaddr_text(&r->client, ip)));
    jsonw_text(&b, "mail_from", from);
    jsonw_open(&b, "ruf", '[');
    for (size_t i = 0; i < r->dmarc.record->n_ruf; i++)
        jsonw_text(&b, NULL, r->dmarc.record->ruf[i]);
    jsonw_close(&b, ']');
    jsonw_text(&b, "headers", fields);
    jsonw_text(&b, "body", clean);
    jsonw_name(&b, "record");
    strbuf_add(&b, record);
    jsonw_close(&b, '}');
    return strbuf_finish(&b, a);
}

/* Written under another name, synced, renamed: a reader sees the whole entry or none. */
static enum status
write_entry(int dirfd, slice text)
{
    char name[80], temporary[96];
    uint64_t chance[2];
    if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return ST_INTERNAL;
    snprintf(name, sizeof(name), "%lld-%016llx%016llx" FAILURE_SUFFIX, (long long)clock_wall_s(), (unsigned long long)chance[0],
             (unsigned long long)chance[1]);
    snprintf(temporary, sizeof(temporary), "%s.new", name);
    int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return ST_INTERNAL;
    bool whole = write(fd, text.p, text.n) == (ssize_t)text.n && fdatasync(fd) == 0;
    whole = close(fd) == 0 && whole && renameat(dirfd, temporary, dirfd, name) == 0;
    int error = errno;
    if (!whole)
        unlinkat(dirfd, temporary, 0);
    errno = error;
    return whole ? ST_OK : ST_INTERNAL;
}

enum status
failure_enqueue(const struct config *c, struct arena *a, enum failure_kind kind, const struct record *r,
                const struct header_list *headers, slice body)
{
    slice key = read_key(a, c->failure_key_file);
    if (key.p == NULL || c->record_directory == NULL)
        return ST_INTERNAL;
    slice path = arena_printf(a, "%s/" FAILURE_DIRECTORY, c->record_directory);
    slice text = entry_text(a, kind, r, headers, c->failure_report_body ? body : SLICE_EMPTY, key);
    if (path.p == NULL || text.p == NULL)
        return ST_NOMEM;
    char *dir = arena_strdup(a, path);
    int dirfd = dir == NULL ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ST_INTERNAL;
    enum status st = waiting(dirfd) >= FAILURE_WAITING_MAX ? ST_LIMIT : write_entry(dirfd, text);
    int error = errno;
    close(dirfd);
    errno = error;
    return st;
}
