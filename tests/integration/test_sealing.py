"""Sealing through real Postfix: a forwarder that changes Subject and body, sealed there after its content filter (two passes)
and judged at a second Postfix that trusts the sealer, or does not; keys swapped and key holders killed under load."""
import json
import os
import re
import shutil
import signal
import smtplib
import socketserver
import subprocess
import threading
import time

import dkim
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness import BUILD, PACKAGES, TOOL, Suite, check, equal
from world import QUEUE_OWNER, Daemon, Nsd, free_port, wait_for
from world.messages import Keys, text, zone
from world.mta import Postfix, Sendmail

suite = Suite()
keys = Keys()
MILTER = 'forward.example'  # the domain that seals
ALIASES = 'virtual_alias_domains = forward.example\nvirtual_alias_maps = static:anna@receiver.example\n'


def folder(name):
    path = os.path.join(suite.folder, name)
    os.makedirs(path, exist_ok=True)
    return path


# ---------------------------------------------------------------- a content filter

class Filter(socketserver.ThreadingTCPServer):
    """Takes a message by SMTP, puts a tag into its Subject and a line below its body, and gives it back."""
    allow_reuse_address, daemon_threads = True, True

    def __init__(self, back):
        self.port, self.back, self.seen = free_port(), back, []
        super().__init__(('127.0.0.1', self.port), FilterTalk)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()
        return 0


class FilterTalk(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b'\r\n')

    def handle(self):
        sender, rcpts = '', []
        self.say('220 filter ESMTP')
        while True:
            line = self.rfile.readline()
            verb = line[:4].upper()
            if not line or verb == b'QUIT':
                self.say('221 2.0.0 bye')
                return
            if verb == b'MAIL':
                sender, rcpts = re.search(rb'<(.*?)>', line).group(1).decode(), []
            elif verb == b'RCPT':
                rcpts.append(re.search(rb'<(.*?)>', line).group(1).decode())
            elif verb == b'DATA':
                self.say('354 go on')
                data = b''
                while not data.endswith(b'\r\n.\r\n'):
                    data += self.rfile.readline()
                self.give_back(sender, rcpts, data[:-3].replace(b'\r\n..', b'\r\n.'))
            self.say('250 2.0.0 fine')

    def give_back(self, sender, rcpts, data):
        self.server.seen.append(data)
        data = data.replace(b'Subject: ', b'Subject: [checked] ', 1) + b'-- \r\nno virus was found\r\n'
        with smtplib.SMTP('127.0.0.1', self.server.back, local_hostname='filter.invalid', timeout=60) as s:
            s.sendmail(sender, rcpts, data)


# ---------------------------------------------------------------- the worlds

def make_key(where, selector):
    """vidimus key make, as an operator would; -> (path, its record for a zone)"""
    p = subprocess.run([TOOL, 'key', 'make', '-d', MILTER, '-s', selector, '-D', where], stdout=subprocess.PIPE, check=True, text=True)
    path = os.path.join(os.path.realpath(where), '%s.%s.pem' % (MILTER, selector))
    equal(os.stat(path).st_mode & 0o7777, 0o600, 'mode of the key')
    return path, p.stdout


def write(path, content, mode=0o644):
    with open(path + '.new', 'w') as f:
        f.write(content)
    os.chmod(path + '.new', mode)
    os.rename(path + '.new', path)
    return path


class Sealer:
    """A daemon that seals."""

    def __init__(self, name, dns, key_lines, **options):
        self.where = folder(name)
        self.key_table = write(os.path.join(self.where, 'KeyTable'), key_lines)
        signing = write(os.path.join(self.where, 'SigningTable'), '* seal\n')
        settings = {'AuthservID': 'mx.forward.example', 'ArcSeal': 'yes', 'KeyTable': self.key_table, 'SigningTable': signing}
        settings.update(options)
        spec = settings.pop('Socket', None)
        self.daemon = suite.started(Daemon(BUILD, os.path.join(self.where, 'vidimus'), dns.port, settings, spec))

    def holders(self):
        """Pids of the key holders, found as children of the launcher."""
        p = subprocess.run(['ps', '-e', '-o', 'pid=,ppid=,comm='], stdout=subprocess.PIPE, text=True)
        rows = [line.split(None, 2) for line in p.stdout.splitlines()]
        launchers = {r[0] for r in rows if r[1] == str(self.daemon.pid)}
        return [int(r[0]) for r in rows if r[1] in launchers and r[2].startswith('vidimus-keys')]


def receiver(name, dns, **options):
    settings = {'AuthservID': 'mx.receiver.example'}
    settings.update(options)
    daemon = suite.started(Daemon(BUILD, os.path.join(folder(name), 'vidimus'), dns.port, settings))
    return suite.started(Postfix(PACKAGES, os.path.join(folder(name), 'mta'), daemon.postfix_form())), daemon


def forwarder(sealer, target):
    """Postfix with the configuration of contrib/postfix/two-pass.md."""
    back = free_port()
    flt = suite.started(Filter(back))
    settings = ALIASES + 'virtual_mailbox_domains =\nrelayhost = [127.0.0.1]:%d\ndisable_dns_lookups = yes\n' % target.port
    settings += 'myhostname = mx.forward.example\ncontent_filter = scan:[127.0.0.1]:%d\nsmtp_host_lookup = native\n' % flt.port
    services = ('scan unix - - n - 10 smtp\n -o smtp_send_xforward_command=yes -o disable_mime_output_conversion=yes\n'
                '127.0.0.1:%d inet n - n - 10 smtpd\n -o content_filter=\n -o smtpd_relay_restrictions=permit_mynetworks,reject\n'
                ' -o mynetworks=127.0.0.0/8\n -o receive_override_options=no_unknown_recipient_checks\n' % back)
    mta = suite.started(Postfix(PACKAGES, os.path.join(sealer.where, 'mta'), sealer.daemon.postfix_form(), settings, services=services))
    return mta, flt


def send(mta, mail_from='bounce@bank.example', rcpt='list@forward.example', data=b'', ip='192.0.2.10', host='mx.bank.example'):
    s = mta.impersonate(ip, host, host)
    try:
        s.sendmail(mail_from, [rcpt], data)
    finally:
        s.close()


def header(message, name):
    found = re.findall(rb'(?im)^' + name.encode() + rb':(?:.*\n?(?:[ \t].*\n?)*)', message.replace(b'\r\n', b'\n'))
    return [f.decode() for f in found]


def maillog(mta):
    with open(os.path.join(mta.folder, 'maillog'), errors='replace') as f:
        return f.read()


def records(daemon):
    lines = []
    for n in sorted(os.listdir(daemon.records)):
        with open(os.path.join(daemon.records, n)) as f:
            lines += [json.loads(line) for line in f if line.endswith('\n')]
    return lines


# ---------------------------------------------------------------- tests

def saved_by_the_seal(dns, key_line):
    sealers = write(os.path.join(suite.folder, 'sealers'), MILTER + '\n')
    target, judge = receiver('trusting', dns, TrustedSealers=sealers)
    secret = write(os.path.join(suite.folder, 'secret'), 'one secret of ours, long enough for anybody\n', 0o640)
    shutil.chown(secret, 'root', QUEUE_OWNER)
    sealer = Sealer('forwarder', dns, key_line, TwoPassSecretFile=secret)
    mta, flt = forwarder(sealer, target)
    genuine = keys.sign(text('Bank <service@bank.example>', 'Your statement'), 'bank.example')
    send(mta, data=genuine)
    wait_for('delivery behind the forwarder', lambda: len(target.delivered()) == 1, 30)
    got = target.delivered()[0]
    check(b'Subject: [checked] Your statement' in got and b'no virus was found' in got, 'the filter has changed it')
    equal(len(header(got, 'ARC-Seal')), 1, 'seals')
    equal(header(got, 'X-Vidimus-Arrival'), [], 'the verdict of arrival is gone')
    equal(len(re.findall(rb'(?im)^X-Vidimus-Arrival:', flt.seen[0])), 1, 'it was there while the filter had the message')
    aar = header(got, 'ARC-Authentication-Results')[0]
    for words in ('i=1; mx.forward.example', 'dmarc=pass', 'dkim=pass', 'spf=pass smtp.mailfrom=bank.example', 'arc=none'):
        check(words in ' '.join(aar.split()), '%s in %s' % (words, aar))
    check('cv=none' in header(got, 'ARC-Seal')[0], 'cv=none')
    results = ' '.join(header(got, 'Authentication-Results')[0].split())
    for words in ('mx.receiver.example; dmarc=fail', 'dkim=fail', 'spf=fail', 'arc=pass'):
        check(words in results, '%s in %s' % (words, results))
    last = records(judge)[-1]
    equal((last['dmarc']['result'], last['action']['type'] if isinstance(last['action'], dict) else last['action']), ('fail', 'accept'), 'record')
    reasons = json.dumps(last)
    check('arc=pass as[1].d=forward.example' in reasons, 'the record says why: ' + reasons)
    equal(len(records(sealer.daemon)), 1, 'records at the forwarder: arrival alone')

    check(verified(got), 'dkimpy verifies the seal')

    # the same, refused where nobody trusts the sealer
    stranger, judge = receiver('strict', dns)
    mta.command('postconf', '-e', 'relayhost = [127.0.0.1]:%d' % stranger.port)
    mta.command('postfix', 'reload')
    os.kill(mta.pid, signal.SIGHUP)
    time.sleep(1)
    send(mta, data=keys.sign(text('Bank <service@bank.example>', 'Your other statement'), 'bank.example'))
    wait_for('the refusal', lambda: 'status=bounced' in maillog(mta), 30)
    check('550 5.7.1' in maillog(mta), 'refused by policy')
    equal([m for m in stranger.delivered() if b'MAILER-DAEMON' not in m], [], 'delivered there, but for the bounce')

    # a stolen verdict from outside is worth nothing
    stolen = b'X-Vidimus-Arrival:' + re.search(rb'(?is)X-Vidimus-Arrival:(.*?\r\n)(?![ \t])', flt.seen[0]).group(1)
    send(mta, data=stolen + genuine, ip='203.0.113.66', host='pc.dialup.example', mail_from='x@dialup.example')
    wait_for('the filter has it', lambda: len(flt.seen) == 3, 30)
    equal(len(re.findall(rb'(?im)^X-Vidimus-Arrival:', flt.seen[2])), 1, 'only the verdict of its own arrival is on it')
    check(stolen.split(b'h=')[1][:30] not in flt.seen[2], 'not the stolen one')


TXT = {}


def lookup(name, timeout=5):
    return TXT.get((name.decode() if isinstance(name, bytes) else name).rstrip('.').lower())


def verified(message):
    """By an implementation that is not ours."""
    start = message.index(b'ARC-Seal:')
    cv, _, why = dkim.arc_verify(message[start:].replace(b'\r\n', b'\n').replace(b'\n', b'\r\n'), dnsfunc=lookup)
    return cv == b'pass'


def keys_swapped_under_load(dns, first, second, messages, senders=8):
    """Every seal verifies with the old or the new key, whatever is reloaded or killed meanwhile; no message is lost."""
    sealer = Sealer('load', dns, 'seal %s:one:%s\n' % (MILTER, first), RecordDirectory='')
    mta = suite.started(Postfix(PACKAGES, os.path.join(sealer.where, 'mta'), sealer.daemon.postfix_form()))
    errors, stop = [], threading.Event()

    def worker(k):
        try:
            for i in range(messages // senders):
                send(mta, rcpt='anna@receiver.example', data=text('Club <club@club.example>', 'number %d of %d' % (i, k)),
                     mail_from='club@club.example', ip='192.0.2.30', host='mx.club.example')
        except Exception as e:
            errors.append(repr(e))

    def trouble():
        turn = 0
        while not stop.is_set():
            turn += 1
            lines = ('seal %s:two:%s\n' % (MILTER, second)) if turn % 2 else ('seal %s:one:%s\n' % (MILTER, first))
            write(sealer.key_table, lines if turn % 5 else 'seal is broken\n')
            os.kill(sealer.daemon.pid, signal.SIGUSR1)
            time.sleep(0.15)
            for pid in sealer.holders():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
    threads = [threading.Thread(target=worker, args=(k,)) for k in range(senders)]
    spoiler = threading.Thread(target=trouble)
    for t in threads + [spoiler]:
        t.start()
    for t in threads:
        t.join()
    stop.set()
    spoiler.join()
    equal(errors, [], 'errors of clients')
    wait_for('delivery of all', lambda: len(mta.delivered()) >= messages, 60)
    selectors = {'one': 0, 'two': 0}
    unsealed = bad = 0
    for m in mta.delivered():
        seal = header(m, 'ARC-Seal')
        if not seal:
            unsealed += 1
            continue
        selectors[re.search(r's=(\w+)', seal[0]).group(1)] += 1
        bad += not verified(m)
    output = sealer.daemon.output()
    print('    %d messages, sealed %s, %d unsealed, %d reloads, holder restarted %d times' % (
        messages, selectors, unsealed, output.count('result=done'), output.count('state=restarted')))
    equal(bad, 0, 'seals that do not verify')
    check(selectors['one'] > 0 and selectors['two'] > 0, 'both keys have signed')
    equal(unsealed, 0, 'unsealed messages')


def memory_has(pid, needles):
    """Which of these octets stand in the memory of a process."""
    found = set()
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb', 0) as mem:
        for line in maps:
            where, rights = line.split()[:2]
            start, end = (int(x, 16) for x in where.split('-'))
            if not rights.startswith('r') or end - start > 1 << 28 or '[v' in line:
                continue
            try:
                mem.seek(start)
                block = mem.read(end - start)
            except (OSError, ValueError):
                continue
            found |= {n for n in needles if n in block}
    return found


def no_key_beside_the_mail(dns, first):
    """After it has sealed, the daemon's memory holds no part of the key; the key holder's does, so the search finds what is there."""
    sealer = Sealer('memory', dns, 'seal %s:one:%s\n' % (MILTER, first), RecordDirectory='')
    mta = suite.started(Postfix(PACKAGES, os.path.join(sealer.where, 'mta'), sealer.daemon.postfix_form()))
    for i in range(5):
        send(mta, rcpt='anna@receiver.example', data=text('Club <club@club.example>', 'letter %d' % i), mail_from='club@club.example',
             ip='192.0.2.30', host='mx.club.example')
    wait_for('delivery', lambda: len(mta.delivered()) == 5)
    equal([len(header(m, 'ARC-Seal')) for m in mta.delivered()], [1] * 5, 'seals')
    with open(first, 'rb') as f:
        key = load_pem_private_key(f.read(), None).private_numbers()
    needles = set()
    for number in (key.p, key.q, key.d):
        octets = number.to_bytes((number.bit_length() + 7) // 8, 'big')
        needles |= {octets[16:64], octets[::-1][16:64]}
    with open(first, 'rb') as f:
        needles.add(b''.join(f.read().splitlines()[1:-1])[100:160])
    equal(memory_has(sealer.daemon.pid, needles), set(), 'parts of the key in the memory of the daemon')
    check(memory_has(sealer.holders()[0], needles), 'parts of the key in the memory of the key holder')


def wedged_holder(dns, first, on_error, code):
    """SealOnError: the mail goes on unsealed, or is deferred; the next one is sealed again, and the log tells."""
    sealer = Sealer('wedged-' + on_error, dns, 'seal %s:one:%s\n' % (MILTER, first), SealOnError=on_error, RecordDirectory='')
    mta = suite.started(Postfix(PACKAGES, os.path.join(sealer.where, 'mta'), sealer.daemon.postfix_form()))

    def one(subject):
        try:
            send(mta, rcpt='anna@receiver.example', data=text('Club <club@club.example>', subject), mail_from='club@club.example',
                 ip='192.0.2.30', host='mx.club.example')
            return '250'
        except smtplib.SMTPResponseException as e:
            return str(e.smtp_code)
    equal(one('before'), '250', 'reply')
    for pid in sealer.holders():
        os.kill(pid, signal.SIGSTOP)
    time.sleep(0.2)
    equal(one('while it is wedged'), code, 'reply')
    equal(one('after'), '250', 'reply')
    wait_for('delivery', lambda: len(mta.delivered()) == (3 if code == '250' else 2))
    equal([len(header(m, 'ARC-Seal')) for m in mta.delivered()], [1, 0, 1] if code == '250' else [1, 1], 'seals')
    output = sealer.daemon.output()
    for words in ('state=silent', 'state=restarted', 'event=seal'):
        check(words in output, '%s in the log' % words)


def keys_against_dns(dns, where, first, second):
    """vidimus key test, and vidimus-milter -n, say which keys DNS does not publish as they sign."""
    third, _ = make_key(where, 'three')
    signing = write(os.path.join(where, 'SigningTable'), '* good\n')
    for lines, status, said in (
            ('good {d}:one:{a}\ngood {d}:two:{b} from 2030-01-01\n', 0, ('ok     good (one._domainkey.forward.example): published', '2048 bits')),
            ('good {d}:one:{a}\nother {d}:two:{a}\n', 1, ('WRONG  other (two._domainkey.forward.example): another key is published',)),
            ('good {d}:one:{a}\nnew {d}:three:{c}\n', 1, ('WRONG  new (three._domainkey.forward.example): not published',)),
            ('good {d}:one:{a}\ngood {d}:three:{c} from 2090-01-01\n', 75, ('unsure good (three._domainkey.forward.example): not published; it does not sign yet',))):
        table = write(os.path.join(where, 'KeyTable'), lines.format(d=MILTER, a=first, b=second, c=third))
        options = ['-o', 'KeyTable=' + table, '-o', 'SigningTable=refile:' + signing, '-o', 'ArcSeal=yes', '-o', 'Nameservers=127.0.0.1@%d' % dns.port]
        p = subprocess.run([TOOL, 'key', 'test', '-c', '/dev/null'] + options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        equal(p.returncode, status, p.stdout)
        for words in said:
            check(words in p.stdout, '%s in %s' % (words, p.stdout))
        n = subprocess.run([os.path.join(BUILD, 'vidimus-milter'), '-n', '-c', '/dev/null', '-o', 'UserID=' + QUEUE_OWNER,
                            '-o', 'Socket=inet:%d@127.0.0.1' % free_port()] + options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        equal(n.returncode, 78 if status == 1 else 0, n.stdout)
        check(status == 0 or '._domainkey.forward.example' in n.stdout, n.stdout)


def by_next_hop(dns, first):
    """SealFor by the MTA's transport: what stays is not sealed.  Postfix gives our recipient to its transport `virtual`."""
    for target, seals in (('transport:smtp', 0), ('transport:virtual', 1), ('relay:receiver.example', 1), ('relay:[far.example]', 0)):
        sealer = Sealer('hop-' + re.sub(r'\W', '-', target), dns, 'seal %s:one:%s\n' % (MILTER, first), SealFor=target, RecordDirectory='')
        mta = suite.started(Postfix(PACKAGES, os.path.join(sealer.where, 'mta'), sealer.daemon.postfix_form()))
        send(mta, rcpt='anna@receiver.example', data=text('Club <club@club.example>', target), mail_from='club@club.example',
             ip='192.0.2.30', host='mx.club.example')
        wait_for('delivery', lambda: len(mta.delivered()) == 1)
        equal(len(header(mta.delivered()[0], 'ARC-Seal')), seals, target)


def through_sendmail(dns, first):
    """Sendmail too delivers what was signed."""
    run_folder = os.path.join('/run', os.path.basename(suite.folder))  # no socket in /tmp for Sendmail
    os.makedirs(run_folder, exist_ok=True)
    shutil.chown(run_folder, QUEUE_OWNER)
    sealer = Sealer('sendmail', dns, 'seal %s:one:%s\n' % (MILTER, first), RecordDirectory='', Socket='unix:%s/milter.sock' % run_folder)
    mta = suite.started(Sendmail(PACKAGES, os.path.join(sealer.where, 'mta'), sealer.daemon.socket))
    with mta.client() as s:
        s.sendmail('club@club.example', ['anna@receiver.example'], text('Club <club@club.example>', 'By Sendmail', extra='X-Long: %s\r\n' % ('word ' * 15)))
    wait_for('delivery', lambda: len(mta.delivered()) == 1)
    got = mta.delivered()[0]
    equal(len(header(got, 'ARC-Seal')), 1, 'seals')
    check(verified(got), 'dkimpy verifies the seal')
    shutil.rmtree(run_folder, ignore_errors=True)


def main():
    where = folder('keys')
    first, record_one = make_key(where, 'one')
    second, record_two = make_key(where, 'two')
    dns = suite.started(Nsd(folder('nsd'), zone(keys) + record_one + record_two))
    for selector, record in (('one', record_one), ('two', record_two)):
        TXT['%s._domainkey.%s' % (selector, MILTER)] = ''.join(re.findall(r'"(.*?)"', record)).encode()
    suite.test('two passes, the override at the receiver, the refusal without', saved_by_the_seal, dns, 'seal %s:one:%s\n' % (MILTER, first))
    suite.test('keys against DNS', keys_against_dns, dns, where, first, second)
    suite.test('SealFor by the next hop', by_next_hop, dns, first)
    suite.test('sealed through Sendmail', through_sendmail, dns, first)
    suite.test('no key in the memory of the process that reads mail', no_key_beside_the_mail, dns, first)
    suite.test('keys swapped and holders killed under load', keys_swapped_under_load, dns, first, second,
               int(os.environ.get('VIDIMUS_MESSAGES', '400')))
    suite.test('a wedged holder, SealOnError accept', wedged_holder, dns, first, 'accept', '250')
    suite.test('a wedged holder, SealOnError tempfail', wedged_holder, dns, first, 'tempfail', '451')
    suite.finish()


main()
