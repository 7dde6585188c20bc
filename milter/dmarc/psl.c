#include "dmarc/psl.h"

#include "autoconf.h"
#include "mail/domain.h"

#ifdef HAVE_PSL

#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dmarc_psl {
    psl_ctx_t *list;
};

/* The published list marks its parts; a file that was cut off has a part that begins and does not end. */
static bool
is_whole(FILE *f)
{
    char line[256];
    int open = 0;
    while (fgets(line, sizeof(line), f) != NULL) {
        open += strncmp(line, "// ===BEGIN ", 12) == 0;
        open -= strncmp(line, "// ===END ", 10) == 0;
    }
    bool whole = open == 0 && !ferror(f);
    rewind(f);
    return whole;
}

static psl_ctx_t *
load_file(const char *file)
{
    FILE *f = fopen(file, "r");
    if (f == NULL)
        return NULL;
    psl_ctx_t *list = is_whole(f) ? psl_load_fp(f) : NULL;
    fclose(f);
    if (list != NULL && psl_suffix_count(list) == 0) { /* below 0: a compiled list, which does not say */
        psl_free(list);
        return NULL;
    }
    return list;
}

static psl_ctx_t *
load_default(void)
{
    psl_ctx_t *list = psl_latest(NULL);
    return list != NULL ? list : (psl_ctx_t *)(uintptr_t)psl_builtin(); /* psl_free() knows the built-in one */
}

enum status
dmarc_psl_load(const char *file, struct dmarc_psl **out)
{
    struct dmarc_psl *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ST_NOMEM;
    p->list = file != NULL ? load_file(file) : load_default();
    if (p->list == NULL) {
        free(p);
        return ST_SYNTAX;
    }
    *out = p;
    return ST_OK;
}

void
dmarc_psl_free(struct dmarc_psl *p)
{
    if (p == NULL)
        return;
    psl_free(p->list);
    free(p);
}

/* The library wants a C string; a name has at most DOMAIN_MAX octets and no NUL. */
static bool
to_c(slice name, char buf[DOMAIN_MAX + 1])
{
    if (name.n == 0 || name.n > DOMAIN_MAX)
        return false;
    memcpy(buf, name.p, name.n);
    buf[name.n] = '\0';
    return true;
}

bool
dmarc_psl_is_suffix(const struct dmarc_psl *p, slice name)
{
    char buf[DOMAIN_MAX + 1];
    return p != NULL && to_c(name, buf) && psl_is_public_suffix(p->list, buf) != 0;
}

slice
dmarc_psl_org_domain(const struct dmarc_psl *p, struct arena *a, slice text)
{
    char buf[DOMAIN_MAX + 1];
    slice name;
    if (p == NULL || domain_from_text(a, text, &name) != ST_OK || !to_c(name, buf))
        return SLICE_EMPTY;
    const char *org = psl_registrable_domain(p->list, buf);
    return org == NULL ? SLICE_EMPTY : slice_tail(name, name.n - strlen(org));
}

#else

enum status
dmarc_psl_load(const char *file, struct dmarc_psl **out)
{
    (void)file;
    (void)out;
    return ST_INTERNAL;
}

void
dmarc_psl_free(struct dmarc_psl *p)
{
    (void)p;
}

bool
dmarc_psl_is_suffix(const struct dmarc_psl *p, slice name)
{
    (void)p;
    (void)name;
    return false;
}

slice
dmarc_psl_org_domain(const struct dmarc_psl *p, struct arena *a, slice text)
{
    (void)p;
    (void)a;
    (void)text;
    return SLICE_EMPTY;
}

#endif
