"""The one table, and the targets beside it."""

LABEL = {"null": "null milter, every step answered", "null-noreply": "null milter, no-reply steps", "own-engine": "null without libmilter",
         "vidimus": "vidimus"}
ORDER = ["null", "null-noreply", "own-engine", "vidimus", "opendkim+opendmarc", "rspamd"]


def print_table(t, crypto, octets, verifications):
    print("\nCryptography alone: %.3f ms CPU a message (SHA-256 of %.1f KB, %.2f RSA-2048 verifications)" % (crypto, octets / 1000, verifications))
    head = "%-34s %8s %8s  %-17s %9s %8s %9s  %s" % ("", "msg/s", "CPU ms", "end of message ms", "whole ms", "peak MB", "DNS/msg", "errors")
    for delay, conc, state in sorted({k[:3] for k in t}):
        print("\n== DNS %d ms late, %d connection%s, %s" % (delay, conc, "" if conc == 1 else "s",
              {"cold": "nothing cached", "warm": "the same messages again"}[state]))
        print(head)
        rows = [(k, r) for k, r in t.items() if k[:3] == (delay, conc, state)]
        for k, r in sorted(rows, key=lambda x: ORDER.index(x[0][3])):
            print("%-34s %8.0f %8.3f  %7.2f / %-7.2f %9.2f %8.1f %9.2f  %d" % (
                LABEL.get(k[3], k[3]), r["rate"], r["cpu"], r["eom50"], r["eom99"], r["all50"], r["peak_mb"], r["dns"], r["errors"]))


def print_sockets(kinds):
    print("\nTime a message on inet beside unix, 16 connections, all cached, one message a connection:")
    for name, r in kinds.items():
        print("  %-34s %.2f (half of the pairs %.2f to %.2f); processor time on unix %.3f ms, on inet %+.3f the milter, %+.3f the client" % (
            LABEL.get(name, name), r["ratio"], r["low"], r["high"], r["ms"], r["extra_ms"], r["extra_client_ms"]))
    ours, bare = kinds["vidimus"], kinds["own-engine"]
    print("  floor for vidimus, by what TCP costs the milter without libmilter: %.2f" % (
        1 + (bare["extra_ms"] + bare["extra_client_ms"]) / ours["ms"]))


class Targets:
    def __init__(self):
        self.missed = 0

    def say(self, what, value, bound, form="%.2f"):
        holds = value <= bound
        self.missed += not holds
        print("  %-7s %-92s %s (at most %s)" % ("holds" if holds else "MISSED", what, form % value, form % bound))


def print_targets(t, crypto, result):
    print("\nTargets:")
    out, tails = Targets(), ""
    here = sorted({k[:3] for k in t if k[3] == "vidimus"})
    get = lambda delay, conc, state, peer: t.get((delay, conc, state, peer))
    for delay, conc, state in here:
        ours = get(delay, conc, state, "vidimus")
        where = "DNS %d ms, %d conn., %s" % (delay, conc, state)
        floor = get(0, conc, state, "null-noreply")
        if floor is not None and delay == 0:
            out.say("CPU / (null milter with no-reply steps + cryptography), " + where, ours["cpu"] / (floor["cpu"] + crypto), 1.35)
        for peer, cpu, rate in (("opendkim+opendmarc", 4, 4), ("rspamd", 3, 3)):
            other = get(delay, conc, state, peer)
            if other is None:
                continue
            out.say("CPU / CPU of %s, %s" % (peer, where), ours["cpu"] / other["cpu"], 1 / cpu, "%.3f")
            if conc >= 16:
                out.say("msg/s of %s / ours, %s" % (peer, where), other["rate"] / ours["rate"], 1 / rate, "%.3f")
        if delay == 20 and conc == 1 and state == "cold":
            out.say("whole message p50 ms, " + where, ours["all50"], 60)
        if conc == 16 and state == "warm" and delay == 0:
            saturated = [(p, get(delay, conc, state, p)) for p in ("vidimus", "null-noreply", "own-engine", "opendkim+opendmarc", "rspamd")]
            tails = ", ".join("%s %.1f" % (LABEL.get(p, p), r["eom99"] / r["eom50"]) for p, r in saturated if r)
        if conc == 64:
            out.say("peak MB, " + where, ours["peak_mb"], 40, "%.1f")
        others = [get(delay, conc, state, p) for p in ("opendkim+opendmarc", "rspamd")]
        if state == "cold" and any(others):
            out.say("DNS questions a message / the best peer's, " + where, ours["dns"] / max(0.01, min(o["dns"] for o in others if o)), 1)
        if state == "warm":
            out.say("DNS questions a message asked again, " + where, ours["dns"], 0.0)
    if "inet" in result:
        k = result["inet"]
        beside = "".join("; %s %.2f" % (p, k[n]["ratio"]) for p, n in (("the null milter's", "null-noreply"), ("without libmilter", "own-engine")))
        out.say("time a message on inet / on unix, 16 conn., warm" + beside, k["vidimus"]["ratio"], 1.10)
    if "verdicts" in result:
        out.say("verdicts that disagree with the truth", sum(v or 0 for v in result["verdicts"]["bad"].values()), 0, "%d")
    if "one_round_trip_ms" in result:
        out.say("wait at end of message p50 ms, DNS 20 ms late, nothing depends on an answer", result["one_round_trip_ms"], 22)
    if "paced" in result:
        ours, null = result["paced"]["vidimus"], result["paced"]["null-noreply"]
        out.say("end of message p99 / p50, 16 connections, 500 messages a second, all cached; the null milter's %.1f" % null[0], ours[0], 3)
    if tails:
        print("          the same where the client leaves no pause and all processors are busy: " + tails)
    if "idle" in result:
        out.say("KB of a further idle connection", result["idle"]["kb"], 1024, "%.0f")
    if "long" in result:
        out.say("resident MB at the end / at half of the long run", result["long"][-1] / result["long"][4], 1.05)
    print("  %s" % ("all hold" if out.missed == 0 else "%d missed" % out.missed))
