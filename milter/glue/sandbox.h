/*
 * sandbox.h - after this the process can do what the daemon does, and nothing else: no program is started, no process is
 * looked into, no file system, module, key ring or clock is touched, whoever gained control of it.
 */
#ifndef VIDIMUS_GLUE_SANDBOX_H
#define VIDIMUS_GLUE_SANDBOX_H

#include <stdbool.h>

#include "base/strbuf.h"

/* Before any thread is started, after privileges_drop() (no_new_privs is set).  False: `errors` says why. */
bool sandbox_enter(struct strbuf *errors);
bool sandbox_known(void); /* false: built without libseccomp */

#endif
