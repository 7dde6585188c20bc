#!/usr/bin/python3
"""The milter protocol: what is negotiated, several messages, old peers, missing pieces, and every way to get it wrong."""
import os
import random
import socket
import struct
import time
import unittest

from daemon import SANITIZED, Daemon, FakeDns
from milter import ALL_STEPS, LEADSPC, NR, Closed, Milter, connect_data, deleted, inserted, packet, strings

DNS = {"sender.example": "v=spf1 ip4:192.0.2.1 -all", "_dmarc.sender.example": "v=DMARC1; p=reject",
       "broken.example": "v=spf1 -all"}


def authres(edits):
    return [v for n, v in inserted(edits) if n == "Authentication-Results"]


class Protocol(unittest.TestCase):
    def setUp(self):
        self.dns = FakeDns(DNS)

    def daemon(self, **options):
        return Daemon(options={"IgnoreHosts": "", **options}, dns=self.dns)

    def test_no_step_is_waited_for_that_cannot_refuse(self):
        with self.daemon() as d, Milter(d.socket) as m:
            m.negotiate()
            self.assertEqual(m.version, 6)
            for name, bit in NR.items():
                self.assertTrue(m.steps & bit or name in ("data", "unkn"), name)
            self.assertTrue(m.steps & LEADSPC)
            self.assertEqual(m.actions & 0x31, 0x31)  # add, change, quarantine
            self.assertEqual(m.actions & 0x8E, 0)     # body, recipients: never
            self.assertIn("i", m.symbols[5])
            self.assertEqual({"{auth_authen}", "{auth_type}"} - set(m.symbols[2]), set())
        with self.daemon(SPFReject="fail") as d, Milter(d.socket) as m:
            m.negotiate()
            self.assertEqual(m.steps & (NR["mail"] | NR["helo"] | NR["rcpt"]), NR["helo"] | NR["rcpt"])
        with self.daemon(SPFRejectHelo="fail") as d, Milter(d.socket) as m:
            m.negotiate()
            self.assertEqual(m.steps & (NR["mail"] | NR["helo"] | NR["rcpt"]), NR["rcpt"])

    def test_several_messages_of_one_connection(self):
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin()
            for i in range(20):
                final, _, edits = m.message(queue_id="4c%d" % i)
                self.assertEqual(final, b"c")
                self.assertEqual(len(authres(edits)), 1)
                self.assertIn("dmarc=pass", authres(edits)[0])
                m.abort()  # Postfix sends one after each message
            m.mail()
            m.abort()
            m.mail()
            m.mail()  # anew without an abort
            m.rcpt()
            m.header("From", " a@sender.example")
            m.eoh()
            self.assertEqual(m.eom()[0], b"c")
            m.quit()
            d.wait_log("4c19: ")

    def test_sendmail_keeps_the_socket_for_the_next_client(self):
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin()
            self.assertIn("spf=pass", authres(m.message()[2])[0])
            m.send(b"K")  # QUIT_NC
            m.connect(address="198.51.100.9")
            m.helo()
            final, text, edits = m.message()
            self.assertEqual((final, text[:9]), (b"y", b"550 5.7.1"))

    def test_the_next_client_comes_on_the_same_terms(self):
        """What was negotiated holds for the MTA's connection, not for the client's session (SMFIC_QUIT_NC)."""
        self.dns.txt["_dmarc.q.example"] = "v=DMARC1; p=quarantine"
        with self.daemon() as d:
            seen = []
            for again in (False, True):
                with Milter(d.socket) as m:
                    m.begin()
                    if again:
                        m.message()
                        m.send(b"K")
                        m.connect()
                        m.helo()
                    edits = m.message([("From", " a@q.example"), ("X", "  two blanks")])[2]
                    seen.append([(c, data) for c, data in edits])
            self.assertEqual(seen[0], seen[1])
            self.assertEqual(seen[0][-1][0], b"q")
            self.assertTrue(authres(seen[0])[0].startswith(" mx.rcpt.example"))
            with Milter(d.socket) as m:  # and it ends like any other
                m.begin()
                m.message()
                m.send(b"K")
                m.connect()
            with Milter(d.socket) as m:
                m.begin()
                self.assertEqual(m.message()[0], b"c")
            self.assertNotIn("event=libmilter", d.log())

    def test_the_last_of_the_body_may_come_with_its_end(self):
        """libmilter takes the data of SMFIC_BODYEOB for a last chunk."""
        with self.daemon() as d:
            for chunks, last in (((), b"all of it\r\n"), ((b"some\r\n", b"more\r\n"), b"and the last\r\n"), ((b"x",), b"")):
                with Milter(d.socket, timeout=20) as m:
                    m.begin()
                    for i in range(2):
                        m.macros(b"M", i="4c%d" % i)
                        m.mail()
                        m.rcpt()
                        m.header("From", " a@sender.example")
                        m.eoh()
                        for chunk in chunks:
                            m.body(chunk)
                        final, _, edits = m.eom(last)
                        self.assertEqual(final, b"c")
                        self.assertIn("dmarc=pass", authres(edits)[0])
            self.assertNotIn("event=libmilter", d.log())

    def test_a_refusal_has_its_text_and_percent_signs_survive(self):
        with self.daemon(RejectURL="https://x.example/?%20") as d, Milter(d.socket) as m:
            m.begin(connect={"address": "198.51.100.9"})
            final, text, edits = m.message()
            self.assertEqual(final, b"y")
            self.assertTrue(text.startswith(b"550 5.7.1 "), text)
            self.assertEqual(edits, [])
            self.assertIn(b"%%20", text)  # doubled: Sendmail takes it for a format

    def test_spf_refuses_at_mail(self):
        with self.daemon(SPFReject="fail") as d, Milter(d.socket) as m:
            m.begin()
            command, text = m.mail("<a@broken.example>")
            self.assertEqual((command, text[:10]), (b"y", b"550 5.7.23"))
            m.abort()
            self.assertEqual(m.message()[0], b"c")  # the next one on the same connection

    def test_forged_results_go_from_the_last_to_the_first(self):
        headers = [("From", " a@sender.example")]
        for i in range(6):
            headers += [("Authentication-Results", " mx.rcpt.example; dmarc=pass"), ("Authentication-Results", " other.example; spf=pass")]
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin()
            final, _, edits = m.message(headers)
            self.assertEqual([n for _, n in deleted(edits)], [11, 9, 7, 5, 3, 1])
            self.assertTrue(all(c == b"i" for c, _ in edits[6:]))
            self.assertTrue(all(struct.unpack(">I", data[:4])[0] == 0 for c, data in edits if c == b"i"))
            self.assertTrue(authres(edits)[0].startswith(" mx.rcpt.example"))

    def test_the_name_may_come_from_the_mta(self):
        """Two hosts at one daemon, each under its own name; fields of either name from outside go."""
        headers = [("Authentication-Results", " MX9.rcpt.example; dmarc=pass"), ("Authentication-Results", " mx.rcpt.example; dmarc=pass"),
                   ("Authentication-Results", " other.example; dmarc=pass"), ("From", " a@sender.example")]
        for macro in ("j", "daemon_name"):
            with self.daemon(AuthservIDMacro=macro) as d:
                for given, name, gone in (("mx9.rcpt.example", "mx9.rcpt.example", [2, 1]), ("mx8.rcpt.example", "mx8.rcpt.example", [2]),
                                          ("not a name", "mx.rcpt.example", [2])):
                    with Milter(d.socket) as m:
                        m.negotiate()
                        m.macros(b"C", **{macro: given})
                        m.connect()
                        m.helo()
                        for _ in range(2):
                            _, _, edits = m.message(headers)
                            self.assertEqual([v.split(";")[0] for v in authres(edits)], [" " + name])
                            self.assertEqual([at for _, at in deleted(edits)], gone)
                            m.abort()

    def test_only_names_are_asked_for(self):
        """The address of a HELO name is asked with its SPF record; address literals and junk are no names (RFC 7208 2.3)."""
        with self.daemon() as d:
            for helo, asks in (("mx.Helo.example", True), ("[192.0.2.1]", False), ("192.0.2.1", False), ("a b.c.example", False)):
                self.dns.asked.clear()
                with Milter(d.socket) as m:
                    m.negotiate()
                    m.connect(name="unknown")
                    m.helo(helo)
                    m.message()
                self.assertEqual((helo.lower(), 1) in self.dns.asked, asks, self.dns.asked)

    def test_changes_come_whole_and_in_order(self):
        """Thousands of changes, more than is held back at once, to an MTA that reads slowly; and to one that has gone."""
        n = 5000
        headers = [("From", " a@sender.example")] + [("Authentication-Results", " mx.rcpt.example; dmarc=pass")] * n

        def send_all(m):
            m.begin()
            m.mail()
            m.rcpt()
            for name, value in headers:
                m.header(name, value)
            m.eoh()
            m.send(b"E")
        with self.daemon() as d:
            with Milter(d.socket) as m:
                m.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                send_all(m)
                time.sleep(1)
                edits = []
                while True:
                    command, data = m.receive()
                    if command in b"crtaydsSf":
                        break
                    edits.append((command, data))
                self.assertEqual(command, b"c")
                self.assertEqual([at for _, at in deleted(edits)], list(range(n, 0, -1)))
                self.assertEqual(len(authres(edits)), 1)
                m.abort()
                self.assertEqual(m.message()[0], b"c")  # and the connection goes on
            with Milter(d.socket) as m:
                send_all(m)
            with Milter(d.socket) as m:
                m.begin()
                self.assertEqual(m.message()[0], b"c")

    def test_quarantine_is_the_last_word(self):
        self.dns.txt["_dmarc.q.example"] = "v=DMARC1; p=quarantine"
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin()
            final, _, edits = m.message([("From", " a@q.example")])
            self.assertEqual((final, edits[-1][0]), (b"c", b"q"))
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin(actions=0x11)  # an MTA that cannot quarantine
            final, text, _ = m.message([("From", " a@q.example")])
            self.assertEqual((final, text[:3]), (b"y", b"451"))

    def test_a_peer_of_protocol_2(self):
        with self.daemon() as d, Milter(d.socket) as m:
            self.assertEqual(m.negotiate(version=2, actions=0x3F, steps=0x7F), b"O")
            self.assertEqual((m.version, m.steps & ~0x7F), (2, 0))
            self.assertEqual(m.connect(), b"c")
            self.assertEqual(m.helo()[0], b"c")
            self.assertEqual(m.mail()[0], b"c")
            self.assertEqual(m.rcpt()[0], b"c")
            self.assertEqual(m.header("From", " a@sender.example")[0], b"c")
            self.assertEqual(m.eoh()[0], b"c")
            self.assertEqual(m.body(b"x\r\n")[0], b"c")
            final, _, edits = m.eom()
            self.assertEqual(final, b"c")
            self.assertTrue(authres(edits)[0].startswith("mx.rcpt.example"))  # no leading space: the MTA adds it
        with self.daemon() as d, Milter(d.socket) as m:
            with self.assertRaises(Closed):  # cannot change headers: nothing could be done
                m.negotiate(version=2, actions=0x02, steps=0x7F)
                m.receive()

    def test_missing_pieces_are_normal(self):
        cases = ({"address": None, "name": "localhost"}, {"address": "2001:db8::1"}, {"address": "::ffff:192.0.2.1"},
                 {"name": ""}, {"name": "[192.0.2.1]"}, {"name": "unknown"})
        with self.daemon() as d:
            for kw in cases:
                with Milter(d.socket) as m:
                    m.negotiate()
                    m.connect(**kw)
                    self.assertEqual(m.message()[0] in (b"c", b"y"), True, kw)  # no HELO at all
            with Milter(d.socket) as m:
                m.negotiate()
                m.send(b"C", b"x\0L\0\0/var/run/x\0")
                m.helo("")
                m.mail("<>")
                m.rcpt("")
                m.eoh()
                self.assertIn(m.eom()[0], (b"y", b"c"))
            with Milter(d.socket) as m:
                m.negotiate()
                m.mail("a@sender.example")  # neither CONNECT nor HELO, no <>
                m.rcpt("")
                m.header("From", " a@sender.example")
                m.eoh()
                self.assertIn(m.eom()[0], (b"y", b"c"))
            with Milter(d.socket) as m:
                m.begin()
                m.helo("x" * 65000)
                self.assertIn(m.message()[0], (b"y", b"c"))

    def test_authenticated_clients_are_exempt(self):
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin(connect={"address": "198.51.100.9"})
            self.assertEqual(m.message()[0], b"y")
            m.abort()
            self.assertEqual(m.message(auth_type="PLAIN", auth_authen="alice")[0], b"c")

    def test_large_packets(self):
        with self.daemon() as d, Milter(d.socket) as m:
            m.begin()
            m.mail()
            m.rcpt()
            m.header("From", " a@sender.example")
            m.header("X-Large", " " + "x" * 900000)
            m.eoh()
            m.body(b"y" * 1000000)
            self.assertEqual(m.eom()[0], b"c")

    PACKETS = [
        packet(b"O", struct.pack(">III", 6, 0x1FF, ALL_STEPS)),
        packet(b"D", b"C" + strings("j", "mx.rcpt.example")),
        packet(b"C", connect_data()),
        packet(b"H", strings("mx.sender.example")),
        packet(b"D", b"M" + strings("i", "4cX")),
        packet(b"M", strings("<a@sender.example>", "SIZE=100")),
        packet(b"R", strings("<b@rcpt.example>")),
        packet(b"L", strings("From", " a@sender.example")),
        packet(b"L", strings("DKIM-Signature", " v=1; a=rsa-sha256; d=sender.example; s=x; h=from; bh=x; b=y")),
        packet(b"N"),
        packet(b"B", b"hello\r\n"),
        packet(b"E"),
        packet(b"A"),
        packet(b"Q"),
    ]

    def test_packets_may_come_in_any_pieces(self):
        """Packets are read ahead: where the pieces end makes no difference, and a second message behind the first is not lost."""
        body = [packet(b"B", bytes(97 + i % 26 for i in range(60000))) for _ in range(4)]
        one = self.PACKETS[4:10] + body + [packet(b"E"), packet(b"A")]
        whole = b"".join(self.PACKETS[:4] + one + one + [packet(b"Q")])
        answers = {}
        with self.daemon() as d:
            for size in (len(whole), 65536, 65535, 16384, 1000, 37):
                with Milter(d.socket) as m:
                    m.s.settimeout(20)
                    got, at = b"", 0
                    while at < len(whole):
                        m.s.sendall(whole[at:at + size])
                        at += size
                    while True:
                        more = m.s.recv(1 << 16)
                        if not more:
                            break
                        got += more
                answers[size] = got
        first = answers[len(whole)]
        self.assertEqual(first.count(b"dmarc=pass"), 2)
        for size, got in answers.items():
            self.assertEqual(got, first, size)

    def settle(self, d, fds, threads):
        until = time.monotonic() + 10
        while time.monotonic() < until and d.fds() > fds:
            time.sleep(0.05)
        self.assertLessEqual(d.fds(), fds)

    def test_close_at_each_packet_boundary_and_inside(self):
        rounds = int(os.environ.get("VIDIMUS_ROUNDS", "300"))
        rng = random.Random(1)
        with self.daemon() as d:
            with Milter(d.socket) as m:
                m.begin()
                m.message()
                m.quit()
            time.sleep(0.3)
            fds, threads, before = d.fds(), d.threads(), None
            for i in range(rounds):
                n = i % (len(self.PACKETS) + 1)
                with Milter(d.socket) as m:
                    data = b"".join(self.PACKETS[:n])
                    if i >= len(self.PACKETS) and i % 3 == 0:
                        data = data[:rng.randrange(len(data) + 1)]
                    m.s.sendall(data)
                    if i % 4:
                        m.s.settimeout(0.01)
                        try:
                            if i % 4 == 1:
                                m.s.shutdown(socket.SHUT_WR)
                            m.s.recv(1 << 16)
                        except OSError:
                            pass
                if i == rounds // 3:
                    self.settle(d, fds, threads)
                    before = d.rss_kb()
            self.settle(d, fds, threads)
            if not SANITIZED:
                self.assertLess(d.rss_kb() - before, 2048)
            with Milter(d.socket) as m:
                m.begin()
                self.assertEqual(m.message()[0], b"c")

    def test_lengths_that_are_none(self):
        """Fault matrix: the connection is closed.  libmilter takes 0 and what does not fit in 31 bits for a packet without
        data, and does not survive the list of macros behind."""
        odd = packet(b"D", b"M" + strings("i"))
        with self.daemon() as d:
            for length in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\x80\0\0\x01", b"\x7f\xff\xff\xff", b"\0\x10\0\x02"):
                for command in b"ADBCEHLMONQTRUKZ":
                    with Milter(d.socket, timeout=20) as m:
                        m.begin()
                        m.mail()
                        m.rcpt()
                        m.header("From", " a@sender.example")
                        m.eoh()
                        m.s.sendall(length + bytes([command]) + odd + packet(b"M", strings("<a@sender.example>")))
                        with self.assertRaises((Closed, ConnectionResetError), msg=(length, command)):
                            m.receive()
            self.assertTrue(d.process.poll() is None)

    def test_malformed_packets_end_their_connection_only(self):
        rng = random.Random(2)
        with self.daemon() as d, Milter(d.socket) as witness:
            witness.begin()
            bad = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0O", b"\0\0\0\x01\xff", b"\0\0\0\x01O", packet(b"O", b"\0" * 3),
                   packet(b"C"), packet(b"C", b"no end"), packet(b"M"), packet(b"M", b"no end"), packet(b"D"), packet(b"D", b"Mx"),
                   packet(b"L", b"one\0"), packet(b"L", b"\0\0"), packet(b"L", b"no end"), packet(b"R", b"\0\0\0"), packet(b"H"),
                   packet(b"C", b"x\x004"), packet(b"C", b"x\x004\0\x19999.999.1.1\0"), packet(b"C", b"x\x006\0\x19::g\0"),
                   packet(b"Z", b"what"), b"GET / HTTP/1.0\r\n\r\n"]
            for i, junk in enumerate(bad * 3):
                with Milter(d.socket) as m:
                    m.s.settimeout(0.2)
                    m.s.sendall(b"".join(self.PACKETS[:(i // len(bad)) * 6]) + junk)
                    try:
                        m.s.recv(1 << 16)
                    except OSError:
                        pass
            whole = b"".join(self.PACKETS)
            for i in range(int(os.environ.get("VIDIMUS_ROUNDS", "300"))):
                data = bytearray(whole)
                for _ in range(rng.randrange(1, 6)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                with Milter(d.socket, timeout=0.3) as m:
                    try:
                        m.s.sendall(data)
                        m.s.shutdown(socket.SHUT_WR)  # closed at once, libmilter would not look at what was sent
                        while m.s.recv(1 << 16):
                            pass
                    except OSError:
                        pass
            final, _, edits = witness.message()
            self.assertEqual(final, b"c")
            self.assertIn("dmarc=pass", authres(edits)[0])


if __name__ == "__main__":
    unittest.main()
