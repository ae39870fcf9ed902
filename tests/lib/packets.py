"""Packets made by hand, for attacks that no honest program would send, and eyes that see what arrives."""

import select
import socket
import struct
import time
import uuid

ETH_P_ALL = 3
ETH_IP, ETH_ARP, ETH_IP6 = 0x0800, 0x0806, 0x86DD
ETH_EXPERIMENT = 0x88B5  # IEEE 802 local experimental
BROADCAST = "ff:ff:ff:ff:ff:ff"


def token():
    """Bytes by which a packet is known again."""
    return uuid.uuid4().bytes


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ether(destination, source, kind, payload):
    return mac(destination) + mac(source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(source, destination, protocol, payload, ttl=64):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, ttl, protocol, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def transport(source, destination, protocol, segment, place):
    """The segment with its checksum, which stands at `place`."""
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, protocol, len(segment))
    return segment[:place] + struct.pack("!H", checksum(pseudo + segment)) + segment[place + 2:]


def udp(source, destination, source_port, port, payload, ttl=64):
    segment = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    return ip4(source, destination, socket.IPPROTO_UDP, transport(source, destination, socket.IPPROTO_UDP, segment, 6), ttl)


def tcp_reset(source, destination, source_port, port, payload):
    return tcp(source, destination, source_port, port, 0x14, payload)


def tcp(source, destination, source_port, port, flags, payload):
    segment = struct.pack("!HHIIBBHHH", source_port, port, 1, 1, 0x50, flags, 1000, 0, 0) + payload
    return ip4(source, destination, socket.IPPROTO_TCP, transport(source, destination, socket.IPPROTO_TCP, segment, 16))


def udp6(source, destination, payload):
    """With a checksum of zero: whoever forwards it does not look."""
    segment = struct.pack("!HHHH", 4000, 4000, 8 + len(payload), 0) + payload
    return struct.pack("!IHBB", 6 << 28, len(segment), socket.IPPROTO_UDP, 64) \
        + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) + segment


def icmp6(source, destination, kind, body):
    """A neighbour solicitation (135), say; body is what follows the checksum."""
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
    message = struct.pack("!BBH", kind, 0, 0) + body
    check = checksum(addresses + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6) + message)
    message = struct.pack("!BBH", kind, 0, check) + body
    return struct.pack("!IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255) + addresses + message


def neighbour6(source, destination, kind, target, trailer=b""):
    """A neighbour solicitation (135) or advertisement (136) about `target`."""
    return icmp6(source, destination, kind, struct.pack("!I", 0x20000000) + socket.inet_pton(socket.AF_INET6, target) + trailer)


def arp(operation, sender_mac, sender, target_mac, target, trailer=b""):
    return struct.pack("!HHBBH", 1, ETH_IP, 6, 4, operation) + mac(sender_mac) + socket.inet_aton(sender) \
        + mac(target_mac) + socket.inet_aton(target) + trailer


class Eyes:
    """Sees every frame that arrives at an interface of a place."""

    def __init__(self, place, interface):
        self.socket = place.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, ETH_P_ALL))

    def see(self, sought, patience):
        """The first frame with these bytes in it, or None."""
        end = time.monotonic() + patience
        while True:
            ready, _, _ = select.select([self.socket], [], [], max(0, end - time.monotonic()))
            if not ready:
                return None
            frame = self.socket.recv(65536)
            if sought in frame:
                return frame

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def send_frame(place, interface, frame):
    with place.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as made:
        made.bind((interface, 0))
        made.send(frame)


def send_packet(place, packet):
    """An IPv4 packet with its header as it stands."""
    with place.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as made:
        made.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
