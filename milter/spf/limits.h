/*
 * limits.h - the processing limits of RFC 7208 4.6.4, one set for a whole check with all its includes.
 */
#ifndef VIDIMUS_SPF_LIMITS_H
#define VIDIMUS_SPF_LIMITS_H

#define SPF_MAX_TERMS 10u     /* include, a, mx, ptr, exists, redirect; the eleventh is permerror */
#define SPF_MAX_MX_HOSTS 10u  /* of one mx; more is permerror */
#define SPF_MAX_PTR_NAMES 10u /* further ones are ignored */
#define SPF_EXPLANATION_MAX 400u /* octets: a reply line of SMTP holds 512 (RFC 5321 4.5.3.1.5) */

#endif
