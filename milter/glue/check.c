/*
 * check.c - what -n looks at beyond the configuration itself.
 */
#include "autoconf.h"

#include "base/clock.h"
#include "glue/listener.h"
#include "glue/parts.h"
#include "glue/privileges.h"
#include "glue/service.h"
#include "pipeline/key_check.h"
#include "pipeline/seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder in which something is to be made.  Those of systemd/vidimus-milter.service come and go with the service. */
static void
check_folder_of(const struct config *c, const char *option, const char *path, struct strbuf *errors)
{
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    if (folder != NULL && access(folder, W_OK | X_OK) != 0) {
        if (errno == ENOENT && (strcmp(folder, "/run/vidimus") == 0 || strcmp(folder, "/var/lib/vidimus") == 0))
            fprintf(stderr, "vidimus-milter: note: %s: the folder %s is not there; the systemd unit makes it\n", option, folder);
        else
            config_problem(c, option, errors, "the folder %s: %s", folder, strerror(errno));
    }
    free(folder);
}

/* What is there has to be writable. */
static void
check_writable(const struct config *c, const char *option, const char *path, struct strbuf *errors)
{
    struct stat st;
    if (path == NULL)
        return;
    if (stat(path, &st) == 0) {
        if (access(path, S_ISDIR(st.st_mode) ? W_OK | X_OK : W_OK) != 0)
            config_problem(c, option, errors, "%s%s: %s", S_ISDIR(st.st_mode) ? "the folder " : "", path, strerror(errno));
        return;
    }
    check_folder_of(c, option, path, errors);
}

struct key_notes {
    const char *key_table;
    struct strbuf *errors;
};

/* Seals that nobody can verify are an error; what DNS would not say is not ours to mend. */
static void
note_key(void *arg, const struct key_entry *e, enum key_state state, const char *text)
{
    const struct key_notes *n = arg;
    if (state == KEY_WRONG)
        strbuf_printf(n->errors, "%s:%u: %.*s._domainkey.%.*s: %s\n", n->key_table, e->line, SLICE_ARG(e->selector),
                      SLICE_ARG(e->domain), text);
    else if (state == KEY_UNSURE)
        fprintf(stderr, "vidimus-milter: note: %s:%u: %.*s._domainkey.%.*s: %s\n", n->key_table, e->line, SLICE_ARG(e->selector),
                SLICE_ARG(e->domain), text);
}

bool
service_check(struct config *c, const struct identity *who, struct strbuf *errors)
{
    size_t before = errors->n;
    const char *path = listener_path(c);
    if (path != NULL)
        check_folder_of(c, "Socket", path, errors);
    check_writable(c, "PidFile", c->pid_file, errors);
    struct part *resolver = part_resolver(c, NULL, errors);
    struct pipeline_parts parts = { .config = c,
                                    .resolver = part_thing(resolver),
                                    .signer = c->arc_seal ? seal_local_signer(c, true, errors) : NULL };
    struct key_notes notes = { c->key_table, errors };
    if (c->arc_seal && resolver != NULL && errors->n == before)
        (void)key_check(c, part_thing(resolver), clock_wall_s(), note_key, &notes, errors);
    /* the rest the daemon opens when root is gone */
    if (who != NULL)
        (void)privileges_drop(who, errors);
    struct pipeline *p = pipeline_new(&parts, errors);
    pipeline_release(p);
    part_release(resolver);
    check_writable(c, "RecordDirectory", c->record_directory, errors);
    check_writable(c, "HistoryFile", c->history_file, errors);
    return errors->n == before;
}
