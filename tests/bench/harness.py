"""Starting and stopping what is measured, its name server, and the client that plays the MTA."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DNS53 = "127.0.0.54"  # for programs that can ask port 53 only


def programs(work):
    """Compiles the client, the forwarder and the floors; a folder of them."""
    out = work + "/bin"
    os.makedirs(out, exist_ok=True)
    for name, libs in (("milterbench", ["-lm"]), ("dnsdelay", []), ("nullmilter", ["-lmilter"]), ("nullfast", []),
                       ("cryptofloor", ["-lcrypto"])):
        src, exe = "%s/%s.c" % (HERE, name), "%s/%s" % (out, name)
        if not os.path.exists(exe) or os.path.getmtime(exe) < os.path.getmtime(src):
            subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-w", "-o", exe, src, *libs, "-lpthread"],
                           check=True)
    return out


def free_port():
    s, u = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    u.bind(("127.0.0.1", port))
    s.close()
    u.close()
    return port


class Dns:
    """nsd with the corpus' zone, and dnsdelay before it, which counts the questions."""

    def __init__(self, folder, bin_folder):
        self.port, upstream = free_port(), free_port()
        conf = re.sub(r"127\.0\.0\.1@\d+", "127.0.0.1@%d" % upstream, open(folder + "/nsd.conf").read())
        open(folder + "/nsd-now.conf", "w").write(conf)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        nsd = shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin")
        self.children = [subprocess.Popen([nsd, "-d", "-c", folder + "/nsd-now.conf"], **quiet)]
        time.sleep(1.5)
        args = [bin_folder + "/dnsdelay", "-u", "127.0.0.1@%d" % upstream, "-l", "127.0.0.1@%d" % self.port]
        self.at_53 = os.geteuid() == 0
        if self.at_53:
            args += ["-l", DNS53 + "@53"]
        self.children.append(subprocess.Popen(args, **quiet))
        time.sleep(0.5)
        if self.at_53 and self.children[1].poll() is not None:  # someone else listens there
            self.at_53 = False
            self.children[1] = subprocess.Popen(args[:-2], **quiet)
            time.sleep(0.5)
        self.say("stats")

    def say(self, command):
        name = b"".join(bytes([len(x)]) + x.encode() for x in (command + ".dnsdelay").split("."))
        q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + b"\0\0\x10\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            s.sendto(q, ("127.0.0.1", self.port))
            return s.recv(600)[len(q) + 13:].decode()

    def asked(self):
        st = dict(x.split("=") for x in self.say("stats").split())
        return int(st["udp"]) + int(st["tcp"])

    def close(self):
        for p in reversed(self.children):
            p.terminate()
            p.wait()


class Milter:
    """One program under test, started with cold caches."""

    def __init__(self, name, run, argv, sock):
        self.name, self.sock = name, sock
        path = sock[5:] if sock.startswith("unix:") else None
        if path and os.path.exists(path):
            os.unlink(path)
        self.p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=open("%s/%s.log" % (run, name), "wb"))
        for _ in range(300):
            if self.p.poll() is not None:
                raise SystemExit("%s did not start: see %s/%s.log" % (name, run, name))
            if self.answers():
                return
            time.sleep(0.1)
        raise SystemExit("%s does not answer: see %s/%s.log" % (name, run, name))

    def answers(self):
        """Some listen before they can serve: a negotiation tells."""
        try:
            if self.sock.startswith("unix:"):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(5)
                s.connect(self.sock[5:])
            else:
                port, host = re.match(r"inet:(\d+)@(.*)", self.sock).groups()
                s = socket.create_connection((host, int(port)), 5)
            with s:
                s.sendall(struct.pack(">IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF))
                good = len(s.recv(64)) > 4
                s.sendall(struct.pack(">Ic", 1, b"Q"))
            return good
        except OSError:
            return False

    def close(self):
        self.p.terminate()
        try:
            self.p.wait(8)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


class Peers:
    """What can be measured here, and how each is started."""

    def __init__(self, work, bin_folder, dns, daemon, options=()):
        self.run, self.bin, self.dns, self.daemon, self.options = work + "/run", bin_folder, dns, daemon, list(options)
        os.makedirs(self.run, exist_ok=True)
        os.chmod(self.run, 0o755)
        open(self.run + "/resolv.conf", "w").write("nameserver %s\n" % DNS53)

    def conf(self, name, sock=""):
        text = open("%s/peers/%s" % (HERE, name)).read()
        for key, value in (("@RUN@", self.run), ("@PORT@", str(self.dns.port)), ("@DNS53@", DNS53), ("@SOCKET@", sock)):
            text = text.replace(key, value)
        path = "%s/%s" % (self.run, os.path.basename(name))
        open(path, "w").write(text)
        return path

    @staticmethod
    def find(program):
        return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")

    def available(self):
        out = ["null", "null-noreply", "own-engine"]
        if os.path.exists(self.daemon):
            out.append("vidimus")
        if self.dns.at_53 and self.find("opendkim") and self.find("opendmarc"):
            out.append("opendkim+opendmarc")
        if self.find("rspamd"):
            out.append("rspamd")
        return out

    def start(self, name, kind="unix"):
        return [self.part(part, kind) for part in name.split("+")]

    def part(self, name, kind):
        sock = "unix:%s/%s.sock" % (self.run, name) if kind == "unix" else "inet:%d@127.0.0.1" % free_port()
        as_resolver = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', self.run + "/resolv.conf"]
        if name in ("null", "null-noreply"):
            argv = [self.bin + "/nullmilter"] + (["-n"] if name == "null-noreply" else []) + [sock]
        elif name == "own-engine":
            argv = [self.bin + "/nullfast", sock[5:].split("@")[0]]
        elif name == "vidimus":
            argv = [self.daemon, "-f", "-c", self.conf("vidimus.conf", sock)]
            for o in self.options:
                argv += ["-o", o]
        elif name == "opendkim":
            argv = [self.find(name), "-f", "-x", self.conf("opendkim.conf"), "-p", sock.replace("unix:", "local:")]
        elif name == "opendmarc":
            argv = as_resolver + [self.find(name), "-f", "-c", self.conf("opendmarc.conf"), "-p", sock.replace("unix:", "local:")]
        else:
            for folder in ("rspamd-db",):
                os.makedirs("%s/%s" % (self.run, folder), exist_ok=True)
                os.chmod("%s/%s" % (self.run, folder), 0o777)
            argv = [self.find(name), "-i", "-f", "-c", self.conf("rspamd/rspamd.conf"), "--var", "RUNDIR=" + self.run,
                    "--var", "DBDIR=" + self.run + "/rspamd-db", "--var", "LOGDIR=" + self.run]
        return Milter(name, self.run, argv, sock)


def bench(bin_folder, index, milters, connections, n, extra=()):
    """One pass of the client: its summary."""
    argv = [bin_folder + "/milterbench", "-q", "-i", index, "-c", str(connections), "-n", str(n), "-s", "-", "-t", "120"]
    for m in milters:
        argv += ["-p", "%d+" % m.p.pid]
    r = subprocess.run(argv + list(extra) + [m.sock for m in milters], capture_output=True, text=True, timeout=900)
    if not r.stdout.strip():
        raise SystemExit("milterbench: " + r.stderr[:400])
    if r.stderr:
        print(r.stderr[:300], file=sys.stderr)
    return json.loads(r.stdout.strip().splitlines()[-1])
