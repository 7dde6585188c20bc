#!/usr/bin/python3
"""The tool's outside: help, wrong options, exit statuses, output that does not arrive."""
import os
import pwd
import subprocess
import tempfile
import unittest

PROGRAM = os.path.abspath(os.environ.get("VIDIMUS", "./vidimus"))
EX_USAGE, EX_NOINPUT, EX_IOERR, EX_CONFIG = 64, 66, 74, 78
COMMANDS = (["check"], ["config", "check"], ["config", "dump"], ["key", "make"], ["key", "test"], ["report", "import"], ["report", "send"],
            ["stats"])


def run(*args, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([PROGRAM, *args], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=60, **kw)


class Tool(unittest.TestCase):
    def test_help_is_an_answer(self):
        for command in ([], *COMMANDS):
            for word in ("--help", "-h"):
                r = run(*command, word)
                self.assertEqual((r.returncode, r.stderr), (0, ""), command)
                self.assertIn("usage: vidimus", r.stdout)

    def test_a_wrong_option_is_named_and_the_command_too(self):
        for command in COMMANDS:
            r = run(*command, "--bogus")
            self.assertEqual((r.returncode, r.stdout), (EX_USAGE, ""), command)
            self.assertTrue(r.stderr.startswith("vidimus %s: unrecognized option '--bogus'" % command[0]) or
                            r.stderr.startswith("vidimus %s: unrecognized option '--bogus'" % " ".join(command)), r.stderr)
        self.assertEqual(run("bogus").returncode, EX_USAGE)
        self.assertEqual(run().returncode, EX_USAGE)
        r = run("key", "make", "-d", "example.org", "-s", "a", "-b", "100")
        self.assertEqual(r.returncode, EX_USAGE)
        self.assertIn('--bits "100": a number from 1024 to 8192', r.stderr)

    def test_an_option_of_another_command_is_not_passed_over(self):
        for command, option in ((["report", "send"], ["--domain", "example.org"]), (["report", "import"], ["--json"]),
                                (["report", "expire"], ["--domain", "example.org"]), (["stats"], ["--day", "2026-11-20"]),
                                (["report", "show"], ["--erase", "example.org"]), (["report", "bounce"], ["--spool", "/"])):
            r = run(*command, "-c", "/nowhere/vidimus.conf", *option)
            self.assertEqual((r.returncode, r.stderr), (EX_USAGE, "vidimus %s: %s is not an option of this command\n" %
                                                        (" ".join(command), option[0])))

    def test_a_missing_configuration_is_an_error(self):
        for command in (["check", "/dev/null"], ["config", "check"], ["config", "dump"], ["key", "test"], ["report", "import"], ["stats"]):
            r = run(*command, "-c", "/nowhere/vidimus.conf")
            self.assertEqual((r.returncode, r.stdout), (EX_CONFIG, ""), command)
            self.assertIn("/nowhere/vidimus.conf", r.stderr)

    def test_the_message_file(self):
        self.assertEqual(run("check", "-c", "/dev/null", "/nowhere/m.eml").returncode, EX_NOINPUT)
        self.assertEqual(run("check", "-c", "/dev/null", "/").returncode, EX_IOERR)

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_output_that_does_not_arrive_is_an_error(self):
        with tempfile.TemporaryDirectory() as d, open("/dev/full", "w") as full:
            for name, text in (("m.eml", "From: a@example.org\n\nx\n"), ("zone", "example.org. TXT \"x\"\n")):
                with open(os.path.join(d, name), "w") as f:
                    f.write(text)
            judge = ["check", "-c", "/dev/null", "--zone", d + "/zone", d + "/m.eml"]
            for args in (["--help"], ["-V"], ["config", "dump", "-c", "/dev/null"], ["config", "check", "-c", "/dev/null"], judge,
                         judge + ["--json"], judge + ["--explain"], ["key", "make", "-t", "ed25519", "-d", "example.org", "-s", "a", "-D", d]):
                r = run(*args, stdout=full)
                self.assertEqual(r.returncode, EX_IOERR, args)
                self.assertIn("No space left", r.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_store_that_root_made_is_its_folders(self):
        nobody = pwd.getpwnam("nobody")
        with tempfile.TemporaryDirectory() as top:
            os.chmod(top, 0o755)
            d = os.path.join(top, "state")
            os.mkdir(d, 0o750)
            os.chown(d, nobody.pw_uid, nobody.pw_gid)
            options = ["-c", "/dev/null", "-o", "ReportStore=%s/reports.sqlite" % d, "-o", "RecordDirectory=%s" % d, "-o", "ReportEmail=a@example.org"]
            for command in (["stats"], ["report", "send"]):
                self.assertEqual(run(*command, *options).returncode, 0)
            for name in os.listdir(d):
                st = os.stat(os.path.join(d, name))
                self.assertEqual((st.st_uid, st.st_gid), (nobody.pw_uid, nobody.pw_gid), name)
            def become():
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
            try:
                run("-V", preexec_fn=become)
            except PermissionError:
                self.skipTest("the program cannot be reached by nobody")
            for command in (["report", "import"], ["report", "send"], ["report", "expire"]):
                r = run(*command, *options, preexec_fn=become)
                self.assertEqual((r.returncode, r.stderr), (0, ""))

    def test_a_reader_who_has_read_enough(self):
        p = subprocess.Popen([PROGRAM, "config", "dump", "-c", "/dev/null"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.close()
        self.assertEqual(p.stderr.read(), b"")
        p.stderr.close()
        p.wait(60)


if __name__ == "__main__":
    unittest.main()
