"""adapter.py - lets the conformance runner drive `vidimus check`.

    run_suite.py --adapter tests/conformance/adapter.py SUITE_DIR... -- ./vidimus

The program stands on the command line.  With VIDIMUS_ADAPTER=zone the answers come from zone text in memory
(`--zone`), else from the runner's DNS server (`--nameserver`).
"""
import json
import os
import shutil
import subprocess
import tempfile

TROUBLE = {'SERVFAIL': 'servfail', 'TIMEOUT': 'timeout', 'NXDOMAIN': 'nxdomain', 'NODATA': 'nodata',
           'REFUSED': 'refused', 'FORMERR': 'servfail', 'NOTIMP': 'servfail'}
BEST = ['pass', 'fail', 'policy', 'temperror', 'neutral', 'permerror']


def quoted(part):
    data = bytes.fromhex(part['hex']) if isinstance(part, dict) else part.encode('utf-8')
    return '"' + ''.join(chr(b) if 0x20 <= b < 0x7f and b not in (0x22, 0x5c) else '\\%03d' % b for b in data) + '"'


def absolute(name):
    """A name as a master file has it: absolute, and odd octets as \\DDD; what is escaped already stays."""
    name = ''.join(c if '!' <= c <= '~' and c not in '"();@$' else ''.join('\\%03d' % b for b in c.encode()) for c in name)
    return name if name.endswith('.') and not name.endswith('\\.') else name + '.'


def record_lines(name, kind, value):
    if isinstance(value, str):
        return ['$STATUS %s %s %s' % (name, kind, TROUBLE[value])]
    lines = []
    for v in value:
        if kind == 'TXT':
            data = ' '.join(quoted(p) for p in (v if isinstance(v, list) else [v])) or '""'
        elif kind == 'MX':
            data = '%d %s' % (v[0], absolute(v[1]))
        elif kind in ('PTR', 'CNAME', 'NS'):
            data = absolute(v)
        elif kind in ('A', 'AAAA'):
            data = v
        else:
            continue
        lines.append('%s IN %s %s' % (name, kind, data))
    return lines


def zone_text(zone):
    """Zone data of a case as a master file with the directives of dns/zone.h."""
    lines = []
    for name, types in zone.items():
        if any(len(label) > 63 for label in name.replace('\\.', '').split('.')):
            continue  # cannot be asked for, so it cannot be answered
        name = absolute(name)
        if isinstance(types, str):
            lines.append('$STATUS %s * %s' % (name, TROUBLE[types]))
            continue
        rest = types.get('*')  # what all types get that are not listed
        types = {k: v for k, v in types.items() if k != '*'}
        if rest:
            types.update((k, rest) for k in ('A', 'AAAA', 'MX', 'PTR', 'TXT') if k not in types)
        before = len(lines)
        for kind, value in types.items():
            if kind == 'DELAY_MS':
                lines.append('$DELAY %s %d' % (name, value))
            elif kind != 'TRUNCATE':
                lines += record_lines(name, kind, value)
        if not any(not line.startswith('$DELAY') for line in lines[before:]):
            lines.append('$STATUS %s * nodata' % name)
    return '\n'.join(lines) + '\n'


def overall(results):
    """One result for all DKIM signatures: the best one; none if there is no signature."""
    results = list(results)
    for b in BEST:
        if b in results:
            return b
    return results[0] if results else 'none'


class Adapter:
    METHODS = None

    def __init__(self, ctx):
        if not ctx.args:
            raise ValueError('give the program under test after --')
        self.program = list(ctx.args) + ['check', '--json', '-c', '/dev/null', '-o', 'CheckIPRev=no', '-o', 'AuthservID=mx.test']
        self.from_zone = os.environ.get('VIDIMUS_ADAPTER') == 'zone'
        self.dir = tempfile.mkdtemp(prefix='vidimus-conformance-')

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def dns(self, case, ctx):
        if self.from_zone:
            return ['--zone', self.write('zone', zone_text(case.get('zone') or {}))]
        return ['--nameserver', '%s@%d' % (ctx.ns_host, ctx.ns_port), '--dns-timeout', '2']

    def seal_command(self, case, ctx):
        i = case['input']
        key = self.write('key.pem', open(os.path.join(ctx.suite_dir, i['private_key'])).read())
        os.chmod(key, 0o600)
        keys = self.write('keytable', 'key %s:%s:%s\n' % (i['domain'], i['selector'], key))
        signing = self.write('signingtable', '* key\n')
        options = ['AuthservID=' + i['authserv_id'], 'ArcSeal=yes', 'KeyTable=' + keys, 'SigningTable=' + signing,
                   'SealHeaders=' + i['sig_headers'].replace(':', ','), 'OversignHeaders=', 'MinimumKeyBits=1024']
        cmd = ['--seal', '--results-from-header', '--now', str(i['time'])]
        for o in options:
            cmd += ['-o', o]
        return cmd

    def command(self, case, ctx):
        kind, env, opt = case.get('kind', 'message'), case.get('envelope') or {}, case.get('options') or {}
        cmd = self.program + self.dns(case, ctx)
        if case.get('now') is not None:
            cmd += ['--now', str(case['now'])]
        if opt.get('psl_file'):
            cmd += ['-o', 'PublicSuffixList=' + os.path.join(ctx.suite_dir, opt['psl_file'])]
        if kind == 'orgdomain':
            return cmd + ['--org-domain', case['input']['domain']]
        if kind == 'arc-sign':
            return cmd + self.seal_command(case, ctx)
        for name, key in (('--ip', 'ip'), ('--helo', 'helo'), ('--from', 'mailfrom'), ('--client-name', 'host')):
            if env.get(key) is not None:
                cmd += [name, env[key]]
        for r in env.get('rcpt') or []:
            cmd += ['--rcpt', r]
        if opt.get('allow_sha1'):
            cmd += ['--old-rules']
        if opt.get('min_rsa_bits') is not None:
            cmd += ['--min-key-bits', str(opt['min_rsa_bits'])]
        if kind == 'spf':
            cmd += ['--spf-only']
        return cmd

    def parse(self, out):
        j = json.loads(out)
        spf, dmarc = j.get('spf') or {}, j.get('dmarc') or {}
        sigs = [{k: s.get(k) for k in ('d', 's', 'a', 'i', 'result')} for s in j.get('dkim') or []]
        return {'spf': spf.get('result'), 'spf.exp': spf.get('explanation'),
                'spf-helo': (j.get('spf-helo') or {}).get('result'),
                'dkim.sigs': sigs, 'dkim': overall(s['result'] for s in sigs),
                'arc': (j.get('arc') or {}).get('result'), 'arc.set': j.get('arc_set'),
                'dmarc': dmarc.get('result'), 'dmarc.policy': dmarc.get('policy'),
                'dmarc.disposition': dmarc.get('disposition'), 'dmarc.from-domain': dmarc.get('from_domain'),
                'dmarc.policy-domain': dmarc.get('policy_domain'), 'dmarc.org-domain': dmarc.get('org_domain'),
                'dmarc.spf-aligned': dmarc.get('spf_aligned'), 'dmarc.dkim-aligned': dmarc.get('dkim_aligned'),
                'org-domain': j.get('org_domain')}

    def run(self, case, ctx):
        p = subprocess.run(self.command(case, ctx), input=ctx.message or b'', stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=ctx.timeout)
        lines = p.stdout.decode('utf-8', 'replace').strip().splitlines()
        if p.returncode != 0 or not lines:
            raise RuntimeError('exit status %d; %s' % (p.returncode, p.stderr.decode('utf-8', 'replace')[-300:]))
        return self.parse(lines[-1])
