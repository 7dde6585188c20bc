#include "dns/backend.h"

void
resolver_free(struct resolver *r)
{
    if (r != NULL)
        r->ops->free(r);
}

const char *
dns_status_name(enum dns_status st)
{
    switch (st) {
    case DNS_OK:
        return "ok";
    case DNS_NODATA:
        return "nodata";
    case DNS_NXDOMAIN:
        return "nxdomain";
    case DNS_SERVFAIL:
        return "servfail";
    case DNS_TIMEOUT:
        return "timeout";
    case DNS_BADNAME:
        return "badname";
    case DNS_BUDGET:
        return "budget";
    }
    return "unknown";
}

const char *
dns_type_name(enum dns_type t)
{
    switch (t) {
    case DNS_A:
        return "A";
    case DNS_CNAME:
        return "CNAME";
    case DNS_SOA:
        return "SOA";
    case DNS_PTR:
        return "PTR";
    case DNS_MX:
        return "MX";
    case DNS_TXT:
        return "TXT";
    case DNS_AAAA:
        return "AAAA";
    }
    return "unknown";
}
