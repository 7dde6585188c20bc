"""The milter protocol from the MTA's side, packet by packet, so that a test can also get it wrong."""
import socket
import struct
import time

NR = {"conn": 0x1000, "helo": 0x2000, "mail": 0x4000, "rcpt": 0x8000, "data": 0x10000, "unkn": 0x20000, "eoh": 0x40000,
      "body": 0x80000, "hdr": 0x80}
LEADSPC = 0x100000
ALL_STEPS = 0x1FFFFF
ALL_ACTIONS = 0x1FF
FINAL = b"crtaydsSf"


def packet(command, data=b""):
    return struct.pack(">I", 1 + len(data)) + command + data


def connect_data(name="mx.sender.example", address="192.0.2.1", port=25):
    if address is None:
        return name.encode() + b"\0U"
    family = b"6" if ":" in address else b"4"
    return name.encode() + b"\0" + family + struct.pack(">H", port) + address.encode() + b"\0"


def strings(*args):
    return b"".join((a if isinstance(a, bytes) else a.encode()) + b"\0" for a in args)


class Closed(Exception):
    pass


class Milter:
    """One connection.  Steps negotiated as no-reply are not waited for."""

    def __init__(self, where, timeout=30):
        self.s = socket.socket(socket.AF_UNIX if where.startswith("/") else socket.AF_INET)
        self.s.settimeout(timeout)
        until = time.monotonic() + timeout
        while True:
            try:
                self.s.connect(where if where.startswith("/") else ("127.0.0.1", int(where)))
                break
            except BlockingIOError:  # the backlog of a unix socket is full
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        self.steps = self.actions = self.version = 0
        self.symbols = {}

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def send(self, command, data=b""):
        self.s.sendall(packet(command, data))

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise Closed()
            data += more
        return data

    def receive(self):
        n = struct.unpack(">I", self.read(4))[0]
        data = self.read(n)
        return data[:1], data[1:]

    def negotiate(self, version=6, actions=ALL_ACTIONS, steps=ALL_STEPS):
        self.send(b"O", struct.pack(">III", version, actions, steps))
        command, data = self.receive()
        if command != b"O":
            return command
        self.version, self.actions, self.steps = struct.unpack(">III", data[:12])
        rest = data[12:]
        while len(rest) >= 4:
            stage = struct.unpack(">I", rest[:4])[0]
            names, rest = rest[4:].split(b"\0", 1)
            self.symbols[stage] = names.decode().split()
        return command

    def macros(self, command, **values):
        flat = []
        for name, value in values.items():
            flat += [name if len(name) == 1 else "{%s}" % name, value]
        self.send(b"D", command + strings(*flat))

    def step(self, command, data, no_reply):
        """The reply's command and data; b"" where none is due."""
        self.send(command, data)
        if self.steps & NR.get(no_reply, 0):
            return b"", b""
        return self.receive()

    def connect(self, **kw):
        return self.step(b"C", connect_data(**kw), "conn")[0]

    def helo(self, name="mx.sender.example"):
        return self.step(b"H", strings(name), "helo")

    def mail(self, *args):
        return self.step(b"M", strings(*(args or ("<a@sender.example>",))), "mail")

    def rcpt(self, *args):
        return self.step(b"R", strings(*(args or ("<b@rcpt.example>",))), "rcpt")

    def header(self, name, value):
        if not self.steps & LEADSPC and value.startswith(" "):
            value = value[1:]
        return self.step(b"L", strings(name, value), "hdr")

    def eoh(self):
        return self.step(b"N", b"", "eoh")

    def body(self, data):
        return self.step(b"B", data, "body")

    def eom(self, last_chunk=b""):
        """The final reply's command and data, and the edits before it."""
        self.send(b"E", last_chunk)
        edits = []
        while True:
            command, data = self.receive()
            if command == b"p":
                continue
            if command in FINAL and command not in (b"s",):
                return command, data, edits
            edits.append((command, data))

    def begin(self, connect=None, **kw):
        self.negotiate(**kw)
        self.macros(b"C", j="mx.rcpt.example", daemon_name="smtpd")
        self.connect(**(connect or {}))
        self.helo()

    def message(self, headers=None, body=b"hello\r\n", queue_id="4cTEST", mail=(), **macros):
        """One message; what eom() gives."""
        self.macros(b"M", i=queue_id, **macros)
        reply = self.mail(*mail)
        if reply[0] not in (b"", b"c"):
            return reply[0], reply[1], []
        self.rcpt()
        for name, value in headers or (("From", " a@sender.example"), ("Subject", " x")):
            self.header(name, value)
        self.eoh()
        for at in range(0, len(body), 65535):
            self.body(body[at:at + 65535])
        return self.eom()

    def abort(self):
        self.send(b"A")

    def quit(self):
        self.send(b"Q")
        self.close()


def inserted(edits):
    """[(name, value)] of the header fields inserted, in the order of the calls."""
    return [tuple(data[4:].rstrip(b"\0").decode().split("\0", 1)) for command, data in edits if command == b"i"]


def deleted(edits):
    """[(name, nth)] of the fields deleted, in the order of the calls."""
    out = []
    for command, data in edits:
        if command == b"m":
            nth = struct.unpack(">I", data[:4])[0]
            name, value = data[4:].split(b"\0")[:2]
            assert value == b"", "a change, not a deletion"
            out.append((name.decode(), nth))
    return out
