#!/usr/bin/python3
"""dkim_oracles.t - our verifier against libopendkim, python3-dkim and Mail::DKIM on generated messages.

    dkim_oracles.t [COUNT [SEED]]          COUNT messages (100), of them one in five with ARC sets

A signature counts as pass or not pass.  Each difference must belong to a class of dkim_deviations.py, or the test fails.
Exit status 77: python3-dkim or its parts are not installed.
"""
import collections
import json
import logging
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
try:
    import dkim
    import nacl.signing
except ImportError as e:
    print('skipped: %s' % e)
    sys.exit(77)
import dkim_messages as messages
import dkim_deviations as deviations

logging.disable(logging.CRITICAL)
BUILD = os.environ.get('BUILDDIR', os.getcwd())


class Batch:
    """A verifier that reads sized messages and answers a line for each."""

    def __init__(self, command):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, message):
        self.p.stdin.write(b'%d\n' % len(message) + message)
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise SystemExit('%s ended' % self.p.args[0])
        return line.decode().rstrip('\n')


class Dkimpy:
    def __init__(self, zone):
        self.zone = zone

    def dns(self, name, timeout=5):
        found = self.zone.get(name.decode('ascii', 'replace').rstrip('.').lower())
        return found[0].encode() if found else None

    def dkim(self, message, index):
        try:
            return 'pass' if dkim.DKIM(message).verify(index, dnsfunc=self.dns) else 'fail', ''
        except Exception as e:
            return 'error', '%s: %s' % (type(e).__name__, str(e)[:100])

    def arc(self, message):
        try:
            cv, _, reason = dkim.arc_verify(message, dnsfunc=self.dns)
            return cv.decode(), str(reason)[:100]
        except Exception as e:
            return 'error', '%s: %s' % (type(e).__name__, str(e)[:100])


class Comparison:
    def __init__(self):
        self.counts = collections.Counter()
        self.unexplained = []

    def one(self, what, index, notes, ours, name, theirs, message, k=0):
        same = (ours[0] == 'pass') == (theirs[0] == 'pass')
        self.counts[(what, name, ours[0] == 'pass', theirs[0] == 'pass')] += 1
        if same:
            return
        found = deviations.explain(what, name, notes, ours, theirs, message, k)
        if found is None:
            self.unexplained.append((index, what, name, ours, theirs, sorted(notes)))
            if os.environ.get('SHOW'):
                print('---- message %d, signature %d, %s: ours %s, theirs %s' % (index, k, name, ours, theirs))
                print(message.decode('latin-1').replace('\r\n', '\\r\\n\n').replace('\t', '\\t'))
        else:
            self.counts[('class', name, found)] += 1


def mail_dkim_results(line):
    out = {}
    for part in line.split('|'):
        fields = part.split('=', 2)
        if len(fields) == 3:
            out[fields[0]] = (fields[1], fields[2])
    return out


def compare_dkim(c, i, notes, message, ours, py, pl):
    perl = mail_dkim_results(pl.ask(message))
    n = len(ours['dkim'])
    for k, verdict in enumerate(ours['dkim']):
        if k < len(ours['other']) and not ours['other'][k][1].startswith('not asked'):
            c.one('dkim', i, notes, verdict, 'libopendkim', ours['other'][k], message, k)
        c.one('dkim', i, notes, verdict, 'python3-dkim', py.dkim(message, k), message, k)
        number = str(n - 1 - k)  # the newest is on top
        if 'octet-header' not in notes or number in perl:
            c.one('dkim', i, notes, verdict, 'Mail::DKIM', perl.get(number, ('unlisted', '')), message, k)


def compare_arc(c, i, notes, message, ours, py, pl):
    perl = mail_dkim_results(pl.ask(message))
    c.one('arc', i, notes, ours['arc'], 'python3-dkim', py.arc(message), message)
    c.one('arc', i, notes, ours['arc'], 'Mail::DKIM', perl.get('arc', ('none', '')), message)


def add_sets(maker, message):
    """One to three ARC sets by python3-dkim, perhaps changed in one octet afterwards."""
    r = maker.r
    pem = maker.keys.arc.pem
    for n in range(r.randint(1, 3)):
        ar = b'Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a.example; arc=%s\r\n' % (b'pass' if n else b'none')
        headers = [b'from', b'to', b'subject', b'date']
        try:
            zone = maker.keys.zone()
            lines = dkim.arc_sign(ar + message, b'r1', b'example.org', pem, b'mx.example.org', include_headers=headers,
                                  timestamp=str(messages.NOW))
        except Exception:
            return None
        if not lines:
            return None
        message = b''.join(lines) + message
    if r.random() < 0.5:
        end = message.index(b'\r\n\r\n')
        at = r.randrange(end)
        if message[at] not in b'\r\n: \t' and message[at - 1:at] != b'\n':
            maker.notes.add('octet-header')
            message = message[:at] + bytes([r.choice(b'abcxyz019')]) + message[at + 1:]
    return message


def write_zones(folder, zone):
    master, flat = os.path.join(folder, 'zone'), os.path.join(folder, 'flat')
    with open(master, 'w') as m, open(flat, 'w') as f:
        for name, texts in zone.items():
            for t in texts:
                m.write('%s. TXT "%s"\n' % (name, t))
                f.write('%s\t%s\n' % (name, t))
    return master, flat


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    keys = messages.Keys()
    maker = messages.Maker(keys, seed)
    zone = keys.zone()
    c = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        master, flat = write_zones(folder, zone)
        our = Batch([os.path.join(BUILD, 'tests/conformance/dkim_oracle'), master, str(messages.NOW)])
        pl, py = Batch(['perl', os.path.join(HERE, 'dkim_oracle.pl'), flat]), Dkimpy(zone)
        for i in range(count):
            message, notes = maker.message(i)
            arc = add_sets(maker, message) if i % 5 == 4 else None
            if arc is not None:
                compare_arc(c, i, notes, arc, json.loads(our.ask(arc)), py, pl)
            else:
                compare_dkim(c, i, notes, message, json.loads(our.ask(message)), py, pl)
    for key, n in sorted(c.counts.items(), key=str):
        if key[0] == 'class':
            print('%6d  differ, %s: %s' % (n, key[1], key[2]))
        else:
            print('%6d  %s: we %s, %s %s' % (n, key[0], 'pass' if key[2] else 'no pass', key[1], 'pass' if key[3] else 'no pass'))
    for u in c.unexplained[:40]:
        print('unexplained: message %d %s %s: ours %s, theirs %s, %s' % u)
    print('%d messages, %d differences unexplained' % (count, len(c.unexplained)))
    return 1 if c.unexplained else 0


if __name__ == '__main__':
    sys.exit(main())
