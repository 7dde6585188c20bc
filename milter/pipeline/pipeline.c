#include "pipeline/state.h"

#include "base/clock.h"
#include "dmarc/psl.h"
#include "pipeline/rules.h"
#include "pipeline/sealers.h"
#include "pipeline/sealing.h"
#include "second/second.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To be freed; NULL: no memory. */
static char *
run_name(void)
{
    char host[256] = "localhost";
    gethostname(host, sizeof(host) - 1);
    struct strbuf b;
    strbuf_init(&b, 0);
    for (const char *p = host; *p != '\0'; p++)
        strbuf_add_char(&b, ascii_is_alnum(*p) || *p == '.' || *p == '-' ? *p : '-');
    strbuf_printf(&b, "-%llx-%lx", (unsigned long long)clock_wall_ms(), (unsigned long)getpid());
    char *name = strbuf_status(&b) == ST_OK ? strdup(strbuf_str(&b)) : NULL;
    strbuf_clear(&b);
    return name;
}

static bool
load_psl(struct pipeline *p, const struct config *c, struct strbuf *errors)
{
    const char *file = c->public_suffix_list;
    enum status st = dmarc_psl_load(file, &p->psl);
    if (st == ST_OK)
        return true;
    const char *name = file == NULL ? "the system's public suffix list" : file;
    if (st == ST_INTERNAL)
        config_problem(c, c->psl_guard ? "PSLGuard" : "WalkCompare", errors, "needs libpsl, which this program was built without");
    else
        config_problem(c, "PublicSuffixList", errors, "%s: %s; name a list in the form of publicsuffix.org", name,
                       st == ST_SYNTAX ? "cannot be read or holds no rule" : status_name(st));
    return false;
}

static bool
load_parts(struct pipeline *p, struct strbuf *errors)
{
    const struct config *c = p->parts.config;
    bool ok = true;
    if (c->rules_file != NULL) {
        p->rules = config_can_read(c, "RulesFile", c->rules_file, errors) ? rules_load(c->rules_file, errors) : NULL;
        ok = ok && p->rules != NULL;
    }
    if (c->trusted_sealers_file != NULL) {
        p->sealers = config_can_read(c, "TrustedSealers", c->trusted_sealers_file, errors)
                         ? sealers_load(c->trusted_sealers_file, errors)
                         : NULL;
        ok = ok && p->sealers != NULL;
    }
    if (c->spf_engine == ENGINE_OTHER && second_spf() == NULL) {
        config_problem(c, "SPFEngine", errors, "this program was built without libspf2; allowed is native");
        ok = false;
    }
    if (c->dkim_engine == ENGINE_OTHER && second_dkim() == NULL) {
        config_problem(c, "DKIMEngine", errors, "this program was built without libopendkim; allowed is native");
        ok = false;
    }
    ok = records_check(c, errors) && ok;
    ok = sealing_load(p, errors) && ok;
    if (c->psl_guard || c->walk_compare)
        ok = load_psl(p, c, errors) && ok;
    return ok;
}

struct pipeline *
pipeline_new(const struct pipeline_parts *parts, struct strbuf *errors)
{
    struct pipeline *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        signer_free(parts->signer);
        strbuf_add_str(errors, "out of memory\n");
        return NULL;
    }
    p->parts = *parts;
    p->parts.config = config_acquire(parts->config);
    atomic_init(&p->references, 1);
    p->run = run_name();
    if (p->run == NULL || !load_parts(p, errors)) {
        pipeline_release(p);
        return NULL;
    }
    return p;
}

struct pipeline *
pipeline_acquire(struct pipeline *p)
{
    atomic_fetch_add(&p->references, 1);
    return p;
}

void
pipeline_release(struct pipeline *p)
{
    if (p == NULL || atomic_fetch_sub(&p->references, 1) != 1)
        return;
    rules_free(p->rules);
    sealers_free(p->sealers);
    dmarc_psl_free(p->psl);
    sealing_unload(p);
    config_release(p->parts.config);
    free(p->run);
    free(p);
}
