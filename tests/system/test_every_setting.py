"""One host that has every setting of every kind of object, in both families: a restart, a flush, damage, a reboot and a listing that is loaded
again leave it as it was."""

import pytest

from lib.host import ROOT
from lib.snapshot import wait_same

OWN = ["file /run/netd"]
PLAIN = {  # what is no setting
    "networks": {"id", "name", "driver", "bridge", "subnets", "ipv4", "ipv6", "endpoints", "state"},
    "endpoints": {"network", "namespace", "interface", "host_interface", "mac", "addresses"},
    "links": {"id", "ends"},
    "namespaces": {"name", "path", "origin", "attached", "source", "inode", "cookie", "nsid", "processes", "endpoints"},
    "publications": {"id", "protocol", "host_ip", "host_port", "host_port_end", "network", "namespace", "port", "port_end", "target", "targets",
                     "state", "reason", "packets", "bytes"},
}
UNSET = (None, False, [], 0, "no", "same")
NETWORKS = (
    "b --ipv6 --label k=v",
    "a --subnet 10.77.0.0/24 --gateway 10.77.0.9 --subnet fd77::/64 --gateway fd77::9 --bridge nd-a --mtu 1400 --isolated --mode routed"
    " --mode6 open --host-access dns --trusted-iface up-out --route 10.99.0.0/24,10.77.0.8 --route fd99:1::/64,fd77::8"
    " --ip-range 10.77.0.128/25 --ip-range fd77::1:0/112 --reserve web=10.77.0.5 --reserve web=fd77::5 --publish-address 192.0.2.1",
    "s --ipv6 --snat 192.0.2.1 --snat fd00:2::1 --mode4 nat --host-access no",
    "i --ipv6 --internal",
    "l --no-host-address --subnet 10.61.0.0/24 --gateway 10.61.0.254 --subnet fd61::/64 --gateway fd61::fe",
    "lan --use-bridge br7 --subnet 192.168.7.0/24 --subnet fd07::/64 --ip-range 192.168.7.192/27 --gateway 192.168.7.1",
)
ENDPOINTS = (
    "a web --mac 02:00:00:00:00:77 --ifname net0 --rate-in 5mbit --rate-out 6mbit --gw-priority 3 --label k=v", "b web --no-default-route", "s web",
    "i web", "i db", "b db", "l r --router --ip 10.61.0.254 --ip6 fd61::fe", "l x", "lan cam",
)
PORTS = (
    "8080:80 8080:80/udp 8000-8010:8000-8010 8020-8030:9020-9030 54:54/sctp [fd00:2::1]:8081:80 [::]:8082:80 db",
    "8443:443 web --iface up-out --from 192.0.2.0/24 --from b --from fd00:2::/64 --label k=v", "192.0.2.55:8099:80 web",
)
DAMAGE = {
    "tables": "nft flush ruleset",
    "bridge": "ip link del nd-a",
    "mtu inside": "ip -n web link set net0 mtu 1300",
    "routes inside": "ip -n web route flush table main; ip -n web -6 route flush table main proto static",
    "switch": "sysctl -qw net.ipv4.conf.nd-a.route_localnet=0",
    "sysctl of the namespace": "ip netns exec web sysctl -qw net.ipv4.tcp_keepalive_time=7200",
    "moved interface": "ip -n web link set lan0 down; ip -n web link set lan0 name lan; ip -n web link set lan netns 1",
}


def furnish(host):
    """What is the host's own."""
    host.shell("""
        ip addr add fd00:2::1/64 dev up-out nodad; ip -6 route add default via fd00:2::2
        ip link add br7 address 02:00:00:00:00:07 type bridge; ip link set br7 up
        ip link add lan address 02:00:00:00:00:08 type veth peer name far address 02:00:00:00:00:09
        ip addr add 198.51.100.1/24 dev lan; ip -6 addr add fd99::1/64 dev lan nodad; ip link set lan up; ip link set far up""")


@pytest.fixture
def full(host, out):
    furnish(host)
    host.start_daemon(own_tables=False)
    for words in NETWORKS:
        host.ctl("network", "create", *words.split())
    for words in ENDPOINTS:
        host.ctl("connect", *words.split())
    host.ctl("ns", "set", "web", "label=x=y", "sysctl=net.ipv4.tcp_keepalive_time=600,net.ipv6.conf.all.hop_limit=33")
    host.ctl("network", "allow", "i", "b", "db:5432/tcp", "db:53/sctp")
    for words in PORTS:
        host.ctl("publish", *words.split())
    host.ctl("ns", "move-in", "web", "lan", "--name", "lan0")
    host.ctl("ns", "link", "web", "x:cable", "--ip", "10.78.0.1/30", "--peer-ip", "10.78.0.2/30", "--ip", "fd78::1/64", "--mtu", "1400", "--label", "k=v")
    host.before = objects(host)
    host.kernel = host.snapshot(inside=True, without=OWN)
    return host


def objects(host):
    return {**host.objects(), "links": host.ctl_json("ns", "links")}


def is_back(host, after):
    wait_same(host.kernel, lambda: host.snapshot(inside=True, without=OWN), f"after {after} the kernel is as before", deadline=20)
    assert objects(host) == host.before
    host.restart_daemon(own_tables=False)
    assert "repair" not in host.log()


def test_every_setting_is_here(full):
    for noun, plain in PLAIN.items():
        objects = full.http("GET", f"/v1/{noun}").body[noun]
        settings = set(objects[0]) - plain
        assert settings >= {line.split('"')[1] for line in table_rows(noun[:-1])}, "the API shows every row of the table"
        for name in settings:
            assert any(item[name] not in UNSET for item in objects), f"{noun}: {name} is set nowhere in this test"


def table_rows(noun):
    source = (ROOT / "daemon/model/setting_rows.c").read_text()
    table = source.partition(f"{noun}_rows[] = {{\n")[2].partition("};")[0]
    return [line for line in table.splitlines() if "SETTING_" in line]


def test_restart(full):
    full.restart_daemon(own_tables=False)
    is_back(full, "a restart")


@pytest.mark.parametrize("what", DAMAGE)
def test_damage(full, what):
    full.shell(DAMAGE[what])
    is_back(full, f"damage of: {what}")


def test_reboot(full):
    full.reboot()
    furnish(full)
    full.start_daemon(own_tables=False)
    is_back(full, "a reboot")


def test_listing_loads_again(full):
    full.stop_daemon()
    before = full.run("nft list ruleset").stdout
    full.run("nft", "-f", "-", stdin="flush ruleset\n" + before)
    assert full.run("nft list ruleset").stdout == before
    full.start_daemon(own_tables=False)
    assert "repair" not in full.log()
