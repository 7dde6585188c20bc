#!/usr/bin/python3
"""spf_bench_pyspf.py - the checks of spf_bench by pyspf (python3-spf), its answers in memory.

Usage: spf_bench_pyspf.py [-n CHECKS] ZONE          (ZONE: tests/bench/spf.zone)
"""
import sys
import time

import spf

CASES = [  # as in spf_bench.h
    ('own networks, the first term', 'plain.example', '198.51.100.77', 'pass'),
    ('own networks, mx and a, -all', 'plain.example', '192.0.2.99', 'fail'),
    ('a provider, include in include', 'mail.example', '192.0.2.9', 'pass'),
    ('a provider, exists, ~all', 'mail.example', '203.0.113.200', 'softfail'),
    ('nine includes, the last one', 'many.example', '192.0.2.9', 'pass'),
]


def read_zone(path):
    zone = {}
    for line in open(path, encoding='ascii'):
        if line.startswith(';'):
            continue
        name, rtype, data = line.rstrip('\n').split(' ', 2)
        name = name.rstrip('.')
        if rtype == 'TXT':
            data = (data.strip('"').encode(),)
        elif rtype == 'MX':
            data = (int(data.split()[0]), data.split()[1].rstrip('.'))
        zone.setdefault((name, rtype), []).append(((name, rtype), data))
    return zone


def main():
    count = int(sys.argv[sys.argv.index('-n') + 1]) if '-n' in sys.argv else 400
    zone = read_zone(sys.argv[-1])
    spf.DNSLookup = lambda name, rtype, strict=True, timeout=20: zone.get((name, rtype), [])
    for label, domain, client, want in CASES:
        best = None
        for _ in range(5):
            start = time.thread_time()
            for _ in range(count):
                result = spf.query(i=client, s='user@' + domain, h='mx.example.net', receiver='mta.example.org').check()[0]
                assert result == want, (label, result)
            took = (time.thread_time() - start) / count * 1e6
            best = took if best is None else min(best, took)
        print('%-34s %8.2f us' % (label, best))


main()
