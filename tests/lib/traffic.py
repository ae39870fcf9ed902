"""Real packets: servers that answer with the address they saw, clients, and traffic that goes on while things change.

Every line (TCP) or datagram (UDP) is answered with `TAG PEER-ADDRESS PEER-PORT TEXT`.
"""

import selectors
import socket
import threading
import time
from typing import NamedTuple

from lib.wait import wait_for

KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP)}
NEVER = 0.4  # how long an answer is waited for that must not come


class Reply(NamedTuple):
    tag: str
    peer: str  # the client's address as the server saw it
    peer_port: int
    text: str


def reply(data):
    words = data.decode().split()
    return Reply(words[0], words[1], int(words[2]), words[3])


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Server:
    """TCP and UDP (and SCTP, where that is asked for) on one port of a place."""

    def __init__(self, place, port, tag="server", protocols=("tcp", "udp"), address="0.0.0.0"):
        self.tag = tag
        self.seen = []  # peers of datagrams and connections, in order
        self.selector = selectors.DefaultSelector()
        self.ends = socket.socketpair()
        self.selector.register(self.ends[0], selectors.EVENT_READ, None)
        for protocol in protocols:
            listener = place.socket(family(address), *KINDS[protocol])
            if protocol == "tcp":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family(address) == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # beside one of IPv4
            listener.bind((address, port))
            if protocol != "udp":
                listener.listen(64)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, self.datagram if protocol == "udp" else self.accept)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                try:
                    key.data(key.fileobj)
                except (BlockingIOError, InterruptedError):
                    pass
                except OSError:
                    if key.data == self.line:
                        self.forget(key.fileobj)

    def accept(self, listener):
        connection, peer = listener.accept()
        connection.setblocking(False)
        self.seen.append(peer[:2])
        self.selector.register(connection, selectors.EVENT_READ, self.line)

    def line(self, connection):
        data = connection.recv(65536)
        if not data:
            self.forget(connection)
            return
        peer = connection.getpeername()
        for text in data.split():
            connection.send(self.answer(text, peer) + b"\n")

    def datagram(self, listener):
        data, peer = listener.recvfrom(65536)
        self.seen.append(peer[:2])
        listener.sendto(self.answer(data.strip(), peer), peer)

    def answer(self, text, peer):
        return f"{self.tag} {peer[0]} {peer[1]} ".encode() + text

    def forget(self, connection):
        self.selector.unregister(connection)
        connection.close()

    def close(self):
        if self.thread.is_alive():
            self.ends[1].send(b"x")
            self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
        self.ends[1].close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def client(place, protocol, address, source=None, source_port=0, device=None):
    made = place.socket(family(address), *KINDS[protocol])
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source or source_port:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((source or ("::" if ":" in address else "0.0.0.0"), source_port))
    return made


def ask(place, protocol, address, port, timeout=3.0, **options):
    """One question; its Reply, or None where no answer came (refused, unreachable, or silence)."""
    with client(place, protocol, address, **options) as made:
        made.settimeout(timeout)
        try:
            made.connect((address, port))
            made.send(b"hello\n")
            data = made.recv(65536)
        except OSError:
            return None
        return reply(data) if data else None


def silent(place, protocol, address, port, **options):
    """Whether no answer comes, within the time in which one would."""
    return ask(place, protocol, address, port, timeout=NEVER, **options) is None


class Stream:
    """One TCP connection, or one UDP flow from a fixed port, with a question every five milliseconds in the background."""

    INTERVAL = 0.005

    def __init__(self, place, protocol, address, port, source_port=0, timeout=3.0):
        self.protocol = protocol
        self.socket = client(place, protocol, address, source_port=source_port)
        self.socket.settimeout(timeout)
        self.socket.connect((address, port))
        self.replies = []  # (when, Reply)
        self.asked = 0  # questions, which are numbered from 1
        self.lost = 0  # datagrams without an answer
        self.error = None  # what ended a connection
        self.stopping = False
        self.thread = threading.Thread(target=self.tcp if protocol == "tcp" else self.udp, daemon=True)
        self.thread.start()

    def tcp(self):
        try:
            while not self.stopping:
                self.asked += 1
                self.socket.send(b"%d\n" % self.asked)
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionResetError("closed by the other side")
                self.replies.append((time.monotonic(), reply(data)))
                time.sleep(self.INTERVAL)
        except OSError as error:
            self.error = error

    def udp(self):
        self.socket.settimeout(self.INTERVAL)
        sent = answered = 0
        while not self.stopping:
            try:
                self.asked += 1
                self.socket.send(b"%d\n" % self.asked)
                sent += 1
                self.replies.append((time.monotonic(), reply(self.socket.recv(65536))))
                answered += 1
                time.sleep(self.INTERVAL)
            except OSError:
                pass
            self.lost = sent - answered

    def wait(self, count=3, deadline=5.0):
        """Until `count` more answers have come."""
        goal = len(self.replies) + count
        wait_for(lambda: len(self.replies) >= goal or self.error, f"{count} more answers", deadline)
        assert self.error is None, f"the connection ended: {self.error}"

    def wait_tag(self, tag, deadline=5.0):
        wait_for(lambda: self.replies and self.replies[-1][1].tag == tag,
                 lambda: f"an answer of {tag}; last: {self.replies[-1:]}", deadline)

    def quiet(self, span=NEVER):
        """Whether nothing that is asked from now on, for this long, is answered. What was asked before may still be under way."""
        asked, answered = self.asked, len(self.replies)
        time.sleep(span)
        return all(int(answer.text) <= asked for _, answer in self.replies[answered:])

    def longest_gap(self):
        times = [when for when, _ in self.replies]
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def close(self):
        self.stopping = True
        self.thread.join()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Datagrams:
    """Numbered datagrams, a thousand a second, one way: what arrives is counted, so that not one can be missing in silence.

    On a busy machine the one who receives may be late: no more are under way than surely find room with it.
    """

    RATE = 1000
    UNDER_WAY = 250

    def __init__(self, place, address, port, to, to_port, to_address="0.0.0.0"):
        """From `place` to address:port; the socket that they should reach is in `to`."""
        self.receiver = to.socket(kind=socket.SOCK_DGRAM)
        self.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.receiver.bind((to_address, to_port))
        self.receiver.settimeout(0.1)
        self.sender = client(place, "udp", address)
        self.sender.connect((address, port))
        self.sent = 0
        self.arrived = set()
        self.errors = []
        self.stopping = self.ended = False
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        start = time.monotonic()
        while not self.stopping:
            while self.sent < min((time.monotonic() - start) * self.RATE, len(self.arrived) + self.UNDER_WAY):
                try:
                    self.sender.send(b"%d" % self.sent)
                except OSError as error:
                    self.errors.append(error)
                self.sent += 1
            time.sleep(0.5 / self.RATE)

    def receive(self):
        while not self.ended:
            try:
                self.arrived.add(int(self.receiver.recv(64)))
            except TimeoutError:
                pass

    def missing(self):
        """Ends the sending, and waits until nothing arrives any more: the numbers that never did."""
        self.stopping = True
        self.threads[0].join()
        end = time.monotonic() + 2.0
        while len(self.arrived) < self.sent and time.monotonic() < end:
            time.sleep(0.05)
        return sorted(set(range(self.sent)) - self.arrived)

    def wait(self, count, deadline=60.0):
        """Until so many more have arrived."""
        goal = len(self.arrived) + count
        wait_for(lambda: len(self.arrived) >= goal, f"{count} more datagrams", deadline)

    def close(self):
        self.stopping = self.ended = True
        for thread in self.threads:
            thread.join()
        self.sender.close()
        self.receiver.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
