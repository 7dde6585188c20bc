#!/usr/bin/python3
"""The daemon under what systemd/vidimus-milter.service takes from it: capabilities and system calls, as systemd would."""
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import unittest

from daemon import PROGRAM, SANITIZED, Daemon
from milter import Milter

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "systemd", "vidimus-milter.service.in")
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
SCMP_ACT_ERRNO_EPERM, SCMP_ACT_ALLOW, SCMP_FLTATR_CTL_NNP = 0x00050001, 0x7FFF0000, 3
CAPABILITIES = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
                "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
                "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM "
                "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()


def setting(name):
    with open(UNIT) as f:
        return " ".join(line.split("=", 1)[1].strip() for line in f if line.startswith(name + "=")).split()


def system_calls():
    """The names that SystemCallFilter lets through; None where systemd cannot be asked for its sets."""
    if shutil.which("systemd-analyze") is None:
        return None
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], stdout=subprocess.PIPE, text=True, check=True).stdout
    sets, name = {}, None
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.strip() and not line.strip().startswith("#") and name:
            sets[name].append(line.strip())
    found, todo = set(), setting("SystemCallFilter") + ["@default"]
    while todo:
        word = todo.pop()
        if word.startswith("@"):
            todo += sets[word]
        else:
            found.add(word)
    return found


class Confined:
    """Made in the parent; called in the child, between fork and exec."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        kept = {word[len("CAP_"):] for word in setting("CapabilityBoundingSet")}
        self.drop = [number for number, name in enumerate(CAPABILITIES) if name not in kept]
        self.filter = None
        calls = system_calls()
        try:
            lib = ctypes.CDLL("libseccomp.so.2")
        except OSError:
            return
        if calls is None:
            return
        lib.seccomp_init.restype = ctypes.c_void_p
        for call in (lib.seccomp_load, lib.seccomp_rule_add, lib.seccomp_attr_set):
            call.argtypes = [ctypes.c_void_p] + ([] if call is lib.seccomp_load else [ctypes.c_uint32] * 2)
        lib.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
        self.lib, self.filter = lib, lib.seccomp_init(SCMP_ACT_ERRNO_EPERM)
        lib.seccomp_attr_set(self.filter, SCMP_FLTATR_CTL_NNP, 1)
        for name in sorted(calls):
            number = lib.seccomp_syscall_resolve_name(name.encode())
            if number >= 0:
                lib.seccomp_rule_add(self.filter, SCMP_ACT_ALLOW, number, 0)

    def __call__(self):
        for number in self.drop:
            self.libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        if self.libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError("prctl")
        if self.filter is not None and self.lib.seccomp_load(self.filter) != 0:
            raise OSError("seccomp")


@unittest.skipUnless(os.geteuid() == 0, "needs root")
@unittest.skipIf(SANITIZED, "sanitizers ask for more than the unit gives")
class Unit(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="vidimus-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)
        self.nobody = pwd.getpwnam("nobody")
        for name in ("run", "state"):  # as RuntimeDirectory and StateDirectory make them
            os.mkdir(os.path.join(self.dir, name), 0o755)
            os.chown(os.path.join(self.dir, name), self.nobody.pw_uid, self.nobody.pw_gid)

    def options(self, **more):
        return {"UserID": "nobody", "Socket": "unix:" + self.dir + "/run/s", "PidFile": self.dir + "/run/pid",
                "RecordDirectory": self.dir + "/state/records", "Sandbox": "yes", **more}

    def life(self, **more):
        """Start, a message, a reload, a stop."""
        with Daemon(options=self.options(**more), preexec=Confined()) as d:
            with Milter(self.dir + "/run/s") as m:
                m.begin()
                self.assertEqual(m.message()[0], b"c")
            d.signal(signal.SIGUSR1)
            d.wait_log("event=reload result=done")
            self.assertNotIn("error", d.log())
        self.assertEqual(os.listdir(self.dir + "/run"), [])

    def test_socket_and_pid_file_in_the_folders_of_the_unit(self):
        self.life()
        self.assertTrue(os.listdir(self.dir + "/state/records"))

    def test_sealing(self):
        made = subprocess.run([os.path.join(os.path.dirname(PROGRAM), "vidimus"), "key", "make", "-t", "ed25519", "-d", "seal.example", "-s", "a",
                               "-D", self.dir], stdout=subprocess.PIPE, text=True)
        self.assertEqual(made.returncode, 0)
        for name, text in (("keys", "k seal.example:a:%s/seal.example.a.pem\n" % self.dir), ("signing", "* k\n")):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text)
        self.life(ArcSeal="yes", KeyTable=self.dir + "/keys", SigningTable=self.dir + "/signing")


if __name__ == "__main__":
    unittest.main()
