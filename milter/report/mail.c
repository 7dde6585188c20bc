#include "autoconf.h"

#include "report/mail.h"
#include "base/base64.h"
#include "report/day.h"

#include <time.h>

#define LINE 76 /* RFC 2045 6.8 */

void
mail_date(int64_t unix_s, struct strbuf *out)
{
    static const char *const weekdays[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t t = (time_t)unix_s;
    struct tm tm = { 0 };
    gmtime_r(&t, &tm);
    strbuf_printf(out, "%s, %d %s %d %02d:%02d:%02d +0000", weekdays[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
                  tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void
base64_lines(struct strbuf *out, slice text)
{
    for (size_t i = 0; i < text.n; i += LINE) {
        strbuf_add(out, slice_head(slice_tail(text, i), LINE));
        strbuf_add_char(out, '\n');
    }
}

/* A display name: as it is, quoted (RFC 5322 3.2.4), or as encoded words (RFC 2047) of at most 75 octets. */
static void
display_name(struct strbuf *out, slice name)
{
    bool ascii = true;
    for (size_t i = 0; i < name.n; i++)
        ascii = ascii && name.p[i] >= 0x20 && name.p[i] < 0x7f;
    if (ascii) {
        strbuf_add_char(out, '"');
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '"' || name.p[i] == '\\')
                strbuf_add_char(out, '\\');
            strbuf_add_char(out, name.p[i]);
        }
        strbuf_add_char(out, '"');
        return;
    }
    while (name.n > 0) {
        size_t n = name.n < 45 ? name.n : 45;
        while (n < name.n && n > 1 && ((unsigned char)name.p[n] & 0xc0) == 0x80) /* characters are not cut */
            n--;
        strbuf_add_str(out, "=?utf-8?B?");
        base64_encode(out, slice_head(name, n));
        strbuf_add_str(out, name.n > n ? "?=\n " : "?=");
        name = slice_tail(name, n);
    }
}

static void
header(struct strbuf *out, const struct reporter *who, slice to, slice id, int64_t now)
{
    strbuf_add_str(out, "From: ");
    if (who->org_name.n > 0) {
        display_name(out, who->org_name);
        strbuf_add_str(out, "\n ");
    }
    strbuf_printf(out, "<%.*s>\nTo: <%.*s>\nDate: ", SLICE_ARG(who->email), SLICE_ARG(to));
    mail_date(now, out);
    strbuf_printf(out, "\nMessage-ID: <%.*s>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n", SLICE_ARG(id));
}

/* RFC 9990 3.5: subject, file name and Report-ID tell the same, and are the same whenever it is sent again. */
void
mail_aggregate(const struct reporter *who, slice to, const struct aggregate_mail *m, struct strbuf *out)
{
    char day[DAY_TEXT];
    day_text(m->day, day);
    header(out, who, to, m->report_id, m->now);
    strbuf_printf(out, "Subject: Report Domain: %.*s\n Submitter: %.*s\n Report-ID: <%.*s>\n", SLICE_ARG(m->domain),
                  SLICE_ARG(who->domain), SLICE_ARG(m->report_id));
    strbuf_add_str(out, "Content-Type: multipart/mixed; boundary=\"=_vidimus_report\"\n\n"
                        "This is a DMARC aggregate report in MIME format.\n"
                        "--=_vidimus_report\nContent-Type: text/plain; charset=us-ascii\n\n");
    strbuf_printf(out, "This is an aggregate report (RFC 9990) about mail that named the domain\n  %.*s\n"
                       "as its author, as it was seen by\n  %.*s\non %s (UTC).  The report itself is attached.\n",
                  SLICE_ARG(m->domain), SLICE_ARG(who->domain), day);
    strbuf_printf(out, "--=_vidimus_report\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n"
                       "Content-Disposition: attachment;\n filename=\"%.*s\"\n\n", SLICE_ARG(m->file_name));
    base64_lines(out, m->gzip_base64);
    strbuf_add_str(out, "--=_vidimus_report--\n");
}

/* RFC 9991 on RFC 6591 and 6522: explanation, feedback report, header fields of the message. */
void
mail_failure(const struct reporter *who, slice to, const struct failure_mail *m, struct strbuf *out)
{
    header(out, who, to, m->id, m->now);
    strbuf_printf(out, "Subject: DMARC failure report for %.*s\n", SLICE_ARG(m->author));
    strbuf_printf(out, "Content-Type: multipart/report; report-type=feedback-report;\n boundary=\"=_vidimus_%.*s\"\n\n",
                  SLICE_ARG(slice_head(m->id, 20)));
    const slice boundary = slice_head(m->id, 20);
    strbuf_printf(out, "--=_vidimus_%.*s\nContent-Type: text/plain; charset=us-ascii\n\n%.*s\n", SLICE_ARG(boundary),
                  SLICE_ARG(m->explanation));
    strbuf_printf(out, "--=_vidimus_%.*s\nContent-Type: message/feedback-report\n\n%.*s\n", SLICE_ARG(boundary),
                  SLICE_ARG(m->feedback));
    strbuf_printf(out, "--=_vidimus_%.*s\nContent-Type: %s\n\n", SLICE_ARG(boundary),
                  m->body.n > 0 ? "message/rfc822" : "text/rfc822-headers");
    strbuf_add(out, m->headers);
    if (m->body.n > 0) {
        strbuf_add_char(out, '\n');
        strbuf_add(out, m->body);
    }
    strbuf_printf(out, "\n--=_vidimus_%.*s--\n", SLICE_ARG(boundary));
}
