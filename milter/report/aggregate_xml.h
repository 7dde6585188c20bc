/*
 * aggregate_xml.h - the XML of one aggregate report (RFC 9990 Appendix A).
 * Whatever stands in the rows, what comes out is valid against the schema: characters that XML 1.0 forbids and broken UTF-8
 * are left out, a word that the schema does not know is replaced by the nearest it knows.  It is written as it is made, so
 * memory does not grow with the number of rows.  libxml2 is used here and nowhere else.
 */
#ifndef VIDIMUS_REPORT_AGGREGATE_XML_H
#define VIDIMUS_REPORT_AGGREGATE_XML_H

#include "base/slice.h"
#include "base/status.h"

struct aggregate_about {
    slice org_name, email, extra_contact; /* extra_contact may be empty */
    slice report_id;
    int64_t begin, end; /* Unix seconds, both inside the period */
    slice domain;       /* the Policy Domain */
    slice policy;       /* row_policy_text() */
};

/* Where the text goes; false: it cannot be taken. */
struct aggregate_sink {
    bool (*write)(void *arg, slice text);
    void *arg;
};

struct aggregate_xml;

struct aggregate_xml *aggregate_xml_new(const struct aggregate_about *about, const struct aggregate_sink *to); /* NULL: no memory */
void aggregate_xml_row(struct aggregate_xml *x, slice row, uint64_t messages); /* row_text(); errors wait for the end */
/* ST_SYNTAX: no row was written, and a report must have one.  Frees it in any case. */
enum status aggregate_xml_finish(struct aggregate_xml *x);

#endif
