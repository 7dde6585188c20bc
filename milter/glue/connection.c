#include "autoconf.h"

#include "glue/connection.h"

#include <stdlib.h>
#include <string.h>

struct connection *
connection_new(struct service *s)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    struct counters *n = service_counters(s);
    c->service = s;
    c->number = atomic_fetch_add_explicit(&n->connections_total, 1, memory_order_relaxed) + 1;
    atomic_fetch_add_explicit(&n->connections, 1, memory_order_relaxed);
    return c;
}

void
connection_free(struct connection *c)
{
    if (c == NULL)
        return;
    connection_end_session(c);
    struct counters *n = service_counters(c->service);
    free(c);
    /* last, and released: who has waited for the count to be 0 may take everything down */
    atomic_fetch_sub_explicit(&n->connections, 1, memory_order_release);
}

void
connection_end_message(struct connection *c)
{
    message_free(c->message);
    generation_release(c->generation);
    c->message = NULL;
    c->generation = NULL;
    c->enveloped = c->failed = c->refused = c->has_held = false;
}

void
connection_replace(char **field, const char *value)
{
    free(*field);
    *field = value == NULL ? NULL : strdup(value);
}

void
connection_end_session(struct connection *c)
{
    connection_end_message(c);
    c->client = (struct netaddr){ 0 };
    connection_replace(&c->name, NULL);
    connection_replace(&c->mta_name, NULL);
    connection_replace(&c->daemon_name, NULL);
    connection_replace(&c->helo, NULL);
}

bool
connection_begin(struct connection *c)
{
    struct generation *g = service_acquire(c->service);
    if (g == NULL)
        return false; /* the daemon is going down */
    if (c->message != NULL && c->generation == g) {
        generation_release(g);
        return true;
    }
    connection_end_message(c); /* a reload came between HELO and MAIL: one message, one configuration */
    struct peer peer = {
        .client = c->client,
        .name = slice_from(c->name),
        .mta_name = slice_from(c->mta_name),
        .daemon_name = slice_from(c->daemon_name),
        .connection = c->number,
    };
    c->message = message_new(g->pipeline, &peer, NULL);
    if (c->message == NULL) {
        generation_release(g);
        return false;
    }
    c->generation = g;
    return true;
}

struct reply
connection_greet(struct connection *c)
{
    if (c->helo == NULL)
        return (struct reply){ .kind = REPLY_CONTINUE };
    return message_helo(c->message, slice_from(c->helo));
}
