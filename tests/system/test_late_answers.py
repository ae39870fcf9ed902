"""What a server of UDP still sends when its port is unpublished: its answer would be a new flow, masqueraded to the very port that was
published, by which its client came in again."""

import contextlib
import socket
import sqlite3

import pytest

from lib import rules
from lib.wait import wait_for

INET = "inet netd"
V4, V6 = "192.0.2.1", "2001:db8::1"  # the host, as the neighbour outside knows it
CLIENTS = {V4: "192.0.2.2", V6: "2001:db8::2"}
SPECS = ("8002:8002/udp", "8000-8200:8000-8200/udp")


@pytest.fixture
def net(host, out):
    """Networks a (web, spare), of both families."""
    host.start_daemon(own_tables=False)
    host.run(f"ip -6 addr add {V6}/64 dev {out.interface} nodad")
    out.run("ip -6 addr add 2001:db8::2/64 dev eth0 nodad")
    out.run(f"ip -6 route add default via {V6}")
    host.ctl("network", "create", "a", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64")
    host.ctl("connect", "a", "web", "--ip", "10.77.0.2", "--ip6", "fd00:77::2")
    host.ctl("connect", "a", "spare")
    host.web, host.spare, host.out = host.ns("web"), host.ns("spare"), out
    return host


class Talk:
    """A client outside, from one port, and a server that answers when it is told to."""

    def __init__(self, net, address, port=8002, to=None, serving=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.server, self.client = (place.socket(family, socket.SOCK_DGRAM) for place in (net.web, net.out))
        self.server.bind(("", serving or port))
        self.client.bind((CLIENTS[address], 0))
        self.client.connect((to or address, port))
        self.peer = self.client.getsockname()[:2]
        for end in (self.server, self.client):
            end.settimeout(0.3)
        self.count = 0

    def ask(self):
        """Whether the server gets it."""
        self.count += 1
        try:
            self.client.send(b"%d" % self.count)
            while True:
                data, self.peer = self.server.recvfrom(100)
                if data == b"%d" % self.count:
                    return True
        except OSError:
            return False

    def answer(self):
        """Whether the client gets it."""
        self.server.sendto(b"answer", self.peer[:2])
        try:
            return self.client.recv(100) == b"answer"
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.client.close()


@pytest.mark.parametrize("address", (V4, V6))
@pytest.mark.parametrize("spec", SPECS)
def test_an_answer_that_comes_too_late_opens_nothing(net, address, spec):
    net.ctl("publish", spec, "web")
    with Talk(net, address) as talk:
        assert talk.ask() and talk.answer() and talk.ask()
        net.ctl("unpublish", spec.partition(":")[0] + "/udp")
        assert not talk.answer()  # of the second question
        assert not talk.ask()


@pytest.mark.parametrize("address", (V4, V6))
@pytest.mark.parametrize("spec", SPECS)
def test_without_the_rule_it_does(net, address, spec):
    net.ctl("publish", spec, "web")
    with Talk(net, address) as talk:
        assert talk.ask()
        net.ctl("unpublish", spec.partition(":")[0] + "/udp")
        net.stop_daemon()  # it would mend its table
        with rules.without(net, INET, "nd_forward", r"@nd_late"):
            assert talk.answer() and talk.ask()


@pytest.mark.parametrize("address", (V4, V6))
def test_what_a_server_began_itself_ends_with_the_port(net, address):
    """Its client may never have come by the port, but now it would."""
    net.ctl("publish", "8002:8002/udp", "web")
    with Talk(net, address) as talk:
        assert talk.answer() and talk.ask()
        net.ctl("unpublish", "8002/udp")
        assert not talk.ask() and not talk.answer()


@pytest.mark.parametrize("address, direct", ((V4, "10.77.0.2"), (V6, "fd00:77::2")))
def test_a_routed_network_is_reached_by_its_own_addresses(net, address, direct):
    """There it is the port inside that counts."""
    net.ctl("network", "set", "a", "mode=routed")
    net.ctl("publish", "8080:8002/udp", "web")
    with Talk(net, address, to=direct) as talk:
        assert talk.ask() and talk.answer() and talk.ask()
        net.ctl("unpublish", "8080/udp")
        assert not talk.answer() and not talk.ask()
        net.stop_daemon()
        with rules.without(net, INET, "nd_forward", r"@nd_late"):
            assert talk.answer() and talk.ask()


@pytest.mark.parametrize("address, direct", ((V4, "10.77.0.2"), (V6, "fd00:77::2")))
@pytest.mark.parametrize("spec", SPECS)
def test_published_again_it_works_at_once(net, address, direct, spec):
    net.ctl("publish", spec, "web")
    with Talk(net, address) as talk:
        assert talk.ask()
        net.ctl("unpublish", spec.partition(":")[0] + "/udp")
        net.ctl("publish", spec, "web")
        assert talk.ask() and talk.answer()
        net.ctl("unpublish", spec.partition(":")[0] + "/udp")
        net.ctl("publish", "8002:9/udp", "spare")
        with net.spare.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("", 9))
            other.settimeout(2)
            talk.client.send(b"to the other one")
            data, peer = other.recvfrom(100)
            other.sendto(b"from the other one", peer)
            assert data == b"to the other one" and talk.client.recv(100) == b"from the other one"


def test_others_speak_on(net):
    """Who is not the server of that very port: the namespace itself from another port, its neighbour from the same one."""
    net.ctl("publish", "8000-8200:8000-8200/udp", "web")
    net.ctl("publish", "8500:8300/udp", "web")  # another number outside: nothing could come in by it
    net.ctl("unpublish", "8000-8200/udp", "8500")
    net.out.serve(53)
    for place, port in ((net.web, 7999), (net.web, 8201), (net.web, 8300), (net.spare, 8002)):
        assert place.ask("udp", "192.0.2.2", 53, source_port=port), port
    for port in (8000, 8002, 8063, 8064, 8191, 8192, 8200):
        assert net.web.silent("udp", "192.0.2.2", 53, source_port=port), port
    assert net.web.ask("tcp", "192.0.2.2", 53, source_port=8002)


def late(net, family=4):
    listed = net.json("nft", "-j", "list", "table", "inet", "netd")["nftables"]
    return sum(len(item["set"].get("elem", [])) for item in listed if item.get("set", {}).get("name", "") in (f"nd_late{family}", f"nd_laterng{family}"))


def test_the_kernel_forgets_by_itself_and_it_is_no_drift(net):
    net.ctl("publish", "8002:8002/udp", "8010-8011:8010-8011/udp", "web")
    plan = net.ctl("unpublish", "8002/udp", "--dry-run").stdout
    assert "add element inet netd nd_late4 { 10.77.0.2 . 8002 }" in plan
    net.ctl("unpublish", "8002/udp", "8010-8011/udp")
    assert late(net) == late(net, 6) == 3
    net.restart_daemon(own_tables=False)
    assert late(net) == 3 and "repair: " not in net.log()
    net.stop_daemon()
    listing = net.run("nft list ruleset").stdout
    assert "expires" in listing
    net.run("nft", "-f", "-", stdin="flush ruleset\n" + listing)
    net.start_daemon(own_tables=False)
    assert late(net) == 3 and "repair: " not in net.log()
    wait_for(lambda: late(net) + late(net, 6) == 0, "the kernel has forgotten them", deadline=15)
    assert net.web.ask("udp", net.out.serve(53) and "192.0.2.2", 53, source_port=8002)


def test_a_second_time_counts_anew(net):
    """Also of ports that lie in what was held back before."""
    for spec in ("8000-8200:8000-8200/udp", "8100-8300:8100-8300/udp", "8150:8150/udp"):
        net.ctl("publish", spec, "web")
        net.ctl("unpublish", spec.partition(":")[0] + "/udp")
    listed = net.json("nft", "-j", "list", "set", "inet", "netd", "nd_late4")["nftables"][1]["set"]
    assert listed["timeout"] == 10
    last = next(item["elem"] for item in listed["elem"] if item["elem"]["val"]["concat"][1] == 8150)
    assert last["expires"] >= 8


def test_what_is_still_owed_is_held_back_after_a_start(net):
    """Killed between the commit and the end of the flows, and down until the kernel remembers nothing."""
    net.ctl("publish", "8002:8002/udp", "web")
    with Talk(net, V4) as talk:
        assert talk.ask()
        net.stop_daemon()
        with contextlib.closing(sqlite3.connect(net.state / "netd.db", isolation_level=None)) as database:
            database.execute("DELETE FROM publications")
            database.execute("INSERT INTO tombstones (id, kind, name, namespace, origin, network, cookie, protocol, ip, port, through, match, port_end, "
                             "through_end) VALUES ('0123456789ab', 'flows', '', '', 'created', '', 0, 17, '10.77.0.2', 8002, 8002, 'reply-source', 8002, 8002)")
        net.start_daemon(own_tables=False)
        assert late(net) == 1
        assert not talk.answer() and not talk.ask()
