"""Postfix and Sendmail instances of their own: own configuration, queue and port, unpacked from Debian's packages."""
import email
import os
import pwd
import shutil
import smtplib
import subprocess

from . import QUEUE_OWNER, Server, WorldError, answers, free_port, unpack, wait_for

# Group of the drop folder and owner of delivered mail: as QUEUE_OWNER, there on every Debian.
DROP_GROUP, MAIL_USER = 'uucp', 'www-data'

MAIN_CF = """compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
shlib_directory = {root}/usr/lib/postfix
mail_owner = {owner}
setgid_group = {group}
default_privs = nobody
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH
export_environment = TZ MAIL_CONFIG LANG LD_LIBRARY_PATH
maillog_file = {dir}/maillog
maillog_file_prefixes = {dir}
myhostname = mx.receiver.example
inet_interfaces = 127.0.0.1
mynetworks =
mydestination =
virtual_mailbox_domains = receiver.example
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:inbox/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
message_size_limit = 60000000
alias_maps =
alias_database =
local_recipient_maps =
milter_default_action = tempfail
milter_protocol = 6
smtpd_milters = {milter}
"""

MASTER_CF = """127.0.0.1:{port} inet n - n - 200 smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
pickup unix n - n 60 1 pickup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"""

SENDMAIL_CF = """V10/Berkeley
Djmx.receiver.example
Dwmx
DnMAILER-DAEMON
DZ8
O QueueDirectory={dir}/queue
O DaemonPortOptions=Name=MTA, Addr=127.0.0.1, Port={port}
O PidFile={dir}/sendmail.pid
O ServiceSwitchFile={dir}/service.switch
O DeliveryMode=interactive
O DontBlameSendmail=GroupWritableDirPathSafe,NonRootSafeAddr
O Timeout.ident=0
O LogLevel=9
O SmtpGreetingMessage=$j ESMTP Sendmail
O DefaultUser=mail:mail
O EightBitMode=pass8
O MaxHeadersLength=10000000
O MaxMessageSize=60000000
O InputMailFilters=vidimus
Xvidimus, S={milter}, F=T, T=C:30s;S:1m;R:1m;E:5m
O Milter.macros.connect=j, _, {{daemon_name}}
O Milter.macros.envfrom=i, {{auth_type}}, {{auth_authen}}
O Milter.macros.eom=i
H?P?Return-Path: <$g>
HReceived: $?sfrom $s $.$?_($?s$|from $.$_)
	$.by $j with $r id $i$?u
	for $u; $|;
	$.$b
Scheck_rcpt
R$*		$@ OK
S3
R$* < $* > $*		$2
R$*			$: $1
S0
R$*			$#local $: $1
S4
Mlocal,	P={dir}/deliver, F=lPn9, T=DNS/RFC822/X-Unix, A=deliver $u
Mprog,	P=/bin/false, F=l, A=false
"""


def own(path, user, group=None, mode=0o755):
    os.makedirs(path, exist_ok=True)
    shutil.chown(path, user, group)
    os.chmod(path, mode)


class Mta(Server):
    """What both have: a port for SMTP and delivered messages as files."""

    def client(self, source='127.0.0.1'):
        return smtplib.SMTP('127.0.0.1', self.port, local_hostname='client.invalid', timeout=120, source_address=(source, 0))

    def delivered(self):
        """Octets of every delivered message, oldest first."""
        folder = self.mailbox
        names = [os.path.join(folder, n) for n in os.listdir(folder)] if os.path.isdir(folder) else []
        return [open(n, 'rb').read() for n in sorted(names, key=lambda n: (os.stat(n).st_mtime_ns, n)) if not n.endswith('.part')]


class Postfix(Mta):
    def __init__(self, packages, folder, milter, settings='', port=None, services=''):
        if os.geteuid() != 0:
            raise WorldError('Postfix wants to be started as root')
        root = unpack('postfix', packages)
        self.port, self.folder, self.root = port or free_port(), folder, root
        self.conf, self.mailbox = os.path.join(folder, 'conf'), os.path.join(folder, 'mail/inbox/new')
        user = pwd.getpwnam(MAIL_USER)
        own(folder, 'root')
        own(self.conf, 'root')
        own(os.path.join(folder, 'queue'), 'root')
        for d in 'incoming active deferred hold bounce defer corrupt flush trace saved private'.split():
            own(os.path.join(folder, 'queue', d), QUEUE_OWNER, mode=0o700)
        own(os.path.join(folder, 'queue/pid'), 'root')
        own(os.path.join(folder, 'queue/public'), QUEUE_OWNER, DROP_GROUP, 0o710)
        own(os.path.join(folder, 'queue/maildrop'), QUEUE_OWNER, DROP_GROUP, 0o730)
        own(os.path.join(folder, 'data'), QUEUE_OWNER)
        own(os.path.join(folder, 'mail'), MAIL_USER, MAIL_USER)
        own(os.path.join(folder, 'mail/inbox'), MAIL_USER, MAIL_USER)
        with open(os.path.join(self.conf, 'main.cf'), 'w') as f:
            f.write(MAIN_CF.format(dir=folder, root=root, owner=QUEUE_OWNER, group=DROP_GROUP, uid=user.pw_uid,
                                   gid=user.pw_gid, milter=milter) + settings)
        with open(os.path.join(self.conf, 'master.cf'), 'w') as f:
            f.write(MASTER_CF.format(port=self.port) + services)
        self.env = dict(os.environ, LD_LIBRARY_PATH=os.path.join(root, 'usr/lib/postfix'))
        super().__init__('postfix', [os.path.join(root, 'usr/lib/postfix/sbin/master'), '-c', self.conf, '-d'], folder, self.env)
        self.wait_until(lambda: answers(self.port))

    def impersonate(self, ip, name=None, helo=None):
        """A client that Postfix takes for that address (XCLIENT)."""
        s = self.client()
        s.ehlo()
        code, text = s.docmd('XCLIENT', 'ADDR=%s%s NAME=%s' % ('IPV6:' if ':' in ip else '', ip, name or '[UNAVAILABLE]'))
        if code != 220:
            raise WorldError('XCLIENT: %d %s' % (code, text))
        s.ehlo_resp = s.helo_resp = None
        s.local_hostname = helo or name or 'client.invalid'
        s.ehlo()
        return s

    def command(self, name, *args):
        return subprocess.run([os.path.join(self.root, 'usr/sbin', name), '-c', self.conf, *args], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def held(self):
        """Queue ids in the hold queue."""
        return sorted(os.listdir(os.path.join(self.folder, 'queue/hold')))

    def queued(self, queue):
        """Octets of the messages in one queue."""
        return [self.command('postcat', '-bhq', i) for i in sorted(os.listdir(os.path.join(self.folder, 'queue', queue)))]

    def log(self):
        with open(os.path.join(self.folder, 'maillog'), errors='replace') as f:
            return f.read()

    def idle(self, seconds=30):
        """Until nothing is on its way any more."""
        def empty():
            return not any(os.listdir(os.path.join(self.folder, 'queue', q)) for q in ('maildrop', 'incoming', 'active'))
        wait_for('Postfix has an empty queue', empty, seconds)


class Sendmail(Mta):
    def __init__(self, packages, folder, milter, port=None):
        if os.geteuid() != 0:
            raise WorldError('Sendmail wants to be started as root')
        root = unpack('sendmail-bin', packages)
        self.port, self.folder, self.mailbox = port or free_port(), folder, os.path.join(folder, 'mail')
        own(folder, 'root')
        own(os.path.join(folder, 'queue'), 'root', mode=0o700)
        own(self.mailbox, 'root', mode=0o777)
        with open(os.path.join(folder, 'service.switch'), 'w') as f:
            f.write('hosts files\n')
        deliver = os.path.join(folder, 'deliver')
        with open(deliver, 'w') as f:
            f.write('#!/bin/sh\nf=%s/$(date +%%s%%N).$$\ncat > $f.part && mv $f.part $f\n' % self.mailbox)
        os.chmod(deliver, 0o755)
        config = os.path.join(folder, 'sendmail.cf')
        with open(config, 'w') as f:
            f.write(SENDMAIL_CF.format(dir=folder, port=self.port, milter=milter))
        os.chmod(config, 0o644)
        # a host name with a dot, seen by this process alone: Sendmail otherwise sleeps a minute in search of one
        program = os.path.join(root, 'usr/libexec/sendmail/sendmail')
        super().__init__('sendmail', ['unshare', '--uts', 'sh', '-c', 'hostname mx.receiver.example; exec "$0" "$@"', program,
                                      '-bD', '-C', config], folder)
        self.wait_until(lambda: answers(self.port))

    def queued(self):
        return sorted(n for n in os.listdir(os.path.join(self.folder, 'queue')) if n[:2] in ('qf', 'hf'))


def headers_of(message):
    """Header fields of a message as (name, raw value) pairs, in order."""
    return email.message_from_bytes(message).items()
