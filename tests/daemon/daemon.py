"""A vidimus-milter of a test's own: started, watched, stopped; with a name server that knows next to nothing."""
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.path.abspath(os.environ.get("VIDIMUS_MILTER", "./vidimus-milter"))


def sanitized():
    with open(PROGRAM, "rb") as f:
        return b"__asan_init" in f.read()


SANITIZED = sanitized()


def thread_sanitized():
    with open(PROGRAM, "rb") as f:
        return b"__tsan_init" in f.read()


if thread_sanitized():
    print("skipped: the thread sanitizer has its own read() and close(), so that glue/packets.c is not in this program")
    sys.exit(77)


class FakeDns(threading.Thread):
    """NXDOMAIN for every name, but TXT of those in `txt`; `late` seconds late."""

    def __init__(self, txt=None, late=0.0):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        self.txt = {k.lower(): v for k, v in (txt or {}).items()}
        self.late = late
        self.silent = False
        self.asked = set()  # (name, type)
        self.start()

    def answer(self, q, peer):
        at, labels = 12, []
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode("latin-1"))
            at += 1 + q[at]
        question = q[12:at + 5]
        kind = struct.unpack(">H", q[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.add((name, kind))
        text = self.txt.get(name)
        if text is None or kind != 16:
            rcode = 0 if text is not None or any(k.endswith("." + name) for k in self.txt) else 3
            reply = q[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, 0, 0, 0) + question
        else:
            data = b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255].encode() for i in range(0, len(text), 255))
            reply = (q[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question +
                     b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(data)) + data)
        self.s.sendto(reply, peer)

    def run(self):
        while True:
            try:
                q, peer = self.s.recvfrom(4096)
            except OSError:
                return
            if self.silent:
                continue
            if self.late:
                threading.Timer(self.late, self.answer, (q, peer)).start()
            else:
                self.answer(q, peer)


class Daemon:
    def __init__(self, options=None, conf="", args=(), dns=None, preexec=None, wait=True, program=None):
        self.dir = tempfile.mkdtemp(prefix="vidimus-test-")
        os.chmod(self.dir, 0o755)
        self.socket = os.path.join(self.dir, "s")
        self.conf = os.path.join(self.dir, "vidimus.conf")
        self.dns = dns or FakeDns()
        self.options = {"Syslog": "no", "UMask": "000", "AuthservID": "mx.rcpt.example", "Nameservers": "127.0.0.1@%d" % self.dns.port,
                        "CheckIPRev": "no", "Socket": "unix:" + self.socket}
        if SANITIZED:
            self.options["Sandbox"] = "no"  # LeakSanitizer looks into its own process with ptrace
        if os.geteuid() == 0:
            self.options["UserID"] = "root"
        self.options.update({k: v for k, v in (options or {}).items() if v is not None})
        self.write(conf)
        self.args = [program or PROGRAM, "-f", "-c", self.conf, *args]
        self.log_path = os.path.join(self.dir, "log")
        self.preexec = preexec
        self.process = None
        self.start(wait)

    def write(self, extra="", **options):
        text = "".join("%s %s\n" % (k, v) for k, v in {**self.options, **options}.items() if v is not None) + extra
        with open(self.conf + ".new", "w") as f:
            f.write(text)
        os.rename(self.conf + ".new", self.conf)

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=self.preexec)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=20):
        until = time.monotonic() + seconds
        while "event=start version" not in self.log():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError("the daemon did not start:\n" + self.log())
            time.sleep(0.02)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_log(self, text, times=1, seconds=15):
        until = time.monotonic() + seconds
        while self.log().count(text) < times:
            if time.monotonic() > until:
                raise AssertionError("%r not %d times in the log:\n%s" % (text, times, self.log()[-3000:]))
            time.sleep(0.02)

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        os.kill(self.pid, number)

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def thread_ids(self):
        return set(os.listdir("/proc/%d/task" % self.pid))

    def threads(self):
        return len(self.thread_ids())

    def rss_kb(self):
        with open("/proc/%d/status" % self.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def cpu_s(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, seconds=20):
        """The exit status; the daemon must have been alive."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the daemon did not stop within %d s" % seconds)

    def clean(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        try:
            if kind is None:
                status = self.stop()
                if status != 0 or "Sanitizer" in self.log() or "runtime error" in self.log():
                    raise AssertionError("the daemon ended with %d:\n%s" % (status, self.log()[-6000:]))
            else:
                sys.stderr.write("the daemon: status %s, log:\n%s" % (self.process.poll(), self.log()[-3000:]))
        finally:
            self.clean()
