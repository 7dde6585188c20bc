#!/usr/bin/env python3
"""test_report_mail.py - the whole way: mail through Postfix with the daemon, its records imported, the report made and mailed
by SMTP to the domain owner's Postfix, taken apart there by parsers that have nothing to do with ours: Python's for mail and
XML, xmllint with the schema, and Debian's dmarc-cat."""
import glob
import gzip
import os
import re
import shutil
import smtplib
import subprocess
import time
import xml.etree.ElementTree as ET
from email import policy as email_policy
from email.parser import BytesParser

from harness import BUILD, PACKAGES, TOOL, TOP, Skip, Suite, check, equal
from world import QUEUE_OWNER, Daemon, Nsd, wait_for
from world.messages import RECIPIENT, Keys, letters, zone
from world.mta import Postfix

suite = Suite()
NS = '{urn:ietf:params:xml:ns:dmarc-2.0}'
OWNER = 'virtual_mailbox_domains = bank.example shop.example collector.example\nsmtpd_milters =\n'


def folder(name):
    return os.path.join(suite.folder, name)


def send(mta, letter):
    s = mta.impersonate(letter.ip, letter.host, letter.host)
    try:
        s.sendmail(letter.mail_from, [RECIPIENT], letter.data)
        return '250'
    except smtplib.SMTPResponseException as e:
        return str(e.smtp_code)
    finally:
        s.close()


class World:
    def __init__(self):
        keys = Keys()
        self.letters = letters(keys)
        records = zone(keys).replace('rua=mailto:dmarc@bank.example', 'rua=mailto:dmarc@bank.example!10m,mailto:yes@collector.example,'
                                     'mailto:victim@club.example,https://bank.example/report; ruf=mailto:ruf@bank.example')
        records += 'bank.example._report._dmarc.collector.example. TXT "v=DMARC1"\n'
        self.dns = suite.started(Nsd(folder('nsd'), records))
        sealers = folder('sealers')
        with open(sealers, 'w') as f:
            f.write('sealer.example\n')
        self.history = os.path.join(folder('vidimus'), 'opendmarc.dat')
        key = folder('failure.key')
        with open(key, 'w') as f:
            f.write('a secret of a site that nobody can guess')
        shutil.chown(key, QUEUE_OWNER)
        os.chmod(key, 0o600)
        self.daemon = suite.started(Daemon(BUILD, folder('vidimus'), self.dns.port,
                                           {'TrustedSealers': sealers, 'RecordSync': 'message', 'HistoryFile': self.history,
                                            'FailureReports': 'yes', 'FailureKeyFile': key}))
        os.makedirs(folder('mta'))
        self.mta = suite.started(Postfix(PACKAGES, folder('mta/postfix'), self.daemon.postfix_form()))
        os.makedirs(folder('owner'))
        self.owner = suite.started(Postfix(PACKAGES, folder('owner/postfix'), '', OWNER))
        self.conf = folder('report.conf')
        with open(self.conf, 'w') as f:
            f.write('ReportStore %s\nRecordDirectory %s\nNameservers 127.0.0.1@%d\nAuthservID mx.receiver.example\nReportEmail dmarc@receiver.example\n'
                    'ReportOrgName Receiver\nReportSMTP smtp://127.0.0.1:%d\n'
                    % (folder('reports.sqlite'), self.daemon.records, self.dns.port, self.owner.port))

    def tool(self, *args):
        p = subprocess.run([TOOL, 'report', args[0], '-c', self.conf, *args[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        equal(p.returncode, 0, p.stdout)
        return p.stdout


def there_and_back(w):
    for letter in w.letters:
        equal(send(w.mta, letter), letter.reply, letter.name)
    open_ones = glob.glob(os.path.join(w.daemon.records, '*.open'))
    equal(sum(sum(1 for _ in open(n)) for n in open_ones), len(w.letters), 'a record before each answer')
    w.daemon.stop()
    w.tool('import')
    tomorrow = str(int(time.time()) + 86400)
    out = w.tool('send', '--now', tomorrow)
    wait_for('reports delivered', lambda: len(w.owner.delivered()) >= 5)
    again = w.tool('send', '--now', tomorrow)
    check(again.startswith('0 sent'), again)
    w.owner.idle()
    mails = [BytesParser(policy=email_policy.default).parsebytes(m) for m in w.owner.delivered()]
    equal(sorted(m['To'] for m in mails), ['dmarc@bank.example'] + 3 * ['ruf@bank.example'] + ['yes@collector.example'], out)
    w.failures = [m for m in mails if m['To'] == 'ruf@bank.example']
    mails = [m for m in mails if m['To'] != 'ruf@bank.example']
    states = dict(line.split()[2:4] for line in w.tool('show', '--queue').splitlines()[1:])
    equal(states['victim@club.example'], 'no-consent', 'an address elsewhere without consent')
    attachments = set()
    for m in mails:
        check(re.fullmatch(r'Report Domain: bank\.example\s+Submitter: receiver\.example\s+Report-ID: <[^<>@\s]+@receiver\.example>',
                           m['Subject']), m['Subject'])
        part = next(p for p in m.walk() if p.get_content_type() == 'application/gzip')
        attachments.add((part.get_filename(), part.get_payload(decode=True)))
    equal(len(attachments), 1, 'the same report for both')
    return attachments.pop()


def read_by_others(name, data):
    path = folder(name)
    with open(path, 'wb') as f:
        f.write(data)
    xml = gzip.decompress(data)
    with open(folder('report.xml'), 'wb') as f:
        f.write(xml)
    p = subprocess.run(['xmllint', '--noout', '--schema', os.path.join(TOP, 'tests/report/dmarc-aggregate.xsd'), folder('report.xml')],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal(p.returncode, 0, p.stdout)
    root = ET.fromstring(xml)
    rows = {}
    for r in root.findall(NS + 'record'):
        row = r.find(NS + 'row')
        e = row.find(NS + 'policy_evaluated')
        reasons = [x.findtext(NS + 'type') for x in e.findall(NS + 'reason')]
        rows.setdefault(row.findtext(NS + 'source_ip'), []).append(
            (e.findtext(NS + 'disposition'), e.findtext(NS + 'dkim'), e.findtext(NS + 'spf'), reasons, int(row.findtext(NS + 'count'))))
    equal(rows['192.0.2.10'], [('pass', 'pass', 'pass', [], 1)], 'the bank itself')
    equal(rows['203.0.113.66'], [('reject', 'fail', 'fail', [], 1)], 'the forger')
    equal(sorted(rows['198.51.100.25']), [('pass', 'pass', 'fail', [], 1), ('reject', 'fail', 'fail', [], 1)], 'the forwarder')
    (listed,) = rows['198.51.100.40']
    equal(listed[0], 'quarantine', 'the mailing list')
    check(listed[3] != [], 'another disposition than p=reject has a reason')
    (sealed,) = rows['198.51.100.60']
    equal((sealed[0], sealed[3]), ('none', ['local_policy']), 'the trusted sealer')
    return path


def read_by_dmarc_cat(path):
    if not shutil.which('dmarc-cat'):
        raise Skip('Debian\'s package dmarc-cat is not installed')
    p = subprocess.run(['dmarc-cat', '-N', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    equal(p.returncode, 0, p.stdout)
    for wanted in ('Domain: bank.example', 'p=reject', '192.0.2.10', '203.0.113.66', 'dmarc@receiver.example'):
        check(wanted in p.stdout, '%s in:\n%s' % (wanted, p.stdout))
    print(p.stdout)


def failures(w):
    """Of the forged, the broken and the resealed message; not of the mailing list's; no local part of anybody in them."""
    sources = set()
    for m in w.failures:
        equal(m.get_content_type(), 'multipart/report')
        text = m.as_string()
        sources.add(re.search(r'^Source-IP: (\S+)', text, re.M).group(1))
        for name in ('anna@', 'service@', 'bounce@', 'x@dialup', 'fwd@'):
            check(name not in text, name + ' in:\n' + text)
        check('@bank.example' in text and 'Auth-Failure: dmarc' in text, text)
    equal(sources, {'203.0.113.66', '198.51.100.25', '198.51.100.60'})


def history(w):
    text = open(w.history).read()
    jobs = text.split('\njob ')
    equal(len(jobs), len(w.letters) - 1, 'messages in the history file; two authors are nobody')


def main():
    w = World()
    found = []
    suite.test('through Postfix and back', lambda: found.append(there_and_back(w)))
    paths = []
    if found:
        suite.test('xmllint, Python', lambda: paths.append(read_by_others(*found[0])))
    if paths:
        suite.test('dmarc-cat', read_by_dmarc_cat, paths[0])
    if found:
        suite.test('failure reports', failures, w)
    suite.test('history file', history, w)
    suite.finish()


main()
