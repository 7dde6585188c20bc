"""Connections to a milter that have brought one small message and now say nothing."""
import socket
import struct


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command + data


def strings(*s):
    return b"".join(x.encode() + b"\0" for x in s)


MESSAGE = b"".join([
    packet(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF)),
    packet(b"D", b"C" + strings("j", "mx.bench.example")),
    packet(b"C", b"mail.bench.example\0" + b"4" + struct.pack(">H", 25) + b"198.18.0.4\0"),
    packet(b"H", strings("mail.bench.example")),
    packet(b"D", b"M" + strings("i", "4idle")),
    packet(b"M", strings("<a@bench.example>")),
    packet(b"R", strings("<b@bench.example>")),
    packet(b"L", strings("From", " a@bench.example")),
    packet(b"N"),
    packet(b"B", b"hello\r\n" * 1000),
    packet(b"E"),
])


def finished(s):
    """Reads replies until the one that ends the message."""
    data = b""
    while True:
        while len(data) >= 5 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
            n = struct.unpack(">I", data[:4])[0]
            if data[4:5] in b"acdrty":
                return
            data = data[4 + n:]
        more = s.recv(65536)
        if not more:
            return
        data += more


def open_many(path, n):
    out = []
    for _ in range(n):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(MESSAGE)
        finished(s)
        s.sendall(packet(b"A"))
        out.append(s)
    return out
