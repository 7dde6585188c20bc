#!/usr/bin/python3
"""Options, exit statuses, -n, pid file, sockets, privileges, sandbox: how the daemon comes up, or does not."""
import glob
import os
import pwd
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from daemon import PROGRAM, SANITIZED, Daemon, FakeDns
from milter import Milter

EX_USAGE, EX_NOUSER, EX_UNAVAILABLE, EX_CANTCREAT, EX_CONFIG = 64, 67, 69, 73, 78
ROOT = os.geteuid() == 0
USER = ["-u", "root"] if ROOT else []


def read(path):
    with open(path) as f:
        return f.read()


def run(*args, **kw):
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, **kw)


class Options(unittest.TestCase):
    def test_usage(self):
        for args in (["-x"], ["-c"], ["surplus"], ["-o", "a=b", "-q"]):
            r = run(*args)
            self.assertEqual(r.returncode, EX_USAGE, args)
            self.assertIn("usage:", r.stderr)
        for arg in ("-V", "--version"):
            r = run(arg)
            self.assertEqual((r.returncode, r.stdout.split()[0]), (0, "vidimus-milter"))
        self.assertEqual(run("--help").returncode, 0)

    def test_check_says_all_that_is_wrong(self):
        r = run("-n", "-c", "/dev/null", *USER)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        r = run("-n", "-c", "/dev/null", "-o", "DNSTimout=3", "-o", "Enforcement=x", "-o", "Socket=y")
        self.assertEqual(r.returncode, EX_CONFIG)
        self.assertEqual(len(r.stderr.splitlines()), 3, r.stderr)
        r = run("-n", "-c", "/dev/null", "-o", "UserID=no-such-user", "-o", "RulesFile=/nowhere/rules", "-o", "RecordDirectory=/nowhere/x",
                "-o", "Socket=unix:/nowhere/s", "-o", "Nameservers=300.1.1.1")
        self.assertEqual(r.returncode, EX_CONFIG)
        for text in ("UserID: there is no user", "/nowhere/rules", "RecordDirectory: the folder /nowhere", "Socket: the folder /nowhere: No such file",
                     "Nameservers: "):
            self.assertIn(text, r.stderr)
        self.assertEqual(run("-n", "-c", "/nowhere.conf").returncode, EX_CONFIG)

    def test_what_is_wrong_is_said_with_file_and_line(self):
        with tempfile.TemporaryDirectory() as d:
            conf = d + "/conf"
            with open(d + "/secret", "w") as f:
                f.write("short\n")
            os.chmod(d + "/secret", 0o600)
            lines = ["# first", "UserID no-such-user", "RulesFile /nowhere/rules", "TrustedSealers /nowhere/sealers", "Nameservers 300.1.1.1",
                     "RecordDirectory /nowhere/records", "PidFile /nowhere/pid", "Socket unix:/nowhere/s", "MetricsListen abc", "FailureReports yes",
                     "HistoryFile /nowhere/history", "WalkCompare yes", "PublicSuffixList /nowhere/psl"]
            with open(conf, "w") as f:
                f.write("\n".join(lines) + "\n")
            r = run("-n", "-c", conf)
            self.assertEqual(r.returncode, EX_CONFIG)
            for number, line in enumerate(lines, 1):
                if line[0] not in "#W":
                    self.assertIn("%s:%d: %s: " % (conf, number, line.split()[0]), r.stderr)
            with open(conf, "w") as f:
                f.write("ArcSeal yes\nSealFor a..b\nSealHeaderChecks x\nKeyTable %s/none\nSigningTable %s/none\n" % (d, d))
            r = run("-n", "-c", conf, *USER)
            self.assertIn("%s:4: KeyTable: cannot read %s/none: " % (conf, d), r.stderr)
            # a path that is right in one folder alone is right in none: the daemon and a reload are not in the same
            r = run("-n", "-c", "/dev/null", "-o", "InternalHosts=file:hosts", *USER)
            self.assertIn("InternalHosts: \"file:hosts\" does not name a file by its absolute path", r.stderr)

    def test_a_key_that_dns_does_not_have_is_said_with_its_line(self):
        with tempfile.TemporaryDirectory() as d:
            made = subprocess.run([os.path.join(os.path.dirname(PROGRAM), "vidimus"), "key", "make", "-t", "ed25519", "-d", "seal.example",
                                   "-s", "a", "-D", d], stdout=subprocess.PIPE, text=True)
            self.assertEqual(made.returncode, 0)
            for name, text in (("keys", "# first\nk seal.example:a:%s/seal.example.a.pem\n" % d), ("signing", "* k\n")):
                with open(os.path.join(d, name), "w") as f:
                    f.write(text)
            seal = ["-n", "-c", "/dev/null", "-o", "ArcSeal=yes", "-o", "KeyTable=%s/keys" % d, "-o", "SigningTable=%s/signing" % d, *USER]
            dns = FakeDns()
            r = run(*seal, "-o", "Nameservers=127.0.0.1@%d" % dns.port)
            self.assertEqual((r.returncode, r.stderr), (EX_CONFIG, "%s/keys:2: a._domainkey.seal.example: not published\n" % d))
            dns.silent = True
            r = run(*seal, "-o", "Nameservers=127.0.0.1@%d" % dns.port, "-o", "DNSTimeout=200ms", "-o", "MessageTimeout=1s")
            self.assertEqual(r.returncode, 0, r.stderr)  # what DNS does not say is no error
            self.assertIn("note: %s/keys:2: a._domainkey.seal.example: " % d, r.stderr)

    @unittest.skipUnless(ROOT, "needs root")
    def test_the_check_reads_as_the_user_of_the_daemon(self):
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            rules, conf = d + "/rules", d + "/conf"
            os.mkdir(d + "/records", 0o755)
            for path, text in ((rules, "rule a: any -> accept\n"), (conf, "UserID nobody\n")):
                with open(path, "w") as f:
                    f.write(text)
                os.chmod(path, 0o600)
            r = run("-n", "-c", conf, "-o", "RulesFile=" + rules, "-o", "RecordDirectory=" + d + "/records")
            self.assertEqual(r.returncode, EX_CONFIG)
            for text in ("RulesFile: cannot read %s: Permission denied" % rules, "RecordDirectory: the folder %s/records: Permission denied" % d,
                         "%s: cannot read %s: Permission denied" % (conf, conf), "as user nobody"):
                self.assertIn(text, r.stderr)
            os.chmod(rules, 0o644)
            os.chmod(conf, 0o644)
            os.chown(d + "/records", pwd.getpwnam("nobody").pw_uid, -1)
            r = run("-n", "-c", conf, "-o", "RulesFile=" + rules, "-o", "RecordDirectory=" + d + "/records")
            self.assertEqual((r.returncode, r.stderr), (0, ""))

    @unittest.skipIf(os.path.exists("/run/vidimus"), "the service is installed here")
    def test_the_folders_of_the_unit_need_not_be_there_yet(self):
        r = run("-n", "-c", "/dev/null", "-p", "unix:/run/vidimus/s", "-P", "/run/vidimus/pid", *USER)
        self.assertEqual((r.returncode, r.stderr.count("the systemd unit makes it")), (0, 2), r.stderr)

    def test_a_start_that_fails_late_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as d:
            r = run("-f", "-c", "/dev/null", "-p", "unix:" + d + "/s", "-P", d + "/pid", "-o", "RulesFile=/nowhere/rules", *USER,
                    *(["-o", "Sandbox=no"] if SANITIZED else []))  # LeakSanitizer asks for ptrace
            self.assertEqual((r.returncode, os.listdir(d)), (EX_CONFIG, []), r.stderr)

    def test_what_fails_before_the_start_says_so(self):
        self.assertEqual(run("-f", "-c", "/dev/null", "-o", "Syslog=no", "-u", "no-such-user").returncode, EX_NOUSER)
        r = run("-f", "-c", "/dev/null", "-o", "PidFile=/nowhere/pid", *USER)
        self.assertEqual((r.returncode, "PidFile: cannot write" in r.stderr), (EX_CANTCREAT, True))
        r = run("-f", "-c", "/dev/null", "-p", "unix:/nowhere/s", *USER)
        self.assertEqual(r.returncode, EX_UNAVAILABLE)
        self.assertIn("Socket: cannot listen", r.stderr)
        if ROOT:
            r = run("-f", "-c", "/dev/null")
            self.assertEqual(r.returncode, EX_NOUSER)
            self.assertIn("started as root", r.stderr)

    def test_an_inet_socket_in_use_is_said(self):
        s = socket.create_server(("127.0.0.1", 0))
        r = run("-f", "-c", "/dev/null", "-p", "inet:127.0.0.1:%d" % s.getsockname()[1], *USER)
        self.assertEqual(r.returncode, EX_UNAVAILABLE)
        self.assertIn("in use", r.stderr)
        s.close()

    def test_the_background(self):
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            pid_file = d + "/pid"
            bad = run("-c", "/dev/null", "-p", "unix:" + d + "/no/s", *USER)
            self.assertEqual(bad.returncode, EX_UNAVAILABLE)  # the parent hears what became of the child
            args = ["-c", "/dev/null", "-p", "unix:" + d + "/s", "-P", pid_file, *USER]
            r = run(*args)
            self.assertEqual(r.returncode, 0, r.stderr)
            pid = int(read(pid_file))
            try:
                with Milter(d + "/s") as m:  # ready when the parent has ended
                    self.assertEqual(m.negotiate(), b"O")
                again = run(*args)
                self.assertEqual(again.returncode, EX_CANTCREAT)
                self.assertIn("held by another daemon", again.stderr)
                again = run(*args[:4], *USER)
                self.assertEqual(again.returncode, EX_UNAVAILABLE)
                self.assertIn("listening", again.stderr)
            finally:
                os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + 15
            while os.path.exists(pid_file) and time.monotonic() < until:
                time.sleep(0.05)
            self.assertFalse(os.path.exists(pid_file))
            self.assertFalse(os.path.exists(d + "/s"))

    def test_a_relative_file_is_found_again_in_the_background(self):
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            with open(d + "/conf", "w") as f:
                f.write("Socket unix:%s/s\nPidFile %s/pid\nSyslog no\n" % (d, d))
            with open(d + "/log", "w") as log:
                self.assertEqual(subprocess.run([PROGRAM, "-c", "conf", *USER], cwd=d, stdout=log, stderr=log, timeout=60).returncode, 0)
            pid = int(read(d + "/pid"))
            try:
                os.kill(pid, signal.SIGUSR1)
                until = time.monotonic() + 15
                while "event=reload result=" not in read(d + "/log") and time.monotonic() < until:
                    time.sleep(0.05)
                self.assertIn("event=reload result=done", read(d + "/log"))
            finally:
                os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + 15
            while os.path.exists(d + "/pid") and time.monotonic() < until:
                time.sleep(0.05)

    @unittest.skipIf(os.path.exists("/dev/log"), "there is a system log")
    def test_a_system_log_that_is_not_there_is_said(self):
        with tempfile.TemporaryDirectory() as d:
            p = subprocess.Popen([PROGRAM, "-f", "-c", "/dev/null", "-p", "unix:" + d + "/s", *USER], stderr=subprocess.PIPE, text=True)
            self.assertIn("no system log at /dev/log", p.stderr.readline())
            p.send_signal(signal.SIGTERM)
            p.communicate(timeout=60)

    def test_a_stop_is_no_error(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        for where in (None, "inet:%d@127.0.0.1" % port):
            with Daemon(options={"Socket": where} if where else {}) as d:
                self.assertEqual(d.stop(), 0)
                self.assertIn("event=stop", d.log())
                self.assertNotIn("error", d.log())

    def test_a_dead_socket_is_replaced_and_nothing_else(self):
        with Daemon() as d:
            d.process.kill()
            d.process.wait()
            self.assertTrue(os.path.exists(d.socket))
            os.truncate(d.log_path, 0)
            d.start()
            with Milter(d.socket) as m:
                self.assertEqual(m.negotiate(), b"O")
        with tempfile.NamedTemporaryFile() as f:
            r = run("-f", "-c", "/dev/null", "-p", "unix:" + f.name, *USER)
            self.assertEqual(r.returncode, EX_UNAVAILABLE)
            self.assertIn("is no socket", r.stderr)
            self.assertTrue(os.path.exists(f.name))

    def test_umask_decides_about_the_socket(self):
        with Daemon(options={"UMask": "0117"}) as d:
            self.assertEqual(stat.S_IMODE(os.stat(d.socket).st_mode), 0o660)

    @unittest.skipUnless(ROOT, "needs root")
    def test_root_is_given_up_for_good(self):
        nobody = pwd.getpwnam("nobody")
        with Daemon(options={"UserID": "nobody:daemon"}) as d:
            status = dict(line.split(":\t", 1) for line in read("/proc/%d/status" % d.pid).splitlines(True) if ":\t" in line)
            self.assertEqual(set(status["Uid"].split()), {str(nobody.pw_uid)})
            self.assertEqual(len(set(status["Gid"].split())), 1)
            self.assertNotIn("0", status["Gid"].split())
            self.assertNotIn("0", status["Groups"].split())
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(int(status["CapPrm"], 16), 0)
            self.assertEqual(status["NoNewPrivs"].strip(), "1")
            for task in glob.glob("/proc/%d/task/*/status" % d.pid):
                self.assertIn("Uid:\t%d\t%d" % (nobody.pw_uid, nobody.pw_uid), read(task))
            self.assertEqual(os.stat(d.socket).st_uid, nobody.pw_uid)

    @unittest.skipIf(SANITIZED, "sanitizers cannot live in the sandbox")
    def test_the_sandbox_is_on_in_every_thread(self):
        with Daemon(options={"Sandbox": "yes"}) as d:
            with Milter(d.socket) as m:
                m.begin()
                self.assertEqual(m.message()[0], b"c")
            for task in glob.glob("/proc/%d/task/*/status" % d.pid):
                self.assertIn("Seccomp:\t2", read(task))


if __name__ == "__main__":
    unittest.main()
