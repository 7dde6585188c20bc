#!/usr/bin/env python3
"""test_killed.py - the daemon killed (kill -9) under load at every stage of a message, then its spool imported.
No record of a message that was answered is lost, none is there twice.  VIDIMUS_ROUNDS=100 rounds of each stage for the long run."""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

from daemon import PROGRAM, Daemon
from milter import Closed, Milter

ROUNDS = int(os.environ.get("VIDIMUS_ROUNDS", "2"))
TOOL = os.environ.get("VIDIMUS_TOOL") or os.path.join(os.path.dirname(PROGRAM), "vidimus")
STAGES = ("connect", "helo", "mail", "rcpt", "header", "eoh", "body", "eom", "random", "answered")
LOAD = 4  # connections beside the one that is watched


class Sender(threading.Thread):
    """Message after message on one connection, until the daemon is gone; remembers which were answered."""

    def __init__(self, where, name):
        super().__init__(daemon=True)
        self.where, self.name_, self.answered, self.sent = where, name, [], 0
        self.ready = threading.Event()

    def run(self):
        try:
            with Milter(self.where, timeout=20) as m:
                m.begin()
                while True:
                    queue_id = "%s.%d" % (self.name_, self.sent)
                    self.sent += 1
                    reply = m.message(queue_id=queue_id)[0]
                    if reply in (b"c", b"a", b"r"):
                        self.answered.append(queue_id)
                    self.ready.set()
        except (Closed, OSError):
            self.ready.set()


def to_stage(where, stage, name, answered):
    """One more message, brought up to the stage; its connection stays open."""
    m = Milter(where, timeout=20)
    if stage == "connect":
        return m
    m.negotiate()
    m.macros(b"C", j="mx.rcpt.example", daemon_name="smtpd")
    m.connect()
    if stage == "helo":
        m.helo()
        return m
    m.helo()
    m.macros(b"M", i=name)
    m.mail()
    if stage == "mail":
        return m
    m.rcpt()
    if stage == "rcpt":
        return m
    m.header("From", " a@sender.example")
    if stage == "header":
        return m
    m.eoh()
    if stage == "eoh":
        return m
    m.body(b"hello\r\n")
    if stage == "body":
        return m
    m.send(b"E")
    if stage == "answered":
        while True:
            command, _ = m.receive()
            if command in (b"c", b"a", b"r"):
                answered.append(name)
                break
            if command in (b"t", b"y"):
                break
    return m


def one_round(d, stage, number, rng, answered):
    if d.process is None or d.process.poll() is not None:
        if os.path.exists(d.socket):
            os.unlink(d.socket)
        open(d.log_path, "w").close()
        began = time.monotonic()
        d.start()
        restart = time.monotonic() - began
    else:
        restart = 0
    senders = [Sender(d.socket, "%s-%d-%d" % (stage, number, i)) for i in range(LOAD)]
    for s in senders:
        s.start()
    for s in senders:
        s.ready.wait(20)
    watched = None
    if stage == "random":
        time.sleep(rng.uniform(0, 0.05))
    else:
        watched = to_stage(d.socket, stage, "%s-%d-watched" % (stage, number), answered)
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()
    for s in senders:
        s.join(20)
        answered += s.answered
    if watched is not None:
        watched.close()
    return restart, sum(s.sent for s in senders)


def main():
    spool_dir = None
    d = Daemon(options={"RecordSync": "none"}, wait=True)
    try:
        spool_dir = os.path.join(d.dir, "records")
        d.options["RecordDirectory"] = spool_dir
        d.options["RecordSegmentBytes"] = "16K"
        d.write()
        d.process.kill()
        d.process.wait()
        rng = random.Random(9)
        answered, sent, restarts = [], 0, []
        for number in range(ROUNDS):
            for stage in STAGES:
                restart, n = one_round(d, stage, number, rng, answered)
                sent += n
                restarts.append(restart)
        store = os.path.join(d.dir, "reports.sqlite")
        conf = os.path.join(d.dir, "report.conf")
        with open(conf, "w") as f:
            f.write("ReportStore %s\nRecordDirectory %s\n" % (store, spool_dir))
        p = subprocess.run([TOOL, "report", "import", "-c", conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(p.stdout.strip())
        if p.returncode != 0:
            raise AssertionError("import: status %d" % p.returncode)
        db = sqlite3.connect(store)
        found = [json.loads(line)["queue_id"] for (line,) in db.execute("SELECT line FROM raw")]
        aside = db.execute("SELECT count(*) FROM aside").fetchone()[0]
        counted = db.execute("SELECT sum(messages) FROM traffic").fetchone()[0]
        lost = set(answered) - set(found)
        doubled = len(found) - len(set(found))
        print("%d kills, %d messages begun, %d answered, %d records, %d lost, %d doubled, %d torn lines, restart in at most %.2f s"
              % (len(restarts), sent, len(answered), len(found), len(lost), doubled, aside, max(restarts)))
        ok = not lost and doubled == 0 and counted == len(found) and len(answered) > len(restarts)
        print("1 passed, 0 failed" if ok else "0 passed, 1 failed: lost %s" % sorted(lost)[:5])
        return 0 if ok else 1
    finally:
        if d.process.poll() is None:
            d.process.kill()
        shutil.rmtree(d.dir, ignore_errors=True)


sys.exit(main())
