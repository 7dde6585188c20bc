"""dkim_deviations.py - where other verifiers are known to differ from ours, and why we hold to our answer.

Each class: whom it concerns, a name, the section that decides, and a test that recognises it.  dkim_oracles.t fails on a
difference that no class explains.
"""
import re

ALL = ('libopendkim', 'python3-dkim', 'Mail::DKIM')


def reason(*words):
    return lambda d: d.ours[0] != 'pass' and any(w in d.ours[1] for w in words)


def said(*words):
    return lambda d: d.ours[0] == 'pass' and any(w in d.theirs[1] for w in words)


def noted(*names):
    return lambda d: any(n in d.notes for n in names)


def in_message(pattern):
    return lambda d: re.search(pattern, d.message) is not None


def in_signature(pattern):
    return lambda d: re.search(pattern, d.signature) is not None


def both(*tests):
    return lambda d: all(t(d) for t in tests)


def we_pass(d):
    return d.ours[0] == 'pass'


def they_pass(d):
    return d.theirs[0] == 'pass'


CLASSES = [
    # ours is no pass, theirs is
    (ALL, 'unsigned body text is no pass (RFC 6376 8.2, our default)', reason('of the body are not signed')),
    (ALL, 'a second From or an unsigned copy of a field read once (RFC 6376 8.15)', reason('more than one')),
    (ALL, 'l= larger than the body (RFC 6376 3.5)', reason('l= is larger')),
    (ALL, 'rsa-sha1 (RFC 8301 3.1)', reason('rsa-sha1')),
    (ALL, 'From not signed (RFC 6376 5.4)', reason('does not cover From')),
    (ALL, 'a key record of a wrong version, or with its version not first (RFC 6376 3.6.1)', reason("the record's v=")),
    (ALL, 'a tag twice, in a record or a signature (RFC 6376 3.2)', reason('tag twice')),
    (ALL, 'key record for another hash or service (RFC 6376 3.6.1)', reason("record's h=", "record's s=")),
    (ALL, 't=s and i= below d= (RFC 6376 3.6.1)', reason("t=s")),
    (ALL, 'i= outside d= (RFC 6376 3.5)', reason('i= is not', 'domain of i=')),
    (ALL, 'values outside their grammar (RFC 6376 3.5)',
     reason('is not a number', 'unknown canonicalisation', 'no field name', 'unknown version', 'unknown algorithm', 'q= does',
            'is empty', 'x= is not after', 'is not base64')),
    (ALL, 'required tag missing (RFC 6376 3.5)', reason('is missing')),
    (ALL, 'not a tag list (RFC 6376 3.2)', reason('not a list of tags')),
    (ALL, 'times beyond the clock skew (RFC 6376 3.5)', reason('signature expired', 'in the future')),
    (ALL, 'exact DER (X.690; RFC 8017 A.1.1)', reason('DER encoding')),
    # ours is pass, theirs is not
    (('Mail::DKIM',), 'knows no ed25519-sha256 (RFC 8463)', said('unsupported algorithm ed25519')),
    (('libopendkim', 'Mail::DKIM'), 'knows no bare RSAPublicKey (RFC 6376 3.6.1, RFC 8017 A.1.1)',
     said('unable to apply public key', 'wrong tag')),
    (('libopendkim',), 'does not find b= with white space before the "=" (RFC 6376 3.2, 3.7)',
     both(we_pass, in_signature(rb'[;\s]b[ \t\r\n]+='))),
    (('libopendkim',), 'looks for the domain of i= behind the first "@" after decoding (RFC 6376 2.11, 3.5)',
     both(said('invalid domain coverage'), in_signature(rb'i[ \t\r\n]*=[ \t\r\n]*j=40x@'))),
    (('Mail::DKIM',), 'does not trim white space around the version in a key record (RFC 6376 3.2)',
     said('public key: unsupported version')),
    (('python3-dkim',), 'takes " b=" within the value of another tag for b= (RFC 6376 3.7)',
     both(we_pass, in_signature(rb'zz[ \t\r\n]*=[ \t\r\n]*a b=c'))),
    (('python3-dkim',), 'leaves white space behind the value of b= in the hash (RFC 6376 3.7)',
     both(we_pass, in_signature(rb'[;\s]b[ \t\r\n]*=[^;]*[ \t\r\n]+(;|$)'))),
    (('python3-dkim',), 'does not read a field with white space before the colon (RFC 5322 4.5)',
     in_message(rb'(?m)^[!-9;-~]+[ \t]+:')),
    (('libopendkim', 'Mail::DKIM'), 'no CRLF at the end of the body: one is added before hashing (RFC 6376 3.4.3, 3.4.4)',
     both(we_pass, lambda d: not d.message.endswith(b'\r\n'))),
    (('Mail::DKIM',), 'takes RSA keys of 512 bits (RFC 8301 3.2)', reason('key too small')),
    (('python3-dkim',), 'does not find b= directly behind the colon (RFC 6376 3.5, 3.7)',
     both(we_pass, in_signature(rb'(?i)^dkim-signature[ \t]*:b'))),
    (('python3-dkim',), 'asks for one TXT record only, here not the key (RFC 6376 6.1.2 step 4)',
     both(we_pass, in_signature(rb's[ \t\r\n]*=[ \t\r\n]*two\b'))),
    (('python3-dkim',), 'hashes one From more than h= says, so a second one fails (RFC 6376 5.4.2)',
     both(we_pass, lambda d: len(re.findall(rb'(?im)^from[ \t]*:', d.message.split(b'\r\n\r\n')[0])) > 1)),
    (('python3-dkim',), 'drops white space at the end of the signature field under simple (RFC 6376 3.4.1)',
     both(we_pass, in_signature(rb'[ \t]$'))),
    (('python3-dkim',), 'takes no list in q= (RFC 6376 3.5)', said('q= value is not dns/txt')),
    (('libopendkim',), 'treats a lone CR or LF as a line end (RFC 6376 3.4.3, 3.4.4: only CRLF is one)',
     in_message(rb'[^\r]\n|\r([^\n]|$)')),
    (('python3-dkim',), 'keeps white space at the end of a body without CRLF (RFC 6376 3.4.4)',
     in_message(rb'[ \t]$')),
    (('python3-dkim',), 'turns a lone LF into CRLF before hashing', in_message(rb'[^\r]\n')),
]


class Difference:
    def __init__(self, what, notes, ours, theirs, message):
        self.what, self.notes, self.ours, self.theirs, self.message = what, notes, ours, theirs, message
        self.signature = b''


def signatures(message):
    header = message.split(b'\r\n\r\n', 1)[0]
    fields = re.split(rb'\r\n(?![ \t])', header)
    return [f for f in fields if re.match(rb'(?i)dkim-signature[ \t]*:', f)]


def explain(what, name, notes, ours, theirs, message, index=0):
    d = Difference(what, notes, ours, theirs, message)
    found = signatures(message) if what == 'dkim' else []
    if index < len(found):
        d.signature = found[index]
    for names, text, test in CLASSES:
        if name in names and test(d):
            return text
    return None
