"""Published ports: who reaches them by which address, whose address the server sees, and what happens to flows."""

import re
import socket
import subprocess
import sys

import pytest

from lib.wait import wait_for

FIELDS = {"id", "protocol", "host_ip", "host_port", "host_port_end", "network", "namespace", "port", "state"}
PROTOCOLS = ("tcp", "udp")
WEB, CLI, FAR = "10.77.0.2", "10.77.0.3", "10.77.1.2"


@pytest.fixture
def net(netd):
    """Networks a and b; web and cli on a, far on b, db on an internal one; web and far have a server on port 80."""
    for number, words in enumerate(([], [], ["--internal"])):
        netd.ctl("network", "create", "abc"[number], "--subnet", f"10.77.{number}.0/24", *words)
    for name, network, address in (("web", "a", WEB), ("cli", "a", CLI), ("far", "b", FAR), ("db", "c", "10.77.2.2")):
        netd.ctl("connect", network, name, "--ip", address)
    netd.web, netd.cli, netd.far, netd.db = (netd.ns(name) for name in ("web", "cli", "far", "db"))
    netd.out, = netd.neighbours
    netd.web.serve(80)
    netd.far.serve(80)
    return netd


@pytest.fixture
def published(net):
    for protocol in PROTOCOLS:
        net.ctl("publish", f"8080:80/{protocol}", "web")
    return net


# from where, by which address, which source the server sees
REACH = {
    "outside": ("out", "192.0.2.1", "192.0.2.2"),
    "host by its address": ("host", "192.0.2.1", "192.0.2.1"),
    "host by the gateway's address": ("host", "10.77.0.1", "10.77.0.1"),
    "host by another network's gateway": ("host", "10.77.1.1", "10.77.1.1"),
    "host by 127.0.0.1": ("host", "127.0.0.1", "10.77.0.1"),
    "host by another address of 127/8": ("host", "127.8.0.1", "10.77.0.1"),
    "other network by the host's address": ("far", "192.0.2.1", FAR),
    "other network by its own gateway": ("far", "10.77.1.1", FAR),
    "same network by the host's address": ("cli", "192.0.2.1", "10.77.0.1"),
    "same network by its gateway": ("cli", "10.77.0.1", "10.77.0.1"),
    "itself by the host's address": ("web", "192.0.2.1", "10.77.0.1"),
    "itself by its gateway": ("web", "10.77.0.1", "10.77.0.1"),
}


@pytest.mark.parametrize("bridge_filter", (0, 1), ids=("plain", "br_netfilter"))
def test_everyone_reaches_it_and_sources_are_kept(published, bridge_filter):
    published.sysctl("net/bridge/bridge-nf-call-iptables", bridge_filter)
    wrong = {}
    for name, (place, address, source) in REACH.items():
        place = published if place == "host" else getattr(published, place)
        for protocol in PROTOCOLS:
            reply = place.ask(protocol, address, 8080, timeout=1.5)
            if reply is None or (reply.tag, reply.peer) != ("web", source):
                wrong[f"{name}, {protocol}"] = reply
    assert not wrong


def test_internal_network_does_not_reach_it(published):
    """Also when a tenant gives itself the route that netd did not."""
    published.run("ip -n db route add default via 10.77.2.1")
    for protocol in PROTOCOLS:
        assert published.db.silent(protocol, "192.0.2.1", 8080)
        assert published.db.silent(protocol, "10.77.2.1", 8080)


def test_answer_is_the_whole_line(net):
    assert net.ctl("publish", "8080:80", "web").stdout.strip() == "0.0.0.0:8080/tcp -> web (a 10.77.0.2):80"
    assert net.ctl("publish", "192.0.2.1:53:80/udp", "far").stdout.strip() == "192.0.2.1:53/udp -> far (b 10.77.1.2):80"


def test_ports_lists_them(published):
    ports = published.ctl_json("ports")
    assert len(ports) == 2 and all(set(port) >= FIELDS for port in ports)
    port = next(port for port in ports if port["protocol"] == "udp")
    assert (port["host_ip"], port["host_port"], port["host_port_end"], port["port"]) == ("0.0.0.0", 8080, 8080, 80)
    assert (port["network"], port["namespace"], port["state"], port["target"]) == ("a", "web", "active", WEB)
    assert sorted(published.ctl("ports", "-q").lines) == ["0.0.0.0:8080/tcp", "0.0.0.0:8080/udp"]


def test_published_on_one_address_answers_there_only(net):
    net.ctl("publish", "192.0.2.1:8080:80", "web")
    assert net.out.ask("tcp", "192.0.2.1", 8080).peer == "192.0.2.2"
    for place, address in ((net, "127.0.0.1"), (net, "10.77.0.1"), (net.far, "10.77.1.1")):
        assert place.silent("tcp", address, 8080)


def test_published_on_loopback_is_for_the_host_only(net):
    net.ctl("publish", "127.0.0.1:8080:80", "web")
    assert net.ask("tcp", "127.0.0.1", 8080).peer == "10.77.0.1"
    assert net.out.silent("tcp", "192.0.2.1", 8080)


def test_one_port_on_two_addresses(net):
    net.ctl("publish", "192.0.2.1:8080:80", "web")
    net.ctl("publish", "127.0.0.1:8080:80", "far")
    assert net.out.ask("tcp", "192.0.2.1", 8080).tag == "web"
    assert net.ask("tcp", "127.0.0.1", 8080).tag == "far"


def test_protocols_are_apart(net):
    net.ctl("publish", "8080:80/tcp", "web")
    net.ctl("publish", "8080:80/udp", "far")
    assert net.out.ask("tcp", "192.0.2.1", 8080).tag == "web"
    assert net.out.ask("udp", "192.0.2.1", 8080).tag == "far"


def test_no_rule_is_added_for_a_port(net):
    def rules():
        return sum("rule" in item for item in net.json("nft -j list ruleset")["nftables"])
    before = rules()
    for port in range(8000, 8005):
        net.ctl("publish", f"{port}:80", "web")
    assert rules() == before


# --- which namespace, which network ---

def test_without_namespace_only_if_there_is_one(netd):
    assert "connect" in netd.ctl("publish", "8080:80", check=1).stderr
    netd.ctl("ns", "create", "idle")
    netd.ctl("connect", "default", "web")
    assert "-> web (default" in netd.ctl("publish", "8080:80").stdout
    netd.ctl("connect", "default", "db")
    done = netd.ctl("publish", "8081:80", check=1)
    assert "web" in done.stderr and "db" in done.stderr and "idle" not in done.stderr


def test_unknown_or_unconnected_target(net):
    net.ctl("ns", "create", "idle")
    for words in (["nobody"], ["idle"], ["web", "--network", "b"], ["web", "--network", "nowhere"]):
        net.ctl("publish", "8080:80", *words, check=3)


def test_internal_only_is_refused(net):
    assert "internal" in net.ctl("publish", "8080:80", "db", check=1).stderr


def test_target_follows_the_default_route(net):
    net.ctl("connect", "b", "web")
    net.ctl("publish", "8080:80", "web")
    assert net.ctl_json("ports")[0]["network"] == "a"
    net.ctl("disconnect", "a", "web")
    assert net.ctl_json("ports")[0]["network"] == "b"
    for place, address in ((net.out, "192.0.2.1"), (net, "127.0.0.1"), (net.far, "192.0.2.1")):
        assert place.ask("tcp", address, 8080).tag == "web"


def test_network_can_be_chosen(net):
    address = net.ctl_json("connect", "b", "web")["endpoint"]["addresses"][0].split("/")[0]
    net.ctl("publish", "8080:80", "web", "--network", "b")
    port, = net.ctl_json("ports")
    assert (port["network"], port["target"]) == ("b", address)
    # the way back goes by the default route of a, through the same host
    assert net.ask("tcp", "127.0.0.1", 8080).tag == "web"
    net.ctl("disconnect", "b", "web")
    assert net.ctl_json("ports")[0]["state"] == "pending"


def test_nothing_listening_is_a_warning(net):
    done = net.ctl("publish", "8080:81", "web")
    assert re.search("warning.*nothing listens.*81", done.stderr)
    for spec in ("8081:80/tcp", "8081:80/udp"):
        assert net.ctl("publish", spec, "web").stderr == ""


# --- taken ports ---

LISTEN = """
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
made = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, kind)
made.bind((sys.argv[2], int(sys.argv[3])))
if sys.argv[1] == "tcp":
    made.listen()
print("ready", flush=True)
sys.stdin.read()
"""


def listener(host, protocol, address, port):
    process = host.spawn(sys.executable, "-ISc", LISTEN, protocol, address, port, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.popen.stdout.readline() == b"ready\n"
    return process


def pid_inside(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(line.split()[-1] for line in file if line.startswith("NSpid:"))


@pytest.mark.parametrize("address, spec", [("0.0.0.0", "8080:80"), ("127.0.0.1", "8080:80"), ("0.0.0.0", "127.0.0.1:8080:80"),
                                           ("::", "8080:80"), ("192.0.2.1", "192.0.2.1:8080:80")])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_port_with_a_listener_is_refused_and_names_it(netd, protocol, address, spec):
    netd.ctl("connect", "default", "web")
    with listener(netd, protocol, address, 8080) as process:
        done = netd.ctl("publish", f"{spec}/{protocol}", "web", check=5)
        assert "8080" in done.stderr and re.search(rf"\b{pid_inside(process)}\b", done.stderr) and "python" in done.stderr
    assert netd.ctl_json("ports") == []
    netd.ctl("publish", f"{spec}/{protocol}", "web")


def test_listener_on_another_address_or_protocol_is_no_obstacle(netd):
    netd.ctl("connect", "default", "web")
    with listener(netd, "tcp", "127.0.0.1", 8080):
        netd.ctl("publish", "192.0.2.1:8080:80", "web")
        netd.ctl("publish", "8080:80/udp", "web")


def test_published_port_is_refused_and_names_its_owner(published):
    for spec in ("8080:80", "127.0.0.1:8080:80", "8080:81/udp"):
        assert "web" in published.ctl("publish", spec, "far", check=5).stderr
    published.ctl("publish", "8080:80", "web", "--exist-ok")
    published.ctl("publish", "8080:81", "web", "--exist-ok", check=5)


def can_bind(host, protocol, address, port):
    with host.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((address, port))
            if protocol == "tcp":
                made.listen()
        except OSError:
            return False
        return True


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_published_ports_are_held(net, protocol):
    assert can_bind(net, protocol, "0.0.0.0", 8080)
    net.ctl("publish", f"8080:80/{protocol}", "web")
    assert not can_bind(net, protocol, "0.0.0.0", 8080) and not can_bind(net, protocol, "127.0.0.1", 8080)
    net.restart_daemon()
    assert not can_bind(net, protocol, "0.0.0.0", 8080)
    assert net.out.ask(protocol, "192.0.2.1", 8080).tag == "web"
    net.ctl("unpublish", f"8080/{protocol}")
    assert can_bind(net, protocol, "0.0.0.0", 8080)


# --- flows ---

def test_unpublish(published):
    assert "2 times" in published.ctl("unpublish", "8080", check=1).stderr
    published.ctl("unpublish", "8080/udp")
    published.ctl("unpublish", "8080")
    assert published.ctl_json("ports") == []
    for protocol in PROTOCOLS:
        for place, address in ((published.out, "192.0.2.1"), (published, "127.0.0.1"), (published.far, "192.0.2.1")):
            assert place.silent(protocol, address, 8080)
    published.ctl("unpublish", "8080", check=3)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("ending", (["unpublish", "8080/{}"], ["disconnect", "a", "web"], ["ns", "rm", "-f", "web"]),
                         ids=("unpublish", "disconnect", "ns-rm"))
def test_end_of_a_published_port_ends_its_flows(published, protocol, ending):
    with published.out.stream(protocol, "192.0.2.1", 8080) as stream:
        stream.wait()
        published.ctl(*(word.format(protocol) for word in ending))
        assert stream.quiet()


def test_other_flows_go_on(published):
    """Also one whose port is the published one, but on another machine."""
    published.out.serve(8080)
    published.ctl("publish", "8081:80", "web")
    with published.out.stream("tcp", "192.0.2.1", 8081) as other, published.cli.stream("udp", "192.0.2.2", 8080) as query, \
            published.web.stream("tcp", "192.0.2.2", 8080) as own:
        for stream in (other, query, own):
            stream.wait()
        published.ctl("unpublish", "8080/tcp")
        published.ctl("unpublish", "8080/udp")
        for stream in (other, query, own):
            stream.wait(5)
        assert query.lost <= 2


def test_udp_follows_a_republish_at_once(published):
    """A client that never pauses keeps its conntrack entry alive, at whatever it points."""
    with published.out.stream("udp", "192.0.2.1", 8080, source_port=4000) as stream:
        for target in ("far", "web", "far"):
            published.ctl("unpublish", "8080/udp")
            published.ctl("publish", "8080:80/udp", target)
            stream.wait_tag(target, deadline=1)


def test_udp_that_came_before_the_port_was_published(net):
    """The entry of a datagram that found nobody must not win over the publication."""
    with net.out.stream("udp", "192.0.2.1", 8080, source_port=4000) as stream:
        assert stream.quiet(0.1)
        net.ctl("publish", "8080:80/udp", "web")
        stream.wait_tag("web", deadline=1)


def test_freed_address_brings_its_new_owner_no_old_flows(published):
    published.ctl("ns", "create", "new")
    with published.out.stream("udp", "192.0.2.1", 8080, source_port=4000) as stream:
        stream.wait()
        published.ctl("disconnect", "a", "web", "--forget")
        published.ctl("connect", "a", "new", "--ip", WEB)
        new = published.ns("new").serve(80)
        assert stream.quiet() and new.seen == []


def test_pending_and_revived(published):
    published.ctl("disconnect", "a", "web")
    assert [port["state"] for port in published.ctl_json("ports")] == ["pending", "pending"]
    assert {(port["network"], port["target"]) for port in published.ctl_json("ports")} == {(None, None)}
    assert published.out.silent("tcp", "192.0.2.1", 8080)
    assert "web" in published.ctl("publish", "8080:80", "far", check=5).stderr
    published.ctl("connect", "a", "web", "--ip", "10.77.0.50")
    assert {port["target"] for port in published.ctl_json("ports")} == {"10.77.0.50"}
    for protocol in PROTOCOLS:
        assert published.out.ask(protocol, "192.0.2.1", 8080).tag == "web"


def test_pending_can_be_unpublished(published):
    published.ctl("disconnect", "a", "web")
    published.ctl("unpublish", "8080/tcp")
    published.ctl("unpublish", "8080/udp")
    assert published.ctl_json("ports") == []


def test_interface_that_comes_later(published):
    two = published.neighbour("two", "198.51.100")
    for protocol in PROTOCOLS:
        wait_for(lambda: two.ask(protocol, "198.51.100.1", 8080, timeout=0.2), "the new neighbour is served")
        assert two.ask(protocol, "198.51.100.1", 8080).peer == two.address
    assert two.silent("tcp", "192.0.2.2", 80)


def test_an_address_that_is_not_there_yet_is_a_warning(netd):
    netd.ctl("connect", "default", "web")
    said = netd.ctl("publish", "192.0.2.99:8080:80").stderr
    assert "does not have the address 192.0.2.99" in said
    said = netd.ctl("publish", "192.0.2.1:8080:80").stderr
    assert "does not have" not in said
