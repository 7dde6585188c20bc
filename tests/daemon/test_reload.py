#!/usr/bin/python3
"""Reload under load: no message sees half of a configuration, a bad file changes nothing."""
import os
import signal
import tempfile
import threading
import time
import unittest

from daemon import SANITIZED, Daemon, FakeDns
from milter import LEADSPC, Milter, inserted

DNS = {"sender.example": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.sender.example": "v=DMARC1; p=reject"}
# what one configuration shows in a message: the name in Authentication-Results, and whether there is a Received-SPF
ONE = {"AuthservID": "one.example", "ReceivedSPF": "yes"}
TWO = {"AuthservID": "two.example", "ReceivedSPF": "no"}
BROKEN = "DNSTimout 5\nEnforcement sometimes\n"


class Load(threading.Thread):
    def __init__(self, where):
        super().__init__(daemon=True)
        self.where, self.stop, self.seen, self.trouble = where, False, [], []

    def run(self):
        try:
            while not self.stop:
                with Milter(self.where) as m:
                    m.begin()
                    for _ in range(5):
                        final, text, edits = m.message()
                        names = [v.split(";")[0].strip() for n, v in inserted(edits) if n == "Authentication-Results"]
                        spf = any(n == "Received-SPF" for n, _ in inserted(edits))
                        self.seen.append((final, tuple(names), spf))
                        m.abort()
        except Exception as e:
            self.trouble.append(repr(e))


class Reload(unittest.TestCase):
    def test_under_load(self):
        with Daemon(options=ONE, dns=FakeDns(DNS)) as d:
            loads = [Load(d.socket) for _ in range(4)]
            for load in loads:
                load.start()
            good = bad = 0
            for i in range(200):
                d.write(**(ONE if i % 4 < 2 else TWO), extra=BROKEN if i % 2 else "")
                d.signal(signal.SIGUSR1 if i % 3 else signal.SIGHUP)
                good, bad = good + (i % 2 == 0), bad + i % 2
                d.wait_log("event=reload result=", times=i + 1)
            for load in loads:
                load.stop = True
            for load in loads:
                load.join(30)
            self.assertEqual([load.trouble for load in loads], [[]] * 4)
            seen = set(s for load in loads for s in load.seen)
            self.assertEqual(seen, {(b"c", ("one.example",), True), (b"c", ("two.example",), False)})
            self.assertGreater(sum(len(load.seen) for load in loads), 100)
            self.assertEqual(d.log().count("event=reload result=done"), good)
            self.assertEqual(d.log().count("event=reload result=failed"), bad)
            self.assertIn("did you mean DNSTimeout?", d.log())

    def test_a_message_keeps_what_it_began_with_and_the_next_has_the_new(self):
        with Daemon(options=ONE, dns=FakeDns(DNS)) as d, Milter(d.socket) as m:
            m.begin(steps=LEADSPC)  # every step is answered: what was sent has been seen
            m.mail()
            m.rcpt()
            m.header("From", " a@sender.example")
            d.write(**TWO)
            d.signal(signal.SIGUSR1)
            d.wait_log("event=reload result=done")
            m.eoh()
            names = [v.split(";")[0].strip() for n, v in inserted(m.eom()[2]) if n == "Authentication-Results"]
            self.assertEqual(names, ["one.example"])
            m.abort()
            names = [v.split(";")[0].strip() for n, v in inserted(m.message()[2]) if n == "Authentication-Results"]
            self.assertEqual(names, ["two.example"])
            m.abort()
            m.helo()  # begun, and then the configuration changes before MAIL
            d.write(**ONE)
            d.signal(signal.SIGUSR1)
            d.wait_log("event=reload result=done", times=2)
            names = [v.split(";")[0].strip() for n, v in inserted(m.message()[2]) if n == "Authentication-Results"]
            self.assertEqual(names, ["one.example"])

    def test_lists_that_are_gone_or_cut(self):
        """Fault matrix: the last good ones stay in force, and the trouble is said."""
        rule = "rule partner: from sender.example, dmarc any -> reject\n"
        cases = (("RulesFile", rule, (None, rule[:30])), ("TrustedSealers", "sealer.example\n", (None, "sealer.example only f")),
                 ("PublicSuffixList", "// ===BEGIN ICANN DOMAINS===\nexample\n// ===END ICANN DOMAINS===\n", (None, "", "// ===BEGIN")))
        with tempfile.TemporaryDirectory() as lists:
            os.chmod(lists, 0o755)
            paths = {name: os.path.join(lists, name) for name, _, _ in cases}

            def put(name, text):
                if text is None:
                    os.unlink(paths[name])
                    return
                with open(paths[name], "w") as f:
                    f.write(text)
            for name, good, _ in cases:
                put(name, good)
            failed = done = 0
            with Daemon(options={**paths, **ONE, "PSLGuard": "yes", "IgnoreHosts": ""}, dns=FakeDns(DNS)) as d:
                for name, good, bad in cases:
                    for text in (*bad, good):
                        put(name, text)
                        failed, done = failed + (text != good), done + (text == good)
                        d.signal(signal.SIGUSR1)
                        d.wait_log("event=reload result=", times=failed + done)
                        self.assertEqual(d.log().count("event=reload result=failed"), failed, (name, text))
                        self.assertIn(paths[name], d.log())
                        with Milter(d.socket) as m:
                            m.begin()
                            final, reply, _ = m.message()
                            self.assertEqual((final, reply[:3]), (b"y", b"550"))  # the rule is in force

    def test_what_cannot_change_is_said(self):
        with Daemon() as d:
            d.write(Socket="unix:" + d.dir + "/other")
            d.signal(signal.SIGUSR1)
            d.wait_log("need a restart")
            with Milter(d.socket) as m:
                self.assertEqual(m.negotiate(), b"O")

    def test_nothing_is_left_behind_by_reloads(self):
        with Daemon(options=ONE, dns=FakeDns(DNS)) as d:
            for i in range(60):
                d.write(**(ONE if i % 2 else TWO), DNSTimeout="%ds" % (3 + i % 3))  # a new resolver each time
                d.signal(signal.SIGUSR1)
                d.wait_log("event=reload result=done", times=i + 1)
                if i == 20:
                    time.sleep(1)  # the resolver before goes when the last message that used it has gone
                    fds, threads, rss = d.fds(), d.threads(), d.rss_kb()
            until = time.monotonic() + 20
            while (d.fds() > fds or d.threads() > threads) and time.monotonic() < until:
                time.sleep(0.05)
            self.assertTrue(d.fds() <= fds and d.threads() <= threads, (d.fds(), d.threads(), fds, threads))
            if not SANITIZED:  # their quarantine of freed memory grows
                self.assertLess(d.rss_kb() - rss, 4096)


if __name__ == "__main__":
    unittest.main()
