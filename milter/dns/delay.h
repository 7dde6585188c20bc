/*
 * delay.h - hands results over later, on a thread of its own: the `$DELAY` of zone text.
 */
#ifndef VIDIMUS_DNS_DELAY_H
#define VIDIMUS_DNS_DELAY_H

#include "dns/backend.h"

struct delay;

struct delay *delay_new(void);     /* NULL: no memory or no thread */
void delay_free(struct delay *d);  /* what still waits is handed over as DNS_TIMEOUT; NULL is fine */
/* Takes over the count of `result`; without memory it is handed over at once. */
void delay_add(struct delay *d, struct dns_request *req, struct dns_result *result, unsigned ms);

#endif
