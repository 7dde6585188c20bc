#!/usr/bin/python3
"""The metrics endpoint: numbers that follow the mail, in Prometheus' text format."""
import http.client
import re
import socket
import subprocess
import time
import unittest

from daemon import PROGRAM, Daemon, FakeDns
from milter import Milter

DNS = {"sender.example": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.sender.example": "v=DMARC1; p=reject"}
# Prometheus' exposition format 0.0.4: name, labels, value
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z]+="[^"\\\n]*"\})? ([0-9]+(\.[0-9]+)?)$')


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Metrics(unittest.TestCase):
    def get(self, port, path="/metrics", method="GET"):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        c.request(method, path)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, text

    def numbers(self, port):
        status, text = self.get(port)
        self.assertEqual(status, 200)
        self.assertTrue(text.endswith("\n"))
        out, typed = {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.assertNotIn(name, typed)
                typed[name] = kind
            elif not line.startswith("# HELP "):
                m = SAMPLE.match(line)
                self.assertTrue(m, line)
                base = re.sub("_(bucket|sum|count)$", "", m.group(1))
                self.assertTrue(m.group(1) in typed or typed.get(base) == "histogram", line)
                out[m.group(1) + (m.group(2) or "")] = float(m.group(3))
        return out

    def test_numbers_follow_the_mail(self):
        port = free_port()
        with Daemon(options={"MetricsListen": "127.0.0.1:%d" % port, "IgnoreHosts": "", "Sandbox": None}, dns=FakeDns(DNS)) as d:
            before = self.numbers(port)
            self.assertEqual(before["vidimus_messages_total"], 0)
            with Milter(d.socket) as m:
                m.begin()
                for _ in range(3):
                    self.assertEqual(m.message()[0], b"c")
                    m.abort()
                m.mail()
                m.rcpt()
                m.abort()
                self.assertEqual(self.numbers(port)["vidimus_connections"], 1)
                m.quit()
            with Milter(d.socket) as m:
                m.begin(connect={"address": "198.51.100.1"})
                self.assertEqual(m.message()[0], b"y")
            until = time.monotonic() + 20
            n = self.numbers(port)
            while n["vidimus_aborted_total"] < 1 and time.monotonic() < until:  # an abort is not answered
                n = self.numbers(port)
            self.assertEqual(n["vidimus_messages_total"], 4)
            self.assertEqual(n["vidimus_connections_total"], 2)
            self.assertEqual(n["vidimus_aborted_total"], 1)
            self.assertEqual(n['vidimus_actions_total{result="accept"}'], 3)
            self.assertEqual(n['vidimus_actions_total{result="reject"}'], 1)
            self.assertEqual(n['vidimus_spf_total{result="pass"}'], 3)
            self.assertEqual(n['vidimus_spf_total{result="fail"}'], 1)
            self.assertEqual(n['vidimus_dmarc_total{result="fail"}'], 1)
            self.assertEqual(n["vidimus_end_of_message_seconds_count"], 4)
            self.assertEqual(n['vidimus_end_of_message_seconds_bucket{le="+Inf"}'], 4)
            self.assertGreater(n["vidimus_dns_cached_total"], 0)
            self.assertEqual(self.get(port, "/other")[0], 404)
            self.assertEqual(self.get(port, method="POST")[0], 405)

    def test_a_wrong_address_is_said(self):
        for bad in ("localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", ":80", "[::1]", "example.org:80"):
            r = subprocess.run([PROGRAM, "-n", "-c", "/dev/null", "-u", "root", "-o", "MetricsListen=" + bad], stderr=subprocess.PIPE, text=True)
            self.assertIn("MetricsListen: ", r.stderr, bad)
            self.assertEqual(r.returncode, 78)


if __name__ == "__main__":
    unittest.main()
