#include "crypto/der.h"

#include <string.h>

#define DER_INTEGER    0x02
#define DER_BIT_STRING 0x03
#define DER_NULL       0x05
#define DER_OID        0x06
#define DER_SEQUENCE   0x30

static unsigned
octet(slice s, size_t i)
{
    return (unsigned char)s.p[i];
}

/* Take one element of that tag off the front of *rest: definite length in its shortest form
 * (X.690 8.1.3, 10.1). */
static bool
take(slice *rest, unsigned tag, slice *content)
{
    if (rest->n < 2 || octet(*rest, 0) != tag)
        return false;
    size_t length = octet(*rest, 1), header = 2;
    if (length >= 0x80) {
        size_t octets = length - 0x80;
        if (octets == 0 || octets > 2 || rest->n < 2 + octets)
            return false;
        length = 0;
        for (size_t i = 0; i < octets; i++)
            length = length << 8 | octet(*rest, 2 + i);
        if (length < (octets == 1 ? 0x80u : 0x100u))
            return false;
        header += octets;
    }
    if (rest->n - header < length)
        return false;
    *content = (slice){ rest->p + header, length };
    *rest = slice_tail(*rest, header + length);
    return true;
}

/* A positive INTEGER without a superfluous octet (X.690 8.3.2). */
static bool
take_positive(slice *rest, slice *number)
{
    slice c;
    if (!take(rest, DER_INTEGER, &c) || c.n == 0 || (octet(c, 0) & 0x80) != 0)
        return false;
    if (octet(c, 0) == 0) {
        if (c.n == 1 || (octet(c, 1) & 0x80) == 0)
            return false;
        c = slice_tail(c, 1);
    }
    *number = c;
    return true;
}

/* RFC 8017 A.1.1 */
static bool
rsa_public_key(slice der, struct rsa_numbers *out)
{
    slice sequence;
    return take(&der, DER_SEQUENCE, &sequence) && der.n == 0 &&
           take_positive(&sequence, &out->modulus) && take_positive(&sequence, &out->exponent) &&
           sequence.n == 0;
}

bool
der_rsa_public_key(slice der, struct rsa_numbers *out)
{
    static const char rsa_encryption[] =
        "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"; /* 1.2.840.113549.1.1.1 */
    slice rest = der, info, algorithm, oid, null, bits;
    if (rsa_public_key(der, out))
        return true;
    if (!take(&rest, DER_SEQUENCE, &info) || rest.n != 0 ||
        !take(&info, DER_SEQUENCE, &algorithm) || !take(&info, DER_BIT_STRING, &bits) ||
        info.n != 0)
        return false;
    if (!take(&algorithm, DER_OID, &oid) || !slice_eq(oid, SLICE(rsa_encryption)))
        return false;
    /* RFC 3279 2.3.1: the parameters are NULL.  Some encoders leave them out, which says the same.
     */
    if (algorithm.n != 0 && (!take(&algorithm, DER_NULL, &null) || null.n != 0 || algorithm.n != 0))
        return false;
    return bits.n > 0 && bits.p[0] == 0 && rsa_public_key(slice_tail(bits, 1), out);
}
