#!/usr/bin/python3
"""Every single allocation of a message fails once: the message is deferred or its result is the right one, never refused, and
the next message is served (fault matrix: memory limit)."""
import mmap
import os
import struct
import sys
import tempfile
import unittest

from daemon import SANITIZED, Daemon, FakeDns
from milter import Closed, Milter, inserted

LIBRARY = os.path.abspath(os.environ.get("FAILMALLOC_SO", "tests/daemon/failmalloc.so"))
KEY = ("v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC"
       "jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB")
DNS = {"sender.example": "v=spf1 include:_spf.sender.example -all", "_spf.sender.example": "v=spf1 ip4:192.0.2.1 -all",
       "_dmarc.sender.example": "v=DMARC1; p=reject; rua=mailto:r@sender.example", "s._domainkey.sender.example": KEY}
HEADERS = [("From", " A <a@sender.example>"), ("To", " b@rcpt.example"), ("Subject", " x"),
           ("Authentication-Results", " mx.rcpt.example; spf=pass"),
           ("DKIM-Signature", " v=1; a=rsa-sha256; d=sender.example; s=s; c=relaxed/relaxed;\n\th=from:to:subject;\n"
            "\tbh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n\tb=" + "QUJD" * 42 + "QQ=="),
           ("ARC-Seal", " i=1; a=rsa-sha256; cv=none; d=sender.example; s=s; t=1; b=QUJD"),
           ("ARC-Message-Signature", " i=1; a=rsa-sha256; d=sender.example; s=s; h=from; bh=QUJD; b=QUJD"),
           ("ARC-Authentication-Results", " i=1; sender.example; spf=pass")]


@unittest.skipIf(SANITIZED, "sanitizers have their own malloc")
@unittest.skipUnless(os.path.exists(LIBRARY), "not built")
class Memory(unittest.TestCase):
    def test_every_allocation_fails_once(self):
        most = int(os.environ.get("VIDIMUS_ALLOCATIONS", "100000"))
        with tempfile.NamedTemporaryFile() as f:
            f.write(bytes(8))
            f.flush()
            number = mmap.mmap(f.fileno(), 8)

            def env():
                os.environ["LD_PRELOAD"] = LIBRARY
                os.environ["FAILMALLOC"] = f.name
            with tempfile.TemporaryDirectory() as spool, Daemon(
                    options={"IgnoreHosts": "", "ReceivedSPF": "yes", "RecordDirectory": spool + "/r"}, dns=FakeDns(DNS), preexec=env) as d:
                finals, n, trouble = {}, 0, []
                with Milter(d.socket) as m:  # libmilter has made the threads that it starts with
                    m.begin()
                    m.message(HEADERS)
                while n < most:
                    n += 1
                    number[:8] = struct.pack("=q", n)
                    try:
                        with Milter(d.socket, timeout=20) as m:
                            m.begin()
                            final, text, edits = m.message(HEADERS)
                            results = [v for name, v in inserted(edits) if name == "Authentication-Results"]
                            left = struct.unpack("=q", number[:8])[0]
                            if final == b"c":
                                # a result that is there is the right one; a check that could not be made is a temperror
                                if len(results) != 1 or "dmarc=" not in results[0]:
                                    trouble.append((n, results))
                            elif final == b"y" and not text.startswith(b"4"):
                                trouble.append((n, text))
                            key = (final, text[:3], results[0].split(";")[1] if results else "")
                            finals[key] = finals.get(key, 0) + 1
                    except (Closed, OSError):
                        left = struct.unpack("=q", number[:8])[0]
                        finals["closed"] = finals.get("closed", 0) + 1
                    number[:8] = bytes(8)
                    if d.process.poll() is not None:
                        self.fail("allocation %d: the daemon died, status %s" % (n, d.process.returncode))
                    with Milter(d.socket) as m:
                        m.begin()
                        if m.message(HEADERS)[0] != b"c":
                            trouble.append((n, "the next message"))
                    if left > 0:
                        break  # the message is through with fewer allocations than that
                sys.stderr.write("%d allocations failed in turn: %s\n" % (n - 1, finals))
                self.assertEqual(trouble, [])
                self.assertLess(n, most)


if __name__ == "__main__":
    unittest.main()
