#include "autoconf.h"

#include "pipeline/key_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "mail/domain.h"
#include "pipeline/date.h"

#define TABLE_MAX ((off_t)4 << 20)

struct key_table {
    struct arena *a;
    const char *file;
    struct key_entry *entries;
    size_t n, cap;
};

struct signing_entry {
    slice pattern, key;
};

struct signing_table {
    struct arena *a;
    struct signing_entry *entries;
    size_t n, cap;
};

/* ------------------------------------------------------------------ lines and words */

/* The whole file.  {NULL,0}: `errors` says why not. */
static slice
read_file(struct arena *a, const char *file, struct strbuf *errors)
{
    slice none = { NULL, 0 };
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > TABLE_MAX) {
        strbuf_printf(errors, "%s: %s\n", file, fd < 0 ? strerror(errno) : "not a regular file of at most 4 MB");
        if (fd >= 0)
            close(fd);
        return none;
    }
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    size_t n = 0;
    ssize_t got = text == NULL ? -1 : 1;
    while (got > 0 && n < (size_t)st.st_size) {
        got = read(fd, text + n, (size_t)st.st_size - n);
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (got < 0) {
        strbuf_printf(errors, "%s: %s\n", file, text == NULL ? "out of memory" : strerror(errno));
        return none;
    }
    return (slice){ text, n };
}

#define WORDS_MAX 5

struct lines {
    slice rest;
    unsigned line;
    slice words[WORDS_MAX];
    size_t n; /* of the line; beyond WORDS_MAX it only counts */
};

/* The next line that says something. */
static bool
next_line(struct lines *l)
{
    while (l->rest.n > 0) {
        slice line;
        slice_cut(l->rest, '\n', &line, &l->rest);
        l->line++;
        line = slice_head(line, slice_find(line, '#'));
        for (l->n = 0; (line = slice_trim(line)).n > 0; l->n++) {
            size_t end = 0;
            while (end < line.n && !ascii_is_wsp(line.p[end]))
                end++;
            if (l->n < WORDS_MAX)
                l->words[l->n] = slice_head(line, end);
            line = slice_tail(line, end);
        }
        if (l->n > 0)
            return true;
    }
    return false;
}

static void *
grow(struct arena *a, void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return old;
    *cap = *cap == 0 ? 16 : *cap * 2;
    void *p = arena_array(a, *cap, size);
    if (p != NULL && n > 0)
        memcpy(p, old, n * size);
    return p;
}

/* ------------------------------------------------------------------ KeyTable */

/* What is wrong with this line; NULL: it is in *e. */
static const char *
read_key_line(struct key_table *t, const struct lines *l, struct key_entry *e)
{
    slice domain, rest, selector, path;
    if (l->n != 2 && l->n != 4)
        return "expected NAME DOMAIN:SELECTOR:/path/to/key.pem [from DATE]";
    if (!slice_cut(l->words[1], ':', &domain, &rest) || !slice_cut(rest, ':', &selector, &path))
        return "expected DOMAIN:SELECTOR:/path/to/key.pem after the name";
    *e = (struct key_entry){ .name = l->words[0], .from = INT64_MIN, .line = l->line, .path = path };
    if (slice_eq(domain, SLICE("%")))
        e->domain = domain;
    else if (domain_from_text(t->a, domain, &e->domain) != ST_OK)
        return "the domain is no domain name";
    else if (domain_labels(e->domain) < 2) /* RFC 6376 3.5: d= has two labels at least, or no verifier takes it */
        return "the domain has one label only, no seal can name it";
    if (domain_from_text(t->a, selector, &e->selector) != ST_OK)
        return "the selector is no domain name";
    if (path.n == 0 || path.p[0] != '/' || path.n > 4000)
        return "the key file is to be named by its absolute path";
    if (l->n == 4 && !slice_ieq(l->words[2], SLICE("from")))
        return "only \"from DATE\" may stand after the key file";
    if (l->n == 4 && !date_parse(l->words[3], &e->from))
        return "the date is to be like 2026-12-01 or 2026-12-01T18:00 (UTC)";
    for (size_t i = 0; i < t->n; i++)
        if (slice_eq(t->entries[i].name, e->name) && t->entries[i].from == e->from)
            return "this name stands above already; a rotation needs \"from DATE\" on one of the lines";
    return NULL;
}

struct key_table *
key_table_parse(slice text, const char *file, struct strbuf *errors)
{
    struct arena *a = arena_new(0);
    struct key_table *t = a == NULL ? NULL : arena_zalloc(a, sizeof(*t));
    slice own = t == NULL ? (slice){ NULL, 0 } : arena_slice(a, text);
    size_t before = errors->n;
    if (own.p != NULL)
        t->a = a;
    struct lines l = { .rest = own };
    bool memory = own.p != NULL;
    while (memory && next_line(&l)) {
        struct key_entry e;
        const char *problem = read_key_line(t, &l, &e);
        if (problem != NULL) {
            strbuf_printf(errors, "%s:%u: %s\n", file, l.line, problem);
            continue;
        }
        t->entries = grow(a, t->entries, t->n, &t->cap, sizeof(*t->entries));
        memory = t->entries != NULL;
        if (memory)
            t->entries[t->n++] = e;
    }
    if (!memory)
        strbuf_printf(errors, "%s: out of memory\n", file);
    else if (t->n == 0 && errors->n == before)
        strbuf_printf(errors, "%s: there is no key in it\n", file);
    if (errors->n != before || !memory) {
        arena_free(a);
        return NULL;
    }
    return t;
}

struct key_table *
key_table_load(const char *file, struct strbuf *errors)
{
    struct arena *a = arena_new(0);
    slice text = { NULL, 0 };
    if (a == NULL)
        strbuf_printf(errors, "%s: out of memory\n", file);
    else
        text = read_file(a, file, errors);
    struct key_table *t = text.p == NULL ? NULL : key_table_parse(text, file, errors);
    arena_free(a);
    return t;
}

void
key_table_free(struct key_table *t)
{
    if (t != NULL)
        arena_free(t->a);
}

size_t
key_table_count(const struct key_table *t)
{
    return t->n;
}

const struct key_entry *
key_table_at(const struct key_table *t, size_t i)
{
    return &t->entries[i];
}

const struct key_entry *
key_table_pick(const struct key_table *t, slice name, int64_t now)
{
    const struct key_entry *best = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct key_entry *e = &t->entries[i];
        if (slice_eq(e->name, name) && e->from <= now && (best == NULL || e->from > best->from))
            best = e;
    }
    return best;
}

enum status
key_table_list(const struct key_table *t, struct signer_keys *out)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < t->n && st == ST_OK; i++)
        st = signer_keys_add(out, t->entries[i].path, t->entries[i].path);
    return st;
}

/* ------------------------------------------------------------------ SigningTable */

static bool
has_name(const struct key_table *keys, slice name)
{
    if (slice_eq(name, SLICE("%")))
        return true;
    for (size_t i = 0; i < keys->n; i++)
        if (slice_eq(keys->entries[i].name, name))
            return true;
    return false;
}

struct signing_table *
signing_table_parse(slice text, const char *file, const struct key_table *keys, struct strbuf *errors)
{
    struct arena *a = arena_new(0);
    struct signing_table *t = a == NULL ? NULL : arena_zalloc(a, sizeof(*t));
    slice own = t == NULL ? (slice){ NULL, 0 } : arena_slice(a, text);
    size_t before = errors->n;
    struct lines l = { .rest = own };
    bool memory = own.p != NULL;
    if (memory)
        t->a = a;
    while (memory && next_line(&l)) {
        if (l.n != 2) {
            strbuf_printf(errors, "%s:%u: expected PATTERN KEYNAME\n", file, l.line);
            continue;
        }
        if (!has_name(keys, l.words[1])) {
            strbuf_printf(errors, "%s:%u: the KeyTable has no key \"%.*s\"\n", file, l.line, SLICE_ARG(slice_head(l.words[1], 200)));
            continue;
        }
        t->entries = grow(a, t->entries, t->n, &t->cap, sizeof(*t->entries));
        memory = t->entries != NULL;
        if (memory)
            t->entries[t->n++] = (struct signing_entry){ l.words[0], l.words[1] };
    }
    if (!memory)
        strbuf_printf(errors, "%s: out of memory\n", file);
    if (errors->n != before || !memory) {
        arena_free(a);
        return NULL;
    }
    return t;
}

struct signing_table *
signing_table_load(const char *file, const struct key_table *keys, struct strbuf *errors)
{
    struct arena *a = arena_new(0);
    slice text = { NULL, 0 };
    if (a == NULL)
        strbuf_printf(errors, "%s: out of memory\n", file);
    else
        text = read_file(a, file, errors);
    struct signing_table *t = text.p == NULL ? NULL : signing_table_parse(text, file, keys, errors);
    arena_free(a);
    return t;
}

void
signing_table_free(struct signing_table *t)
{
    if (t != NULL)
        arena_free(t->a);
}

static bool
pattern_fits(slice pattern, slice local_part, slice domain)
{
    size_t at = slice_rfind(pattern, '@');
    if (at < pattern.n)
        return slice_ifits(slice_tail(pattern, at + 1), domain) &&
               (local_part.n > 0 ? slice_ifits(slice_head(pattern, at), local_part)
                                 : slice_eq(slice_head(pattern, at), SLICE("*")));
    if (pattern.n > 1 && pattern.p[0] == '.')
        return domain.n > pattern.n && slice_iends(domain, pattern);
    return slice_ifits(pattern, domain);
}

slice
signing_table_match(const struct signing_table *t, slice local_part, slice domain)
{
    for (size_t i = 0; i < t->n; i++)
        if (pattern_fits(t->entries[i].pattern, local_part, domain))
            return slice_eq(t->entries[i].key, SLICE("%")) ? domain : t->entries[i].key;
    return SLICE_EMPTY;
}
