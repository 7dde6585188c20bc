/* keyholder_wire.h - what launcher, holder and client say to each other; private to keyholder*.c.  One machine, one build:
 * structs in host order, one packet each. */
#ifndef VIDIMUS_CRYPTO_KEYHOLDER_WIRE_H
#define VIDIMUS_CRYPTO_KEYHOLDER_WIRE_H

#include <stdint.h>
#include <sys/types.h>

#include "crypto/keyholder.h"

#define KEY_ID_MAX 4096 /* a name of 253 octets, a selector, and a path */

/* client -> launcher */
enum launch_word { LAUNCH_NEW = 1, LAUNCH_AGAIN, LAUNCH_FORGET };
struct launch_request {
    uint32_t number;
    uint32_t word;
    uint32_t list;    /* AGAIN: the keys of that list, as they were named when it was made; FORGET: not needed any more */
    int32_t replaces; /* pid of a holder to be ended first; 0: none */
};
/* launcher -> client, but for FORGET; with the holder's socket as SCM_RIGHTS if pid > 0 */
struct launch_reply {
    uint32_t number; /* of the request: one that came too late is told from the next */
    uint32_t list; /* of NEW: what to call it by */
    int32_t pid; /* 0: could not be started, and ... */
    int32_t error; /* ... this errno */
};

/* holder -> client, at its start: one for each key, then for each lot of errors, then ready */
enum holder_word { HOLDER_KEY = 1, HOLDER_ERRORS, HOLDER_READY };
struct holder_hello {
    uint32_t word;
    uint32_t algorithm;
    char text[]; /* KEY: its id; ERRORS: lines */
};

/* client -> holder */
struct sign_request {
    uint64_t number;
    uint32_t algorithm;
    unsigned char digest[DIGEST_SIZE];
    char id[]; /* to the end of the packet */
};
/* holder -> client */
struct sign_reply {
    uint64_t number;
    uint32_t status; /* enum status */
    uint32_t n;
    unsigned char bytes[SIGNATURE_MAX];
};

/* keyholder_serve.c: the holder's life, from the reading of keys to the end of the socket.  Never returns.
 * `errors`: what was wrong with the list, to be told to the client. */
_Noreturn void keyholder_serve(int fd, const struct keyholder_setup *setup, const struct signer_keys *list, struct strbuf *errors);
/* keyholder_sandbox.c: from now on, on all threads, only what signing needs.  False: it could not be had. */
bool keyholder_sandbox(void);
/* For the launcher, which has to open files and to fork: never exec, listen, or look into another process. */
bool keyholder_sandbox_launcher(void);
/* No core, no tracing by the same user, no privileges by exec.  Again after each change of user. */
bool keyholder_close_up(void);

#endif
