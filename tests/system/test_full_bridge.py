"""A Linux bridge has 1023 ports at most: what is said before, and what happens when it has them all. Pairs made by
hand, whose other ends are out of the way, fill it; netd counts them only on a bridge that is not its own."""

from lib.snapshot import wait_same

PORTS = 1023  # BR_MAX_PORTS - 1


def fill(host, bridge, ports, start=0):
    """Each is a port from its first moment on: netd never sees it as an interface that routes."""
    lines = "".join(f"link add p{i} master {bridge} type veth peer name q{i} netns others\n" for i in range(start, start + ports))
    host.run("ip", "-batch", "-", stdin=lines)


def count(host, bridge):
    return len(host.json(f"ip -j link show master {bridge}"))


def check_full(host, sentence):
    """One is connected, and its bridge has all the ports that it can have: there is no other one, until there is room again."""
    assert count(host, "br0") == PORTS
    before = host.snapshot()
    assert sentence in host.ctl("connect", "my-net", "two", check=1).stderr
    wait_same(before, host.snapshot, "nothing is left of a refused connect")
    assert not host.file("/run/netns/two").exists()
    host.run("ip link del p0")
    host.ctl("connect", "my-net", "two")
    assert count(host, "br0") == PORTS


def test_of_netd(netd):
    """The kernel is the one that counts, and packets go through the last port, too."""
    netd.shell("ip netns add others")
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "br0")
    fill(netd, "br0", PORTS - 1)
    netd.ctl("connect", "my-net", "one")
    netd.ns("one").run("ping -c 1 -W 5 10.77.0.1")
    check_full(netd, "has as many ports as a Linux bridge takes: connect to another network")


def test_of_someone_else(netd):
    netd.shell("ip netns add others; ip link add br0 type bridge; ip link set br0 up")
    netd.ctl("network", "create", "my-net", "--use-bridge", "br0", "--subnet", "10.77.0.0/24")
    fill(netd, "br0", 920)
    assert "its bridge br0 has 921 of the 1023 ports" in netd.ctl("connect", "my-net", "one").stderr
    fill(netd, "br0", 102, 920)
    check_full(netd, "its bridge br0 has 1023 ports, the most a Linux bridge takes; connect to another network")
