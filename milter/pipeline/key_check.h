/*
 * key_check.h - does DNS publish what we seal with?  For `vidimus key test` and `vidimus-milter -n`, never for mail: it
 * reads the private keys into this process.
 */
#ifndef VIDIMUS_PIPELINE_KEY_CHECK_H
#define VIDIMUS_PIPELINE_KEY_CHECK_H

#include "base/strbuf.h"
#include "config/config.h"
#include "dns/resolver.h"
#include "pipeline/key_table.h"

enum key_state {
    KEY_PUBLISHED, /* every verifier will find the right key */
    KEY_WRONG,     /* seals made with it do not verify */
    KEY_UNSURE     /* DNS did not say, or it does not sign yet */
};

/* One call for each line of the KeyTable; text is printable ASCII. */
typedef void key_check_line(void *arg, const struct key_entry *e, enum key_state state, const char *text);

/* ST_SYNTAX: the KeyTable cannot be read, as `errors` says. */
enum status key_check(const struct config *c, struct resolver *r, int64_t now, key_check_line *line, void *arg,
                      struct strbuf *errors);

#endif
