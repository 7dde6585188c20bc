"""How cost grows: CPU and latency against signatures, ARC sets, header fields, size of the body, connections."""
import os
import random

from corpus_sign import arc_seal, bh, pub, rsakey, sign
from harness import Dns, Peers, bench
from nsd_config import write_config
import plot

SERIES = {
    "signatures": [1, 2, 5, 10, 20, 35, 50],
    "ARC sets": [1, 2, 5, 10, 20, 35, 50],
    "header fields": [10, 30, 100, 300, 1000, 2500, 5000],
    "body KB": [1, 10, 100, 1000, 5000, 25000],
    "connections": [1, 4, 16, 64, 250, 1000],
}
OPTIONS = ["MaximumSignaturesToVerify=50", "MaximumConnections=2000"]


class Host:
    def __init__(self, name, key):
        self.name, self.sel, self.key = name, "s1", key


def make(folder):
    """A message for each point of each series, and the zone."""
    rng = random.Random(4)
    keys = [rsakey(rng) for _ in range(4)]
    hosts = [Host("g%02d.example" % i, keys[i % 4]) for i in range(51)]
    os.makedirs(folder + "/m", exist_ok=True)
    zone = ["$TTL 3600\n. 3600 IN SOA ns.g. h.g. 1 7200 3600 86400 60\n. 3600 IN NS ns.g.\nns.g. 3600 IN A 127.0.0.1"]
    for h in hosts:
        key = pub(h.key)
        zone.append('s1._domainkey.%s. IN TXT "%s" "%s"' % (h.name, key[:250], key[250:]))
        zone.append('%s. IN TXT "v=spf1 ip4:203.0.113.0/24 -all"\n_dmarc.%s. IN TXT "v=DMARC1; p=reject"' % (h.name, h.name))
    open(folder + "/zone", "w").write("\n".join(zone) + "\n")
    line = "abcdefghij klmnopqrst uvwxyz 0123456789 abcdefghij klmnopqrst uvw\r\n"
    author = hosts[0]

    def write(series, at, fields, body):
        name = "m/%s-%d.eml" % (series.replace(" ", "-"), at)
        with open(folder + "/" + name, "wb") as f:
            f.write("".join("%s:%s\r\n" % x for x in fields).encode() + b"\r\n" + body)
        with open("%s/%s-%d.idx" % (folder, series.replace(" ", "-"), at), "w") as f:
            f.write("\t".join([name, "203.0.113.9", "unknown", "g00.example", "a@g00.example", "b@bench.example", "growth", "{}"]) + "\n")

    def fields(n=10):
        h = [("From", " a@g00.example"), ("To", " b@bench.example"), ("Subject", " growth"), ("Date", " Mon, 16 Jun 2025 12:00:00 +0000")]
        return h + [("X-Field-%d" % i, " value of field %d, as long as they are on average" % i) for i in range(n - len(h) - 1)]

    def signed(h, body, host=author):
        return [("DKIM-Signature", sign(h, bh(body), host.name, host.sel, host.key))] + h

    small = (line * 60).encode()
    for n in SERIES["signatures"]:
        h = fields()
        for host in hosts[:n]:
            h = [("DKIM-Signature", sign([x for x in h if x[0] != "DKIM-Signature"], bh(small), host.name, host.sel, host.key))] + h
        write("signatures", n, h, small)
    h, sets = signed(fields(), small), []
    for i in range(1, 51):
        h = arc_seal(h, small, hosts[i], i, "none" if i == 1 else "pass", "dmarc=pass header.from=g00.example", sets)
        if i in SERIES["ARC sets"]:
            write("ARC sets", i, h, small)
    for n in SERIES["header fields"]:
        write("header fields", n, signed(fields(n), small), small)
    for kb in SERIES["body KB"]:
        body = (line * (kb * 1000 // len(line) + 1)).encode()
        write("body KB", kb, signed(fields(), body), body)
    for n in SERIES["connections"]:
        write("connections", n, signed(fields(), small), small)
    write_config(folder)


def passes(series, at, quick):
    n = {"header fields": 60000 // max(100, at), "body KB": 40000 // max(100, at), "signatures": 200, "ARC sets": 200}.get(series, 0)
    return max(4, n // (4 if quick else 1)) if series != "connections" else max(400, at * 2)


def measure(work, bins, daemon, quick):
    folder = work + "/growth"
    os.makedirs(folder, exist_ok=True)
    make(folder)
    dns = Dns(folder, bins)
    rows = []
    try:
        peers = Peers(work, bins, dns, daemon, OPTIONS)
        print("\n%-16s %8s %12s %14s %14s %10s %8s" % ("growth in", "", "CPU ms/msg", "eom p50 ms", "whole p50 ms", "peak MB", "errors"))
        for series, points in SERIES.items():
            for at in points:
                index = "%s/%s-%d.idx" % (folder, series.replace(" ", "-"), at)
                milters = peers.start("vidimus")
                conc, n, best = at if series == "connections" else 1, passes(series, at, quick), None
                try:
                    bench(bins, index, milters, min(conc, 4), 4)  # keys and records are cached now
                    for _ in range(3):
                        r = bench(bins, index, milters, conc, n)
                        if best is None or r["cpu_ms"] < best["cpu_ms"]:
                            best = r
                finally:
                    for m in milters:
                        m.close()
                row = {"series": series, "at": at, "cpu": best["cpu_ms"], "eom50": best["eom"]["p50"], "all50": best["sum"]["p50"],
                       "peak_mb": best["hwm_kb"] / 1024, "errors": best["errors"]}
                rows.append(row)
                print("%-16s %8d %12.3f %14.3f %14.3f %10.1f %8d" % (series, at, row["cpu"], row["eom50"], row["all50"], row["peak_mb"],
                                                                   row["errors"]), flush=True)
    finally:
        dns.close()
    judge(rows)
    plot.draw(work + "/growth.svg", rows)
    print("plot: %s/growth.svg" % work)
    return rows


def judge(rows):
    """Linear or less: between the last two points cost must not grow faster than the thing itself, with a tenth for noise."""
    for series in SERIES:
        r = [x for x in rows if x["series"] == series]
        first, last = r[-2], r[-1]
        times, cost = last["at"] / first["at"], last["cpu"] / first["cpu"]
        print("  %-7s %s: %.1f times as many cost %.1f times the CPU" % ("holds" if cost <= times * 1.1 else "MISSED", series, times, cost))
