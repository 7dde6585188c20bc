/*
 * records.c - what is kept of a message: its line in the spool, its lines in the history file, an entry for a failure report.
 */
#include "pipeline/state.h"

#include "base/log.h"
#include "record/failure.h"
#include "record/history.h"
#include "record/spool.h"

#include <errno.h>
#include <string.h>

bool
records_check(const struct config *c, struct strbuf *errors)
{
    const char *why;
    size_t before = errors->n;
    if (c->history_file != NULL && c->record_directory == NULL)
        config_problem(c, "HistoryFile", errors, "is written beside the spool, so RecordDirectory must be set as well");
    if (c->failure_reports && c->record_directory == NULL)
        config_problem(c, "FailureReports", errors, "wait in RecordDirectory, which is not set");
    if (c->failure_reports && !failure_key_usable(c->failure_key_file, &why))
        config_problem(c, c->failure_key_file == NULL ? "FailureReports" : "FailureKeyFile", errors, "%s%s%s", c->failure_key_file == NULL ? "" : c->failure_key_file,
                      c->failure_key_file == NULL ? "wants a FailureKeyFile, which " : ": ", why);
    return errors->n == before;
}

void
message_note_recipient(struct message *m, slice local_part, slice domain)
{
    slice local, host;
    if (!slice_cut(slice_from(m->c->report_email), '@', &local, &host) || !slice_ieq(local, local_part) || !slice_ieq(host, domain))
        m->other_recipients = true;
    m->record.to_reports = !m->other_recipients;
}

/* The record is safe before the MTA has its answer, or OnRecordError says what happens. */
static void
keep_record(struct message *m)
{
    struct spool *spool = m->p->parts.spool;
    if (spool == NULL)
        return;
    slice line = record_json(m->a, &m->record, m->c->record_addresses);
    enum status st = line.p == NULL ? ST_NOMEM : spool_append(spool, line);
    if (st == ST_OK)
        return;
    log_event(m->p->parts.log, LOG_LEVEL_ERROR, m->record.queue_id, "event", "record", "error", status_name(st), "follows",
              m->c->on_record_error == TROUBLE_TEMPFAIL ? "tempfail" : "accept", (char *)NULL);
    if (m->c->on_record_error == TROUBLE_TEMPFAIL)
        message_defer(m, "its record cannot be kept", (struct reply){ REPLY_TEMPFAIL, "451", "4.3.0", "Records cannot be kept, try again later" });
}

/* An extra for other people's programs: its trouble is told, and mail goes on. */
static void
keep_history(struct message *m)
{
    if (m->p->parts.spool == NULL || m->c->history_file == NULL)
        return;
    slice text = history_text(m->a, &m->record);
    if (text.p == NULL || (text.n > 0 && history_append(m->c->history_file, text) != ST_OK))
        log_event(m->p->parts.log, LOG_LEVEL_ERROR, m->record.queue_id, "event", "history", "file", m->c->history_file, "error",
                  text.p == NULL ? "out of memory" : strerror(errno), (char *)NULL);
}

static void
keep_failure(struct message *m)
{
    if (m->p->parts.spool == NULL || !m->c->failure_reports || m->headers == NULL)
        return;
    enum failure_kind kind = failure_wanted(&m->record, m->headers);
    if (kind == FAILURE_NONE)
        return;
    errno = 0;
    enum status st = failure_enqueue(m->c, m->a, kind, &m->record, m->headers, strbuf_slice(&m->kept_body));
    if (st == ST_OK)
        return;
    log_event(m->p->parts.log, LOG_LEVEL_WARNING, m->record.queue_id, "event", "failure-report", "error",
              st == ST_LIMIT ? "too many wait already" : st == ST_INTERNAL ? strerror(errno) : status_name(st), (char *)NULL);
}

void
message_keep_records(struct message *m)
{
    keep_record(m);
    keep_history(m);
    keep_failure(m);
}
