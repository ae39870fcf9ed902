"""Published ports that are not for everyone: by the interface that they are reached through, and by who asks. In both families,
for single ports, ranges and single addresses."""

import pytest

from lib.wait import wait_for

V4, V6 = "192.0.2.1", "2001:db8::1"        # the host, for the neighbour out
TWO4, TWO6 = "198.51.100.1", "2001:db8:2::1"  # and for two
SPECS = {"single": "8080:80", "range": "8080-8083:8080-8083", "shifted": "8080-8083:9080-9083"}


@pytest.fixture
def net(netd):
    """Neighbours out and two; networks a (web) and b (far), of both families. web serves what SPECS lead to."""
    netd.out, = netd.neighbours
    netd.two = netd.neighbour("two", "198.51.100")
    for place, address in ((netd.out, "2001:db8::"), (netd.two, "2001:db8:2::")):
        netd.run(f"ip -6 addr add {address}1/64 dev {place.interface} nodad")
        place.run(f"ip -6 addr add {address}2/64 dev eth0 nodad")
        place.run(f"ip -6 route add default via {address}1")
    for number, name in enumerate("ab"):
        netd.ctl("network", "create", name, "--subnet", f"10.7{number}.0.0/24", "--subnet", f"fd00:7{number}::/64")
    netd.ctl("connect", "a", "web")
    netd.ctl("connect", "b", "far")
    netd.web, netd.far = netd.ns("web"), netd.ns("far")
    netd.web.sysctl("net/ipv6/bindv6only", 1)
    for port in (80, 8080, 9080):
        netd.web.serve(port)
        netd.web.serve(port, address="::")
    return netd


def reaches(place, *addresses, port=8080, protocol="tcp"):
    return [place.ask(protocol, address, port, timeout=2) is not None for address in addresses]


def shut(place, *addresses, port=8080):
    return all(place.silent(protocol, address, port) for address in addresses for protocol in ("tcp", "udp"))


def publish(net, spec, *words):
    net.ctl("publish", f"{spec}/tcp", f"{spec}/udp", "web", *words)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_only_what_comes_in_by_an_interface(net, spec):
    publish(net, spec, "--iface", "up-out")
    for protocol in ("tcp", "udp"):
        assert reaches(net.out, V4, V6, TWO4, TWO6, protocol=protocol) == [True] * 4
    assert shut(net.two, TWO4, TWO6, V4, V6) and shut(net.far, V4, V6)
    assert reaches(net, V4, V6, "127.0.0.1") == [True] * 3  # the host itself reaches the namespace's own address, too
    net.restart_daemon()
    assert reaches(net.out, V4, V6) == [True, True] and shut(net.two, TWO4, TWO6)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_only_these_sources(net, spec):
    publish(net, spec, "--from", "192.0.2.0/24", "--from", "192.0.2.2", "--from", "2001:db8::2")
    for protocol in ("tcp", "udp"):
        assert reaches(net.out, V4, V6, TWO4, protocol=protocol) == [True] * 3
    assert shut(net.two, TWO4, TWO6, V4) and shut(net.far, V4, V6)
    assert reaches(net, V4, V6, "127.0.0.1") == [True] * 3
    port = net.ctl_json("ports")[0]
    assert port["from"] == ["192.0.2.0/24", "192.0.2.2", "2001:db8::2"] and port["interface"] is None
    net.stop_daemon()
    net.run("nft flush ruleset")
    net.start_daemon()
    assert reaches(net.out, V4, V6) == [True, True] and shut(net.two, TWO4, TWO6)


def test_sources_of_one_family_let_in_none_of_the_other(net):
    publish(net, "8080:80", "--from", "0.0.0.0/0")
    assert reaches(net.two, TWO4) == [True] and shut(net.two, TWO6)


def test_a_network_is_let_in_by_its_name(net):
    publish(net, "8080:80", "--from", "b")
    assert reaches(net.far, V4, V6) == [True, True] and shut(net.out, V4, V6)
    net.ctl("network", "rm", "-f", "b")
    assert shut(net.out, V4)
    net.ctl("network", "create", "b", "--subnet", "10.79.0.0/24")
    net.ctl("connect", "b", "near")
    assert reaches(net.ns("near"), V4) == [True] and shut(net.out, V4, V6)


@pytest.mark.parametrize("address, place, other", [(V4, "out", "two"), (V6, "out", "two")])
def test_interface_and_source_together_on_one_address(net, address, place, other):
    host = f"[{address}]" if ":" in address else address
    publish(net, f"{host}:8080:80", "--iface", "up-out", "--from", "192.0.2.2", "--from", "2001:db8::/64")
    assert reaches(getattr(net, place), address) == [True] and shut(getattr(net, other), address)
    net.ctl("unpublish", f"{host}:8080/tcp", f"{host}:8080/udp")
    publish(net, f"{host}:8080:80", "--iface", "up-two", "--from", "192.0.2.2", "--from", "2001:db8::/64")
    assert shut(getattr(net, place), address) and shut(getattr(net, other), address)


def test_other_ports_are_not_limited(net):
    publish(net, "8080:80", "--iface", "up-out", "--from", "192.0.2.2")
    publish(net, "8081:80")
    assert reaches(net.two, TWO4, TWO6, port=8081) == [True, True] and shut(net.two, TWO4, TWO6)


def test_who_is_not_let_in_is_refused_as_where_nothing_is_published(net):
    publish(net, "8080:80", "--from", "192.0.2.2")
    with net.two.socket() as made:
        made.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            made.connect((TWO4, 8080))


def test_an_interface_that_comes_later(net):
    done = net.ctl("publish", "8080:80", "web", "--iface", "up-three")
    assert "no interface up-three" in done.stdout and "does not have the interface up-three" in done.stderr
    assert net.ctl_json("ports")[0]["state"] == "pending"
    three = net.neighbour("three", "203.0.113")
    assert net.ctl_json("ports")[0]["state"] == "active"
    wait_for(lambda: three.ask("tcp", "203.0.113.1", 8080, timeout=0.3), "the interface is served")
    assert shut(net.out, V4)


@pytest.mark.parametrize("words, said", [(["--from", "10.0.0.1/8"], "host bits"), (["--from", "nowhere"], "neither a subnet nor a network"),
                                         (["--from", "fd00::/200"], "no subnet"), (["--from", "a", "--from", "a"], "twice"),
                                         (["--iface", "a/b"], "interface"), (["--iface", "x", "--iface", "y"], "twice")])
def test_bad_words(net, words, said):
    assert said in net.ctl("publish", "8080:80", "web", *words, check=2).stderr
    assert net.ctl_json("ports") == []


def test_equal_limits_exist_and_others_do_not(net):
    net.ctl("publish", "8080:80", "web", "--from", "a", "--iface", "up-out")
    net.ctl("publish", "8080:80", "web", "--from", "a", "--iface", "up-out", "--exist-ok")
    net.ctl("publish", "8080:80", "web", "--from", "b", "--iface", "up-out", "--exist-ok", check=5)
    net.ctl("publish", "8080:80", "web", "--exist-ok", check=5)
