"""A private mail world on loopback: name server, MTA and daemon, each in a folder of its own.

Used by contrib/quickstart and by the tests.  Programs of other packages are unpacked, not installed: Debian's Postfix and
Sendmail exclude each other, and a system that has one of them stays as it is.
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import time


# A system user that every Debian has and nothing else here uses.
QUEUE_OWNER = 'news'


class WorldError(Exception):
    """Something outside the program under test did not work; the text says what and what helps."""


def unpack(package, folder):
    """Debian package -> folder/package with its files; downloaded once."""
    target = os.path.join(folder, package)
    if os.path.isdir(target):
        return target
    os.makedirs(folder, exist_ok=True)
    where = os.path.join(folder, 'downloads')
    os.makedirs(where, exist_ok=True)
    if not glob.glob(os.path.join(where, package + '_*.deb')):
        p = subprocess.run(['apt-get', '-q', 'download', package], cwd=where, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        if p.returncode != 0:
            raise WorldError('cannot download Debian package %s (apt-get update may help):\n%s' % (package, p.stdout))
    deb = glob.glob(os.path.join(where, package + '_*.deb'))[0]
    part = target + '.part'
    shutil.rmtree(part, ignore_errors=True)
    subprocess.run(['dpkg', '-x', deb, part], check=True)
    os.rename(part, target)
    return target


def free_port():
    """A TCP and UDP port on loopback that nobody uses now."""
    while True:
        with socket.socket() as s, socket.socket(type=socket.SOCK_DGRAM) as u:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
            try:
                u.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port


def wait_for(what, test, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return
        time.sleep(0.03)
    raise WorldError('%s did not happen within %d seconds' % (what, seconds))


def answers(port):
    try:
        socket.create_connection(('127.0.0.1', port), timeout=1).close()
        return True
    except OSError:
        return False


class Server:
    """One program in the foreground, its output in a file."""

    def __init__(self, name, argv, folder, env=None):
        self.name, self.log = name, os.path.join(folder, name + '.out')
        self.file = open(self.log, 'ab')
        self.process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.file,
                                        stderr=subprocess.STDOUT, env=env, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def output(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def wait_until(self, test, seconds=20):
        def ready():
            if not self.alive():
                raise WorldError('%s ended at once:\n%s' % (self.name, self.output()[-2000:]))
            return test()
        wait_for(self.name + ' is ready', ready, seconds)

    def stop(self, how=signal.SIGTERM, seconds=10):
        """The exit status; killed if it does not end in time."""
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            pass
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(5)
        finally:
            self.file.close()


class Nsd(Server):
    """NSD, authoritative for everything: one root zone."""

    def __init__(self, folder, zone, port=None):
        os.makedirs(folder, exist_ok=True)
        self.port = port or free_port()
        with open(os.path.join(folder, 'zone'), 'w') as f:
            f.write('$ORIGIN .\n$TTL 300\n@ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60\n@ NS ns.invalid.\n' + zone)
        config = os.path.join(folder, 'nsd.conf')
        with open(config, 'w') as f:
            f.write('server:\n ip-address: 127.0.0.1@%d\n username: ""\n chroot: ""\n zonesdir: "%s"\n pidfile: "%s/nsd.pid"\n'
                    ' xfrdfile: ""\n zonelistfile: "%s/zone.list"\n server-count: 1\n rrl-ratelimit: 0\n'
                    'remote-control:\n control-enable: no\nzone:\n name: "."\n zonefile: "zone"\n' % (self.port, folder, folder, folder))
        super().__init__('nsd', ['/usr/sbin/nsd', '-d', '-c', config], folder)
        self.wait_until(lambda: answers(self.port))


class Daemon(Server):
    """vidimus-milter from a build folder."""

    def __init__(self, build, folder, nameserver_port, options=None, socket_spec=None, config_lines=()):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.socket = socket_spec or 'unix:' + os.path.join(folder, 'milter.sock')
        self.records = os.path.join(folder, 'records')
        self.config = os.path.join(folder, 'vidimus.conf')
        self.options = {'Socket': self.socket, 'UMask': '000', 'AuthservID': 'mx.receiver.example',
                        'Nameservers': '127.0.0.1@%d' % nameserver_port, 'RecordDirectory': self.records, 'Syslog': 'no',
                        'IgnoreHosts': '', 'UserID': QUEUE_OWNER}
        if os.environ.get('VIDIMUS_WATCHED'):  # a sanitizer or valgrind does what the sandbox forbids
            self.options['Sandbox'] = 'no'
        self.options.update(options or {})
        shutil.chown(folder, QUEUE_OWNER)
        self.write_config(config_lines)
        wrapper = os.environ.get('VIDIMUS_WRAPPER', '').split()  # valgrind and the like
        super().__init__('vidimus-milter', wrapper + [os.path.join(build, 'vidimus-milter'), '-f', '-c', self.config], folder)
        self.wait_until(self.listening, 60)

    def write_config(self, lines=()):
        with open(self.config, 'w') as f:
            for name, value in self.options.items():
                f.write(('%s %s' % (name, value)).rstrip() + '\n')
            for line in lines:
                f.write(line + '\n')

    def listening(self):
        kind, _, where = self.socket.partition(':')
        if kind in ('unix', 'local'):
            return os.path.exists(where)
        return answers(int(where.split('@')[0]))

    def postfix_form(self):
        """The socket as main.cf wants it: host and port the other way round."""
        kind, _, where = self.socket.partition(':')
        if kind in ('unix', 'local'):
            return 'unix:' + where
        port, _, host = where.partition('@')
        return 'inet:%s:%s' % (host, port)

    def faults(self):
        """What sanitizers and valgrind had to say."""
        signs = ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'WARNING: ThreadSanitizer', 'runtime error:',
                 'Invalid read', 'Invalid write', 'uninitialised value', 'are definitely lost')
        return [line for line in self.output().splitlines() if any(s in line for s in signs)]

    def stories(self):
        """The log lines that tell a message's story, oldest first, each as a dict."""
        return [s for s in (story(line) for line in self.output().splitlines()) if s]


def story(line):
    """One log line -> dict of its fields; None if it is no message's story."""
    import shlex
    if ' client=[' not in ' ' + line or ' dmarc=' not in line:
        return None
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    fields = dict(w.split('=', 1) for w in words if '=' in w)
    return fields
