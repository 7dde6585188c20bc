/*
 * connection.h - one milter connection (one SMTP session, several messages), inside glue/.
 */
#ifndef VIDIMUS_GLUE_CONNECTION_H
#define VIDIMUS_GLUE_CONNECTION_H

#include "glue/service.h"

#include <libmilter/mfapi.h>

struct connection {
    struct service *service;
    uint64_t number;
    /* of the SMTP client */
    struct netaddr client;
    char *name, *mta_name, *daemon_name, *helo; /* NULL: not said */
    /* of the message; both NULL between messages */
    struct generation *generation;
    struct message *message;
    bool enveloped;      /* MAIL was seen; before it the message only prefetches */
    bool failed;         /* trouble of our own: the end of the message is answered by OnError */
    bool refused;        /* by an answer already given; whatever else comes is not looked at */
    bool has_held;
    struct reply held;   /* said where nothing can be said (a no-reply step); said at the end of the message */
    /* what was negotiated */
    unsigned long no_reply; /* SMFIP_NR_* in force */
    bool lead_space;        /* header values come, and are taken, with what follows the colon */
    bool may_quarantine;
};

struct connection *connection_new(struct service *s);
void connection_free(struct connection *c); /* NULL is fine */
/* Begins a message unless one waits for its MAIL already.  False: no memory. */
bool connection_begin(struct connection *c);
/* The reply of message_helo() for the message just begun, if HELO is known. */
struct reply connection_greet(struct connection *c);
void connection_end_message(struct connection *c); /* at the end, abort, or anywhere */
void connection_end_session(struct connection *c); /* another client may follow, on the same terms */
void connection_replace(char **field, const char *value); /* by a copy; NULL is fine */

/* The verdict into calls of libmilter (apply.c).  The answer to the end of the message. */
sfsistat apply_verdict(SMFICTX *ctx, struct connection *c, const struct verdict *v);
/* A refusal with its text; libmilter's default text if ours is none it takes. */
sfsistat apply_refusal(SMFICTX *ctx, const struct reply *r);

#endif
