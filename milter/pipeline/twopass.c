#include "autoconf.h"

#include "pipeline/twopass.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "crypto/hmac.h"
#include "dkim/canon.h"
#include "mail/taglist.h"

#define SECRET_MIN 32
#define SECRETS_MAX 8
#define FILE_MAX ((size_t)16384)
#define CLOCK_SKEW_S 300 /* the hosts that share the secret may differ so much */
#define LINE_WIDTH 64

struct two_pass {
    struct arena *a;
    slice secrets[SECRETS_MAX];
    size_t n;
};

/* ------------------------------------------------------------------ the secret */

static const char *
read_secrets(struct two_pass *t, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    if ((st.st_mode & 027) != 0)
        return "others could read it: chmod 640 or 600";
    char *text = arena_alloc(t->a, FILE_MAX);
    ssize_t n = text == NULL ? -1 : read(fd, text, FILE_MAX);
    if (n < 0)
        return text == NULL ? "out of memory" : strerror(errno);
    if ((size_t)n == FILE_MAX) /* and perhaps cut within a secret */
        return "not below 16 KB";
    for (slice line, rest = { text, (size_t)n }; rest.n > 0;) {
        slice_cut(rest, '\n', &line, &rest);
        line = slice_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (line.n < SECRET_MIN)
            return "a secret needs at least 32 octets: openssl rand -base64 48";
        if (t->n == SECRETS_MAX)
            return "more than 8 secrets";
        t->secrets[t->n++] = line;
    }
    return t->n == 0 ? "no secret in it: openssl rand -base64 48" : NULL;
}

struct two_pass *
two_pass_load(const char *file, struct strbuf *errors)
{
    struct arena *a = arena_new(0);
    struct two_pass *t = a == NULL ? NULL : arena_zalloc(a, sizeof(*t));
    const char *problem = "out of memory";
    if (t != NULL) {
        t->a = a;
        int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        problem = fd < 0 ? strerror(errno) : read_secrets(t, fd);
        if (fd >= 0)
            close(fd);
    }
    if (problem == NULL)
        return t;
    strbuf_printf(errors, "TwoPassSecretFile %s: %s\n", file, problem);
    arena_free(a);
    return NULL;
}

void
two_pass_free(struct two_pass *t)
{
    if (t != NULL)
        arena_free(t->a);
}

/* ------------------------------------------------------------------ what the HMAC covers */

static void
add_part(struct strbuf *b, slice part)
{
    strbuf_printf(b, "%zu:", part.n); /* with their lengths, no two lists of parts give the same text */
    strbuf_add(b, part);
}

static bool
is_arc_field(slice name)
{
    return slice_ieq(name, SLICE("ARC-Seal")) || slice_ieq(name, SLICE("ARC-Message-Signature")) ||
           slice_ieq(name, SLICE("ARC-Authentication-Results"));
}

static void
add_bound_fields(struct strbuf *b, const struct header_list *headers)
{
    static const char *const names[] = { "Message-ID", "Date", "From" };
    struct strbuf one;
    strbuf_init(&one, 0);
    for (size_t i = 0; i < header_list_count(headers); i++) {
        const struct header_field *f = header_list_at(headers, i);
        bool bound = is_arc_field(f->name);
        for (size_t k = 0; k < COUNT(names); k++)
            bound = bound || slice_ieq(f->name, slice_from(names[k]));
        if (!bound)
            continue;
        strbuf_reset(&one);
        header_canon_add(&one, CANON_RELAXED, f);
        if (strbuf_status(&one) != ST_OK)
            b->st = strbuf_status(&one);
        add_part(b, strbuf_slice(&one));
    }
    strbuf_clear(&one);
}

static enum status
authenticate(slice secret, const struct header_list *headers, const struct two_pass_verdict *v, unsigned char out[HMAC_SIZE])
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_printf(&b, "vidimus arrival 1:%" PRId64 ":%s:%u:", v->arrived, arc_status_name(v->arc), v->sets);
    add_part(&b, v->authres);
    add_bound_fields(&b, headers);
    slice text = strbuf_slice(&b);
    enum status st = strbuf_status(&b);
    if (st == ST_OK)
        st = hmac_sha256(secret, &text, 1, out);
    strbuf_clear(&b);
    return st;
}

/* ------------------------------------------------------------------ the field */

slice
two_pass_make(struct arena *a, const struct two_pass *t, const struct header_list *headers,
              const struct two_pass_verdict *v)
{
    unsigned char mac[HMAC_SIZE];
    struct strbuf b, results;
    strbuf_init(&b, 0);
    strbuf_init(&results, 0);
    if (authenticate(t->secrets[0], headers, v, mac) != ST_OK)
        b.st = ST_NOMEM;
    strbuf_printf(&b, " v=1; t=%" PRId64 "; arc=%s; n=%u;\n\th=", v->arrived, arc_status_name(v->arc), v->sets);
    base64_encode(&b, (slice){ (const char *)mac, sizeof(mac) });
    strbuf_add(&b, SLICE(";\n\tr="));
    base64_encode(&results, v->authres);
    slice r = strbuf_slice(&results);
    for (size_t at = 0; at < r.n; at += LINE_WIDTH) {
        if (at > 0)
            strbuf_add(&b, SLICE("\n\t"));
        strbuf_add(&b, slice_head(slice_tail(r, at), LINE_WIDTH));
    }
    if (strbuf_status(&results) != ST_OK)
        b.st = ST_NOMEM;
    strbuf_clear(&results);
    return strbuf_finish(&b, a);
}

static bool
read_status(slice word, enum arc_status *out)
{
    static const enum arc_status all[] = { ARC_NONE, ARC_PASS, ARC_FAIL };
    for (size_t i = 0; i < COUNT(all); i++)
        if (slice_eq(word, slice_from(arc_status_name(all[i])))) {
            *out = all[i];
            return true;
        }
    return false;
}

static slice
tag_value(const struct taglist *l, const char *name)
{
    const struct tag *t = taglist_find(l, slice_from(name));
    return t == NULL ? SLICE_EMPTY : t->value;
}

static enum status
read_field(struct arena *a, slice value, struct two_pass_verdict *v, slice *mac)
{
    struct taglist l;
    uint64_t time, sets;
    enum status st = taglist_parse(a, value, &l);
    if (st != ST_OK)
        return st == ST_NOMEM ? st : ST_SYNTAX;
    if (!slice_eq(tag_value(&l, "v"), SLICE("1")) || !slice_to_u64(tag_value(&l, "t"), &time) ||
        !slice_to_u64(tag_value(&l, "n"), &sets) || sets > ARC_MAX_SETS || !read_status(tag_value(&l, "arc"), &v->arc))
        return ST_SYNTAX;
    v->arrived = (int64_t)time;
    v->sets = (unsigned)sets;
    st = base64_decode(a, tag_value(&l, "h"), mac);
    return st == ST_OK ? base64_decode(a, tag_value(&l, "r"), &v->authres) : st;
}

enum status
two_pass_read(struct arena *a, const struct two_pass *t, const struct header_list *headers, int64_t now,
              unsigned max_age_s, struct two_pass_verdict *out, const char **why)
{
    struct two_pass_verdict v = { 0 };
    slice mac;
    size_t count = header_list_count_name(headers, SLICE(TWO_PASS_FIELD));
    *why = count == 0 ? "there is no verdict of arrival" : "there is more than one verdict of arrival";
    if (count != 1)
        return ST_SYNTAX;
    enum status st = read_field(a, header_list_find(headers, SLICE(TWO_PASS_FIELD), 1)->value, &v, &mac);
    *why = "the verdict of arrival cannot be read";
    if (st != ST_OK)
        return st;
    bool ours = false;
    for (size_t i = 0; i < t->n && !ours; i++) {
        unsigned char want[HMAC_SIZE];
        if ((st = authenticate(t->secrets[i], headers, &v, want)) != ST_OK)
            return st;
        ours = hmac_equal((slice){ (const char *)want, sizeof(want) }, mac);
    }
    *why = "the verdict of arrival is not ours, or not of this message";
    if (!ours)
        return ST_SYNTAX;
    *why = "the verdict of arrival is too old, or from the future";
    if (v.arrived > now + CLOCK_SKEW_S || now - v.arrived > (int64_t)max_age_s)
        return ST_SYNTAX;
    *why = NULL;
    *out = v;
    return ST_OK;
}
