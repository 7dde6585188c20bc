"""Keys that follow from a seed, and DKIM and ARC signing: what the corpus and the growth series are made with."""
import base64
import hashlib
import re

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

T0 = 1750075200  # Mon, 16 Jun 2025 12:00:00 +0000
DATE = "Mon, 16 Jun 2025 12:00:00 +0000"

# ---------------------------------------------------------------- keys, from the seed
def prime(r, bits):
    small = [p for p in range(3, 2000, 2) if all(p % k for k in range(3, int(p ** .5) + 1, 2))]
    while True:
        n = r.getrandbits(bits) | (3 << (bits - 2)) | 1
        if any(n % p == 0 for p in small) or n % 65537 == 1:
            continue
        d, s = n - 1, 0
        while d % 2 == 0:
            d //= 2
            s += 1
        for _ in range(12):
            x = pow(r.randrange(2, n - 1), d, n)
            if x in (1, n - 1):
                continue
            for _ in range(s - 1):
                x = x * x % n
                if x == n - 1:
                    break
            else:
                break
        else:
            return n

def rsakey(r, bits=2048):
    p, q = prime(r, bits // 2), prime(r, bits // 2)
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    pn = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), pn).private_key()


def pub(k):
    if isinstance(k, ed25519.Ed25519PrivateKey):
        raw = k.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return "v=DKIM1; k=ed25519; p=" + base64.b64encode(raw).decode()
    der = k.public_key().public_bytes(serialization.Encoding.DER,
                                      serialization.PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()

# ---------------------------------------------------------------- DKIM and ARC signing
def relax_body(b):
    out = []
    for line in b.split(b"\r\n"):
        if b"  " in line or b"\t" in line:
            line = re.sub(rb"[ \t]+", b" ", line)
        out.append(line.rstrip(b" "))
    while out and out[-1] == b"":
        out.pop()
    return b"\r\n".join(out) + b"\r\n" if out else b""

def relax_header(n, v):
    v = v.replace("\r\n", "").replace("\n", "")
    return n.lower().strip() + ":" + " ".join(v.replace("\t", " ").split())

def fold64(s):
    return "\r\n\t ".join([s[i:i + 66] for i in range(0, len(s), 66)])

def rawsign(key, data):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(hashlib.sha256(data).digest())
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())

SIGNED = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To",
          "List-Unsubscribe"]

def sign(headers, body_hash, domain, selector, key, name="DKIM-Signature", pre="v=1; ", extra=""):
    """headers: list of (name, value), top first; returns the value of the new field"""
    algo = "ed25519-sha256" if isinstance(key, ed25519.Ed25519PrivateKey) else "rsa-sha256"
    left = {}
    for n, v in headers:
        left.setdefault(n.lower(), []).append((n, v))
    h, data = [], ""
    for n in SIGNED + (["DKIM-Signature"] * len(left.get("dkim-signature", []))
                       if name.startswith("ARC") else []):
        if left.get(n.lower()):
            nn, v = left[n.lower()].pop()
            data += relax_header(nn, v) + "\r\n"
            h.append(n)
    h.append("From")  # over-signed, as good signers do
    val = (" %sa=%s; c=relaxed/relaxed; d=%s; s=%s;\r\n\tt=%d;%s h=%s;\r\n\tbh=%s;\r\n\tb="
           % (pre, algo, domain, selector, T0, extra, ":".join(h), body_hash))
    data += relax_header(name, val)
    return val + fold64(base64.b64encode(rawsign(key, data.encode())).decode())

def bh(body):
    return base64.b64encode(hashlib.sha256(relax_body(body)).digest()).decode()

def arc_seal(headers, body, d, i, cv, results, sets):
    """adds one ARC set on top; sets: list of earlier (aar, ams, as) values, oldest first"""
    aar = " i=%d; mx.%s; %s" % (i, d.name, results)
    ams = sign(headers, bh(body), d.name, d.sel, d.key, "ARC-Message-Signature", "i=%d; " % i)
    data = ""
    for (x, y, z) in sets:
        data += relax_header("ARC-Authentication-Results", x) + "\r\n"
        data += relax_header("ARC-Message-Signature", y) + "\r\n"
        data += relax_header("ARC-Seal", z) + "\r\n"
    data += relax_header("ARC-Authentication-Results", aar) + "\r\n"
    data += relax_header("ARC-Message-Signature", ams) + "\r\n"
    seal = " i=%d; a=rsa-sha256; t=%d; cv=%s; d=%s; s=%s;\r\n\tb=" % (i, T0 + i, cv, d.name, d.sel)
    data += relax_header("ARC-Seal", seal)
    seal += fold64(base64.b64encode(rawsign(d.key, data.encode())).decode())
    sets.append((aar, ams, seal))
    return [("ARC-Seal", seal), ("ARC-Message-Signature", ams), ("ARC-Authentication-Results", aar)] + headers
