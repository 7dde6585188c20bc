"""quickstart.py BUILD [--keep]: the show behind contrib/quickstart."""
import os
import shutil
import smtplib
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from world import Daemon, Nsd, WorldError, wait_for  # noqa: E402
from world.messages import AUTHSERV_ID, RECIPIENT, Keys, letters, zone  # noqa: E402
from world.mta import Postfix, headers_of  # noqa: E402

PACKAGES = os.environ.get('VIDIMUS_PACKAGES', '/var/tmp/vidimus-packages')

NEXT_STEPS = """
To put it before your own Postfix:
  1. ./configure --sysconfdir=/etc && make && make install && systemd-sysusers && systemctl daemon-reload
     and look through /etc/vidimus/vidimus.conf (AuthservID, Enforcement monitor for the first weeks)
  2. vidimus-milter -n -u vidimus; systemctl enable --now vidimus-milter
  3. postconf -e smtpd_milters=inet:localhost:8890 milter_default_action=tempfail && postfix reload
"""


def send(postfix, letter):
    """(first three digits, whole reply of the end of data or of what refused)"""
    s = postfix.impersonate(letter.ip, letter.host, letter.host)
    try:
        s.sendmail(letter.mail_from, [RECIPIENT], letter.data)
        return '250', '250 accepted'
    except smtplib.SMTPResponseException as e:
        return str(e.smtp_code), '%d %s' % (e.smtp_code, e.smtp_error.decode(errors='replace'))
    finally:
        s.close()


def fate(postfix, letter, before):
    """delivered, held or refused, as the queue and the mailbox show it"""
    delivered, held = before
    wait_for('a fate for "%s"' % letter.name,
             lambda: len(postfix.delivered()) > delivered or len(postfix.held()) > held)
    return 'held' if len(postfix.held()) > held else 'delivered'


def show(postfix, daemon, letter):
    before = len(postfix.delivered()), len(postfix.held())
    told = len(daemon.stories())
    code, reply = send(postfix, letter)
    wait_for('a log line about "%s"' % letter.name, lambda: len(daemon.stories()) > told)
    story = daemon.stories()[-1]
    done = fate(postfix, letter, before) if code == '250' else 'refused'
    print('%-24s %-5s %-9s %-6s %-5s %-10s %s' % (letter.name, code, story.get('spf'), story.get('dkim'), story.get('arc'),
                                                 story.get('dmarc'), done))
    as_told = code == letter.reply and done == letter.fate and all(story.get(k) == v for k, v in letter.results.items())
    if not as_told:
        print('    this should have been %s, %s, %s' % (letter.reply, letter.fate, letter.results))
    return reply, done, story, as_told


def show_results(postfix, shown):
    print('\nReplies of those refused:')
    for letter, (reply, done, _, _) in shown:
        if done == 'refused':
            print('  %s: %s' % (letter.name, reply))
    print('\nAuthentication-Results of the delivered ones:')
    for message in postfix.delivered():
        fields = headers_of(message)
        subject = next((v for n, v in fields if n.lower() == 'subject'), '')
        print('  Subject: ' + subject)
        for name, value in fields:
            if name.lower() == 'authentication-results':
                print('    %s: %s' % (name, value))


def keep_running(postfix, daemon, folder):
    print('\nStill running; Ctrl-C ends it.  Send more, as any client you like, with XCLIENT:')
    print("  printf 'XCLIENT ADDR=192.0.2.10 NAME=mx.bank.example\\r\\nEHLO mx.bank.example\\r\\nMAIL FROM:<bounce@bank.example>\\r\\n"
          "RCPT TO:<%s>\\r\\nDATA\\r\\nFrom: service@bank.example\\r\\n\\r\\nhello\\r\\n.\\r\\nQUIT\\r\\n' | nc 127.0.0.1 %d"
          % (RECIPIENT, postfix.port))
    print('  the daemon says      %s\n  its configuration    %s\n  delivered messages   %s' % (
        daemon.log, daemon.config, postfix.mailbox))
    try:
        while postfix.alive() and daemon.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()


def main():
    build, keep = os.path.abspath(sys.argv[1]), '--keep' in sys.argv[2:]
    folder = tempfile.mkdtemp(prefix='vidimus-quickstart-')
    os.chmod(folder, 0o755)
    servers = []
    try:
        keys = Keys()
        servers.append(Nsd(os.path.join(folder, 'nsd'), zone(keys)))
        sealers = os.path.join(folder, 'sealers')
        with open(sealers, 'w') as f:
            f.write('sealer.example\n')
        daemon = Daemon(build, os.path.join(folder, 'vidimus'), servers[0].port,
                        {'AuthservID': AUTHSERV_ID, 'TrustedSealers': sealers})
        servers.append(daemon)
        postfix = Postfix(PACKAGES, os.path.join(folder, 'postfix'), daemon.postfix_form())
        servers.append(postfix)
        print('\n%-24s %-5s %-9s %-6s %-5s %-10s %s' % ('message', 'reply', 'spf', 'dkim', 'arc', 'dmarc', 'what was done'))
        shown = [(letter, show(postfix, daemon, letter)) for letter in letters(keys)]
        show_results(postfix, shown)
        if keep:
            keep_running(postfix, daemon, folder)
        bad = sum(1 for _, s in shown if not s[3])
        print(NEXT_STEPS)
        print('%d passed, %d failed' % (len(shown) - bad, bad))
        return 1 if bad else 0
    except (WorldError, OSError) as e:
        print('quickstart: %s' % e, file=sys.stderr)
        return 1
    finally:
        for s in reversed(servers):
            s.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
