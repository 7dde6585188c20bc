#!/usr/bin/env python3
"""test_disk_full.py - the disk of the spool fills up under mail, and gets room again.  Mail goes on as OnRecordError says; what
was accepted is in the store once, in order, as soon as there is room; the alarm is said once a minute, not per message."""
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from daemon import PROGRAM, Daemon
from milter import Milter

TOOL = os.environ.get("VIDIMUS_TOOL") or os.path.join(os.path.dirname(PROGRAM), "vidimus")


def run(on_error):
    disk = tempfile.mkdtemp(prefix="vidimus-disk-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", disk], stderr=subprocess.DEVNULL).returncode != 0:
        os.rmdir(disk)
        print("a disk of our own cannot be mounted here")
        sys.exit(77)
    d = None
    try:
        with open(os.path.join(disk, "filler"), "wb") as f:
            f.write(b"x" * 800000)
        d = Daemon(options={"RecordDirectory": os.path.join(disk, "records"), "RecordBufferBytes": "64K", "OnRecordError": on_error,
                            "RecordSegmentBytes": "64K", "Sandbox": "no"})
        accepted, deferred = [], []
        with Milter(d.socket) as m:
            m.begin()
            for i in range(600):
                reply = m.message(queue_id="q%d" % i)[0]
                (accepted if reply in (b"c", b"a") else deferred).append("q%d" % i)
            alarms = d.log().count("records cannot be written")
            os.unlink(os.path.join(disk, "filler"))
            until = time.monotonic() + 15
            while "records are written again" not in d.log() and time.monotonic() < until:
                time.sleep(0.1)
            for i in range(600, 650):
                reply = m.message(queue_id="q%d" % i)[0]
                (accepted if reply in (b"c", b"a") else deferred).append("q%d" % i)
        d.stop()
        told = dict(re.findall(r"\b(q\d+): client=.* action=(\w+)", d.log()))
        store, conf = os.path.join(d.dir, "s.sqlite"), os.path.join(d.dir, "r.conf")
        with open(conf, "w") as f:
            f.write("ReportStore %s\nRecordDirectory %s\n" % (store, os.path.join(disk, "records")))
        subprocess.run([TOOL, "report", "import", "-c", conf], check=True)
        found = [json.loads(line)["queue_id"] for (line,) in sqlite3.connect(store).execute("SELECT line FROM raw ORDER BY rowid")]
        lost = [q for q in accepted if q not in set(found)]
        print("%s: %d accepted, %d deferred, %d records, %d lost, %d alarms" % (on_error, len(accepted), len(deferred), len(found), len(lost), alarms))
        good = len(found) == len(set(found)) and found == sorted(found, key=lambda q: int(q[1:])) and alarms == 1 and "q649" in accepted
        if on_error == "tempfail":
            good = good and not lost and deferred and found == accepted  # what could not be kept was not accepted
            good = good and told == {**dict.fromkeys(accepted, "accept"), **dict.fromkeys(deferred, "tempfail")}
        else:
            good = good and not deferred and lost and len(found) + len(lost) == 650
        return good
    finally:
        if d is not None:
            if d.process.poll() is None:
                d.process.kill()
                d.process.wait()
            shutil.rmtree(d.dir, ignore_errors=True)
        subprocess.run(["umount", disk])
        os.rmdir(disk)


def main():
    if os.geteuid() != 0:
        print("only root can mount a disk")
        return 77
    results = [run(how) for how in ("tempfail", "accept")]
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return 0 if all(results) else 1


sys.exit(main())
