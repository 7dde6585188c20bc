/*
 * schema.h - the tables of the store, by version.  An upgrade is one transaction a version: interrupted anywhere, it has not
 * happened, and the next start does it again.  A store that is newer than this program is left alone.
 */
#ifndef VIDIMUS_REPORT_SCHEMA_H
#define VIDIMUS_REPORT_SCHEMA_H

#include "report/store.h"

#define SCHEMA_VERSION 2

/* Make or upgrade the tables.  ST_LIMIT: the store is newer.  Otherwise ST_INTERNAL, why is in `error`. */
enum status schema_ready(struct store *s, struct strbuf *error);
/* The same up to a version only: for the test of the upgrade. */
enum status schema_upgrade(struct store *s, int version, struct strbuf *error);

#endif
