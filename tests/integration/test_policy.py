"""The decision through real MTAs: reject, hold, header, tag and deferral, each as configured, with the reply the client sees.
One daemon a MTA, reloaded from one configuration to the next."""
import os
import shutil
import signal
import smtplib

from harness import BUILD, PACKAGES, Suite, check, equal
from world import QUEUE_OWNER, Daemon, Nsd, free_port, wait_for
from world.mta import Postfix, Sendmail, headers_of

suite = Suite()
TAG = 'X-Vidimus-Quarantine'
RECIPIENT = 'anna@receiver.example'

ZONE = """_dmarc.bank.example. TXT "v=DMARC1; p=reject"
_dmarc.shop.example. TXT "v=DMARC1; p=quarantine"
_dmarc.club.example. TXT "v=DMARC1; p=none"
_dmarc.test.example. TXT "v=DMARC1; p=reject; t=y"
"""

RULES = """# a rule for each action, told apart by the author's domain
rule accept: from accept.bank.example -> accept reason trusted_forwarder "known"
rule tag: from tag.bank.example -> tag
rule quarantine: from quarantine.bank.example -> quarantine
rule reject: from club.example -> reject
rule defer: from defer.bank.example -> defer
rule dry: from shop.example -> reject dry-run
rule continue: from continue.bank.example -> continue
"""

# what happens to a message: the beginning of the reply the client sees, and where the message is afterwards
SILENT = '127.0.0.1@%d' % free_port()
REFUSED, HELD, DELIVERED, TAGGED, DEFERRED = 'refused', 'held', 'delivered', 'tagged', 'deferred'

# configuration -> (author, extra header, reply, fate, words in the reply or in the tag)
WORLDS = [
    ('hold', {'QuarantineAction': 'hold', 'RejectURL': 'https://receiver.example/dmarc'}, None, [
        ('bank.example', '', '550 5.7.1', REFUSED, ['DMARC policy for bank.example', 'no aligned pass', '; see https://receiver.example/dmarc']),
        ('shop.example', '', '250', HELD, []),
        ('club.example', '', '250', DELIVERED, []),
        ('test.example', '', '250', HELD, []),
        ('bank.example', 'List-Id: <club.list.example>\r\n', '250', HELD, []),
        ('nothing.example', '', '250', DELIVERED, []),
        ('', '', '550 5.7.1', REFUSED, ['no single author']),
        ('bank.example', 'From: <b@shop.example>\r\n', '550 5.7.1', REFUSED, ['no single author']),
    ]),
    ('header', {'QuarantineAction': 'header'}, None, [
        ('bank.example', '', '550 5.7.1', REFUSED, ['DMARC']),
        ('shop.example', '', '250', TAGGED, ['quarantine;', 'policy=quarantine', 'from=shop.example']),
        ('shop.example', TAG + ': none of ours\r\n', '250', TAGGED, ['quarantine;']),
        ('club.example', TAG + ': none of ours\r\n', '250', DELIVERED, []),
    ]),
    ('quarantine by refusal', {'QuarantineAction': 'reject'}, None, [
        ('shop.example', '', '550 5.7.1', REFUSED, ['DMARC policy for shop.example']),
        ('bank.example', 'List-Post: <mailto:club@list.example>\r\n', '250', TAGGED, ['quarantine;']),
    ]),
    ('up to quarantine', {'Enforcement': 'quarantine', 'QuarantineAction': 'header'}, None, [
        ('bank.example', '', '250', TAGGED, ['quarantine;', 'policy=reject']),
    ]),
    ('monitor', {'Enforcement': 'monitor', 'RulesFile': 'RULES'}, RULES, [
        ('bank.example', '', '250', DELIVERED, []),
        ('club.example', '', '250', DELIVERED, []),
        ('defer.bank.example', '', '250', DELIVERED, []),
        ('', '', '250', DELIVERED, []),
    ]),
    ('rules', {'RulesFile': 'RULES'}, RULES, [
        ('accept.bank.example', '', '250', DELIVERED, []),
        ('tag.bank.example', '', '250', TAGGED, ['tag;', 'rule=tag']),
        ('quarantine.bank.example', '', '250', HELD, []),
        ('club.example', '', '550 5.7.1', REFUSED, ['DMARC', 'local policy for club.example']),
        ('defer.bank.example', '', '451 4.7.1', DEFERRED, ['local policy', 'try again later']),
        ('shop.example', '', '250', HELD, []),
        ('continue.bank.example', '', '550 5.7.1', REFUSED, ['DMARC policy']),
    ]),
    # nobody answers there
    ('temperror deferred', {'OnTempError': 'defer', 'Nameservers': SILENT, 'DNSTimeout': '200ms', 'MessageTimeout': '1s'}, None, [
        ('late.example', '', '451 4.7.1', DEFERRED, ['DMARC cannot be checked now for late.example', 'try again later']),
    ]),
    ('temperror accepted', {'OnTempError': 'accept', 'Nameservers': SILENT, 'DNSTimeout': '200ms', 'MessageTimeout': '1s'}, None, [
        ('late.example', '', '250', DELIVERED, []),
    ]),
]


def folder(name):
    return os.path.join(suite.folder, name)


def message(author, extra, subject):
    sender = 'From: %s\r\n' % ('A <a@%s>' % author if author else 'undisclosed:;')
    return ('%sTo: %s\r\nSubject: %s\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <%s@x.example>\r\n%s\r\nHello.\r\n'
            % (sender, RECIPIENT, subject, abs(hash(subject)), extra)).encode()


def send(mta, data):
    """The whole last reply."""
    s = mta.impersonate('203.0.113.66', 'pc.dialup.example', 'pc.dialup.example') if isinstance(mta, Postfix) else mta.client()
    try:
        s.sendmail('x@dialup.example', [RECIPIENT], data)
        return '250'
    except smtplib.SMTPResponseException as e:
        return '%d %s' % (e.smtp_code, e.smtp_error.decode())
    finally:
        s.close()


def held(mta):
    return len(mta.held()) if isinstance(mta, Postfix) else len(mta.queued())


def one(mta, name, author, extra, reply, fate, words):
    delivered, waiting = len(mta.delivered()), held(mta)
    said = send(mta, message(author, extra, '%s %s %s' % (name, author, len(extra))))
    equal(said[:len(reply)], reply, 'reply: ' + said)
    text = said
    if fate in (REFUSED, DEFERRED):
        check(len(said) < 512 and said.isascii() and said.isprintable(), 'one printable line: ' + said)
        equal((len(mta.delivered()), held(mta)), (delivered, waiting), 'delivered and held')
    elif fate == HELD:
        wait_for('the hold', lambda: held(mta) == waiting + 1)
        equal(len(mta.delivered()), delivered, 'delivered messages')
    else:
        wait_for('delivery', lambda: len(mta.delivered()) == delivered + 1)
        tags = [v for n, v in headers_of(mta.delivered()[-1]) if n.lower() == TAG.lower()]
        equal(len(tags), 1 if fate == TAGGED else 0, 'fields that tell of a quarantine, %r' % tags)
        text = tags[0] if tags else text
    for w in words:
        check(w in text, '"%s" is missing in "%s"' % (w, text))


def reload_with(daemon, plain, options, rules):
    daemon.options = dict(plain, **options)
    if rules is not None:
        path = os.path.join(daemon.folder, 'rules')
        with open(path, 'w') as f:
            f.write(rules)
        daemon.options['RulesFile'] = path
    daemon.write_config()
    before = daemon.output().count('event=reload')
    os.kill(daemon.pid, signal.SIGUSR1)
    wait_for('the reload', lambda: daemon.output().count('event=reload') > before)


def main():
    dns = suite.started(Nsd(folder('nsd'), ZONE))
    run_folder = os.path.join('/run', os.path.basename(suite.folder))
    os.makedirs(run_folder)
    shutil.chown(run_folder, QUEUE_OWNER)
    for kind, spec in (('Postfix', None), ('Sendmail', 'unix:%s/milter.sock' % run_folder)):
        daemon = suite.started(Daemon(BUILD, folder(kind), dns.port, {'IgnoreHosts': '', 'CheckIPRev': 'no'}, spec))
        mta = suite.started(Postfix(PACKAGES, folder(kind + '-mta'), daemon.postfix_form()) if kind == 'Postfix'
                            else Sendmail(PACKAGES, folder(kind + '-mta'), daemon.socket))
        plain = dict(daemon.options)
        for name, options, rules, letters in WORLDS:
            reload_with(daemon, plain, options, rules)
            for author, extra, reply, fate, words in letters:
                label = '%s, %s: %s%s %s' % (kind, name, author or 'no author', ', ' + extra.split(':')[0] if extra else '', fate)
                suite.test(label, one, mta, name, author, extra, reply, fate, words)
    shutil.rmtree(run_folder, ignore_errors=True)
    suite.finish()


main()
