"""SCTP, which a kernel may not have: then associations are made by hand, of packets, which is all that forwarding and translation see."""

import os
import socket
import struct

from lib import traffic
from lib.packets import token

INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK, DATA = 1, 2, 10, 11, 0


def spoken(place):
    """Whether the kernel speaks it."""
    try:
        place.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def packet(source_port, port, tag, kind, body):
    """One chunk in a packet (RFC 9260, 3)."""
    head, chunk = struct.pack("!HHI", source_port, port, tag), struct.pack("!BBH", kind, 3, 4 + len(body)) + body
    return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk


class Spoken:
    """The kernel's: a client, and a server that tells whom it saw."""

    def __init__(self, place, address, port, to, to_port):
        self.server = traffic.Server(to, to_port, to.name, protocols=("sctp",), address="::" if ":" in address else "0.0.0.0")
        try:
            self.client = traffic.client(place, "sctp", address)
            self.client.settimeout(3)
            self.client.connect((address, port))
        except OSError:
            self.server.close()
            raise
        self.seen = None  # the client's address, as the server saw it

    def passes(self, timeout=3.0):
        """Whether there are answers to what is asked now."""
        question = token().hex()
        self.client.settimeout(timeout)
        try:
            self.client.send(question.encode() + b"\n")
            answer = traffic.reply(self.client.recv(65536))
        except OSError:
            return False
        self.seen = answer.peer
        return answer.text == question

    def close(self):
        self.client.close()
        self.server.close()


class Handmade:
    """The same by two raw sockets."""

    def __init__(self, place, address, port, to, to_port):
        self.address, self.port, self.to_port, self.own_port = address, port, to_port, 20000 + os.getpid() % 10000
        family = traffic.family(address)
        self.client, self.server = (end.socket(family, socket.SOCK_RAW, socket.IPPROTO_SCTP) for end in (place, to))
        self.client.connect((address, 0))
        self.peer = self.seen = None
        for kind, tag, answer, answer_tag in ((INIT, 0, INIT_ACK, 0x1111), (COOKIE_ECHO, 0x2222, COOKIE_ACK, 0x1111)):
            own = struct.pack("!IIHHI", 0x1111, 65536, 1, 1, 1) if kind == INIT else b"cookie.."
            theirs = struct.pack("!IIHHI", 0x2222, 65536, 1, 1, 1) + struct.pack("!HH", 7, 12) + b"cookie.." if kind == INIT else b""
            if not self.there_and_back(kind, tag, own, answer, answer_tag, theirs, 3.0):
                self.close()
                raise ConnectionRefusedError("no answer came")

    def hear(self, end, kind, ports, body, timeout):
        """The sender of this chunk; None where it does not come."""
        end.settimeout(timeout)
        try:
            while True:
                data, sender = end.recvfrom(65536)
                if end.family == socket.AF_INET:
                    data = data[(data[0] & 15) * 4:]
                if struct.unpack("!HH", data[:4]) == ports and data[12] == kind and data[16:].startswith(body):
                    assert data == packet(*ports, struct.unpack("!I", data[4:8])[0], kind, data[16:]), "the checksum is right"
                    return sender
        except TimeoutError:
            return None

    def there_and_back(self, kind, tag, body, answer, answer_tag, answer_body, timeout):
        self.client.send(packet(self.own_port, self.port, tag, kind, body))
        self.peer = self.hear(self.server, kind, (self.own_port, self.to_port), body, timeout)
        if not self.peer:
            return False
        self.seen = self.peer[0]
        self.server.sendto(packet(self.to_port, self.own_port, answer_tag, answer, answer_body), self.peer)
        return bool(self.hear(self.client, answer, (self.port, self.own_port), answer_body, timeout))

    def passes(self, timeout=3.0):
        body = struct.pack("!IHHI", 1, 0, 0, 0) + token()
        try:
            return self.there_and_back(DATA, 0x2222, body, DATA, 0x1111, body, timeout)
        except OSError:
            return False

    def close(self):
        self.client.close()
        self.server.close()


def associate(place, address, port, to, to_port):
    """An association from `place` to address:port, where port `to_port` of `to` should be reached."""
    return (Spoken if spoken(place) else Handmade)(place, address, port, to, to_port)
