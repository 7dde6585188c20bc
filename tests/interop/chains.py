#!/usr/bin/python3
"""chains.py - ARC chains that pass through us, dkimpy and Mail::DKIM in turn; each judges what the others sealed.

  chains.py VIDIMUS [HOPS]        exit status 77 if one of the others is not installed

A message makes up to 50 hops, sealed by the three in turn; every few hops all three verify it, and a message changed on the
way must fail with all three.  Then: no 51st set; ed25519-sha256; an unbroken, a modified and a failed chain.
"""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    import dkim
    import nacl.exceptions
    import nacl.signing
    from dkim.canonicalization import Relaxed
except ImportError:
    print('dkimpy and PyNaCl are not installed')
    sys.exit(77)
if subprocess.run(['perl', '-MMail::DKIM::ARC::Verifier', '-MNet::DNS', '-e', '1'], stderr=subprocess.DEVNULL).returncode:
    print('Mail::DKIM is not installed')
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
VIDIMUS, HOPS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
T0 = 1790000000
MESSAGE = b'\r\n'.join([
    b'From: =?utf-8?q?J=C3=B6rg?= <joerg@author.example>', b'To: list@hop.example', b'Subject:  a  folded',
    b'\tsubject ', b'Date: Sat, 21 Nov 2026 20:00:00 +0000', b'Message-ID: <1@author.example>', b'MIME-Version: 1.0',
    b'Content-Type: text/plain; charset=utf-8', b'List-Id: <list.hop.example>', b'', b'Hello  there, \t', b'', b'..dots', b'bye',
    b'', b''])
failures = 0


def check(label, got, want):
    global failures
    if got != want:
        failures += 1
        print('FAIL %s: got %r, wanted %r' % (label, got, want))


class World:
    def __init__(self, directory):
        self.dir, self.txt = directory, {}
        self.zone, self.keys = os.path.join(directory, 'zone'), os.path.join(directory, 'keys')
        self.make_key('ours', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'])
        self.make_key('foreign', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'])
        self.make_key('edwards', ['-algorithm', 'ED25519'])
        with open(self.zone, 'w') as z, open(self.keys, 'w') as k:
            for name, text in self.txt.items():
                parts = ' '.join('"%s"' % text[i:i + 250] for i in range(0, len(text), 250))
                z.write('%s. IN TXT %s\n' % (name, parts))
                k.write('%s %s\n' % (name, text))
        with open(self.path('SigningTable'), 'w') as f:
            f.write('# the list seals, everything else by the pattern\n*@hop.example ours\n* ours\n')
        for name in ('ours', 'edwards'):
            with open(self.path('KeyTable.' + name), 'w') as f:
                f.write('ours hop.example:%s:%s\n' % (name, self.path(name + '.pem')))

    def path(self, name):
        return os.path.join(self.dir, name)

    def make_key(self, name, arguments):
        pem = self.path(name + '.pem')
        subprocess.run(['openssl', 'genpkey', '-quiet', '-out', pem] + arguments, check=False, stderr=subprocess.DEVNULL)
        if not os.path.exists(pem) or not os.path.getsize(pem):
            subprocess.run(['openssl', 'genpkey', '-out', pem] + arguments, check=True, stderr=subprocess.DEVNULL)
        os.chmod(pem, 0o600)
        der = subprocess.run(['openssl', 'pkey', '-in', pem, '-pubout', '-outform', 'DER'], check=True, stdout=subprocess.PIPE).stdout
        kind = 'ed25519' if name == 'edwards' else 'rsa'
        p = base64.b64encode(der[-32:] if kind == 'ed25519' else der).decode()
        self.txt['%s._domainkey.hop.example' % name] = 'v=DKIM1; k=%s; p=%s' % (kind, p)

    def lookup(self, name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        text = self.txt.get(name.rstrip('.').lower())
        return None if text is None else text.encode()

    # ---- the three, as verifiers
    def run(self, message, now, *more):
        command = [VIDIMUS, 'check', '--json', '-c', '/dev/null', '-o', 'AuthservID=hop.example', '-o', 'CheckIPRev=no',
                   '--zone', self.zone, '--now', str(now), '--ip', '192.0.2.1', '--from', 'a@author.example',
                   '--rcpt', 'list@hop.example'] + list(more)
        p = subprocess.run(command, input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if p.returncode:
            raise RuntimeError(p.stderr.decode('utf-8', 'replace'))
        return json.loads(p.stdout)

    def verify_ours(self, message, now):
        return self.run(message, now)['arc']['result']

    def verify_dkimpy(self, message):
        cv, _, comment = dkim.arc_verify(message, dnsfunc=self.lookup)
        return cv.decode() if isinstance(cv, bytes) else str(cv)

    def verify_perl(self, message):
        p = subprocess.run(['perl', os.path.join(HERE, 'mail_dkim.pl'), self.keys, 'verify'], input=message,
                           stdout=subprocess.PIPE, check=True)
        return p.stdout.split()[0].decode()

    def verify_all(self, label, message, now, want, perl=True):
        check(label + ', by us', self.verify_ours(message, now), want)
        check(label + ', by dkimpy', self.verify_dkimpy(message), want)
        if perl:
            check(label + ', by Mail::DKIM', self.verify_perl(message), want)

    # ---- and as sealers
    def seal_ours(self, message, now, key='ours'):
        j = self.run(message, now, '--seal', '-o', 'ArcSeal=yes', '-o', 'KeyTable=' + self.path('KeyTable.' + key),
                     '-o', 'SigningTable=' + self.path('SigningTable'), '-o', 'SealFor=hop.example')
        s = j['arc_set']
        if not s or not s.get('AS'):
            return None
        head = b''
        for f, name in (('AS', 'ARC-Seal'), ('AMS', 'ARC-Message-Signature'), ('AAR', 'ARC-Authentication-Results')):
            head += (name + ':' + s[f].replace('\n', '\r\n') + '\r\n').encode()
        return head + message

    def results(self, chain):
        return b'Authentication-Results: other.example; arc=%s; spf=pass smtp.mailfrom=author.example\r\n' % chain.encode()

    def seal_dkimpy(self, message, now, chain):
        with open(self.path('foreign.pem'), 'rb') as f:
            pem = f.read()
        lines = dkim.arc_sign(self.results(chain) + message, b'foreign', b'hop.example', pem, b'other.example', timestamp=now)
        return b''.join(line if line.endswith(b'\r\n') else line + b'\r\n' for line in lines) + message

    def seal_perl(self, message, now, chain):
        p = subprocess.run(['perl', os.path.join(HERE, 'mail_dkim.pl'), self.keys, 'seal', self.path('foreign.pem'), 'hop.example',
                            'foreign', 'other.example', chain, str(now)], input=self.results(chain) + message,
                           stdout=subprocess.PIPE, check=True)
        return p.stdout.replace(self.results(chain), b'', 1)


def altered_body(message):
    return message.replace(b'Hello  there', b'Hello  thene')


def altered_results(message):
    return re.sub(rb'(?s)(ARC-Authentication-Results: i=1;)', rb'\1 x.example;', message)


def long_chain(w):
    message = MESSAGE
    for hop in range(1, HOPS + 1):
        now, chain = T0 + hop, 'none' if hop == 1 else 'pass'
        if hop % 3 == 1:
            message = w.seal_ours(message, now)
        elif hop % 3 == 2:
            message = w.seal_dkimpy(message, now, chain)
        else:
            message = w.seal_perl(message, now, chain)
        if message is None:
            check('hop %d is sealed' % hop, False, True)
            return
        if hop <= 4 or hop % 20 == 0 or hop >= HOPS - 1:
            w.verify_all('hop %d' % hop, message, now, 'pass')
        if hop in (1, 4, HOPS):
            w.verify_all('hop %d, body changed' % hop, altered_body(message), now, 'fail')
            w.verify_all('hop %d, results changed' % hop, altered_results(message), now, 'fail')
    if HOPS == 50:
        check('there is no 51st set', w.seal_ours(message, T0 + 51), None)


def failed_chain(w):
    message = w.seal_ours(MESSAGE, T0)
    message = w.seal_ours(altered_body(message), T0 + 1)
    text = message.decode('utf-8', 'replace')
    check('a failed chain gets a set', text.count('i=2;'), 3)
    check('which says so', 'cv=fail' in text, True)
    check('sealed as failed, by us', w.verify_ours(message, T0 + 2), 'fail')
    check('sealed as failed, by dkimpy', w.verify_dkimpy(message) in ('fail', 'None'), True)  # it stops without a status
    check('sealed as failed, by Mail::DKIM', w.verify_perl(message), 'fail')
    check('and no other after it', w.seal_ours(message, T0 + 2), None)
    check('the message is the same twice', w.seal_ours(MESSAGE, T0), w.seal_ours(MESSAGE, T0))


def edwards_signature(w, fields):
    """Does the signature of this field (b= emptied, last) over the fields before it verify?  (RFC 8463 3; by PyNaCl)"""
    canonical = Relaxed.canonicalize_headers(fields)
    last = re.sub(rb'(b=)[^;]*$', rb'\1', canonical[-1][1].rstrip(b'\r\n'))
    b = re.search(rb'[; ]b=([^;]*)$', canonical[-1][1].rstrip(b'\r\n')).group(1)
    text = b''.join(n + b':' + v for n, v in canonical[:-1]) + canonical[-1][0] + b':' + last
    key = nacl.signing.VerifyKey(base64.b64decode(w.txt['edwards._domainkey.hop.example'].split('p=')[1]))
    try:
        key.verify(hashlib.sha256(text).digest(), base64.b64decode(re.sub(rb'\s', b'', b)))
        return True
    except nacl.exceptions.BadSignatureError:
        return False


def edwards_by_another(w, message):
    """dkimpy and Mail::DKIM know no ed25519 in ARC; so dkimpy's canonicalisation and PyNaCl's signatures."""
    headers, _ = dkim.rfc822_parse(message)
    named = {n.lower(): (n, v) for n, v in reversed(headers)}
    seal, ams, aar = named[b'arc-seal'], named[b'arc-message-signature'], named[b'arc-authentication-results']
    h = re.sub(rb'\s', b'', re.search(rb'(?s)\bh=([^;]*);', ams[1]).group(1)).split(b':')
    covered = [named[n] for i, n in enumerate(h) if n in named and n not in h[:i]]
    check('ed25519, AMS by PyNaCl', edwards_signature(w, covered + [ams]), True)
    check('ed25519, AS by PyNaCl', edwards_signature(w, [aar, ams, seal]), True)
    check('ed25519, AS over others, by PyNaCl', edwards_signature(w, [ams, aar, seal]), False)


def edwards(w):
    message = w.seal_ours(MESSAGE, T0, 'edwards')
    edwards_by_another(w, message)
    check('ed25519, by us', w.verify_ours(message, T0), 'pass')
    check('ed25519 changed, by us', w.verify_ours(altered_body(message), T0), 'fail')
    message = w.seal_ours(message, T0 + 1)
    check('rsa after ed25519, by us', w.verify_ours(message, T0), 'pass')


with tempfile.TemporaryDirectory(prefix='vidimus-chains-') as d:
    world = World(d)
    failed_chain(world)
    edwards(world)
    long_chain(world)
print('%d hops, %s' % (HOPS, 'all as they should be' if failures == 0 else '%d failures' % failures))
sys.exit(1 if failures else 0)
