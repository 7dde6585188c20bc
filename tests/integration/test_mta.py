"""Real MTAs: the same messages through Postfix (unix and inet socket) and Sendmail, the replies the client sees, and the
delivered header octet for octet as `vidimus check --json` foretold."""
import json
import os
import random
import shutil
import smtplib
import subprocess
import threading
import time

from harness import BUILD, PACKAGES, TOOL, Suite, check, equal
from world import QUEUE_OWNER, Daemon, Nsd, free_port, wait_for
from world.messages import AUTHSERV_ID, RECIPIENT, Keys, letters, text, zone
from world.mta import Postfix, Sendmail

suite = Suite()
keys = Keys()
LETTERS = letters(keys)


def folder(name):
    return os.path.join(suite.folder, name)


def foretell(daemon, ip, host, helo, mail_from, data):
    """What the tool says the daemon will do."""
    p = subprocess.run([TOOL, 'check', '--json', '-c', daemon.config, '-o', 'RecordDirectory=', '--ip', ip, '--client-name', host,
                        '--helo', helo, '--from', mail_from, '--rcpt', RECIPIENT], input=data, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if p.returncode != 0:
        raise AssertionError('check: exit status %d: %s' % (p.returncode, p.stderr.decode()))
    return json.loads(p.stdout)


def header_lines(message):
    """Fields of a header as octets, folds kept, line ends LF."""
    fields = []
    for line in message.replace(b'\r\n', b'\n').split(b'\n\n', 1)[0].split(b'\n'):
        if line[:1] in (b' ', b'\t') and fields:
            fields[-1] += b'\n' + line
        else:
            fields.append(line)
    return fields


def expected_header(data, told):
    """(fields on top in their order, the message's own fields that stay)"""
    count, stay = {}, []
    gone = {(e['name'].lower(), e['index']) for e in told['headers']['remove']}
    for f in header_lines(data):
        name = f.split(b':')[0].decode().strip().lower()
        count[name] = count.get(name, 0) + 1
        if (name, count[name]) not in gone:
            stay.append(f)
    top = [('%s:%s' % (e['name'], e['value'])).encode() for e in reversed(told['headers']['add'])]
    return top, stay


def compare_header(delivered, data, told):
    mta_fields = {'return-path', 'x-original-to', 'delivered-to', 'received'}
    top, stay = expected_header(data, told)
    got = [f for f in header_lines(delivered) if f.split(b':')[0].decode().lower() not in mta_fields]
    equal(got, top + stay, 'delivered header')


def sender(mta, letter):
    if isinstance(mta, Postfix):
        return mta.impersonate(letter.ip, letter.host, letter.host)
    s = smtplib.SMTP('127.0.0.1', mta.port, local_hostname=letter.host, timeout=60, source_address=(letter.loopback_ip, 0))
    s.ehlo()
    return s


def send(mta, letter):
    s = sender(mta, letter)
    try:
        s.sendmail(letter.mail_from, [RECIPIENT], letter.data)
        return '250', ''
    except smtplib.SMTPResponseException as e:
        return str(e.smtp_code), e.smtp_error.decode()
    finally:
        s.close()


def held(mta):
    return len(mta.held()) if isinstance(mta, Postfix) else len(mta.queued())


def one_letter(mta, daemon, letter):
    delivered, waiting = len(mta.delivered()), held(mta)
    ip, name = (letter.ip, letter.host) if isinstance(mta, Postfix) else (letter.loopback_ip, '[%s]' % letter.loopback_ip)
    told = foretell(daemon, ip, name, letter.host, letter.mail_from, letter.data)
    code, said = send(mta, letter)
    equal(code, letter.reply, 'reply (%s)' % said)
    if code != '250':
        check(told['action']['reply'].split(' ', 2)[2] in said, 'the client saw "%s", the tool said "%s"' % (said, told['action']['reply']))
        return
    wait_for('delivery or hold', lambda: len(mta.delivered()) > delivered or held(mta) > waiting)
    if letter.fate == 'held':
        equal(held(mta), waiting + 1, 'held messages')
        return
    equal(len(mta.delivered()), delivered + 1, 'delivered messages')
    compare_header(mta.delivered()[-1], letter.data, told)


FORGED = ['Authentication-Results: %s; spf=pass smtp.mailfrom=bank.example' % AUTHSERV_ID,
          'Authentication-Results: %s.; dmarc=pass header.from=bank.example' % AUTHSERV_ID.upper(),
          'authentication-results: "%s" 1 ; none' % AUTHSERV_ID,
          'Authentication-Results:\r\n\t(x) %s 1 (y);\r\n dkim=pass header.d=bank.example' % AUTHSERV_ID,
          'AUTHENTICATION-RESULTS: %s spf=pass ;;; ===' % AUTHSERV_ID]
KEPT = ['Authentication-Results: other.example; spf=pass smtp.mailfrom=club.example',
        'Authentication-Results: x%s; none' % AUTHSERV_ID,
        'Authentication-Results: other.example; spf=pass smtp.mailfrom=%s' % AUTHSERV_ID]


def forged_among_kept(mta, seed):
    """N forged results among M foreign ones in any order: exactly the forged ones are gone (RFC 8601 5)."""
    r = random.Random(seed)
    fields = [r.choice(FORGED) for _ in range(r.randrange(1, 6))] + [r.choice(KEPT) for _ in range(r.randrange(0, 6))]
    r.shuffle(fields)
    data = ('\r\n'.join(fields) + '\r\n').encode() + text('Club <club@club.example>', 'number %d' % seed)
    before = len(mta.delivered())
    letter = next(x for x in LETTERS if x.name == 'no DMARC')
    s = sender(mta, letter)
    s.sendmail(letter.mail_from, [RECIPIENT], data)
    s.close()
    wait_for('delivery', lambda: len(mta.delivered()) > before)
    got = [f for f in header_lines(mta.delivered()[-1]) if f.lower().startswith(b'authentication-results:')]
    equal(got[1:], [f.encode() for f in fields if f in KEPT], 'fields left below ours')
    check(AUTHSERV_ID.encode() in got[0], 'ours is on top')


def peak_kb(pid):
    with open('/proc/%d/status' % pid) as f:
        return int(next(line for line in f if line.startswith('VmHWM')).split()[1])


def big_message(mta, daemon):
    before = peak_kb(daemon.pid)
    line = b'x' * 76 + b'\r\n'
    data = text('Club <club@club.example>', 'big', '') + line * (25 * 1024 * 1024 // len(line))
    count = len(mta.delivered())
    s = sender(mta, next(x for x in LETTERS if x.name == 'no DMARC'))
    s.sendmail('club@club.example', [RECIPIENT], data)
    s.close()
    wait_for('delivery', lambda: len(mta.delivered()) > count, 60)
    after = peak_kb(daemon.pid)
    print('    peak memory %d KB before, %d KB after a message of 25 MB' % (before, after))
    if not os.environ.get('VIDIMUS_WATCHED'):  # whose memory is mostly not ours
        check(after - before < 2048, 'the body is never stored: %d KB more at the peak' % (after - before))


def many(mta, daemon, messages=2000, connections=50):
    """None lost, none refused by our trouble."""
    before, errors, lock = len(os.listdir(mta.mailbox)), [], threading.Lock()
    told = len(daemon.stories())
    genuine = LETTERS[0]

    def worker(n):
        try:
            for _ in range(n):
                s = sender(mta, genuine)
                s.sendmail(genuine.mail_from, [RECIPIENT], genuine.data)
                s.close()
        except Exception as e:
            with lock:
                errors.append(repr(e))
    began = time.monotonic()
    threads = [threading.Thread(target=worker, args=(messages // connections,)) for _ in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(errors, [], 'errors of clients')
    wait_for('delivery of all', lambda: len(os.listdir(mta.mailbox)) - before >= messages, 120)
    print('    %d messages over %d connections in %.1f s' % (messages, connections, time.monotonic() - began))
    stories = daemon.stories()[told:]
    equal(len(stories), messages, 'log lines')
    equal({s['dmarc'] for s in stories}, {'pass'}, 'verdicts')


def name_server_down(on_error, codes):
    """DNS down: temperror, accepted or deferred as OnError says, never a 5xx."""
    name = 'dns-down-' + on_error
    daemon = suite.started(Daemon(BUILD, folder(name), free_port(), {'OnError': on_error, 'DNSTimeout': '300ms', 'MessageTimeout': '2s'}))
    mta = suite.started(postfix_for(daemon, folder(name + '-mta')))
    for letter in LETTERS[:4]:
        code, said = send(mta, letter)
        check(code in codes, '%s: %s %s' % (letter.name, code, said))
    equal({s['dmarc'] for s in daemon.stories()}, {'temperror'}, 'what the log says')


def postfix_for(daemon, where):
    return Postfix(PACKAGES, where, daemon.postfix_form())


def sendmail_for(daemon, where):
    return Sendmail(PACKAGES, where, daemon.socket)


def main():
    dns = suite.started(Nsd(folder('nsd'), zone(keys)))
    loopback_dns = suite.started(Nsd(folder('nsd-loopback'), zone(keys, loopback=True)))
    sealers = folder('sealers')
    with open(sealers, 'w') as f:
        f.write('sealer.example\n')
    # Sendmail takes no socket below a folder that everybody may write to, so not one in /tmp
    run_folder = os.path.join('/run', os.path.basename(suite.folder))
    os.makedirs(run_folder)
    shutil.chown(run_folder, QUEUE_OWNER)
    worlds = []
    for name, server, spec, make in (('Postfix, unix socket', dns, None, postfix_for),
                                     ('Postfix, inet socket', dns, 'inet:%d@127.0.0.1' % free_port(), postfix_for),
                                     ('Sendmail', loopback_dns, 'unix:%s/milter.sock' % run_folder, sendmail_for)):
        where = folder(name.split(',')[0] + '-' + name[-11:].split()[0])
        os.makedirs(where)
        daemon = suite.started(Daemon(BUILD, os.path.join(where, 'vidimus'), server.port, {'TrustedSealers': sealers}, spec))
        mta = suite.started(make(daemon, os.path.join(where, 'mta')))
        worlds.append((mta, daemon))
        for letter in LETTERS:
            suite.test('%s: %s' % (name, letter.name), one_letter, mta, daemon, letter)
        for seed in range(10):
            suite.test('%s: forged among kept, seed %d' % (name, seed), forged_among_kept, mta, seed)
    postfix, daemon = worlds[0]
    suite.test('a message of 25 MB in constant memory', big_message, postfix, daemon)
    messages = int(os.environ.get('VIDIMUS_MESSAGES', '2000'))
    suite.test('%d messages over 50 connections' % messages, many, postfix, daemon, messages)
    suite.test('DNS down, OnError tempfail', name_server_down, 'tempfail', ('451',))
    suite.test('DNS down, OnError accept', name_server_down, 'accept', ('250',))
    shutil.rmtree(run_folder, ignore_errors=True)
    suite.finish()


main()
