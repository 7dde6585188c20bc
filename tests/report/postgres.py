"""postgres.py - a PostgreSQL cluster of its own: in a folder, on a unix socket, as a user that is not root."""
import glob
import os
import pwd
import shutil
import subprocess


def binaries():
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin'))
    return found[-1] if found else None


class Postgres:
    """start() and stop(); uri is what ReportStore takes."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, 'pg')
        self.data = os.path.join(self.folder, 'data')
        self.bin = binaries()
        self.uri = 'postgresql:///vidimus?host=%s&user=%s' % (self.folder, self.user())

    def user(self):
        return 'postgres' if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def run(self, *command, **more):
        if os.geteuid() == 0:
            command = ('runuser', '-u', 'postgres', '--') + command
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd='/', **more)

    def start(self):
        os.makedirs(self.folder)
        if os.geteuid() == 0:
            shutil.chown(self.folder, 'postgres')
        os.chmod(self.folder, 0o755)
        self.run(os.path.join(self.bin, 'initdb'), '-D', self.data, '-A', 'trust', '-U', self.user(), '--no-sync')
        self.run(os.path.join(self.bin, 'pg_ctl'), '-D', self.data, '-w', '-l', os.path.join(self.folder, 'log'), '-o',
                 "-c listen_addresses='' -c unix_socket_directories=%s -c max_connections=20" % self.folder, 'start')
        self.run(os.path.join(self.bin, 'createdb'), '-h', self.folder, '-U', self.user(), 'vidimus')
        return self

    def stop(self):
        self.run(os.path.join(self.bin, 'pg_ctl'), '-D', self.data, '-m', 'immediate', 'stop')

    def query(self, sql):
        out = subprocess.run([os.path.join(self.bin, 'psql'), '-h', self.folder, '-U', self.user(), '-d', 'vidimus', '-AtqX',
                              '-c', sql], check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ, PGOPTIONS='-c client_min_messages=warning'))
        return [line.split('|') for line in out.stdout.splitlines()]

    def reset(self):
        self.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
