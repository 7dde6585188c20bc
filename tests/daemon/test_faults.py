#!/usr/bin/python3
"""The fault matrix as far as it is the daemon's: descriptors, threads and memory used up, slow and silent peers, DNS and log
gone, stop under load, kill."""
import os
import random
import resource
import signal
import socket
import struct
import threading
import time
import unittest

from daemon import SANITIZED, Daemon, FakeDns
from milter import Closed, Milter, inserted, packet, strings

DNS = {"sender.example": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.sender.example": "v=DMARC1; p=reject"}
ROUNDS = int(os.environ.get("VIDIMUS_ROUNDS", "20"))


def good_message(where, timeout=30):
    with Milter(where, timeout=timeout) as m:
        m.begin()
        return m.message()[0] == b"c"


def limit(which, soft, hard=None):
    return lambda: resource.setrlimit(which, (soft, soft if hard is None else hard))


class Faults(unittest.TestCase):
    def setUp(self):
        self.dns = FakeDns(DNS)

    def test_descriptors_used_up(self):
        """Accept is put off without spinning, open messages finish, and all is well afterwards."""
        with Daemon(dns=self.dns, preexec=limit(resource.RLIMIT_NOFILE, 32)) as d:
            open_one = Milter(d.socket)
            open_one.begin()
            crowd = []
            for _ in range(200):
                s = socket.socket(socket.AF_UNIX)
                s.connect(d.socket)
                crowd.append(s)
            time.sleep(1)
            before = d.cpu_s()
            self.assertEqual(open_one.message()[0], b"c")
            time.sleep(3)
            self.assertLess(d.cpu_s() - before, 0.4)
            self.assertIn("new connections wait", d.log())
            for s in crowd:
                s.close()
            until = time.monotonic() + 15
            self.assertTrue(good_message(d.socket))
            self.assertLess(time.monotonic(), until)
            open_one.close()

    def test_maximum_connections(self):
        with Daemon(options={"MaximumConnections": 5}, dns=self.dns) as d:
            held = [Milter(d.socket) for _ in range(5)]
            for m in held:
                m.begin()
            late = Milter(d.socket, timeout=1)
            with self.assertRaises(OSError):
                late.negotiate()
            d.wait_log("limit=MaximumConnections")
            held.pop().quit()
            late.s.settimeout(30)
            self.assertEqual(late.receive()[0], b"O")
            for m in held:
                self.assertEqual(m.message()[0], b"c")
                m.close()
            late.close()

    @unittest.skipIf(SANITIZED, "a sanitizer gives up where it cannot map memory")
    def test_no_more_threads(self):
        """Where threads are short, some connections may be lost to a temporary failure of the MTA; the daemon stays."""
        with Daemon(dns=self.dns) as d:
            self.assertTrue(good_message(d.socket))  # libmilter has made the threads that it starts with
            resource.prlimit(d.pid, resource.RLIMIT_AS, (0, resource.RLIM_INFINITY))  # no stack for a new thread
            crowd = [Milter(d.socket, timeout=0.5) for _ in range(20)]
            for m in crowd:
                try:
                    m.begin()
                    m.message()
                except (Closed, OSError):
                    pass
                m.close()
            resource.prlimit(d.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.assertIsNone(d.process.poll(), d.log())
            self.assertTrue(good_message(d.socket))

    @unittest.skipIf(SANITIZED, "sanitizers map terabytes")
    def test_no_more_memory(self):
        """The message that finds no memory is deferred, never refused, and the next one is served."""
        with Daemon(dns=self.dns, options={"MaximumMessageMemory": "64M"}) as d:
            for _ in range(10):
                good_message(d.socket)
            with open("/proc/%d/statm" % d.pid) as f:
                now = int(f.read().split()[0]) * resource.getpagesize()
            finals = set()
            for room in range(0, 8 << 20, 256 << 10):
                resource.prlimit(d.pid, resource.RLIMIT_AS, (now + room, resource.RLIM_INFINITY))
                try:
                    with Milter(d.socket, timeout=10) as m:
                        m.begin()
                        headers = [("From", " a@sender.example")] + [("X-%d" % i, " " + "y" * 20000) for i in range(100)]
                        final, text, _ = m.message(headers)
                        finals.add((final, text[:1]))
                except (Closed, OSError):
                    pass
            resource.prlimit(d.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.assertTrue(good_message(d.socket))
            self.assertLessEqual(finals, {(b"c", b""), (b"y", b"4"), (b"t", b"")}, finals)

    def test_slow_loris(self):
        """A thousand clients that never end what they began: the MTA is silent between packets, and nobody waits for it."""
        n = 100 if SANITIZED else 1000
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with Daemon(options={"MaximumConnections": 2000}, dns=self.dns) as d:
            crowd = [Milter(d.socket) for _ in range(n)]
            for i, m in enumerate(crowd):
                m.begin()
                if i % 3:
                    m.mail()
                    m.rcpt()
                if i % 3 == 2:
                    m.header("From", " a@sender.example")
            for _ in range(5):
                began = time.monotonic()
                self.assertTrue(good_message(d.socket))
                self.assertLess(time.monotonic() - began, 10)  # IdleTimeout is 600
            self.assertLess(d.threads(), 50)
            for m in crowd:
                m.close()

    def test_peers_that_stop_within_a_packet(self):
        """libmilter gives such a peer a thread, which is taken back within seconds."""
        with Daemon(dns=self.dns) as d:
            crowd = []
            for _ in range(40):
                s = socket.socket(socket.AF_UNIX)
                s.connect(d.socket)
                s.sendall(b"\0")
                crowd.append(s)
            began = time.monotonic()
            self.assertTrue(good_message(d.socket, timeout=90))
            self.assertLess(time.monotonic() - began, 20)
            until = time.monotonic() + 60
            while d.fds() > 40 and time.monotonic() < until:  # all of them go
                time.sleep(0.1)
            self.assertLess(time.monotonic(), until)
            for s in crowd:
                s.close()

    def test_idle_connections_cost_no_thread(self):
        with Daemon(dns=self.dns) as d:
            crowd = [Milter(d.socket) for _ in range(200)]
            for m in crowd:
                m.begin()
            self.assertTrue(good_message(d.socket))
            self.assertLess(d.threads(), 50)
            for m in crowd:
                m.close()

    def held_workers(self, d, n, at_rest):
        """Connections within a packet hold a thread each: the threads meanwhile, and once the connections have gone."""
        before = d.fds()
        crowd = [Milter(d.socket) for _ in range(n)]
        for m in crowd:
            m.begin()
            m.s.sendall(packet(b"H", strings("mx.sender.example"))[:3])
        until = time.monotonic() + 20
        while d.threads() < at_rest + n - 2 and time.monotonic() < until:
            time.sleep(0.02)
        held = d.thread_ids()
        for m in crowd:
            m.s.sendall(packet(b"H", strings("mx.sender.example"))[3:])
            m.quit()
        until = time.monotonic() + 20
        while d.fds() > before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)  # for the threads' own way out
        return held, d.thread_ids()

    def test_threads_are_used_again(self):
        """libmilter makes a worker for almost every connection of a burst, and ends it after; ours wait for the next."""
        with Daemon(dns=self.dns) as d:
            with open("/proc/%d/maps" % d.pid) as f:
                if "libmilter" not in f.read():
                    self.skipTest("libmilter is linked into the program: its threads cannot be told from ours")
            at_rest = d.threads()
            held, after = self.held_workers(d, 10, at_rest)
            self.assertGreaterEqual(len(held), at_rest + 8)
            self.assertGreaterEqual(len(after), len(held) - 1)
            for _ in range(3):
                again, after = self.held_workers(d, 10, at_rest)
                self.assertLessEqual(len(again - held), 1)
                self.assertTrue(good_message(d.socket))
            held, after = self.held_workers(d, 60, at_rest)  # but not all for ever
            self.assertGreaterEqual(len(held), at_rest + 58)
            self.assertLessEqual(len(after), at_rest + 20)
            self.assertTrue(good_message(d.socket))
            self.assertEqual(d.stop(), 0)

    def test_idle_connections_are_closed(self):
        with Daemon(options={"IdleTimeout": "10s", "MessageTimeout": "1s", "DNSTimeout": "1s"}, dns=self.dns) as d:
            half, silent, new = (Milter(d.socket, timeout=40) for _ in range(3))
            for m in (half, silent):
                m.begin()
                m.message()
            half.s.sendall(b"\0\0\0")
            time.sleep(1)  # all three are accepted
            fds = d.fds()
            for m in (half, silent, new):
                self.assertEqual(m.s.recv(10), b"")
                m.close()
            self.assertTrue(good_message(d.socket))
            until = time.monotonic() + 20
            while d.fds() >= fds and time.monotonic() < until:
                time.sleep(0.05)
            self.assertLess(d.fds(), fds)

    def test_a_peer_that_does_not_read(self):
        with Daemon(options={"IdleTimeout": "10s"}, dns=self.dns) as d:
            with Milter(d.socket) as m:
                m.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                m.negotiate(steps=0x100000)  # every step is answered
                m.s.settimeout(2)
                try:
                    m.s.sendall(packet(b"C", b"x\0U") + packet(b"H", strings("x")) * 200000)
                except OSError:
                    pass
                self.assertTrue(good_message(d.socket))

    def test_dns_is_silent(self):
        self.dns.silent = True
        with Daemon(options={"DNSTimeout": "1s", "MessageTimeout": "2s", "IgnoreHosts": ""}, dns=self.dns) as d:
            began = time.monotonic()
            finals = []

            def one():
                with Milter(d.socket) as m:
                    m.begin()
                    finals.append(m.message()[:2])
            threads = [threading.Thread(target=one) for _ in range(20)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertLess(time.monotonic() - began, 20)  # one after the other: 40
            self.assertEqual(len(finals), 20)
            for final, text in finals:
                self.assertEqual((final, text[:3]), (b"y", b"451"))  # OnTempError defer; never a 5xx
            self.dns.silent = False
            self.assertTrue(good_message(d.socket))
        self.dns.silent = True
        with Daemon(options={"DNSTimeout": "1s", "MessageTimeout": "2s", "OnTempError": "accept", "OnError": "accept", "IgnoreHosts": ""},
                    dns=self.dns) as d, Milter(d.socket) as m:
            m.begin()
            final, _, edits = m.message()
            self.assertEqual(final, b"c")
            self.assertIn("temperror", [v for n, v in inserted(edits)][0])

    def test_stop_under_load(self):
        """No connection is accepted any more, what is being decided is answered or left to the MTA, within ten seconds."""
        for i in range(max(ROUNDS // 4, 3)):
            dns = FakeDns(DNS, late=0.02)
            with Daemon(dns=dns, options={"IgnoreHosts": ""}) as d:
                stop, outcomes = [], []

                def load():
                    while not stop:
                        try:
                            with Milter(d.socket, timeout=15) as m:
                                m.begin()
                                outcomes.append(m.message()[:2])
                        except (Closed, OSError):
                            outcomes.append((b"closed", b""))
                            time.sleep(0.01)
                threads = [threading.Thread(target=load) for _ in range(8)]
                for t in threads:
                    t.start()
                time.sleep(0.2 + random.random() * 0.3)
                began = time.monotonic()
                self.assertEqual(d.stop(12), 0)
                self.assertLess(time.monotonic() - began, 10)
                stop.append(1)
                for t in threads:
                    t.join()
                self.assertTrue(all(o[0] in (b"c", b"closed", b"t") or o[1][:1] == b"4" for o in outcomes), set(outcomes))
                self.assertGreater(sum(o[0] == b"c" for o in outcomes), 0)
                self.assertIn("event=stop", d.log())

    def test_a_verdict_in_the_making_is_given_at_the_stop(self):
        dns = FakeDns(DNS, late=1.5)
        with Daemon(dns=dns) as d, Milter(d.socket) as m:
            m.begin()
            threading.Timer(0.5, d.signal, (signal.SIGTERM,)).start()
            final, _, edits = m.message()
            self.assertEqual(final, b"c")
            self.assertTrue(inserted(edits))

    def test_kill_at_every_stage_and_start_again(self):
        stages = [b"O", b"C", b"H", b"M", b"R", b"L", b"N", b"B", b"E"]
        restarts = []
        with Daemon(dns=self.dns) as d:
            for i in range(ROUNDS):
                with Milter(d.socket, timeout=30) as m:
                    upto = stages[i % len(stages)]
                    for command, act in ((b"O", m.negotiate), (b"C", m.connect), (b"H", m.helo), (b"M", m.mail), (b"R", m.rcpt),
                                         (b"L", lambda: m.header("From", " a@sender.example")), (b"N", m.eoh),
                                         (b"B", lambda: m.body(b"x\r\n")), (b"E", lambda: m.send(b"E"))):
                        act()
                        if command == upto:
                            break
                    d.process.kill()
                    d.process.wait()
                os.truncate(d.log_path, 0)
                began = time.monotonic()
                d.start()
                restarts.append(time.monotonic() - began)
                self.assertTrue(good_message(d.socket))
        self.assertLess(sorted(restarts)[len(restarts) // 2], 5 if SANITIZED else 1)


if __name__ == "__main__":
    unittest.main()
