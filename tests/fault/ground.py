"""What some operations need beside the base of rig.py: what others have on the host before netd comes. Each returns what a request has to say of it."""

import os
import re
from pathlib import Path

from lib.wait import wait_for

KEY = "/run/sandbox/key"


def sandbox_key(host):
    """A container's: a namespace that is mounted outside of /run/netns."""
    host.shell(f"mkdir {os.path.dirname(KEY)}; touch {KEY}; unshare --net={KEY} ip link set lo up")


def process(host):
    """One in a namespace of its own; its number, as the host counts."""
    made = host.spawn("unshare", "--net", "sleep", "3600")
    wait_for(lambda: made.pid and os.readlink(f"/proc/{made.pid}/ns/net") != os.readlink(f"/proc/{host.pid}/ns/net"), "it has its namespace")
    return int(re.search(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{made.pid}/status").read_text(), re.M)[1])


def bridge(host):
    """It has a MAC address of its own, an address and a port."""
    host.shell("""ip link add br0 address 02:00:00:00:09:01 type bridge
        ip link add port address 02:00:00:00:09:02 type veth peer name far-port address 02:00:00:00:09:03
        ip link set port master br0
        for link in br0 port far-port; do ip link set $link addrgenmode none; ip link set $link up; done
        ip addr add 10.3.0.1/24 dev br0""")


def interface(host):
    """lan, with addresses and routes as a card has them; and the port of a bridge."""
    bridge(host)
    host.shell("""ip link add lan address 02:00:00:00:09:04 type veth peer name far-lan address 02:00:00:00:09:05
        ip link set lan alias "plugged in"
        for link in lan far-lan; do ip link set $link addrgenmode none; ip link set $link up; done
        ip addr add 198.51.100.1/24 dev lan
        ip addr add 2001:db8:7::1/64 dev lan nodad
        ip route add 203.0.113.0/24 via 198.51.100.2 metric 50
        ip route add 10.99.0.0/16 dev lan src 198.51.100.1 table 77""")
