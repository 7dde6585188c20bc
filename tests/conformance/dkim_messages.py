"""dkim_messages.py - signed messages of every shape, the same for the same seed: what the DKIM verifiers are compared on.

The signer here is written from RFC 6376 alone and shares nothing with the verifiers it feeds.
"""
import base64
import hashlib
import random
import re
import subprocess
import time

import nacl.signing
from dkim.crypto import parse_pem_private_key

NOW = int(time.time())
DOMAIN = 'example.org'
SHA256_DER = bytes.fromhex('3031300d060960864801650304020105000420')
SHA1_DER = bytes.fromhex('3021300906052b0e03021a05000414')


def relaxed_header(name, value):
    value = re.sub(rb'\r\n(?=[ \t])', b'', value)
    value = re.sub(rb'[ \t]+', b' ', value).strip(b' ')
    return name.rstrip(b' \t').lower() + b':' + value


def canon_body(c, body):
    if c == 'relaxed':
        body = re.sub(rb'[ \t]+(?=\r\n|$(?![\r\n]))', b'', body)
        body = re.sub(rb'[ \t]+', b' ', body)
    while body.endswith(b'\r\n'):
        body = body[:-2]
    return b'' if c == 'relaxed' and not body else body + b'\r\n'


class Rsa:
    def __init__(self, bits):
        pem = subprocess.run(['openssl', 'genrsa', '-traditional', str(bits)], capture_output=True, check=True).stdout
        self.pem = pem
        self.k = parse_pem_private_key(pem)
        self.n = (self.k['modulus'].bit_length() + 7) // 8
        der = subprocess.run(['openssl', 'rsa', '-pubout', '-outform', 'DER'], input=pem, capture_output=True, check=True)
        self.spki = der.stdout
        der = subprocess.run(['openssl', 'rsa', '-RSAPublicKey_out', '-outform', 'DER'], input=pem, capture_output=True,
                             check=True)
        self.bare = der.stdout

    def sign(self, algorithm, data):
        prefix, hashed = (SHA1_DER, hashlib.sha1(data)) if algorithm == 'rsa-sha1' else (SHA256_DER, hashlib.sha256(data))
        t = prefix + hashed.digest()
        em = b'\x00\x01' + b'\xff' * (self.n - len(t) - 3) + b'\x00' + t
        k, m = self.k, int.from_bytes(em, 'big')
        a, b = pow(m, k['exponent1'], k['prime1']), pow(m, k['exponent2'], k['prime2'])
        s = b + k['prime2'] * ((a - b) * k['coefficient'] % k['prime1'])
        return s.to_bytes(self.n, 'big')


class Ed25519:
    def __init__(self):
        self.k = nacl.signing.SigningKey.generate()
        self.spki = self.bare = bytes(self.k.verify_key)

    def sign(self, algorithm, data):
        return self.k.sign(hashlib.sha256(data).digest()).signature


class Keys:
    """Selector -> (key, algorithm, TXT records, weight)."""

    def __init__(self):
        r1, r2, small, ed = Rsa(1024), Rsa(2048), Rsa(512), Ed25519()
        self.arc = r1
        b64 = lambda d: base64.b64encode(d).decode()
        p1, p2, pe = b64(r1.spki), b64(r2.spki), b64(ed.spki)
        spaced = ' '.join(p2[i:i + 50] for i in range(0, len(p2), 50))
        rsa = 'rsa-sha256'
        self.table = {
            'r1': (r1, rsa, ['v=DKIM1; k=rsa; p=' + p1], 30),
            'r2': (r2, rsa, ['v=DKIM1; k=rsa; p=' + p2], 20),
            'ed': (ed, 'ed25519-sha256', ['v=DKIM1; k=ed25519; p=' + pe], 20),
            'bare': (r1, rsa, ['p=' + b64(r1.bare)], 2),
            'nov': (r1, rsa, ['k=rsa; p=%s;' % p1], 2),
            'spaced': (r2, rsa, ['v=DKIM1 ; p=%s ; ' % spaced], 2),
            'hash': (r1, rsa, ['v=DKIM1; h=sha256:sha1; p=' + p1], 2),
            'email': (r1, rsa, ['v=DKIM1; s=email; t=y; p=' + p1], 2),
            'strict': (r1, rsa, ['v=DKIM1; t=s; p=' + p1], 2),
            'notes': (r1, rsa, ['v=DKIM1; n=hello there; foo=bar; p=' + p1], 2),
            'two': (r1, rsa, ['v=spf1 -all', 'v=DKIM1; p=' + p1], 1),
            'other': (r1, rsa, ['v=DKIM1; p=' + p2], 1),
            'none': (r1, rsa, [], 1),
            'revoked': (r1, rsa, ['v=DKIM1; p='], 1),
            'small': (small, rsa, ['v=DKIM1; p=' + b64(small.spki)], 1),
            'version': (r1, rsa, ['v=DKIM2; p=' + p1], 1),
            'dsa': (r1, rsa, ['v=DKIM1; k=dsa; p=' + p1], 1),
            'sha1only': (r1, rsa, ['v=DKIM1; h=sha1; p=' + p1], 1),
            'tlsrpt': (r1, rsa, ['v=DKIM1; s=tlsrpt; p=' + p1], 1),
            'wrongtype': (r1, rsa, ['v=DKIM1; k=ed25519; p=' + pe], 1),
            'junk': (r1, rsa, ['v=DKIM1; p=AAAA' + p1], 1),
            'vlast': (r1, rsa, ['p=%s; v=DKIM1' % p1], 1),
            'twice': (r1, rsa, ['v=DKIM1; k=rsa; k=rsa; p=' + p1], 1),
        }

    def zone(self):
        return {'%s._domainkey.%s' % (s, DOMAIN): e[2] for s, e in self.table.items() if e[2]}


WORDS = b'lorem ipsum dolor sit amet \xc3\xa9t\xc3\xa9 consectetur a bb ccc of the and'.split()


class Maker:
    def __init__(self, keys, seed):
        self.keys, self.seed = keys, seed

    def message(self, index):
        """(octets of the message, what is special about it)"""
        self.r = r = random.Random(self.seed * 1000003 + index)
        self.notes = set()
        header, body = self.header(), self.body()
        for k in range(r.choice([1, 1, 1, 1, 2, 3])):
            header = [self.signature(header, body, k)] + header
        raw = b''.join(n + b':' + v + b'\r\n' for n, v in header)
        raw, body = self.change(raw, body)
        return raw + b'\r\n' + body, self.notes

    # ---- the message
    def text(self, words):
        return b' '.join(self.r.choice(WORDS) for _ in range(words))

    def value(self):
        r = self.r
        parts = [self.text(r.randint(1, 5)) for _ in range(r.choice([1, 1, 1, 2, 3]))]
        v = parts[0]
        for p in parts[1:]:
            v += r.choice([b' ', b'  ', b'\t', b'\r\n ', b'\r\n\t', b' \r\n  ', b' \t ']) + p
        lead = r.choice([b' ', b' ', b' ', b' ', b'', b'  ', b'\t'])
        return lead + v + r.choice([b'', b'', b'', b'', b' ', b'\t'])

    def header(self):
        r = self.r
        h = []
        for _ in range(r.choice([0, 1, 2, 3])):
            h.append((b'Received', b' from a by b' + self.value()))
        for name in (b'From', b'To', b'Subject', b'Date', b'Message-ID', b'MIME-Version', b'Content-Type', b'X-One', b'X-Two'):
            if r.random() < (0.99 if name == b'From' else 0.75):
                h.append((name, b' joe@example.org' if name == b'From' else self.value()))
        if r.random() < 0.08:
            name = r.choice([b'X-One', b'Subject', b'To', b'Received', b'From'])
            h.insert(r.randrange(len(h) + 1), (name, self.value()))
        if r.random() < 0.05:
            h.append((b'X-Empty', r.choice([b'', b' ', b' \t'])))
        h = [(r.choice([n, n, n, n.lower(), n.upper()]), v) for n, v in h]
        if r.random() < 0.03:
            at = r.randrange(len(h))
            h[at] = (h[at][0] + b' ', h[at][1])
            self.notes.add('space-before-colon')
        if r.random() < 0.5:
            r.shuffle(h)
        return h

    def body(self):
        r = self.r
        if r.random() < 0.06:
            return r.choice([b'', b'\r\n', b'\r\n\r\n', b' \r\n', b'\t\r\n\r\n', b' ', b'x'])
        lines = []
        for _ in range(r.randint(1, 12)):
            line = self.text(r.randint(0, 9)).replace(b' ', r.choice([b' ', b' ', b'  ', b'\t']), r.randint(0, 3))
            lines.append(line + r.choice([b'', b'', b'', b' ', b'\t', b'  ']))
        body = b'\r\n'.join(lines) + b'\r\n' * r.choice([0, 1, 1, 1, 1, 2, 3])
        odd = r.random()
        if odd < 0.02:
            self.notes.add('bare-lf')
            body = body.replace(b'\r\n', b'\n', 1)
        elif odd < 0.04:
            self.notes.add('bare-cr')
            body = body.replace(b'o', b'\r', 2) + r.choice([b'', b'\r'])
        elif odd < 0.05:
            self.notes.add('nul')
            body = body.replace(b'o', b'\x00', 1)
        elif odd < 0.06:
            body += b'x' * 3000
        return body

    # ---- signing
    def signed_names(self, header):
        r = self.r
        there = [n.rstrip(b' ').lower() for n, _ in header]
        names = [n for n in there if r.random() < 0.7 and n != b'dkim-signature']
        if b'from' not in names:
            names.insert(0, b'from')
        if r.random() < 0.3:
            names += r.sample([b'from', b'subject', b'to', b'cc', b'x-none', b'reply-to', b'date'], r.randint(1, 3))
        if b'dkim-signature' in there and r.random() < 0.3:
            names.append(b'dkim-signature')
        return [r.choice([n, n, n.upper(), n.capitalize()]) for n in names]

    def header_input(self, c, header, names):
        left = {}
        for n, v in header:
            left.setdefault(n.rstrip(b' \t').lower(), []).append((n, v))
        out = b''
        for name in names:
            rest = left.get(name.strip().lower())
            if rest:
                n, v = rest.pop()
                out += (relaxed_header(n, v) if c == 'relaxed' else n + b':' + v) + b'\r\n'
        return out

    def pick_selector(self):
        names = list(self.keys.table)
        return self.r.choices(names, [self.keys.table[n][3] for n in names])[0]

    def tags(self, header, body):
        r = self.r
        selector = self.pick_selector()
        key, algorithm = self.keys.table[selector][:2]
        hc, bc = r.choice(['simple', 'relaxed', 'relaxed']), r.choice(['simple', 'relaxed', 'relaxed'])
        canonical = canon_body(bc, body)
        names = self.signed_names(header)
        t = {'v': '1', 'a': algorithm, 'c': hc + '/' + bc, 'd': DOMAIN, 's': selector}
        if bc == 'simple' and r.random() < 0.5:
            t['c'] = hc
        if t['c'] in ('simple', 'simple/simple') and r.random() < 0.5:
            del t['c']
        if r.random() < 0.3:
            t['t'] = str(NOW - r.randint(0, 10**6))
            if r.random() < 0.4:
                t['x'] = str(NOW + r.randint(1, 10**6))
        if r.random() < 0.2:
            t['i'] = r.choice(['@' + DOMAIN, 'joe@' + DOMAIN, '@mail.' + DOMAIN, 'j=40x@' + DOMAIN])
        if r.random() < 0.2:
            t['q'] = 'dns/txt'
        if r.random() < 0.1:
            t['l'] = str(len(canonical))
        if r.random() < 0.1:
            t['zz'] = 'a b=c'
        if r.random() < 0.05:
            t['z'] = 'From:joe@example.org|Subject:x=20y'
        self.defect(t, names, canonical)
        return t, names, key, hc, canonical

    def defect(self, t, names, canonical):
        """Sometimes one thing is not as it should be."""
        r = self.r
        if r.random() >= 0.2:
            return
        which = r.choice(['v', 'sha1', 'case', 'i', 'x', 'future', 'xt', 'lmore', 'lless', 'q', 'from', 'hempty', 'c', 'twice',
                          'missing', 'lzero', 'hspace', 'dcase', 'empty', 'lastcolon', 'acase', 'nodigit'])
        self.notes.add('defect-' + which)
        if which == 'v':
            t['v'] = r.choice(['2', '1.0', ''])
        elif which == 'sha1' and t['a'] == 'rsa-sha256':
            t['a'] = 'rsa-sha1'
        elif which == 'case':
            t['c'] = 'Relaxed/Simple'
        elif which == 'i':
            t['i'] = r.choice(['@example.com', '@badexample.org', 'joe', '@org', ''])
        elif which == 'x':
            t['x'] = str(NOW - 10000)
            t.pop('t', None)
        elif which == 'future':
            t['t'] = str(NOW + 10**9)
            t.pop('x', None)
        elif which == 'xt':
            t['t'], t['x'] = str(NOW - 50), str(NOW - 60)
        elif which == 'lmore':
            t['l'] = str(len(canonical) + r.choice([1, 2, 1000]))
        elif which == 'lless':
            t['l'] = str(max(0, len(canonical) - r.choice([1, 2, 5])))
        elif which == 'lzero':
            t['l'] = '0'
        elif which == 'q':
            t['q'] = r.choice(['dns/foo', 'http', 'dns/foo:dns/txt', ''])
        elif which == 'from':
            names[:] = [n for n in names if n.lower() != b'from'] or [b'to']
        elif which == 'hempty':
            names[:] = []
        elif which == 'c':
            t['c'] = r.choice(['nofws', 'simple/foo', '', 'relaxed/relaxed/simple'])
        elif which == 'twice':
            t['s '] = t['s']
        elif which == 'missing':
            t.pop(r.choice(['v', 'a', 'd', 's']))
        elif which == 'hspace':
            names.insert(0, b'x y')
        elif which == 'dcase':
            t['d'] = 'Example.ORG'
        elif which == 'empty':
            names.insert(1, b'')
        elif which == 'lastcolon':
            names.append(b'')
        elif which == 'acase':
            t['a'] = t['a'].upper()
        elif which == 'nodigit':
            t[r.choice(['t', 'l', 'x'])] = r.choice(['abc', '1 2', '-5', ''])

    def signature(self, header, body, number):
        r = self.r
        t, names, key, hc, canonical = self.tags(header, body)
        sha1 = t.get('a') == 'rsa-sha1'
        cut = canonical[:int(t['l'])] if t.get('l', 'x').isdigit() else canonical
        t['bh'] = base64.b64encode((hashlib.sha1 if sha1 else hashlib.sha256)(cut).digest()).decode()
        t['nn'] = str(number)
        style = r.choice(['plain', 'folded', 'tight', 'wild'])
        if style == 'wild':
            self.notes.add('wild')
        order = list(t) + ['h']
        if r.random() < 0.3:
            r.shuffle(order)
        order.insert(r.randrange(len(order) + 1) if r.random() < 0.2 else len(order), 'b')
        space = {'plain': [' '], 'folded': ['\r\n\t', ' '], 'tight': [''], 'wild': [' ', '', '\r\n ', '\t', '  ', ' \r\n\t ']}[style]
        colon = r.choice([b':', b':', b' : ', b':\r\n\t'])
        fields = []
        for name in order:
            eq = r.choice(['=', ' =', '= ', '\r\n =']) if style == 'wild' else '='
            v = '\0' if name == 'b' else colon.join(names).decode() if name == 'h' else t[name]
            fields.append(r.choice(space) + name.strip() + eq + v + (r.choice(['', ' ']) if style == 'wild' else ''))
        value = ';'.join(fields) + r.choice(['', '', ';'])
        value = (value if value[:1] in (' ', '\t', '\r') or style == 'tight' else ' ' + value).encode()
        if b'\r\n' == value[:2]:
            value = b' ' + value
        name = r.choice([b'DKIM-Signature', b'DKIM-Signature', b'Dkim-signature'])
        # b= with white space around its value: all of that goes when it is emptied
        before, after = value.split(b'\0')
        pad = re.search(rb'[ \t\r\n]*$', before).group(0)
        bare = before[:len(before) - len(pad)] if before.rstrip().endswith(b'=') else before
        tail = re.match(rb'[ \t\r\n]*(?=;|$)', after)
        unsigned = (name, bare + (after[tail.end():] if tail else after))
        text = self.header_input(hc, header, names)
        text += relaxed_header(*unsigned) if hc == 'relaxed' else unsigned[0] + b':' + unsigned[1]
        b = base64.b64encode(key.sign(t.get('a', 'rsa-sha256'), text))
        if r.random() < 0.5:
            b = b[:40] + r.choice([b' ', b'\r\n\t', b'\r\n ']) + b[40:]
        return name, before + b + after

    # ---- on the way
    def change(self, raw, body):
        """One octet changed, a field added or what relaxed canonicalisation allows; or nothing."""
        r = self.r
        kind = r.choice(['none', 'none', 'none', 'header', 'body', 'spaces', 'add'])
        if kind == 'header':
            at = r.randrange(len(raw))
            if raw[at] in b'\r\n: \t' or raw[at + 1:at + 2] in (b'\r', b'\n') or raw[at - 1:at] == b'\n':
                return raw, body
            new = r.choice(b'abcxyz0189AZ/+=-_')
            self.notes.add('octet-header')
            return raw[:at] + bytes([new]) + raw[at + 1:], body
        if kind == 'body' and body:
            at = r.randrange(len(body))
            self.notes.add('octet-body')
            return raw, body[:at] + bytes([r.randrange(256)]) + body[at + 1:]
        if kind == 'spaces':
            self.notes.add('spaces')
            return raw, re.sub(rb'(?<=[a-z]) (?=[a-z])', b'  ', body, count=2)
        if kind == 'add':
            self.notes.add('added')
            field = r.choice([b'Subject: spam', b'X-Three: 1', b'Received: from x', b'Reply-To: eve@example.net',
                              b'From: eve@example.net', b'Cc: x@example.net'])
            return (field + b'\r\n' + raw if r.random() < 0.7 else raw + field + b'\r\n'), body
        return raw, body
