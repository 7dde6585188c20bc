/*
 * abnf.h - is a text in the language of an RFC's grammar?  Interprets ABNF (RFC 5234) as it stands in the RFC: slow,
 * without any cleverness, and so a judge over the parsers.  Texts up to 63 octets.
 */
#ifndef VIDIMUS_TESTS_ABNF_H
#define VIDIMUS_TESTS_ABNF_H

#include "base/slice.h"

struct abnf;

/* One rule a line, continued by lines that begin with white space; the core rules of RFC 5234 are known.
 * Ends the program if the grammar is not ABNF or names a rule that is not there. */
struct abnf *abnf_new(const char *grammar);
void abnf_free(struct abnf *g);
bool abnf_matches(struct abnf *g, const char *rule, slice text);

#endif
