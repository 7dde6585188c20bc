#!/usr/bin/python3
"""spf_compare_pyspf.py - cases written by spf_compare -o, judged once more by pyspf (python3-spf).

Usage: spf_compare -n COUNT -o CASES.jsonl; spf_compare_pyspf.py [-v] CASES.jsonl

Results are compared with those of the native engine, and so are the names made of macros that pyspf asks for. A difference in a
plain case is unexplained (exit status 1); the others are counted by the one feature of their case. The third column says how
often libspf2, where it was asked, agrees with pyspf against the native engine.
"""
import collections
import json
import re
import sys

import spf

MACRO_NAME = re.compile(r'[mn]\.example$')


class Zone:
    """As much of a master file as spf_compare writes."""

    def __init__(self, text):
        self.records = collections.defaultdict(list)
        self.status = {}
        self.names = set()
        self.asked = set()
        for line in text.splitlines():
            word = line.split(' ', 3)
            if word[0] == '$STATUS':
                self.status[word[1].rstrip('.').lower(), word[2]] = word[3]
                continue
            name, rtype, data = word[0].rstrip('.').lower(), word[1], line.split(' ', 2)[2]
            self.records[name, rtype].append(data)
            self.names.add(name)

    def owner(self, name):
        if name in self.names:
            return name
        parts = name.split('.')
        for i in range(1, len(parts)):
            parent = '.'.join(parts[i:])
            if '*.' + parent in self.names:
                return '*.' + parent
            if parent in self.names:
                return name
        return name

    def lookup(self, name, rtype, strict=True, timeout=20):
        name = name.rstrip('.').lower()
        self.asked.add('%s %s' % (rtype, name))
        if (name, rtype) in self.status or (name, '*') in self.status:
            raise spf.TempError('DNS servfail')
        out = []
        for data in self.records.get((self.owner(name), rtype), ()):
            if rtype == 'TXT':
                value = (data[1:-1].encode('latin-1'),)
            elif rtype == 'MX':
                pref, host = data.split(' ')
                value = (int(pref), host.rstrip('.'))
            elif rtype == 'PTR':
                value = data.rstrip('.')
            else:
                value = data
            out.append(((name, rtype), value))
        return out


def judge(case):
    zone = Zone(case['zone'])
    spf.DNSLookup = zone.lookup
    query = spf.query(i=case['client'], s=case['local'] + '@d.example', h=case['helo'], receiver='mta.example.org',
                      strict=True, timeout=20)
    try:
        result = query.check()
    except Exception as e:  # pyspf's own failure
        return 'exception', repr(e), zone.asked
    return result[0], result[2], zone.asked


def main():
    verbose = '-v' in sys.argv
    counts = collections.defaultdict(lambda: [0, 0, 0, 0])
    unexplained = 0
    for line in open(sys.argv[-1], encoding='utf-8'):
        case = json.loads(line)
        result, text, asked = judge(case)
        native_asked = {n.lower() for n in case['asked']}
        stray = [n for n in (a.split(' ')[0] + ' ' + a.split(' ', 1)[1] for a in asked)
                 if MACRO_NAME.search(n) and n.lower() not in native_asked]
        quirk = case['quirk']
        differs = result != case['native']
        if differs and text.endswith('Too many DNS lookups') and 'redirect=' in case['zone'].lower():
            quirk = 'redirect-counted' # as it is read, reached or not
        c = counts[quirk]
        c[0] += 1
        if not differs and not stray:
            continue
        c[1] += differs
        c[2] += bool(stray) and not differs
        c[3] += differs and case['libspf2'] == result
        if verbose or quirk == 'plain':
            print('%s %d: client %s local %s helo %s: native %s (%s), libspf2 %s, pyspf %s (%s) %s\n%s' % (
                quirk, case['nth'], case['client'], case['local'], case['helo'], case['native'], case['reason'],
                case['libspf2'], result, text, stray, case['zone']))
        unexplained += quirk == 'plain'
    print('%-18s %10s %10s %10s %10s' % ('feature', 'cases', 'results', 'questions', 'libspf2 too'))
    for quirk, c in counts.items():
        print('%-18s %10d %10d %10d %10d' % (quirk, *c))
    print('%d unexplained differences' % unexplained)
    sys.exit(unexplained > 0)


main()
