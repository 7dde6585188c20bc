/* keyholder_launch.h - the client's call to the launcher; private to keyholder*.c. */
#ifndef VIDIMUS_CRYPTO_KEYHOLDER_LAUNCH_H
#define VIDIMUS_CRYPTO_KEYHOLDER_LAUNCH_H

#include "crypto/keyholder.h"

/* A new holder's socket, the one of pid `replaces` (0: none) ended first; by `until` (clock_mono_ms).  *list 0: with the
 * keys that are configured now, and *list then names them; else with those of that list.  -1: errno says why. */
int keyholder_launcher_start(struct keyholder_launcher *l, uint32_t *list, pid_t replaces, uint64_t until, pid_t *pid);
void keyholder_launcher_forget(struct keyholder_launcher *l, uint32_t list); /* 0 is fine */

#endif
