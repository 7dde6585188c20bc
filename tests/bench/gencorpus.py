#!/usr/bin/python3
"""gencorpus.py: a deterministic corpus of inbound mail, with its DNS and its truth.

  /usr/bin/python3 gencorpus.py OUT [--n 2000] [--big 6] [--domains 500] [--seed 1]
                                    [--check K] [--port P]

Writes into OUT:
  mix.idx, mix/*.eml     N messages, sizes from 2 KB to 200 KB
  small.idx              the first 200 messages of the mix whose size is below 12 KB
  big.idx, big/*.eml     messages of 10 MB
  flat.idx, flat/*.eml   60 messages of which every question can be asked at once
  zone                   a root zone (everything that the corpus needs) for nsd/knot/bind
  nsd.conf               nsd on 127.0.0.1 over that zone
Index fields (tab): file ip client-name helo mail-from rcpt class truth(JSON).
Needs Debian's python3-cryptography; --check K verifies K messages with dkimpy.
Keys are derived from the seed, so the same call writes the same bytes.
"""
import argparse, base64, hashlib, ipaddress, json, os, random

from cryptography.hazmat.primitives.asymmetric import ed25519

from corpus_sign import DATE, arc_seal, bh, pub, rsakey, sign
from nsd_config import write_config

ap = argparse.ArgumentParser()
ap.add_argument("out")
ap.add_argument("--n", type=int, default=2000)
ap.add_argument("--big", type=int, default=6)
ap.add_argument("--domains", type=int, default=500)
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--check", type=int, default=0)
ap.add_argument("--port", type=int, default=53530, help="of nsd")
a = ap.parse_args()
R = random.Random(a.seed)

kr = random.Random(a.seed * 7919)
RSA = [rsakey(kr) for _ in range(12)]
ED = [ed25519.Ed25519PrivateKey.from_private_bytes(bytes(kr.getrandbits(8) for _ in range(32)))
      for _ in range(6)]

# ---------------------------------------------------------------- DNS
zone = []
def rr(name, typ, data):
    if typ == "TXT":
        b = data
        data = " ".join('"%s"' % b[i:i + 255].replace("\\", "\\\\").replace('"', '\\"')
                        for i in range(0, len(b), 255))
    zone.append("%s. 3600 IN %s %s" % (name, typ, data))

def ip4(block, host):  # from 198.18.0.0 on: the benchmark range
    return "198.%d.%d.%d" % (18 + (block >> 8), block & 255, host)
def ip6(block, host):
    return "2001:db8:%x::%x" % (block, host)

NESP = 24
TLD = ["com", "com", "com", "net", "org", "co.uk", "de", "io", "fr", "com.br"]
class Dom:
    pass
esps, doms, lists = [], [], []
def common(d):
    rr(d.name, "A", ip4(d.block, 80))
    rr(d.name, "MX", "10 mx.%s." % d.name)
    rr("mx." + d.name, "A", ip4(d.block, 25))
    rr("mail." + d.name, "A", ip4(d.block, 5))
    rr("mail." + d.name, "AAAA", ip6(d.block, 5))
    rr("mail." + d.name, "TXT", "v=spf1 a -all")
    for i in (4, 5, 6, 7):
        rev = ".".join(reversed(ip4(d.block, i).split(".")))
        rr(rev + ".in-addr.arpa", "PTR", "mail." + d.name + ".")

for i in range(NESP):
    d = Dom()
    d.name, d.block, d.key = "mbesp%02d-mailer.%s" % (i, ["com", "net"][i % 2]), 2 + i, RSA[i % len(RSA)]
    d.eds = None
    common(d)
    # providers' records: a flat list, or one more level as the large ones have
    if i % 3 == 0:
        rr("_spf." + d.name, "TXT", "v=spf1 include:_nb1.%s include:_nb2.%s ~all" % (d.name, d.name))
        rr("_nb1." + d.name, "TXT", "v=spf1 ip4:203.0.113.0/27 ip4:192.0.2.%d/32 ~all" % (i + 1))
        rr("_nb2." + d.name, "TXT", "v=spf1 ip4:%s/24 ip6:2001:db8:%x::/48 ~all" % (ip4(d.block, 0), d.block))
        d.lookups = 3
    else:
        rr("_spf." + d.name, "TXT", "v=spf1 ip4:192.0.2.%d ip4:%s/24 ip6:2001:db8:%x::/48 ~all"
           % (i + 1, ip4(d.block, 0), d.block))
        d.lookups = 1
    rr(d.name, "TXT", "v=spf1 include:_spf.%s -all" % d.name)
    rr("bounce." + d.name, "TXT", "v=spf1 include:_spf.%s -all" % d.name)
    rr("bounce." + d.name, "MX", "10 mx.%s." % d.name)
    rr("_dmarc." + d.name, "TXT", "v=DMARC1; p=quarantine; rua=mailto:dmarc@%s" % d.name)
    d.p = "quarantine"
    d.sel = "k%d" % (i % 4 + 1)
    rr("%s._domainkey.%s" % (d.sel, d.name), "TXT", pub(d.key))
    esps.append(d)

for i in range(a.domains):
    d = Dom()
    d.i = i
    d.name = "mb%03d-%s.%s" % (i, R.choice(["shop", "corp", "news", "bank", "mail", "soft", "travel"]),
                               R.choice(TLD))
    d.block, d.key = 32 + i, RSA[i % len(RSA)]
    common(d)
    ninc = R.choices([0, 1, 2, 3, 4], [22, 30, 24, 15, 9])[0]
    d.esps, look = [], 2
    for e in R.sample(esps, ninc):
        if look + e.lookups <= 10:
            d.esps.append(e)
            look += e.lookups
    d.all = R.choices(["-all", "~all"], [45, 55])[0]
    mech = ["include:_spf." + e.name for e in d.esps]
    own = R.choice(["mx ip4:%s/29" % ip4(d.block, 0), "ip4:%s/29 a" % ip4(d.block, 0),
                    "a:mail.%s ip4:%s/29" % (d.name, ip4(d.block, 0))])
    own += " ip6:2001:db8:%x::/64" % d.block
    d.spf_first = R.random() < .5
    rec = ([own] + mech) if d.spf_first else (mech + [own])
    rr(d.name, "TXT", "google-site-verification=%s" % hashlib.sha256(d.name.encode()).hexdigest()[:43])
    rr(d.name, "TXT", "v=spf1 %s %s" % (" ".join(rec), d.all))
    d.p = R.choices(["none", "quarantine", "reject", None], [42, 20, 28, 10])[0]
    d.strict = R.random() < .08
    if d.p:
        rr("_dmarc." + d.name, "TXT", "v=DMARC1; p=%s;%s rua=mailto:dmarc-rua@%s%s"
           % (d.p, " adkim=s; aspf=s;" if d.strict else "", d.name, R.choice(["", "; pct=100", "; fo=1"])))
    d.sel = R.choice(["s1", "default", "mail", "selector1", "dk2024"])
    rr("%s._domainkey.%s" % (d.sel, d.name), "TXT", pub(d.key))
    d.eds = "ed" + d.sel
    d.edkey = ED[i % len(ED)]
    rr("%s._domainkey.%s" % (d.eds, d.name), "TXT", pub(d.edkey))
    doms.append(d)

for i in range(20):  # forwarders and mailing lists
    d = Dom()
    d.name, d.block, d.key = "mblist%02d-lists.org" % i, 8 + NESP + a.domains + i, RSA[(i + 5) % len(RSA)]
    common(d)
    d.sel, d.eds, d.p = "arc1", None, "none"
    rr(d.name, "TXT", "v=spf1 ip4:%s/28 -all" % ip4(d.block, 0))
    rr("_dmarc." + d.name, "TXT", "v=DMARC1; p=none")
    rr("arc1._domainkey." + d.name, "TXT", pub(d.key))
    lists.append(d)

# popularity of senders: heavy-tailed, as real mail streams are
W = [1 / (k + 4) for k in range(len(doms))]
order = doms[:]
R.shuffle(order)
def sender():
    return R.choices(order, W)[0]

# ---------------------------------------------------------------- bodies
WORDS = ("account order shipment meeting quarterly report thank you please find attached the of and to "
         "in for is on that with your invoice update schedule review team project delivery customer "
         "support ticket number confirm address details below regards policy password reset team offer "
         "week sale new collection limited time free returns view browser unsubscribe privacy").split()
br = random.Random(a.seed + 99)
TEXT = [" ".join(br.choices(WORDS, k=br.randint(7, 13))) for _ in range(4000)]
HTML = ["<tr><td style=\"padding:%dpx 0;font-family:Arial,sans-serif;color:#%06x\">%s</td></tr>"
        % (br.randint(0, 40), br.getrandbits(24), t) for t in TEXT[:2000]]
BLOB = base64.b64encode(br.getrandbits(8 * 600000).to_bytes(600000, "big")).decode()

def b64lines(r, n):
    o = r.randrange(0, len(BLOB) // 2)
    out = []
    while n > 0:
        if o + 76 > len(BLOB):
            o = r.randrange(0, 1000)
        out.append(BLOB[o:o + 76])
        o += 76
        n -= 78
    return out

def body(r, size):
    """(content type, bytes) of about this size"""
    b = "=_mb%08x" % r.getrandbits(32)
    if size < 3000:
        lines = []
        n = 0
        while n < size:
            lines.append(r.choice(TEXT) + ("  " if r.random() < .05 else ""))
            n += len(lines[-1]) + 2
            if r.random() < .15:
                lines.append("")
        return "text/plain; charset=utf-8", "\r\n".join(lines) + "\r\n"
    lines = ["--" + b, "Content-Type: text/plain; charset=utf-8", ""]
    n = 0
    text_part = min(size // 4, 6000)
    while n < text_part:
        lines.append(r.choice(TEXT))
        n += len(lines[-1]) + 2
    lines += ["", "--" + b, "Content-Type: text/html; charset=utf-8", "", "<html><body><table>"]
    html_part = min(size - n, 45000) if size < 60000 or r.random() < .3 else 8000
    k = 0
    while k < html_part:
        lines.append(r.choice(HTML))
        k += len(lines[-1]) + 2
    lines += ["</table></body></html>", ""]
    n += k
    if size - n > 1500:
        lines += ["--" + b, "Content-Type: application/pdf; name=\"doc.pdf\"",
                  "Content-Transfer-Encoding: base64", ""] + b64lines(r, size - n) + [""]
    lines += ["--" + b + "--", "", ""]
    return 'multipart/mixed;\r\n boundary="%s"' % b, "\r\n".join(lines)

def draw_size(r):
    x = r.random()
    if x < .45:
        return int(2048 * (5 ** r.random()))          # 2-10 KB
    if x < .85:
        return int(10240 * (5 ** r.random()))         # 10-50 KB
    return int(51200 * (4 ** r.random()))             # 50-200 KB

# ---------------------------------------------------------------- messages
CLASSES = [("plain", 38), ("esp", 12), ("double", 8), ("multi", 5), ("unsigned", 9), ("spoof_spf", 6),
           ("broken", 6), ("forged", 6), ("arc", 6), ("arc_bad", 1), ("bounce", 2), ("nokey", 1)]

def ok_ip(r, d):
    return ip4(d.block, r.choice([4, 5, 6, 7])) if r.random() < .93 else ip6(d.block, 5)

def base_headers(r, d, k, ctype, frm, to):
    mid = "<%016x.%d@%s>" % (r.getrandbits(64), k, d.name)
    h = [("Received", " from app%d.%s (app%d.%s [10.1.%d.%d])\r\n\tby mail.%s (Postfix) with ESMTPS id %08X\r\n"
          "\tfor <%s>; %s" % (r.randint(1, 9), d.name, r.randint(1, 9), d.name, r.randint(0, 255),
                              r.randint(1, 254), d.name, r.getrandbits(32), to, DATE)),
         ("Received", " by app.%s (Postfix, from userid 33)\r\n\tid %08X; %s" % (d.name, r.getrandbits(32), DATE)),
         ("From", " %s <%s>" % (r.choice(["Customer Care", "Alice Example", "News", "Billing", "\"Smith, Bob\""]), frm)),
         ("To", " <%s>" % to),
         ("Subject", " %s" % r.choice(TEXT)[:60]),
         ("Date", " " + DATE),
         ("Message-ID", " " + mid),
         ("MIME-Version", " 1.0"),
         ("Content-Type", " " + ctype)]
    if r.random() < .5:
        h.append(("List-Unsubscribe", " <https://u.%s/x?%08x>,\r\n <mailto:unsub@%s>" % (d.name, r.getrandbits(32), d.name)))
        h.append(("List-Unsubscribe-Post", " List-Unsubscribe=One-Click"))
    if r.random() < .3:
        h.append(("Reply-To", " <reply@%s>" % d.name))
    for _ in range(r.randint(1, 5)):
        h.append(("X-" + r.choice(["Mailer", "Campaign-ID", "Feedback", "Report-Abuse", "Entity-ID", "SG-EID"]),
                  " %032x" % r.getrandbits(128)))
    return h

def add_sig(h, b, d, sel=None, key=None, bhash=None):
    v = sign(h, bhash or bh(b), d.name, sel or d.sel, key or d.key)
    return [("DKIM-Signature", v)] + h

def spf_of(ip, d):
    """the SPF result of ip for a sender domain of this corpus"""
    x = ipaddress.ip_address(ip)
    if x.version == 6:
        ok = (x in ipaddress.ip_network("2001:db8:%x::/64" % d.block)
              or any(x in ipaddress.ip_network("2001:db8:%x::/48" % e.block) for e in getattr(d, "esps", [])))
    else:
        ok = (x in ipaddress.ip_network(ip4(d.block, 0) + "/24") and x.packed[3] < 8) \
            or any(x in ipaddress.ip_network(ip4(e.block, 0) + "/24") for e in getattr(d, "esps", []))
    return "pass" if ok else {"-all": "fail", "~all": "softfail"}[d.all]

def make(r, k, cls, size):
    d = sender()
    while cls in ("forged",) and d.p != "reject":
        d = sender()
    # the domains of an ESP message must have one
    while cls == "esp" and not d.esps:
        d = sender()
    rcpt = "user%d@bench.example" % r.randint(1, 300)
    frm = "%s@%s" % (r.choice(["info", "news", "alice", "noreply", "billing"]), d.name)
    ctype, text = body(r, size)
    b = text.encode()
    h = base_headers(r, d, k, ctype, frm, rcpt)
    ip = ok_ip(r, d)
    helo = cname = "mail." + d.name
    mf = frm
    spf, spf_dom, dk, arc, aligned_dkim = None, d, [], "none", False
    if cls in ("plain", "double", "multi", "broken", "bounce", "nokey"):
        h = add_sig(h, b, d)
        dk.append((d.name, "pass"))
    if cls == "double":
        h = add_sig(h, b, d, d.eds, d.edkey)
        dk.append((d.name, "pass"))
    if cls == "multi":  # 3 to 5 signatures
        hsh = bh(b)
        for e in r.sample(esps, r.randint(2, 4)):
            h = add_sig(h, b, e, bhash=hsh)
            dk.append((e.name, "pass"))
    if cls == "esp":
        e = r.choice(d.esps)
        hsh = bh(b)
        h = add_sig(h, b, d, bhash=hsh)
        h = add_sig(h, b, e, bhash=hsh)
        dk += [(d.name, "pass"), (e.name, "pass")]
        ip = ip4(e.block, r.randint(16, 200)) if r.random() < .95 else ip6(e.block, 17)
        helo = cname = "o%d.mail.%s" % (r.randint(1, 99), e.name)
        mf = "bounces+%d-%04x@bounce.%s" % (k, r.getrandbits(16), e.name)
        spf, spf_dom = "pass", e
    if cls == "nokey":  # the selector does not exist
        h[0] = (h[0][0], h[0][1].replace("s=%s;" % d.sel, "s=gone;"))
        dk = [(d.name, "permerror")]
    if cls in ("spoof_spf",):
        ip = "203.0.113.%d" % r.randint(64, 250)
        cname = "unknown"
        helo = "host-%d.example.net" % r.randint(1, 500)
        spf = {"-all": "fail", "~all": "softfail"}[d.all]
    if cls == "broken":
        i = b.find(b" ", len(b) // 2)
        b = b[:i] + b" really " + b[i:] if i > 0 else b + b"footer\r\n"
        dk = [(d.name, "fail")]
        if r.random() < .5:
            ip = "203.0.113.%d" % r.randint(64, 250)
            cname = "unknown"
            helo = "relay.example.net"
            spf = {"-all": "fail", "~all": "softfail"}[d.all]
    if cls == "forged":  # an attacker with a domain of its own, in good order
        at = sender()
        while at is d:
            at = sender()
        ip = ok_ip(r, at)
        helo = cname = "mail." + at.name
        mf = "x%d@%s" % (k, at.name)
        h = add_sig(h, b, at)
        dk = [(at.name, "pass")]
        spf, spf_dom = "pass", at
    if cls in ("arc", "arc_bad"):
        hops = r.choice([1, 1, 2, 2, 3])
        h = add_sig(h, b, d)
        sets = []
        path = r.sample(lists, hops)
        cv = "none"
        for i, L in enumerate(path, 1):
            if i == hops:  # the last hop is a mailing list that changes the body
                h = [(n, v) if n != "Subject" else (n, " [list]" + v) for n, v in h]
                b += b"-- \r\nlist%d mailing list\r\nhttps://lists.%s/\r\n" % (i, L.name.encode())
            res = "spf=pass smtp.mailfrom=%s; dkim=pass header.d=%s; dmarc=pass header.from=%s" % (
                mf, d.name, d.name)
            if i == hops:
                h = add_sig(h, b, L)
            h = [("Received", " from mail.%s (mail.%s [%s])\r\n\tby mail.%s with ESMTPS id %08X;\r\n\t%s"
                  % (d.name, d.name, ip, L.name, r.getrandbits(32), DATE))] + h
            h = arc_seal(h, b, L, i, cv, res, sets)
            cv = "pass"
        L = path[-1]
        dk = [(d.name, "fail"), (L.name, "pass")]
        arc = "pass"
        ip = ip4(L.block, r.randint(1, 14))
        helo = cname = "mail." + L.name
        mf = "list-bounces@" + L.name
        spf, spf_dom = "pass", L
        if cls == "arc_bad":
            b += b"altered after the last seal\r\n"
            arc = "fail"
            dk = [(d.name, "fail"), (L.name, "fail")]
    if cls == "bounce":
        mf = ""
        ip = ip4(d.block, 5)
        helo = "mail." + d.name
    if spf is None:
        spf = spf_of(ip, d)
        if cls == "bounce":
            spf = "pass"
    h = [("Received", " from %s (%s [%s%s])\r\n\tby relay.%s with ESMTPS id %08X;\r\n\t%s"
          % (helo, cname, "IPv6:" if ":" in ip else "", ip, d.name, r.getrandbits(32), DATE))] + h
    # DMARC of the From domain
    if d.p is None:
        dmarc = "none"
    else:
        if cls == "bounce":
            al_spf = not d.strict  # HELO is mail.<domain>: relaxed alignment
        else:
            al_spf = spf == "pass" and spf_dom is d
        al_dkim = any(n == d.name and res == "pass" for n, res in dk)
        dmarc = "pass" if (al_spf and spf == "pass") or al_dkim else "fail"
    truth = {"spf": spf, "dkim": [[n, s] for n, s in dk], "arc": arc, "dmarc": dmarc, "p": d.p or "",
             "from": d.name, "mf": mf.split("@")[1] if mf else helo, "nsig": len(dk), "arcsets": len(sets) if arc != "none" else 0,
             "body": len(b), "verifies": len([1 for n, s in dk if s != "permerror"])}
    raw = "".join("%s:%s\r\n" % (n, v) for n, v in h).encode() + b"\r\n" + b
    return raw, [ip, cname, helo, mf if mf else "", rcpt, cls, json.dumps(truth, separators=(",", ":"))]

def pick(r):
    return r.choices([c for c, _ in CLASSES], [w for _, w in CLASSES])[0]

os.makedirs(a.out + "/mix", exist_ok=True)
os.makedirs(a.out + "/big", exist_ok=True)
small, tot = [], 0
with open(a.out + "/mix.idx", "w") as ix:
    for k in range(a.n):
        r = R
        raw, f = make(r, k, pick(r), draw_size(r))
        fn = "mix/%05d.eml" % k
        open("%s/%s" % (a.out, fn), "wb").write(raw)
        line = "\t".join([fn] + f) + "\n"
        ix.write(line)
        tot += len(raw)
        if len(raw) < 12000 and len(small) < 200:
            small.append(line)
open(a.out + "/small.idx", "w").write("".join(small))
with open(a.out + "/big.idx", "w") as ix:
    for k in range(a.big):
        raw, f = make(R, 900000 + k, ["plain", "esp", "double"][k % 3], 10 << 20)
        fn = "big/%02d.eml" % k
        open("%s/%s" % (a.out, fn), "wb").write(raw)
        ix.write("\t".join([fn] + f) + "\n")

# mail of which nothing has to be asked that follows from an earlier answer: one round trip decides all
os.makedirs(a.out + "/flat", exist_ok=True)
with open(a.out + "/flat.idx", "w") as ix:
    for k in range(60):
        d = Dom()
        d.name, d.key, d.sel = "flat%02d.example" % k, RSA[k % len(RSA)], "s1"
        for host in (d.name, "mx." + d.name):
            rr(host, "TXT", "v=spf1 ip4:203.0.113.0/24 -all")
        rr("_dmarc." + d.name, "TXT", "v=DMARC1; p=reject")
        rr("s1._domainkey." + d.name, "TXT", pub(d.key))
        frm = "news@" + d.name
        ctype, text = body(R, 12000)
        raw = "".join("%s:%s\r\n" % f for f in add_sig(base_headers(R, d, k, ctype, frm, "user1@bench.example"), text.encode(), d))
        fn = "flat/%02d.eml" % k
        open("%s/%s" % (a.out, fn), "wb").write(raw.encode() + b"\r\n" + text.encode())
        truth = {"spf": "pass", "dkim": [[d.name, "pass"]], "arc": "none", "dmarc": "pass", "p": "reject"}
        ix.write("\t".join([fn, "203.0.113.%d" % (k + 100), "unknown", "mx." + d.name, frm, "user1@bench.example", "flat",
                            json.dumps(truth, separators=(",", ":"))]) + "\n")

with open(a.out + "/zone", "w") as z:
    z.write("$TTL 3600\n. 3600 IN SOA ns.bench.example. host.bench.example. 1 7200 3600 86400 60\n"
            ". 3600 IN NS ns.bench.example.\nns.bench.example. 3600 IN A 127.0.0.1\n"
            "bench.example. 3600 IN MX 10 mx.bench.example.\nmx.bench.example. 3600 IN A 127.0.0.1\n"
            "localhost. 3600 IN A 127.0.0.1\n")
    z.write("\n".join(dict.fromkeys(zone)) + "\n")
write_config(a.out, a.port)
print("messages %d, %.1f MB, mean %.1f KB; zone %d records" % (a.n, tot / 1e6, tot / a.n / 1e3, len(zone)))

if a.check:  # a second implementation's opinion (dkimpy)
    import dkim
    recs = {}
    for l in dict.fromkeys(zone):
        n, _, _, t, d = l.split(None, 4)
        if t == "TXT":
            recs.setdefault(n.rstrip(".").lower(), []).append("".join(x for x in d.split('"')[1::2]))
    def txt(name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        v = recs.get(name.rstrip(".").lower())
        return v[0].encode() if v else None
    bad = 0
    lines = open(a.out + "/mix.idx").read().splitlines()
    step = max(1, len(lines) // a.check)
    for l in lines[::step]:
        f = l.split("\t")
        raw = open(a.out + "/" + f[0], "rb").read()
        t = json.loads(f[7])
        v = dkim.DKIM(raw)
        got = []
        for i in range(t["nsig"]):
            try:
                got.append("pass" if v.verify(idx=i, dnsfunc=txt) else "fail")
            except dkim.DKIMException:
                got.append("fail")
        want = [s if s == "pass" else "fail" for _, s in t["dkim"]][::-1]
        cv = dkim.ARC(raw).verify(dnsfunc=txt)[0].decode()
        if sorted(got) != sorted(want) or cv != t["arc"]:
            bad += 1
            print("DISAGREE", f[0], f[6], "dkim", got, "want", want, "arc", cv, "want", t["arc"])
    print("checked %d with dkimpy, %d disagreements" % (len(lines[::step]), bad))
