/*
 * check.c - what -n looks at beyond the configuration itself.
 */
#include "autoconf.h"

#include "base/clock.h"
#include "glue/parts.h"
#include "glue/service.h"
#include "pipeline/key_check.h"
#include "pipeline/seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
check_folder(const char *option, const char *path, bool itself, struct strbuf *errors)
{
    if (path == NULL)
        return;
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (slash != NULL && !itself)
        slash[slash == folder ? 1 : 0] = '\0';
    if (folder != NULL && access(folder, W_OK | X_OK) != 0)
        strbuf_printf(errors, "%s: the folder %s: %s\n", option, folder, strerror(errno));
    free(folder);
}

/* Seals that nobody can verify are an error; what DNS would not say is not ours to mend. */
static void
note_key(void *arg, const struct key_entry *e, enum key_state state, const char *text)
{
    struct strbuf *errors = arg;
    if (state == KEY_WRONG)
        strbuf_printf(errors, "KeyTable, line %u: %.*s._domainkey.%.*s: %s\n", e->line, SLICE_ARG(e->selector),
                      SLICE_ARG(e->domain), text);
    else if (state == KEY_UNSURE)
        fprintf(stderr, "vidimus-milter: note: KeyTable, line %u: %.*s._domainkey.%.*s: %s\n", e->line, SLICE_ARG(e->selector),
                SLICE_ARG(e->domain), text);
}

bool
service_check(struct config *c, struct strbuf *errors)
{
    size_t before = errors->n;
    struct part *resolver = part_resolver(c, NULL, errors);
    struct pipeline_parts parts = { .config = c,
                                    .resolver = part_thing(resolver),
                                    .signer = c->arc_seal ? seal_local_signer(c, true, errors) : NULL };
    struct pipeline *p = pipeline_new(&parts, errors);
    pipeline_release(p);
    if (c->arc_seal && resolver != NULL && errors->n == before)
        (void)key_check(c, part_thing(resolver), clock_wall_s(), note_key, errors, errors);
    part_release(resolver);
    check_folder("RecordDirectory", c->record_directory, access(c->record_directory == NULL ? "/" : c->record_directory, F_OK) == 0,
                 errors);
    check_folder("HistoryFile", c->history_file, false, errors);
    return errors->n == before;
}
