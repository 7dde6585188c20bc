"""harness.py - what the integration tests share: a folder of their own, counted tests, a last line for tests/run."""
import os
import shutil
import sys
import tempfile
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'contrib'))
sys.dont_write_bytecode = True

from world import Daemon  # noqa: E402

BUILD = os.path.abspath(os.environ.get('VIDIMUS_BUILD', os.path.join(TOP, 'build-tests')))
PACKAGES = os.environ.get('VIDIMUS_PACKAGES', '/var/tmp/vidimus-packages')
TOOL = os.path.join(BUILD, 'vidimus')


class Skip(Exception):
    """This test cannot be made here; the text says why."""


class Suite:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.folder = tempfile.mkdtemp(prefix='vidimus-test-')
        os.chmod(self.folder, 0o755)
        self.servers = []

    def started(self, server):
        """Keeps a server to be stopped at the end."""
        self.servers.append(server)
        return server

    def test(self, name, function, *args):
        try:
            function(*args)
        except Skip as e:
            self.skipped += 1
            print('skip %s: %s' % (name, e), flush=True)
        except Exception:
            self.failed += 1
            print('not ok %s' % name, flush=True)
            traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print('ok %s' % name, flush=True)

    @staticmethod
    def ended_well(daemon, status):
        equal(daemon.faults(), [], 'faults')
        equal(status, 0, 'exit status')

    def finish(self):
        for s in reversed(self.servers):
            status = s.stop()
            if isinstance(s, Daemon):
                self.test('the daemon ends well', self.ended_well, s, status)
        if self.failed and os.environ.get('VIDIMUS_KEEP'):
            print('kept: ' + self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        print('%d passed, %d failed, %d skipped' % (self.passed, self.failed, self.skipped))
        sys.exit(1 if self.failed else 0)


def equal(got, wanted, what=''):
    if got != wanted:
        raise AssertionError('%s\n got    %r\n wanted %r' % (what, got, wanted))


def check(condition, what):
    if not condition:
        raise AssertionError(what)
