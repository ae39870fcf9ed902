"""Every form of a published port, in both families, with packets: single ones, free ones, ranges, several at once, what the
host's address means, what is held and what is refused, and how each is shown and taken back."""

import socket

import pytest

from lib.host import NETD
from lib.wait import wait_for

PROTOCOLS = ("tcp", "udp")
V4, V6 = "192.0.2.1", "2001:db8::1"  # the host, as the neighbour outside knows it
WEB, WEB6 = "10.77.0.2", "fd00:77::2"


@pytest.fixture
def net(netd):
    """Networks a, of both families, and b, of IPv4 only. Servers of both families in web: 80, 8000-8003, 9000-9003."""
    out, = netd.neighbours
    netd.run(f"ip -6 addr add {V6}/64 dev {out.interface} nodad")
    out.run("ip -6 addr add 2001:db8::2/64 dev eth0 nodad")
    out.run(f"ip -6 route add default via {V6}")
    netd.ctl("network", "create", "a", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64")
    netd.ctl("network", "create", "b", "--subnet", "10.78.0.0/24")
    netd.ctl("connect", "a", "web", "--ip", WEB, "--ip6", WEB6)
    netd.ctl("connect", "a", "cli")
    netd.ctl("connect", "b", "far")
    netd.web, netd.cli, netd.far, netd.out = *(netd.ns(name) for name in ("web", "cli", "far")), out
    netd.web.sysctl("net/ipv6/bindv6only", 1)
    for port in (80, *range(8000, 8004), *range(9000, 9004)):
        netd.web.serve(port, f"w{port}")
        netd.web.serve(port, f"w{port}", address="::")
    netd.far.serve(80, "far")
    return netd


def reached(place, address, port, protocols=PROTOCOLS, **options):
    """The tags that answer, by each protocol; None where nothing does."""
    return [reply and reply.tag for reply in (place.ask(protocol, address, port, timeout=2, **options) for protocol in protocols)]


def elements(host, name):
    listed = host.json("nft", "-j", "list", "set" if name.startswith(("nd_count", "nd_via", "nd_from", "nd_only")) else "map", "inet", "netd", name)
    return next(item for kind in listed["nftables"] for item in kind.values() if "name" in item and item["name"] == name).get("elem", [])


# --- what the host's address means ---

def test_without_an_address_it_is_on_every_one_of_both_families(net):
    assert net.ctl("publish", "8080:80", "web").stdout == f"*:8080/tcp -> web (a {WEB}, {WEB6}):80\n"
    net.ctl("publish", "8080:80/udp", "web")
    for address in (V4, V6):
        assert reached(net.out, address, 8080) == ["w80", "w80"]
    for address in (V4, V6, "127.0.0.1", "10.77.0.1", "fd00:77::1"):
        assert reached(net, address, 8080) == ["w80", "w80"], address
    for address in (V4, V6, "10.77.0.1", "fd00:77::1"):  # hairpin, and through the host to the same network
        assert reached(net.web, address, 8080) == ["w80", "w80"], address
        assert reached(net.cli, address, 8080) == ["w80", "w80"], address
    port, = (port for port in net.ctl_json("ports") if port["protocol"] == "tcp")
    assert (port["host_ip"], port["target"], port["targets"]) == ("*", WEB, [WEB, WEB6])
    net.ctl("unpublish", "*:8080:80/tcp", "8080/udp")
    assert net.ctl_json("ports") == [] and reached(net.out, V6, 8080) == [None, None]


def test_a_target_of_one_family_is_shown_with_that(net):
    assert net.ctl("publish", "8081:80", "far").stdout == "0.0.0.0:8081/tcp -> far (b 10.78.0.2):80\n"
    assert reached(net.out, V4, 8081, ["tcp"]) == ["far"] and reached(net.out, V6, 8081, ["tcp"]) == [None]
    net.ctl("connect", "a", "far")  # its default route of IPv6 is there: the port follows
    assert net.ctl_json("ports")[0]["host_ip"] == "*"
    net.ctl("disconnect", "a", "far")
    net.ctl("unpublish", "0.0.0.0:8081")


@pytest.mark.parametrize("spec, address, other", [("0.0.0.0:8080:80", V4, V6), ("[::]:8080:80", V6, V4),
                                               (f"{V4}:8080:80", V4, V6), (f"[{V6}]:8080:80", V6, V4)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_family_or_one_address(net, spec, address, other, protocol):
    net.ctl("publish", f"{spec}/{protocol}", "web")
    assert reached(net.out, address, 8080, [protocol]) == ["w80"]
    assert net.out.silent(protocol, other, 8080)
    shown, = net.ctl("ports", "-q").lines
    assert shown == spec.removesuffix(":80") + "/" + protocol
    net.restart_daemon()
    assert reached(net.out, address, 8080, [protocol]) == ["w80"]
    net.ctl("unpublish", shown)
    assert net.out.silent(protocol, address, 8080)


@pytest.mark.parametrize("address, words", [("[::1]", "127.0.0.1"), ("[fe80::1]", "single link"), ("[ff02::1]", "no address"),
                                            ("224.0.0.1", "no address"), ("0.1.2.3", "no address"), ("[::ffff:10.0.0.1]", "no address")])
def test_addresses_that_cannot_be(net, address, words):
    assert words in net.ctl("publish", f"{address}:8080:80", "web", check=2).stderr


def test_localhost_of_ipv6_is_refused_at_once(net):
    net.ctl("publish", "8080:80", "web")
    with net.socket(socket.AF_INET6) as made:
        made.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            made.connect(("::1", 8080))


def test_address_of_a_family_that_the_namespace_does_not_have(net):
    assert "far has none of that family" in net.ctl("publish", f"[{V6}]:8080:80", "far", check=1).stderr


def test_default_address_of_the_daemon_and_of_a_network(net):
    net.restart_daemon("--publish-address", "127.0.0.1")
    assert net.ctl("publish", "8080:80", "far").stdout.startswith("127.0.0.1:8080/tcp")
    assert reached(net, "127.0.0.1", 8080, ["tcp"]) == ["far"] and net.out.silent("tcp", V4, 8080)
    net.ctl("network", "set", "b", f"publish-address={V4}")
    assert net.ctl("publish", "8081:80", "far").stdout.startswith(f"{V4}:8081/tcp")
    assert net.ctl("publish", "*:8082:80", "far").stdout.startswith("0.0.0.0:8082/tcp")
    net.restart_daemon()
    assert net.ctl("publish", "8083:80", "far").stdout.startswith(f"{V4}:8083/tcp")
    assert net.ctl("publish", "8084:80", "web").stdout.startswith("*:8084/tcp")
    net.ctl("network", "set", "b", "publish-address=")
    assert net.ctl("publish", "8085:80", "far").stdout.startswith("0.0.0.0:8085/tcp")


def test_default_address_in_the_file_of_settings(host, out):
    host.write("/etc/netd/netd.conf", "publish-address = 127.0.0.1\n")
    host.start_daemon()
    host.ctl("connect", "default", "web")
    assert host.ctl("publish", "8080:80").stdout.startswith("127.0.0.1:8080/tcp")


@pytest.mark.parametrize("address", ("::1", "fe80::1", "224.0.0.1", "localhost"))
def test_default_address_that_none_could_publish_on(host, address):
    done = host.run(NETD, "--publish-address", address, check=False)
    assert done.returncode == 2 and address in done.stderr


# --- ports that are left open ---

def test_any_free_port_is_chosen_and_said(net):
    first, last = net.sysctl("net/ipv4/ip_local_port_range").split()
    said = net.ctl("publish", "80", "web").stdout
    port = int(said.split(":")[1].split("/")[0])
    assert int(first) <= port <= int(last)
    assert reached(net.out, V4, port, ["tcp"]) == reached(net.out, V6, port, ["tcp"]) == ["w80"]
    assert net.ctl("publish", "80", "web", "--exist-ok").stdout == said
    assert net.ctl("publish", "80", "web").stdout != said


def test_any_free_port_passes_over_what_is_reserved_held_or_used(net):
    net.sysctl("net/ipv4/ip_local_port_range", "40000 40007")
    net.sysctl("net/ipv4/ip_local_reserved_ports", "40001,40006-40007")
    net.ctl("publish", "40002:80", "far")
    with net.socket() as listener, net.socket(socket.AF_INET6) as bound, net.out.socket() as outside, net.socket() as client:
        listener.bind(("127.0.0.1", 40003))
        listener.listen()
        bound.bind(("::", 40004))
        outside.bind(("192.0.2.2", 7000))
        outside.listen()
        client.bind(("0.0.0.0", 40005))  # the port of a connection to somewhere else
        client.connect(("192.0.2.2", 7000))
        assert ":40000/tcp" in net.ctl("publish", "80", "web").stdout
        assert "ip_local_port_range" in net.ctl("publish", "81", "web", check=1).stderr
    ports = {int(net.ctl("publish", "-q", "80", "web").stdout.split(":")[1].split("/")[0]) for _ in range(3)}
    assert ports == {40003, 40004, 40005}
    assert not {line for line in net.ctl("ports", "-q").lines if ":40001" in line or ":40006" in line}


def test_first_free_of_a_range(net):
    with net.socket() as listener:
        listener.bind(("0.0.0.0", 8000))
        listener.listen()
        net.ctl("publish", "8001:80", "far")
        assert net.ctl("publish", "8000-8003:80", "web").stdout.startswith("*:8002/tcp")
        assert net.ctl("publish", "8000-8003:80", "web", "--exist-ok").stdout.startswith("*:8002/tcp")
        assert net.ctl("publish", "8000-8003:80", "web").stdout.startswith("*:8003/tcp")
        assert "8000-8003/tcp" in net.ctl("publish", "8000-8003:80", "web", check=1).stderr
    assert reached(net.out, V6, 8002, ["tcp"]) == ["w80"]


def test_one_address_and_any_port(net):
    said = net.ctl("publish", f"{V4}::80/udp", "web").stdout
    assert said.startswith(f"{V4}:") and reached(net.out, V4, int(said.split(":")[1].split("/")[0]), ["udp"]) == ["w80"]


# --- ranges ---

@pytest.mark.parametrize("prefix, address", [("", V4), ("", V6), (f"{V4}:", V4), (f"[{V6}]:", V6)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("shift", (0, 1000))
def test_ranges(net, prefix, address, protocol, shift):
    net.ctl("publish", f"{prefix}8000-8003:{8000 + shift}-{8003 + shift}/{protocol}", "web")
    for port in range(8000, 8004):
        assert reached(net.out, address, port, [protocol]) == [f"w{port + shift}"]
    assert net.out.silent(protocol, address, 8004)
    family = "6" if ":" in address else "4"
    single, interval = (elements(net, f"nd_{'pub' if prefix else 'any'}{family}"), elements(net, f"nd_{'pubrng' if prefix else 'rng'}{family}"))
    assert (len(single), len(interval)) == ((4, 0) if shift else (0, 1))
    port, = net.ctl_json("ports")
    assert (port["host_port"], port["host_port_end"], port["port"], port["port_end"]) == (8000, 8003, 8000 + shift, 8003 + shift)
    shown, = net.ctl("ports", "-q").lines
    net.restart_daemon()
    assert reached(net.out, address, 8003, [protocol]) == [f"w{8003 + shift}"]
    for wrong in (shown.replace("8000-8003", "8000"), shown.replace("8000-8003", "8001-8003"), shown.replace("8003/", "8003:1-4/")):
        assert "not published" in net.ctl("unpublish", wrong, check=3).stderr
    net.ctl("unpublish", shown)
    assert net.out.silent(protocol, address, 8001)


def test_a_range_is_shown_in_one_line(net):
    net.ctl("publish", "8000-8010:9000-9010", "web")
    line, = net.ctl("ports").lines[1:]
    assert line.split()[:4] == ["*:8000-8010/tcp", "web", "a", f"{WEB},[{WEB6}]:9000-9010"]


@pytest.mark.parametrize("first, second, taken", [
    ("8000-8010:8000-8010", "8005:80", True), ("8005:80", "8000-8010:8000-8010", True), ("8000-8010:8000-8010", "8010-8020:8010-8020", True),
    ("8000-8010:8000-8010", "8011:80", False), ("8000-8010:8000-8010", "7000-7999:7000-7999", False),
    (f"{V4}:8000-8010:8000-8010", "127.0.0.1:8005:80", False), (f"{V4}:8000-8010:8000-8010", "0.0.0.0:8005:80", True),
    (f"{V4}:8000-8010:8000-8010", "[::]:8005:80", False), (f"{V4}:8000-8010:8000-8010", "8005:80", True),
    ("0.0.0.0:8005:80", "[::]:8005:80", False), ("8000-8010:8000-8010", "8005:80/udp", False)])
def test_overlaps(net, first, second, taken):
    net.ctl("publish", first, "web")
    done = net.ctl("publish", second, "web", check=5 if taken else 0)
    assert ("published already" in done.stderr) == taken
    assert len(net.ctl_json("ports")) == 2 - taken


def test_a_listener_within_a_range_is_refused_and_named(net):
    with net.socket() as listener:
        listener.bind(("127.0.0.1", 8007))
        listener.listen()
        assert "8007/tcp" in net.ctl("publish", "8000-8100:8000-8100", "web", check=5).stderr
        assert "8007/tcp" in net.ctl("publish", "7000-9000:7000-9000", "web", check=5).stderr
        net.ctl("publish", f"{V4}:8000-8100:8000-8100", "web")
    assert len(net.ctl_json("ports")) == 1


def can_listen(host, port, family=socket.AF_INET):
    with host.socket(family) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            made.bind(("", port))
            made.listen()
        except OSError:
            return False
        return True


def test_ranges_are_held_up_to_a_length(net):
    net.ctl("publish", "8000-8063:8000-8063", "web")
    net.ctl("publish", "9000-9064:9000-9064", "web")
    for family in (socket.AF_INET, socket.AF_INET6):
        assert not can_listen(net, 8000, family) and not can_listen(net, 8063, family)
        assert can_listen(net, 9000, family)
    net.restart_daemon()
    assert not can_listen(net, 8063)
    net.ctl("unpublish", "8000-8063")
    assert can_listen(net, 8063)


def test_shifted_ranges_have_a_limit_and_others_have_none(net):
    assert "1024" in net.ctl("publish", "10000-11024:20000-21024", "web", check=2).stderr
    net.ctl("publish", "10000-11023:20000-21023", "web")
    net.ctl("publish", "20000-65535:20000-65535/udp", "web")
    assert len(elements(net, "nd_rng4")) == 1 and len(elements(net, "nd_any4")) == 1024


def test_a_range_of_ten_thousand_is_no_burden(net):
    """One element of each family; the daemon's memory does not know how many ports it has. (What it takes: bench/run.)"""
    def memory():
        with open(f"/proc/{net.daemon.pid}/statm") as file:
            return int(file.read().split()[1]) * 4
    net.ctl("publish", "79:80", "web")
    before = memory()
    net.ctl("publish", "10000-19999:10000-19999", "web")
    assert memory() - before < 512
    assert [len(elements(net, name)) for name in ("nd_rng4", "nd_rng6", "nd_countrng4")] == [1, 1, 1]
    net.web.serve(15432, "mid")
    assert reached(net.out, V4, 15432, ["tcp"]) == ["mid"]


# --- several at once, and protocols ---

def test_several_at_once_are_all_or_none(net):
    said = net.ctl("publish", "8080:80", "8080:80/udp", f"[{V6}]:8081:80", "80", "web").lines
    assert len(said) == len(net.ctl_json("ports")) == 4 and said[2].startswith(f"[{V6}]:8081/tcp")
    assert "published already" in net.ctl("publish", "8090:80", "8080:80", "8091:80", "web", check=5).stderr
    assert "published already" in net.ctl("publish", "8092:80", "8092:80", "web", check=5).stderr
    assert len(net.ctl_json("ports")) == 4 and can_listen(net, 8090)
    net.ctl("publish", "8080:80", "8080:80/udp", "web", "--exist-ok")
    first, second = (line.split(":")[1] for line in net.ctl("publish", "80", "80", "web").lines)
    assert first != second
    net.ctl("unpublish", "8080/tcp", "8080/udp")
    assert len(net.ctl_json("ports")) == 4


def test_a_namespace_whose_name_reads_like_a_port(netd):
    netd.ctl("connect", "default", "81")
    assert "-> 81 " in netd.ctl("publish", "8080:80", "--ns", "81").stdout


def test_sctp(net):
    """Kernels without SCTP translate it all the same; who listens and holds is asked where the host has it."""
    assert net.ctl("publish", "8080:80/sctp", "web").stdout.startswith("*:8080/sctp -> web")
    net.ctl("publish", "8000-8010:8000-8010/sctp", f"{V4}:9000-9003:8000-8003/sctp", "web")
    listing = net.run("nft list table inet netd").stdout
    assert f"sctp . 8080 : {WEB} . 80" in listing and f"sctp . 8000-8010 : {WEB6}" in listing
    assert f"{V4} . sctp . 9003 : {WEB} . 8003" in listing
    net.restart_daemon()
    assert len(net.ctl_json("ports")) == 3
    net.ctl("unpublish", "8080", "8000-8010/sctp", "9000-9003")
    assert "sctp . 8" not in net.run("nft list table inet netd").stdout


def test_everything_prints_readably_and_loads_again(net):
    for spec in ("8080:80", "8080:80/udp", "8000-8003:8000-8003", f"{V4}:7000:80", f"[{V6}]:7000-7003:8000-8003", f"[{V6}]:6000-6003:6000-6003"):
        net.ctl("publish", spec, "web", "--iface", "up-out", "--from", "10.0.0.0/8", "--from", "a")
    net.restart_daemon(own_tables=False)
    net.stop_daemon()
    before = net.run("nft list ruleset").stdout
    net.run("nft", "-f", "-", stdin="flush ruleset\n" + before)
    assert net.run("nft list ruleset").stdout == before
    net.start_daemon(own_tables=False)
    assert "repair: " not in net.log()


# --- what is not there yet, and what comes back ---

@pytest.mark.parametrize("address", ("192.0.2.77", "2001:db8::77"))
def test_an_address_that_comes_later(net, address):
    host = f"[{address}]" if ":" in address else address
    done = net.ctl("publish", f"{host}:8080:80", f"{host}:8080:80/udp", "web")
    assert f"pending: {address} is on no interface of this host" in done.stdout and "does not have" in done.stderr
    state = net.ctl_json("ports")[0]
    assert (state["state"], state["reason"]) == ("pending", f"{address} is on no interface of this host")
    assert f"pending: {address} is on no interface" in net.ctl("ports").stdout
    net.run(f"ip addr add {address}/128 dev {net.out.interface} nodad" if ":" in address else f"ip addr add {address}/32 dev {net.out.interface}")
    assert net.ctl_json("ports")[0]["state"] == "active"
    for protocol in PROTOCOLS:
        wait_for(lambda: net.out.ask(protocol, address, 8080, timeout=0.3), "the address answers")


def test_reboot_and_drift(net):
    net.ctl("publish", "8080:80", "8000-8003:8000-8003/udp", f"[{V6}]:9000-9003:9000-9003", "web")
    ports = net.ctl_json("ports")
    net.stop_daemon()
    net.run("nft flush ruleset")
    net.start_daemon()
    for address, port, protocol in ((V6, 8080, "tcp"), (V4, 8002, "udp"), (V6, 9001, "tcp")):
        assert net.out.ask(protocol, address, port, timeout=2)
    net.reboot()
    net.start_daemon()
    names = ("id", "host_port", "host_port_end", "targets", "protocol")
    assert [[port[name] for name in names] for port in net.ctl_json("ports")] == [[port[name] for name in names] for port in ports]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("shift", (0, 1000))
@pytest.mark.parametrize("address", (V4, V6))
def test_the_end_of_a_range_ends_its_flows(net, protocol, shift, address):
    """And no others to the same port of the namespace."""
    spec = f"8000-8003:{8000 + shift}-{8003 + shift}/{protocol}"
    net.ctl("publish", spec, f"8500:{8002 + shift}/{protocol}", "web")
    with net.out.stream(protocol, address, 8002) as stream, net.out.stream(protocol, address, 8500) as other:
        stream.wait()
        other.wait()
        net.ctl("unpublish", spec)
        assert stream.quiet()
        other.wait(3)


@pytest.mark.parametrize("address", (V4, V6))
def test_udp_that_came_before_its_port_leads_somewhere(net, address):
    """Before a range is published, and while its namespace is away."""
    with net.out.stream("udp", address, 8002, source_port=4000) as stream:
        assert stream.quiet(0.1)
        net.ctl("publish", "8000-8003:8000-8003/udp", "web")
        stream.wait_tag("w8002", deadline=2)
        net.ctl("disconnect", "a", "web")
        assert stream.quiet(0.3)
        net.ctl("connect", "a", "web", "--ip", WEB, "--ip6", WEB6)
        stream.wait_tag("w8002", deadline=2)


# --- what went through ---

def counted(net, number=0):
    port = net.ctl_json("ports")[number]
    return port["packets"], port["bytes"]


@pytest.mark.parametrize("place, address", [("out", V4), ("out", V6), ("host", "127.0.0.1"), ("host", V6), ("far", V4)])
@pytest.mark.parametrize("spec", ("8080:80/udp", "8000-8003:8000-8003/udp"))
def test_packets_and_bytes_are_counted_both_ways(net, place, address, spec):
    net.ctl("publish", spec, "web")
    place = net if place == "host" else getattr(net, place)
    assert counted(net) == (0, 0)
    port = int(spec[:4])
    for number in range(1, 4):
        assert place.ask("udp", address, port)
        packets, size = counted(net)
        assert packets == 2 * number and size > 40 * number
    net.ctl("publish", "8090:80", "web")
    assert net.out.silent("udp", V4, 8091)
    assert counted(net)[0] + counted(net, 1)[0] == 6


def test_counters_stay_through_restarts_and_are_no_drift(net):
    net.ctl("publish", "8080:80", f"{V4}:8081:80", "web")
    assert net.out.ask("tcp", V4, 8080) and net.out.ask("tcp", V4, 8081)
    before = [counted(net, number) for number in (0, 1)]
    assert all(packets > 4 for packets, _ in before)
    net.restart_daemon()
    assert "drift" not in net.log() and "repair: " not in net.log()
    net.ctl("disconnect", "a", "web")
    net.ctl("connect", "a", "web")
    assert [counted(net, number) for number in (0, 1)] == before
    line = net.ctl("ports").lines[1].split()
    assert (int(line[4]), int(line[5])) in before


def test_other_peoples_translations_are_not_counted(net):
    net.ctl("publish", f"{V4}:8080:80/udp", "web")
    net.run("nft", "-f", "-", stdin="""table ip other {
	chain c {
		type nat hook prerouting priority -110
		udp dport 8099 dnat to 10.77.0.2:80
	}
}
""")
    net.out.ask("udp", V4, 8099, timeout=0.5)
    assert counted(net) == (0, 0)


# --- through the API ---

def test_api_takes_one_or_a_list(net):
    one = net.http("POST", "/v1/publications", {"host_port": 8000, "host_port_end": 8003, "port": 9000, "port_end": 9003, "namespace": "web"})
    assert one.status == 201 and one.body["publication"]["port_end"] == 9003
    many = net.http("POST", "/v1/publications", {"publications": [{"port": 80}, {"port": 80, "protocol": "udp", "host_ip": V6}], "namespace": "web"})
    assert many.status == 201 and [port["host_ip"] for port in many.body["publications"]] == ["*", V6]
    none = net.http("POST", "/v1/publications", {"publications": [{"port": 80}, {"port": 80, "host_port": 8001}], "namespace": "web"})
    assert none.status == 409 and len(net.ctl_json("ports")) == 3
    plan = net.http("POST", "/v1/publications?dry_run=true", {"publications": [{"port": 80, "host_port": 7000}], "namespace": "web"})
    assert any("nd_any6" in line for line in plan.body["plan"])
    gone = net.http("DELETE", "/v1/publications?host_port=8000&host_port_end=8003&port=9000&port_end=9003")
    assert gone.status == 200 and len(gone.body["removed"]) == 1


