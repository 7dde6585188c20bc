/*
 * record.h - one DMARC Policy Record as text (RFC 9989 4.7, 4.8).
 * Anything but a wrong version leaves a usable record: a tag that cannot be read takes its default or is passed over, and
 * the first such thing is said in `warning`.
 */
#ifndef VIDIMUS_DMARC_RECORD_H
#define VIDIMUS_DMARC_RECORD_H

#include "base/arena.h"
#include "base/status.h"
#include "dmarc/dmarc.h"

#define DMARC_MAX_URIS 64 /* of rua, of ruf; further ones are left out, with a warning */

/* Does it begin with the version tag, so that it counts as a DMARC Policy Record at all?  Touches no memory. */
bool dmarc_record_is(slice text);
/* 'y', 'n' or 'u', read from the text alone, as dmarc_record_parse() would. */
char dmarc_record_psd(slice text);
/* `text` must live as long as *out.  ST_SYNTAX: not a DMARC Policy Record.  ST_NOMEM. */
enum status dmarc_record_parse(struct arena *a, slice text, struct dmarc_record *out);
/* One reporting URI without its obsolete "!size" (*uri gets that form).  False: not a URI that a report could go to. */
bool dmarc_uri_parse(slice text, slice *uri);

#endif
