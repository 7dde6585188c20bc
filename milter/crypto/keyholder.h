/*
 * keyholder.h - the process that holds the private keys, so that the one that parses mail never does.
 *
 * Three parties.  The launcher is forked by the daemon before it has threads and before it drops privileges; all it does
 * is to read which keys are configured and to start holders.  A holder reads the key files, drops its privileges,
 * locks itself in (no network, no files, no exec; keyholder_sandbox.c) and signs digests asked for over a SEQPACKET
 * socket pair until that is closed.  The client, in the daemon, is a `signer` (signer.h).
 *
 * The daemon cannot tell the launcher which files to open: it can only ask for a holder as configured.  Each snapshot of
 * the configuration has its own holder, which lives until the last message of that snapshot is gone, so that a message
 * always signs with the key whose selector it names.  A holder that has to be replaced gets the key files of its own
 * snapshot again, whatever the tables say meanwhile.
 *
 * Threads: keyholder_launch() before there are any; all else on any thread.  Errors: a holder that died or does not answer
 * in time gives ST_INTERNAL or ST_TIMEOUT, is logged and replaced; a request that met a death is put to the next one.
 */
#ifndef VIDIMUS_CRYPTO_KEYHOLDER_H
#define VIDIMUS_CRYPTO_KEYHOLDER_H

#include <sys/types.h>

#include "base/log.h"
#include "crypto/signer.h"

struct keyholder_setup {
    /* Which keys there are: called in the launcher for each keyholder_open().  What cannot be read is said in `errors`, a
     * line each, and left out. */
    void (*list)(void *arg, struct signer_keys *keys, struct strbuf *errors);
    void *arg;
    uid_t uid; /* a holder becomes these once the keys are read, */
    gid_t gid; /* if it was started as root */
    unsigned threads; /* that sign at once; 0: one for each processor */
};

struct keyholder_launcher;

/* Forks.  NULL: errno says why.  `setup` is copied; what arg points to must be whole at the time of the call. */
struct keyholder_launcher *keyholder_launch(const struct keyholder_setup *setup);
/* After the last holder of it is freed; the process ends.  NULL is fine. */
void keyholder_launcher_free(struct keyholder_launcher *l);
pid_t keyholder_launcher_pid(const struct keyholder_launcher *l);

/* Starts a holder and waits until its keys are read.  Keys that could not be read stand in `errors`, a line each; whether
 * that matters is the caller's to say (signer_find).  NULL: no holder at all, and the reason in `errors`.
 * timeout_ms bounds one signature, and once more the same if a holder has to be started for it. */
struct signer *keyholder_open(struct keyholder_launcher *l, struct log *log, unsigned timeout_ms, struct strbuf *errors);

struct keyholder_figures {
    pid_t pid; /* of the holder now; 0: none */
    uint64_t signatures, failures, restarts;
};
struct keyholder_figures keyholder_figures(struct signer *s); /* of one from keyholder_open() */

#endif
