#!/usr/bin/env python3
"""test_report.py - from the spool to the mailed report, on SQLite and on a private PostgreSQL.
What is expected is counted here from the spool's own lines, in another language than the code under test; XML is judged by
xmllint against the schema of RFC 9990 and read by Python's own parser.
VIDIMUS_ROUNDS=200 for the long run of the kill tests."""
import collections
import datetime
import gzip
import ipaddress
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from email import policy as email_policy
from email.parser import BytesParser

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'report'))
from harness import BUILD, TOOL, TOP, Skip, Suite, check, equal
from postgres import Postgres, binaries

ROUNDS = int(os.environ.get('VIDIMUS_ROUNDS', '12'))
GEN = os.path.join(BUILD, 'tests/report/genspool')
XSD = os.path.join(TOP, 'tests/report/dmarc-aggregate.xsd')
NS = '{urn:ietf:params:xml:ns:dmarc-2.0}'
YESTERDAY = int(time.time()) // 86400 * 86400 - 86400
DAY = datetime.datetime.fromtimestamp(YESTERDAY, datetime.timezone.utc).strftime('%Y-%m-%d')

suite = Suite()


class Sqlite:
    def __init__(self, folder):
        self.path = os.path.join(folder, 'reports.sqlite')
        self.uri = self.path

    def query(self, sql):
        db = sqlite3.connect(self.path)
        rows = [[str(c) for c in r] for r in db.execute(sql).fetchall()]
        db.close()
        return rows

    def reset(self):
        for end in ('', '-wal', '-shm'):
            if os.path.exists(self.path + end):
                os.remove(self.path + end)


class World:
    """A spool, a store, a configuration."""

    def __init__(self, name, store):
        self.folder = os.path.join(suite.folder, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.spool = os.path.join(self.folder, 'spool')
        self.mails = os.path.join(self.folder, 'mails')
        os.makedirs(self.spool)
        os.makedirs(self.mails)
        self.store = store
        store.reset()
        self.conf = os.path.join(self.folder, 'vidimus.conf')
        self.sendmail = os.path.join(self.folder, 'sendmail')
        self.zone = os.path.join(self.folder, 'zone')
        self.write(self.conf, 'ReportStore %s\nRecordDirectory %s\nReportEmail dmarc@receiver.example\nReportOrgName Receiver\n'
                              'ReportSendmail %s\n' % (store.uri, self.spool, self.sendmail))
        self.write(self.sendmail, '#!/bin/sh\nf=$(mktemp %s/XXXXXXXX) && echo "$5" >"$f" && cat >>"$f"\n' % self.mails)
        os.chmod(self.sendmail, 0o755)
        self.write(self.zone, '*._report._dmarc.collector.example. TXT "v=DMARC1"\n_dmarc.collector.example. TXT "v=DMARC1; p=none"\n')

    def write(self, path, text):
        with open(path, 'w') as f:
            f.write(text)

    def generate(self, count, seed=1, domains=20, sources=50, hostile=False, spool=None):
        step = max(1, 86000000 // count)
        subprocess.run([GEN, spool or self.spool, str(count), str(seed), str(domains), str(sources), str(YESTERDAY), str(step)] +
                       (['hostile'] if hostile else []), check=True, stdout=subprocess.DEVNULL)

    def split(self, lines_each):
        """Many small segments of the few big ones, so that a kill falls between as often as inside."""
        for name in sorted(os.listdir(self.spool)):
            with open(os.path.join(self.spool, name), 'rb') as f:
                lines = f.readlines()
            os.remove(os.path.join(self.spool, name))
            for i in range(0, len(lines), lines_each):
                with open(os.path.join(self.spool, '%s-%06d.jsonl' % (name[:-6], i)), 'wb') as f:
                    f.writelines(lines[i:i + lines_each])

    def lines(self):
        out = []
        for name in sorted(os.listdir(self.spool)):
            with open(os.path.join(self.spool, name)) as f:
                out += [json.loads(line) for line in f]
        return out

    def tool(self, *args, wanted=0):
        p = subprocess.run([TOOL, 'report', args[0], '-c', self.conf, *args[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if wanted is not None and p.returncode != wanted:
            raise AssertionError('report %s: status %d: %s' % (args[0], p.returncode, p.stdout))
        return p.stdout

    def start(self, *args):
        return subprocess.Popen([TOOL, 'report', args[0], '-c', self.conf, *args[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def number(self, sql):
        return int(self.store.query(sql)[0][0] or 0)


def reportable(line):
    d = line['dmarc']
    return d['published'] is not None and line['header_from'] and d['result'] in ('pass', 'fail') and line['action'] != 'tempfail'


def verify_counts(w, lines):
    """The store against the spool's lines, counted here."""
    equal(w.number('SELECT count(*) FROM raw'), len(lines), 'raw rows')
    equal(w.number('SELECT count(DISTINCT id) FROM raw'), len(lines), 'different ids')
    equal(w.number('SELECT sum(messages) FROM traffic'), len(lines), 'traffic')
    equal(w.number('SELECT sum(messages) FROM report_row'), sum(1 for x in lines if reportable(x)), 'messages in reports')
    per_domain = collections.Counter(x['dmarc']['policy_domain'] for x in lines if reportable(x))
    stored = {d: int(n) for d, n in w.store.query('SELECT domain, sum(messages) FROM report_row GROUP BY domain')}
    equal(stored, dict(per_domain), 'messages of each policy domain')
    per_author = collections.Counter((x['header_from'], x['client_ip']) for x in lines)
    stored = {(a, s): int(n) for a, s, n in w.store.query('SELECT author, source, sum(messages) FROM traffic GROUP BY author, source')}
    equal(stored, dict(per_author), 'traffic of each author and source')
    equal(os.listdir(w.spool), [], 'left in the spool')


def import_killed(store):
    """Kill the importer again and again; the store then holds each record once."""
    w = World('killed', store)
    count = 4000
    w.generate(count)
    w.split(100)
    lines = w.lines()
    equal(len(lines), count, 'records made')
    killed = 0
    rng = random.Random(4)
    began = time.time()
    p = w.start('import')
    p.wait()
    whole = time.time() - began
    check(p.returncode == 0, 'an undisturbed run')
    verify_counts(w, lines)
    for rounds in range(ROUNDS):
        if not any(n.endswith('.jsonl') for n in os.listdir(w.spool)):  # all taken: from the beginning
            if rounds > 0:
                w.tool('import')
                verify_counts(w, lines)
            store.reset()
            w.generate(count)
            w.split(100)
            w.tool('show')  # the tables
        p = w.start('import')
        time.sleep(rng.uniform(0, whole / 4))
        p.kill()
        killed += p.wait() == -signal.SIGKILL
    w.tool('import')
    verify_counts(w, lines)
    check(killed >= ROUNDS * 2 // 3, 'only %d of %d runs were killed at work' % (killed, ROUNDS))
    print('  %d of %d killed at work' % (killed, ROUNDS))


def two_importers(store):
    w = World('two', store)
    w.generate(6000)
    w.split(50)
    lines = w.lines()
    w.tool('show')
    ps = [w.start('import') for _ in range(2)]
    equal([p.wait() for p in ps], [0, 0], 'exit status')
    w.tool('import')
    verify_counts(w, lines)


def two_hosts(store):
    """Two spools, one store, at once, with the same domains: they meet in the same rows."""
    a, b = World('host-a', store), World('host-b', store)
    a.generate(4000, seed=1)
    b.generate(4000, seed=2)
    a.split(500)
    b.split(500)
    lines = a.lines() + b.lines()
    a.tool('show')
    ps = [a.start('import'), b.start('import')]
    equal([p.wait() for p in ps], [0, 0], 'exit status')
    verify_counts(a, lines)


def start_at_once(store):
    """Four programs that all find an empty store."""
    w = World('fresh', store)
    ps = [w.start('show') for _ in range(4)]
    equal([p.wait() for p in ps], [0, 0, 0, 0], 'exit status')


def schema_killed(store):
    """Killed while the tables are made and upgraded: the next start does it again."""
    w = World('schema', store)
    rng = random.Random(6)
    began = time.time()
    w.tool('show')
    whole = time.time() - began
    for _ in range(max(10, ROUNDS)):
        store.reset()
        for _ in range(2):
            p = w.start('show')
            time.sleep(rng.uniform(0, whole))
            p.kill()
            p.wait()
        w.tool('show')
        equal(w.number('SELECT version FROM vidimus_schema'), 2, 'version')
        w.number('SELECT count(*) FROM failure')


def newer_schema(store):
    w = World('newer', store)
    w.tool('show')
    if isinstance(store, Sqlite):
        db = sqlite3.connect(store.path)
        db.execute('UPDATE vidimus_schema SET version = 99')
        db.commit()
        db.close()
    else:
        store.query('UPDATE vidimus_schema SET version = 99')
    out = w.tool('import', wanted=70)
    check('newer' in out, out)


def row_key(x):
    """RFC 9990: what makes two messages one row, from the spool's line."""
    return (x['client_ip'], x['header_from'], x['mail_from_domain'], x['null_path'], x['dmarc']['spf_aligned'], x['dmarc']['dkim_aligned'])


def xml_is_right(store):
    """Every report: valid, and its counts those of the lines; read by another parser."""
    w = World('xml', store)
    w.generate(3000, domains=12, hostile=True)
    lines = w.lines()
    w.tool('import')
    domains = sorted({x['dmarc']['policy_domain'] for x in lines if reportable(x)})
    check(len(domains) > 8, 'domains')
    files = []
    for d in domains:
        f = os.path.join(w.folder, d + '.xml')
        w.tool('make', '--domain', d, '--day', DAY, '--output', f)
        files.append(f)
        root = ET.parse(f).getroot()
        equal(root.tag, NS + 'feedback')
        got = collections.Counter()
        for r in root.findall(NS + 'record'):
            row, ids = r.find(NS + 'row'), r.find(NS + 'identifiers')
            ev = row.find(NS + 'policy_evaluated')
            env = ids.find(NS + 'envelope_from')
            check(env is not None, 'envelope_from')
            got[(row.findtext(NS + 'source_ip'), ids.findtext(NS + 'header_from'), env.text or None, not env.text,
                 ev.findtext(NS + 'spf') == 'pass', ev.findtext(NS + 'dkim') == 'pass')] += int(row.findtext(NS + 'count'))
            p = root.find(NS + 'policy_published').findtext(NS + 'p')
            passed = 'pass' in (ev.findtext(NS + 'spf'), ev.findtext(NS + 'dkim'))
            disp = ev.findtext(NS + 'disposition')
            if passed:
                equal(disp, 'none' if p == 'none' else 'pass', 'disposition of a pass')
            elif disp != p:
                check(ev.find(NS + 'reason') is not None, 'another disposition than p= has a reason')
            check(len(r.find(NS + 'auth_results').findall(NS + 'spf')) <= 1, 'one spf')
        equal(got, collections.Counter(row_key(x) for x in lines if reportable(x) and x['dmarc']['policy_domain'] == d), d)
        equal(root.find(NS + 'report_metadata').find(NS + 'date_range').findtext(NS + 'begin'), str(YESTERDAY))
    kept = files[0]
    before = open(kept).read()
    for where in (kept, os.path.join(w.folder, 'new.xml')):
        w.tool('make', '--domain', 'unseen.example', '--day', DAY, '--output', where, wanted=65)  # EX_DATAERR
    equal(open(kept).read(), before, 'a report that there is not leaves the file alone')
    check(not os.path.exists(os.path.join(w.folder, 'new.xml')), 'and makes none')
    w.tool('make', '--domain', domains[0], '--day', DAY, '--output', '/nowhere/x.xml', wanted=73)  # EX_CANTCREAT
    p = subprocess.run(['xmllint', '--noout', '--schema', XSD] + files, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal(p.returncode, 0, p.stdout[-2000:])


def mails_of(w):
    out = []
    for name in sorted(os.listdir(w.mails)):
        with open(os.path.join(w.mails, name), 'rb') as f:
            to = f.readline().decode().strip()
            out.append((to, BytesParser(policy=email_policy.default).parsebytes(f.read())))
    return out


def send_once(store):
    w = World('send', store)
    w.generate(2000, domains=15)
    lines = w.lines()
    w.tool('import')
    w.tool('send', '--zone', w.zone)
    mails = mails_of(w)
    wanted = collections.Counter()
    for d in {x['dmarc']['policy_domain'] for x in lines if reportable(x)}:
        for uri in next(x for x in lines if x['dmarc']['policy_domain'] == d)['dmarc']['published']['rua']:
            wanted[(uri[len('mailto:'):], d)] += 1
    got = collections.Counter()
    for to, m in mails:
        subject = m['Subject'].split()
        equal((subject[0], subject[1], subject[3], subject[5]), ('Report', 'Domain:', 'Submitter:', 'Report-ID:'))
        equal(subject[4], 'receiver.example')
        equal(m['Auto-Submitted'], 'auto-generated')
        part = [p for p in m.walk() if p.get_content_type() == 'application/gzip']
        equal(len(part), 1)
        root = ET.fromstring(gzip.decompress(part[0].get_payload(decode=True)))
        domain = root.find(NS + 'policy_published').findtext(NS + 'domain')
        equal(subject[2], domain)
        equal('<' + root.find(NS + 'report_metadata').findtext(NS + 'report_id') + '>', subject[6])
        equal(part[0].get_filename(), 'receiver.example!%s!%d!%d.xml.gz' % (domain, YESTERDAY, YESTERDAY + 86399))
        equal(m['To'], to)
        got[(to, domain)] += 1
    equal(got, wanted, 'who got what')
    w.tool('send', '--zone', w.zone)
    equal(len(mails_of(w)), len(mails), 'a second run')


def no_answer_is_no(store):
    w = World('consent', store)
    w.generate(500, domains=4)
    w.tool('import')
    w.write(w.zone, '$STATUS *.collector.example. * servfail\n$STATUS collector.example. * servfail\n')
    w.tool('send', '--zone', w.zone)
    states = {(a, s) for a, s in store.query('SELECT address, state FROM delivery')}
    check(('reports@collector.example', 'later') in states, 'DNS trouble: later, not sent: %s' % states)
    w.write(w.zone, '_dmarc.collector.example. TXT "v=DMARC1; p=none"\n')
    w.tool('send', '--zone', w.zone, '--now', str(int(time.time()) + 7200))
    states = {(a, s) for a, s in store.query('SELECT address, state FROM delivery')}
    check(('reports@collector.example', 'no-consent') in states, 'no consent: %s' % states)
    check(not [m for m in mails_of(w) if m[0] == 'reports@collector.example'], 'nothing sent there')


def retry_and_give_up(store):
    w = World('retry', store)
    w.generate(300, domains=3)
    w.tool('import')
    good = open(w.sendmail).read()
    w.write(w.sendmail, '#!/bin/sh\ncat >/dev/null; exit 75\n')
    now = int(time.time())
    w.tool('send', '--zone', w.zone, '--now', str(now))
    n = w.number("SELECT count(*) FROM delivery WHERE state = 'later'")
    check(n > 0, 'deliveries that wait')
    w.write(w.sendmail, good)
    w.tool('send', '--zone', w.zone, '--now', str(now + 60))
    equal(len(mails_of(w)), 0, 'before its time')
    w.tool('send', '--zone', w.zone, '--now', str(now + 1000))
    equal(len(mails_of(w)), n, 'after the wait')
    w.write(w.sendmail, '#!/bin/sh\ncat >/dev/null; exit 67\n')
    w2 = World('give-up', store)
    w2.write(w2.sendmail, '#!/bin/sh\ncat >/dev/null; exit 75\n')
    w2.generate(300, domains=3)
    w2.tool('import')
    w2.tool('send', '--zone', w2.zone, '--now', str(now))
    w2.tool('send', '--zone', w2.zone, '--now', str(now + 86400 * 8))
    equal(w2.number("SELECT count(*) FROM delivery WHERE state IN ('new', 'later')"), 0, 'stale reports are given up')
    equal(w2.number("SELECT count(*) FROM report WHERE body <> ''"), 0, 'their attachments are gone')


def so_many_an_hour(store):
    """ReportHourlyLimit; and what does not fit leaves in the next hour."""
    w = World('cap', store)
    w.generate(500, domains=8)
    w.tool('import')
    now = int(time.time())
    limit = ('-o', 'ReportHourlyLimit=3', '--zone', w.zone)
    out = w.tool('send', *limit, '--now', str(now))
    check("hour's limit" in out, out)
    equal(len(mails_of(w)), 3, 'the first hour')
    w.tool('send', *limit, '--now', str(now + 60))
    equal(len(mails_of(w)), 3, 'still the first hour')
    w.tool('send', *limit, '--now', str(now + 3700))
    equal(len(mails_of(w)), 6, 'the second hour')


def operators_list(store):
    """ReportSuppressionFile: addresses and domains."""
    w = World('list', store)
    w.generate(500, domains=8)
    w.tool('import')
    path = os.path.join(w.folder, 'spare')
    w.write(path, '# nobody there\nCollector.Example\ndmarc@d1.example.com  # asked not to\n')
    w.tool('send', '-o', 'ReportSuppressionFile=' + path, '--zone', w.zone)
    to = {t for t, _ in mails_of(w)}
    check(to and not any(t.endswith('collector.example') or t == 'dmarc@d1.example.com' for t in to), to)
    w.tool('send', '-o', 'ReportSuppressionFile=/nowhere', '--zone', w.zone, wanted=69)


def killed_while_sending(store):
    """Dead between hand-over and note: that one is not sent again."""
    w = World('kill-send', store)
    w.generate(1000, domains=12)
    w.tool('import')
    good = open(w.sendmail).read()
    w.write(w.sendmail, good + 'test -e %s/go || kill -9 $PPID\n' % w.folder)
    for _ in range(5):
        w.tool('send', '--zone', w.zone, wanted=None)
    w.write(w.folder + '/go', '')
    w.tool('send', '--zone', w.zone)
    mails = mails_of(w)
    twice = [k for k, n in collections.Counter((to, m['Message-ID']) for to, m in mails).items() if n > 1]
    equal(twice, [], 'sent twice')
    equal(w.number("SELECT count(*) FROM delivery WHERE state = 'unsure'"), 5, 'unsure ones')
    equal(len(mails), w.number("SELECT count(*) FROM delivery"), 'all handed over once')


def bounces_teach(store):
    w = World('bounce', store)
    w.generate(300, domains=3)
    w.tool('import')
    w.tool('send', '--zone', w.zone)
    to, m = next(x for x in mails_of(w) if x[0].endswith('example'))

    def bounce(message_id, recipient):
        text = ('From: MAILER-DAEMON\nTo: dmarc@receiver.example\nMIME-Version: 1.0\nMessage-ID: <dsn@mta.example>\n'
                'Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n'
                'Reporting-MTA: dns; mta.example\n\nFinal-Recipient: rfc822; %s\nAction: failed\nStatus: 5.1.1\n\n'
                '--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: %s\nSubject: x\n\n--b--\n' % (recipient, message_id))
        p = subprocess.run([TOOL, 'report', 'bounce', '-c', w.conf], input=text, stdout=subprocess.PIPE, text=True, check=True)
        return p.stdout.strip()
    equal(bounce('<20260101.guessed@receiver.example>', to), '0 learned', 'a forged bounce')
    equal(bounce(m['Message-ID'], 'somebody@else.example'), '0 learned', 'about somebody else')
    equal(bounce(m['Message-ID'], to), '1 learned', 'a real one')
    check(to in w.tool('show', '--suppressed'), 'on the list')
    w.tool('expire', '--erase', to)
    check(to not in w.tool('show', '--suppressed'), 'erased')


def one_reporter(store):
    """A second reporter at the same time steps back."""
    w = World('lock', store)
    w.generate(200, domains=3)
    w.tool('import')
    good = open(w.sendmail).read()
    w.write(w.sendmail, good + 'sleep 2\n')
    p = w.start('send', '--zone', w.zone)
    time.sleep(1)
    out = w.tool('send', '--zone', w.zone, wanted=75)
    check('another reporter' in out, out)
    equal(p.wait(), 0)


def failure_entry(w, name, author='a.example', source='192.0.2.7', kind='dmarc', ruf=None):
    record = {'v': 1, 'id': name, 'time': (YESTERDAY + 3600) * 1000, 'reporter': 'mx.receiver.example', 'action': 'reject',
              'spf': {'result': 'fail', 'domain': author, 'reason': '-all'},
              'dkim': [{'result': 'fail', 'd': author, 's': 's1', 'aligned': True}],
              'dmarc': {'result': 'fail', 'spf_aligned': False, 'dkim_aligned': False}}
    entry = {'v': 1, 'kind': kind, 'entered': YESTERDAY, 'policy_domain': author, 'author': author, 'source': source,
             'mail_from': 'AbCdEf@' + author, 'ruf': ruf or ['mailto:ruf@' + author], 'headers': 'From: <AbCdEf@%s>\nSubject: x\n' % author,
             'body': '', 'record': record}
    os.makedirs(os.path.join(w.spool, 'failure'), exist_ok=True)
    w.write(os.path.join(w.spool, 'failure', name + '.json'), json.dumps(entry))


def failure_reports(store):
    """RFC 9991 and 6591: what the report holds; like ones become one; so many an hour; external ones by consent only."""
    w = World('failure', store)
    w.write(w.zone, open(w.zone).read() + 'a.example. TXT "v=spf1 -all"\n')
    for i in range(7):
        failure_entry(w, '1-%032x' % i)
    failure_entry(w, '2-%032x' % 0, source='192.0.2.8', ruf=['mailto:ruf@elsewhere.example', 'mailto:f@collector.example'])
    w.write(os.path.join(w.spool, 'failure', '3-bad.json'), '{"v":1}')
    now = int(time.time())
    w.tool('import', '--now', str(now))
    equal(os.listdir(os.path.join(w.spool, 'failure')), [], 'entries taken')
    w.tool('send', '--zone', w.zone, '--now', str(now))
    equal(len(mails_of(w)), 0, 'like ones are waited for')
    w.tool('send', '--zone', w.zone, '--now', str(now + 400))
    mails = mails_of(w)
    equal(sorted(to for to, _ in mails), ['f@collector.example', 'ruf@a.example'])
    m = next(m for to, m in mails if to == 'ruf@a.example')
    equal(m.get_content_type(), 'multipart/report')
    equal(m.get_param('report-type'), 'feedback-report')
    parts = list(m.iter_parts())
    equal([p.get_content_type() for p in parts], ['text/plain', 'message/feedback-report', 'text/rfc822-headers'])
    text = parts[1].as_string().split('\n\n', 1)[1]
    fields = {}
    for line in text.replace('\n ', ' ').strip().split('\n'):
        key, value = line.split(':', 1)
        check(key not in fields, key + ' twice')
        fields[key] = value.strip()
    for key, value in {'Feedback-Type': 'auth-failure', 'Version': '1', 'Auth-Failure': 'dmarc', 'Identity-Alignment': 'dkim, spf',
                       'Reported-Domain': 'a.example', 'Source-IP': '192.0.2.7', 'Delivery-Result': 'reject', 'Incidents': '7',
                       'DKIM-Domain': 'a.example', 'DKIM-Selector': 's1', 'SPF-DNS': 'txt : a.example : "v=spf1 -all"',
                       'Authentication-Results': 'mx.receiver.example; dmarc=fail header.from=a.example'}.items():
        equal(fields.get(key), value, key)
    equal(w.number("SELECT count(*) FROM failure WHERE body <> ''"), 0, 'header fields kept after sending')
    for i in range(15):
        failure_entry(w, '4-%032x' % i, source='192.0.2.%d' % (100 + i))
    w.tool('import', '--now', str(now + 500))
    w.tool('send', '--zone', w.zone, '--now', str(now + 1000))
    equal(sum(1 for to, _ in mails_of(w) if to == 'ruf@a.example'), 10, 'an hour')
    equal(w.number("SELECT count(*) FROM failure WHERE state = 'dropped'"), 6, 'the surplus is discarded')


def opendmarc_reads_history():
    """Debian's opendmarc-import takes the history file into a private MariaDB; what it stored is what the spool says."""
    for program in ('opendmarc-import', 'mariadbd', 'mariadb-install-db', 'mariadb'):
        if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin'):
            raise Skip('no ' + program)
    folder = os.path.join(suite.folder, 'mariadb')
    os.makedirs(folder)
    as_mysql = []
    if os.geteuid() == 0:
        shutil.chown(folder, 'mysql')
        as_mysql = ['runuser', '-u', 'mysql', '--']
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/')
    subprocess.run(as_mysql + ['mariadb-install-db', '--no-defaults', '--datadir=' + folder + '/data', '--skip-test-db'], check=True, **quiet)
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    sock = folder + '/s'
    server = subprocess.Popen(as_mysql + ['/usr/sbin/mariadbd', '--no-defaults', '--datadir=' + folder + '/data', '--socket=' + sock,
                                          '--bind-address=127.0.0.1', '--port=%d' % port, '--pid-file=' + folder + '/pid'], **quiet)
    try:
        def sql(text, database='opendmarc'):
            user = 'root' if os.geteuid() == 0 else 'mysql'
            return subprocess.run(['mariadb', '--no-defaults', '-S', sock, '-u', user, '-N', '-B', database], input=text, check=True, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for _ in range(120):
            try:
                sql('CREATE DATABASE IF NOT EXISTS opendmarc', '')
                break
            except subprocess.CalledProcessError:
                time.sleep(0.5)
        sql("CREATE USER t@localhost IDENTIFIED BY 'x'; CREATE USER t@'127.0.0.1' IDENTIFIED BY 'x'; "
            "GRANT ALL ON opendmarc.* TO t@localhost; GRANT ALL ON opendmarc.* TO t@'127.0.0.1'")
        with open('/usr/share/dbconfig-common/data/opendmarc/install/mysql') as f:
            sql(f.read())
        w = World('history', Sqlite(suite.folder))
        history = os.path.join(w.folder, 'opendmarc.dat')
        subprocess.run([GEN, w.spool, '300', '5', '10', '20', str(YESTERDAY), '1000', 'plain', history], check=True, **{'stdout': subprocess.DEVNULL})
        lines = w.lines()
        p = subprocess.run(['/usr/sbin/opendmarc-import', '--dbhost=127.0.0.1', '--dbport=%d' % port, '--dbname=opendmarc', '--dbuser=t',
                            '--dbpasswd=x', '--input=' + history], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        equal((p.returncode, p.stdout), (0, ''), 'opendmarc-import')
        equal(int(sql('SELECT count(*) FROM messages')), len(lines))
        equal(int(sql('SELECT count(*) FROM signatures')), sum(len(x['dkim']) for x in lines), 'signatures')
        for column, word in (('align_spf', 'spf_aligned'), ('align_dkim', 'dkim_aligned')):
            equal(int(sql('SELECT count(*) FROM messages WHERE %s = 4' % column)), sum(x['dmarc'][word] for x in lines), column)
        for number, action in ((0, 'reject'), (2, 'accept'), (4, 'quarantine')):
            equal(int(sql('SELECT count(*) FROM messages WHERE disp = %d' % number)), sum(x['action'] == action for x in lines), action)
        got = collections.Counter(line.split('\t')[0] for line in
                                  sql('SELECT d.name FROM messages m JOIN domains d ON d.id = m.from_domain').splitlines())
        equal(got, collections.Counter(x['header_from'] for x in lines), 'author domains')
        rua = dict(line.split('\t') for line in sql('SELECT d.name, r.repuri FROM requests r JOIN domains d ON d.id = r.domain').splitlines())
        equal(rua, {x['header_from']: ','.join(x['dmarc']['published']['rua']) if x['dmarc']['published'] else '' for x in lines}, 'rua')
    finally:
        with open(folder + '/pid') as f:
            os.kill(int(f.read()), signal.SIGTERM)
        server.wait()


def statistics(store):
    """vidimus stats --json against counting here; --html is well-formed, whole, and loads nothing."""
    w = World('stats', store)
    w.generate(2000, domains=15)
    lines = w.lines()
    w.tool('import')

    def stats(*args):
        return subprocess.run([TOOL, 'stats', '-c', w.conf, *args], stdout=subprocess.PIPE, check=True, text=True).stdout
    j = json.loads(stats('--json', '--limit', '1000'))
    equal(j['total'], {'messages': len(lines), 'spf_aligned': sum(x['dmarc']['spf_aligned'] for x in lines),
                       'dkim_aligned': sum(x['dmarc']['dkim_aligned'] for x in lines),
                       'passed': sum(x['dmarc']['result'] == 'pass' for x in lines),
                       'rejected': sum(x['action'] == 'reject' for x in lines),
                       'quarantined': sum(x['action'] == 'quarantine' for x in lines), 'deferred': 0,
                       'would_reject': sum(x['would'] == 'reject' for x in lines),
                       'would_quarantine': sum(x['would'] == 'quarantine' for x in lines)})
    equal({a['author']: a['messages'] for a in j['by_author']}, dict(collections.Counter(x['header_from'] for x in lines)))
    equal({a['source']: a['messages'] for a in j['by_source']}, dict(collections.Counter(x['client_ip'] for x in lines)))
    equal({a['by']: a['messages'] for a in j['let_through']}['sealer'], sum(x['arc']['trusted'] for x in lines))
    equal(j['days'], [dict(j['total'], day=DAY)])
    author = lines[0]['header_from']
    equal(json.loads(stats('--json', '--domain', author.upper() + '.'))['total']['messages'], sum(x['header_from'] == author for x in lines))
    check(author in stats('--limit', '1000'), 'the table')
    page = stats('--html', '-')
    tree = ET.fromstring(page.replace('<!DOCTYPE html>', '').replace('<meta charset="utf-8">', '').replace(
        '<meta name="viewport" content="width=device-width, initial-scale=1">', ''))
    equal(len(tree.findall('.//svg')), 2, 'plots')
    for word in ('<script', 'http:', 'https:', 'src=', 'url(', '@import', 'href'):
        check(word not in page, word)


def forgetting(store):
    w = World('expire', store)
    w.generate(1000, domains=6)
    lines = w.lines()
    w.tool('import')
    author = lines[0]['header_from']
    w.tool('expire', '--erase', author)
    equal(w.number("SELECT count(*) FROM raw WHERE author = '%s'" % author), 0)
    equal(w.number("SELECT count(*) FROM traffic WHERE author = '%s'" % author), 0)
    left = w.number('SELECT count(*) FROM raw')
    equal(left, sum(1 for x in lines if json.dumps(x).count('"%s"' % author) == 0), 'the others stay')
    w.tool('make')
    domain, address = store.query('SELECT domain, address FROM delivery ORDER BY domain, address')[0]
    w.tool('expire', '--erase', domain.upper() + '.')  # as somebody types it who asks to be forgotten
    for table in ('policy', 'report_row', 'report', 'delivery'):
        equal(w.number("SELECT count(*) FROM %s WHERE domain = '%s'" % (table, domain)), 0, table)
    equal(w.number('SELECT count(*) FROM raw WHERE author = \'%s\'' % domain), 0, 'raw')
    domain, address = store.query('SELECT domain, address FROM delivery ORDER BY domain, address')[0]
    w.tool('expire', '--erase', address.swapcase())
    equal(w.number("SELECT count(*) FROM delivery WHERE address = '%s'" % address), 0, 'the address')
    check(w.number("SELECT count(*) FROM report WHERE domain = '%s'" % domain) > 0, 'but not the domain')
    source = next(s for s, in store.query('SELECT DISTINCT source FROM traffic ORDER BY source') if ':' in s)
    w.tool('expire', '--erase', ipaddress.ip_address(source).exploded.upper())
    equal(w.number("SELECT count(*) FROM traffic WHERE source = '%s'" % source), 0, 'the address of a client')
    w.tool('expire', '--now', str(int(time.time()) + 86400 * 40))
    equal(w.number('SELECT count(*) FROM raw'), 0, 'raw rows after RecordKeep')
    check(w.number('SELECT count(*) FROM traffic') > 0, 'counts are kept longer')
    w.tool('expire', '--now', str(int(time.time()) + 86400 * 500))
    equal(w.number('SELECT count(*) FROM traffic'), 0, 'counts after ReportKeep')


def main():
    subprocess.run(['make', '-s', '-C', BUILD, 'vidimus', 'tests/report/genspool'], check=True, stdout=subprocess.DEVNULL)
    stores = [('sqlite', Sqlite(suite.folder))]
    if binaries():
        stores.append(('postgresql', suite.started(Postgres(suite.folder).start())))
    tests = [import_killed, two_importers, two_hosts, start_at_once, schema_killed, newer_schema, xml_is_right, send_once, no_answer_is_no,
             retry_and_give_up, so_many_an_hour, operators_list, killed_while_sending, bounces_teach, one_reporter, failure_reports, statistics, forgetting]
    only = sys.argv[1:]
    for name, store in stores:
        for t in tests:
            if not only or t.__name__ in only or name in only:
                suite.test('%s: %s' % (name, t.__name__), t, store)
    if not only or 'history' in only:
        suite.test('history', opendmarc_reads_history)
    if not binaries():
        suite.test('postgresql', lambda: (_ for _ in ()).throw(Skip('Debian\'s package postgresql is not installed')))
    suite.finish()


main()
