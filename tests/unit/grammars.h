/*
 * grammars.h - what the readers of mail/ must accept, in the words of the RFCs.  Where a reader accepts more or less on
 * purpose the rule is changed here, and the comment above it says so.
 */
#ifndef VIDIMUS_TESTS_GRAMMARS_H
#define VIDIMUS_TESTS_GRAMMARS_H

/* RFC 6532 3.1 by RFC 3629 4 */
#define GRAMMAR_UTF8                                                                                                   \
    "UTF8-non-ascii = UTF8-2 / UTF8-3 / UTF8-4\n"                                                                      \
    "UTF8-2 = %xC2-DF UTF8-tail\n"                                                                                     \
    "UTF8-3 = %xE0 %xA0-BF UTF8-tail / %xE1-EC 2UTF8-tail / %xED %x80-9F UTF8-tail / %xEE-EF 2UTF8-tail\n"             \
    "UTF8-4 = %xF0 %x90-BF 2UTF8-tail / %xF1-F3 3UTF8-tail / %xF4 %x80-8F 2UTF8-tail\n"                                \
    "UTF8-tail = %x80-BF\n"

/*
 * RFC 5322 3.2 with 6532.  Changed: obs-NO-WS-CTL, obs-qp and all their uses are left out (control characters are
 * errors); a fold may be LF WSP, as a milter gets it; obs-FWS is that of erratum 1908.
 */
#define GRAMMAR_WORDS                                                                                                  \
    "CRLF = [%d13] %d10\n"                                                                                             \
    "quoted-pair = \"\\\" (VCHAR / UTF8-non-ascii / WSP)\n"                                                            \
    "FWS = ([*WSP CRLF] 1*WSP) / obs-FWS\n"                                                                            \
    "obs-FWS = 1*([CRLF] WSP)\n"                                                                                       \
    "ctext = %d33-39 / %d42-91 / %d93-126 / UTF8-non-ascii\n"                                                          \
    "ccontent = ctext / quoted-pair / comment\n"                                                                       \
    "comment = \"(\" *([FWS] ccontent) [FWS] \")\"\n"                                                                  \
    "CFWS = (1*([FWS] comment) [FWS]) / FWS\n"                                                                         \
    "atext = ALPHA / DIGIT / \"!\" / \"#\" / \"$\" / \"%\" / \"&\" / \"'\" / \"*\" / \"+\" / \"-\" / \"/\" / \"=\" /\n"\
    "  \"?\" / \"^\" / \"_\" / \"`\" / \"{\" / \"|\" / \"}\" / \"~\" / UTF8-non-ascii\n"                               \
    "atom = [CFWS] 1*atext [CFWS]\n"                                                                                   \
    "dot-atom-text = 1*atext *(\".\" 1*atext)\n"                                                                       \
    "dot-atom = [CFWS] dot-atom-text [CFWS]\n"                                                                         \
    "qtext = %d33 / %d35-91 / %d93-126 / UTF8-non-ascii\n"                                                             \
    "qcontent = qtext / quoted-pair\n"                                                                                 \
    "quoted-string = [CFWS] DQUOTE *([FWS] qcontent) [FWS] DQUOTE [CFWS]\n"                                            \
    "word = atom / quoted-string\n"                                                                                    \
    "phrase = 1*word / obs-phrase\n"                                                                                   \
    "obs-phrase = word *(word / \".\" / CFWS)\n"

/* RFC 5322 3.4 and 4.4.  Changed: obs-domain may end in a dot, the words of obs-local-part may have several dots between them
 * and some behind the last, and an addr-spec may stand for a display-name; then it counts too. */
#define GRAMMAR_ADDRESS                                                                                                \
    "address = mailbox / group\n"                                                                                      \
    "mailbox = name-addr / addr-spec [angle-addr]\n"                                                                   \
    "name-addr = [display-name] angle-addr\n"                                                                          \
    "angle-addr = [CFWS] \"<\" addr-spec \">\" [CFWS] / obs-angle-addr\n"                                              \
    "group = display-name \":\" [group-list] \";\" [CFWS]\n"                                                           \
    "display-name = phrase\n"                                                                                          \
    "mailbox-list = (mailbox *(\",\" mailbox)) / obs-mbox-list\n"                                                      \
    "address-list = (address *(\",\" address)) / obs-addr-list\n"                                                      \
    "group-list = mailbox-list / CFWS / obs-group-list\n"                                                              \
    "addr-spec = local-part \"@\" domain\n"                                                                            \
    "local-part = dot-atom / quoted-string / obs-local-part\n"                                                         \
    "domain = dot-atom / domain-literal / obs-domain\n"                                                                \
    "domain-literal = [CFWS] \"[\" *([FWS] dtext) [FWS] \"]\" [CFWS]\n"                                                \
    "dtext = %d33-90 / %d94-126 / UTF8-non-ascii / obs-dtext\n"                                                        \
    "obs-angle-addr = [CFWS] \"<\" obs-route addr-spec \">\" [CFWS]\n"                                                 \
    "obs-route = obs-domain-list \":\"\n"                                                                              \
    "obs-domain-list = *(CFWS / \",\") \"@\" domain *(\",\" [CFWS] [\"@\" domain])\n"                                  \
    "obs-mbox-list = *([CFWS] \",\") mailbox *(\",\" [mailbox / CFWS])\n"                                              \
    "obs-addr-list = *([CFWS] \",\") address *(\",\" [address / CFWS])\n"                                              \
    "obs-group-list = 1*([CFWS] \",\") [CFWS]\n"                                                                       \
    "obs-local-part = word *(1*dot word) *dot\n"                                                                       \
    "dot = \".\" [CFWS]\n"                                                                                             \
    "obs-domain = atom *(\".\" atom) [\".\" [CFWS]]\n"                                                                 \
    "obs-dtext = quoted-pair\n"

/*
 * RFC 6376 3.2.  Changed: FWS is the one with obsolete folds, white space may follow a last ";", VCHAR takes in UTF-8
 * (informative note there, RFC 8616).  CRLF is just that.
 */
#define GRAMMAR_TAGLIST                                                                                                \
    "CRLF = %d13.10\n"                                                                                                 \
    "FWS = 1*([CRLF] WSP)\n"                                                                                           \
    "tag-list = tag-spec *(\";\" tag-spec) [\";\" [FWS]]\n"                                                            \
    "tag-spec = [FWS] tag-name [FWS] \"=\" [FWS] tag-value [FWS]\n"                                                    \
    "tag-name = ALPHA *ALNUMPUNC\n"                                                                                    \
    "tag-value = [tval *(1*(WSP / FWS) tval)]\n"                                                                       \
    "tval = 1*VALCHAR\n"                                                                                               \
    "VALCHAR = %x21-3A / %x3C-7E / UTF8-non-ascii\n"                                                                   \
    "ALNUMPUNC = ALPHA / DIGIT / \"_\"\n"

/*
 * RFC 8601 2.2 with RFC 2045 5.1 (token), RFC 5321 4.1.2 (Keyword, local-part) and RFC 6376 3.5 (domain-name).
 * Changed: CFWS stands between properties unless a quote ends the first; the RFC's rule lets "p.q=ap.q=a" be two.
 */
#define GRAMMAR_AUTHRES                                                                                                \
    "authres-payload = [CFWS] authserv-id [CFWS authres-version] (no-result / 1*resinfo) [CFWS]\n"                     \
    "authserv-id = value\n"                                                                                            \
    "authres-version = 1*DIGIT [CFWS]\n"                                                                               \
    "no-result = [CFWS] \";\" [CFWS] \"none\"\n"                                                                       \
    "resinfo = [CFWS] \";\" methodspec [CFWS reasonspec] [CFWS propspecs]\n"                                           \
    "methodspec = [CFWS] method [CFWS] \"=\" [CFWS] result\n"                                                          \
    "reasonspec = \"reason\" [CFWS] \"=\" [CFWS] value\n"                                                              \
    "propspecs = *(prop-q [CFWS] / prop-t CFWS) (prop-q / prop-t)\n"                                                   \
    "prop = ptype [CFWS] \".\" [CFWS] property [CFWS] \"=\" [CFWS]\n"                                                  \
    "prop-q = prop a-quoted-string\n"                                                                                  \
    "prop-t = prop (1*token-char / [[a-local-part] \"@\"] domain-name)\n"                                              \
    "method = Keyword [[CFWS] \"/\" [CFWS] method-version]\n"                                                          \
    "method-version = 1*DIGIT [CFWS]\n"                                                                                \
    "result = Keyword\n"                                                                                               \
    "ptype = Keyword\n"                                                                                                \
    "property = Keyword\n"                                                                                             \
    "Keyword = *(ALPHA / DIGIT / \"-\") Let-dig\n"                                                                     \
    "Let-dig = ALPHA / DIGIT\n"                                                                                        \
    "value = 1*token-char / a-quoted-string\n"                                                                         \
    "token-char = %x21 / %x23-27 / %x2A-2B / %x2D-2E / %x30-39 / %x41-5A / %x5E-7E / UTF8-non-ascii\n"                 \
    "a-quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE\n"                                                        \
    "a-local-part = dot-atom-text / a-quoted-string\n"                                                                 \
    "domain-name = sub-domain *(\".\" sub-domain)\n"                                                                   \
    "sub-domain = u-let-dig [*(u-let-dig / \"-\") u-let-dig]\n"                                                        \
    "u-let-dig = ALPHA / DIGIT / UTF8-non-ascii\n"

#endif
