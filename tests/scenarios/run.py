"""run.py FILE.scn... : messages with a zone, an envelope and an expected verdict, put to `vidimus check`.

A file holds scenarios, each begun by "=== name"; text before the first one is defaults for all of the file.  Sections:
  [zone]      master-file text; KEY(selector domain) on a line of its own publishes the test key there
  [config]    options, one a line
  [envelope]  option of `vidimus check` and its value, one a line (ip, helo, from, rcpt, ...)
  [sign]      domain selector [tag=value...]: sign the message with the test key; l=N and h=a:b are understood
  [message]   the message; \\xNN and \\r stand for octets, a line "\\REPEAT n text" for n times that text,
              "\\COUNT n text" for n lines of it, "#" being 1 to n
  [expect]    path value, one a line; path into the JSON, "dkim.0.result pass"; value "*" any, "!x" not x, "a|b" either;
              "added ~ text" and "added !~ text": some added field holds the text, none does
Signatures come from python3-dkim.  VIDIMUS names the program.
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile

import dkim

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get('VIDIMUS', os.path.join(os.environ.get('VIDIMUS_BUILD', '.'), 'vidimus'))
KEY = open(os.path.join(HERE, '..', 'data', 'scenario-key.pem'), 'rb').read()


def public_key():
    der = subprocess.run(['openssl', 'rsa', '-pubout', '-outform', 'DER'], input=KEY, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True).stdout
    return base64.b64encode(der).decode()


PUBLIC = public_key()


def sections(text):
    out, name = {}, None
    for line in text.split('\n'):
        if name != 'message' and line.startswith('#'):
            continue
        m = re.fullmatch(r'\[(\w+)\]', line)
        if m:
            name = m.group(1)
            out[name] = []
        elif name:
            out[name].append(line)
    return {k: v if k == 'message' else [x for x in v if x.strip()] for k, v in out.items()}


def read(path):
    parts = re.split(r'^=== (.*)$', open(path, encoding='utf-8').read(), flags=re.M)
    defaults = sections(parts[0])
    for name, text in zip(parts[1::2], parts[2::2]):
        s = dict(defaults)
        for k, v in sections(text).items():
            s[k] = defaults.get(k, []) + v if k in ('zone', 'config') else v
        yield name.strip(), s


def octets(lines):
    out = []
    while lines and not lines[-1]:
        lines = lines[:-1]
    for line in lines:
        m = re.match(r'\\REPEAT (\d+) (.*)', line)
        if m:
            line = m.group(2) * int(m.group(1))
        m = re.match(r'\\COUNT (\d+) (.*)', line)
        if m:
            line = '\\x0d\\x0a'.join(m.group(2).replace('#', str(i + 1)) for i in range(int(m.group(1))))
        data = line.encode('utf-8')
        data = re.sub(rb'\\x([0-9a-f]{2})', lambda x: bytes([int(x.group(1), 16)]), data)
        out.append(data.replace(b'\\r', b'\r').replace(b'\\t', b'\t'))
    return b'\r\n'.join(out) + b'\r\n'


def signed(message, spec):
    domain, selector, *tags = spec.split()
    options = dict(t.split('=', 1) for t in tags)
    body = message.split(b'\r\n\r\n', 1)[1]
    length = options.get('l')
    canonical = message if length is None else message.split(b'\r\n\r\n', 1)[0] + b'\r\n\r\n' + body[:int(length)]
    headers = [h.encode() for h in options['h'].split(':')] if 'h' in options else None
    field = dkim.sign(canonical, selector.encode(), domain.encode(), KEY, canonicalize=(b'relaxed', b'relaxed'),
                      include_headers=headers, length=length is not None)
    return field + message


def zone_text(lines):
    out = []
    for line in lines:
        m = re.fullmatch(r'KEY\((\S+) (\S+)\)', line.strip())
        out.append('%s._domainkey.%s. TXT "v=DKIM1; k=rsa; p=" "%s" "%s"' % (m.group(1), m.group(2), PUBLIC[:200], PUBLIC[200:])
                   if m else line)
    return '\n'.join(out) + '\n'


def look_up(j, path):
    for step in path.split('.'):
        if isinstance(j, list):
            j = j[int(step)] if int(step) < len(j) else None
        else:
            j = None if j is None else j.get(step)
    if isinstance(j, bool):
        return 'true' if j else 'false'
    return 'null' if j is None else str(j)


def fits(value, wanted):
    if wanted == '*':
        return True
    if wanted.startswith('!'):
        return value != wanted[1:]
    return value in wanted.split('|')


def judge(j, line):
    m = re.fullmatch(r'added (!?~) (.*)', line)
    if m:
        there = any(m.group(2) in e['value'] for e in j['headers']['add'])
        return there == (m.group(1) == '~'), [e['value'] for e in j['headers']['add']]
    path, wanted = line.split(None, 1)
    if path == 'removed':
        got = str(len(j['headers']['remove']))
    elif path == 'signatures':
        got = str(len(j['dkim']))
    else:
        got = look_up(j, path)
    return fits(got, wanted), got


def run(name, s, folder):
    zone = os.path.join(folder, 'zone')
    with open(zone, 'w') as f:
        f.write(zone_text(s.get('zone', [])))
    cmd = [PROGRAM, 'check', '--json', '-c', '/dev/null', '--zone', zone, '-o', 'AuthservID=mx.test']
    for line in s.get('config', []):
        n, _, v = line.partition(' ')
        cmd += ['-o', '%s=%s' % (n, v.replace('DIR', HERE))]
    for line in s.get('envelope', []):
        n, _, v = line.partition(' ')
        cmd += ['--' + n] + ([v if v != "''" else ''] if v else [])
    message = octets(s['message'])
    for spec in s.get('sign', []):
        message = signed(message, spec)
    p = subprocess.run(cmd, input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if p.returncode != 0:
        return ['exit status %d: %s' % (p.returncode, p.stderr.decode(errors='replace')[-500:])]
    j = json.loads(p.stdout)
    problems = []
    for line in s['expect']:
        ok, got = judge(j, line)
        if not ok:
            problems.append('%s: got %s' % (line, got))
    return problems


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sys.argv[1:] or sorted(os.path.join(HERE, f) for f in os.listdir(HERE) if f.endswith('.scn')):
            for name, s in read(path):
                problems = run(name, s, folder)
                passed, failed = passed + (not problems), failed + bool(problems)
                for p in problems:
                    print('not ok %s: %s: %s' % (os.path.basename(path), name, p))
    print('%d passed, %d failed, 0 skipped' % (passed, failed))
    sys.exit(1 if failed else 0)


main()
