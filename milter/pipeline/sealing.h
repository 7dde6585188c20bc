/*
 * sealing.h - the steps of one message that lead to an ARC set, or carry the verdict of arrival to the second pass.
 * The decisions stand in seal.h and twopass.h; here they meet the message.  Seen by the files of the pipeline only.
 */
#ifndef VIDIMUS_PIPELINE_SEALING_H
#define VIDIMUS_PIPELINE_SEALING_H

#include "pipeline/state.h"

/* Reads the tables and the secret.  False: problems stand in `errors`. */
bool sealing_load(struct pipeline *p, struct strbuf *errors);
void sealing_unload(struct pipeline *p);

void sealing_sender(struct message *m, slice local_part);
void sealing_recipient(struct message *m, const struct seal_address *r); /* is copied, the domain excepted */
/* At the end of the header: asks for the body's hash, and looks for a verdict of arrival. */
void sealing_eoh(struct message *m);
/* After all other edits: the fields to be inserted are appended to the list. */
void sealing_add(struct message *m, struct header_edit *inserts, slice results);
/* The message came back with our verdict of arrival: no checks, that verdict, its seal. */
void sealing_second_pass(struct message *m, struct header_edit *inserts);

#endif
