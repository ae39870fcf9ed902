"""Where a namespace sends what: its default routes, the routes of its networks, and answers, which leave by the
interface that the request came in by."""

import re

import pytest

from lib.host import NETD_CTL
from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

FAMILIES = ["4", "6"]
HOST = {"4": "198.51.100.77", "6": "fd99::77"}  # an address of the host that is on no network of netd's
FAR = {"4": "10.99.0.0/24", "6": "fd98::/64"}
FAR_HOST = {"4": "10.99.0.1", "6": "fd98::1"}
SUBNETS = {"a": ["10.77.0.0/24", "fd77::/64"], "b": ["10.88.0.0/24", "fd88::/64"], "c": ["10.66.0.0/24", "fd66::/64"]}


def create(netd, name, *options):
    subnets = [word for subnet in SUBNETS[name] for word in ("--subnet", subnet)]
    netd.ctl("network", "create", name, *subnets, *options)


@pytest.fixture
def nets(netd):
    for name in "ab":
        create(netd, name)
    for address in HOST.values():
        netd.run(f"ip addr add {address} dev lo")
    return netd


def address_of(netd, ns, network, family):
    for endpoint in netd.ctl_json("ns", "inspect", ns)[0]["endpoints"]:
        if endpoint["network"] == network:
            return next(a.split("/")[0] for a in endpoint["addresses"] if (":" in a) == (family == "6"))
    raise AssertionError(f"{ns} is not on {network}")


def default_of(netd, ns, family):
    routes = netd.ns(ns).json("ip", f"-{family}", "-j", "route", "show", "default")
    return [(route["gateway"], route["dev"]) for route in routes]


def rules_of(netd, ns, family):
    """Sources that have a table of their own."""
    return sorted(rule["src"] for rule in netd.ns(ns).json("ip", f"-{family}", "-j", "rule") if rule.get("protocol") == "110")


def answers(netd, ns, network, family, address=None):
    """Whether the host, with an address that only the default route leads to, gets an answer from there."""
    address = address or address_of(netd, ns, network, family)
    return netd.ask("tcp", address, 80, source=HOST[family], timeout=1) is not None


@pytest.fixture
def web(nets):
    for name in "ab":
        nets.ctl("connect", name, "web")
    nets.ns("web").serve_both(80)
    return nets


# --- one default route ---


@pytest.mark.parametrize("family", FAMILIES)
def test_the_highest_priority_has_the_default_route(nets, family):
    nets.ctl("connect", "a", "web")
    gateway = {name: nets.ctl_json("network", "inspect", name)[0]["subnets"][family == "6"]["gateway"] for name in "ab"}
    assert default_of(nets, "web", family) == [(gateway["a"], "eth0")]
    nets.ctl("connect", "b", "web", "--gw-priority", "10")
    assert default_of(nets, "web", family) == [(gateway["b"], "eth1")]
    nets.ctl("disconnect", "b", "web")
    assert default_of(nets, "web", family) == [(gateway["a"], "eth0")]
    nets.ctl("connect", "b", "web", "--gw-priority", "-1")
    assert default_of(nets, "web", family) == [(gateway["a"], "eth0")]
    assert nets.ctl("connect", "b", "web", "--gw-priority", "5", "--exist-ok", check=5)
    before = nets.snapshot(inside=True)
    nets.restart_daemon()
    assert_same(before, nets.snapshot(inside=True), "a restart changes nothing")


@pytest.mark.parametrize("family", FAMILIES)
def test_an_endpoint_without_a_default_route(nets, family):
    nets.ctl("connect", "a", "web", "--no-default-route")
    assert default_of(nets, "web", family) == [] and rules_of(nets, "web", family) == []
    nets.ns("web").serve_both(80)
    assert not nets.ask("tcp", address_of(nets, "web", "a", family), 80, source=HOST[family], timeout=0.4)
    nets.ctl("connect", "b", "web")
    assert [dev for _, dev in default_of(nets, "web", family)] == ["eth1"]
    assert answers(nets, "web", "a", family), "an answer leaves by eth0 all the same"


def test_a_port_leads_to_an_endpoint_without_a_default_route_too(nets, out):
    nets.ctl("connect", "a", "web", "--no-default-route")
    nets.ctl("connect", "b", "web")
    nets.ctl("publish", "8080:80", "web", "--network", "a")
    nets.ctl("publish", "8081:80", "web")
    nets.ns("web").serve(80)
    assert out.ask("tcp", out.host_address, 8080)
    assert out.ask("tcp", out.host_address, 8081)
    assert "10.88.0." in nets.ctl("ports").stdout


# --- answers leave where the request came in ---


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_leave_by_the_interface_the_request_came_in_by(web, family):
    assert [dev for _, dev in default_of(web, "web", family)] == ["eth0"]
    assert answers(web, "web", "a", family) and answers(web, "web", "b", family)
    rules = rules_of(web, "web", family)
    assert rules == sorted(address_of(web, "web", name, family) for name in "ab")
    # and it is the rule that does it
    address = address_of(web, "web", "b", family)
    with web.paused_daemon():
        web.ns("web").run(f"ip -{family} rule del from {address}")
        assert not answers(web, "web", "b", family, address)
    wait_for(lambda: rules_of(web, "web", family) == rules, lambda: f"the rule is back: {rules_of(web, 'web', family)}\n{web.log()[-1000:]}")
    assert answers(web, "web", "b", family)


def test_from_outside_through_a_published_port(web, out):
    web.ctl("publish", "8080:80", "web", "--network", "b")
    assert out.ask("tcp", out.host_address, 8080)
    # of UDP, a server that does not say from which of its addresses it answers takes that of the default route
    web.ctl("publish", "8081:81/udp", "web", "--network", "b")
    web.ns("web").serve(81, address=address_of(web, "web", "b", "4"))
    assert out.ask("udp", out.host_address, 8081)


@pytest.mark.parametrize("family", FAMILIES)
def test_tables_only_where_there_is_more_than_one_way(nets, family):
    nets.ctl("ns", "create", "web")
    nets.ctl("connect", "a", "web")
    one = nets.snapshot(inside=True)
    assert rules_of(nets, "web", family) == []
    nets.ctl("connect", "b", "web")
    assert len(rules_of(nets, "web", family)) == 2
    nets.ctl("disconnect", "b", "web")
    assert rules_of(nets, "web", family) == []
    wait_same(one, lambda: nets.snapshot(inside=True), "disconnected, nothing is left")
    everything = nets.ns("web").run(f"ip -{family} route show table all").stdout
    assert not re.search(r"table 1\d{9}", everything), everything


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adopted_namespace_that_keeps_its_own_default_route(nets, family):
    """What came in by netd's endpoint is answered there, also where the default route is somebody else's."""
    own = {"4": ["172.31.0.2/24", "172.31.0.1"], "6": ["fd31::2/64", "fd31::1"]}[family]
    nets.run("ip netns add theirs")
    theirs = nets.ns("theirs")
    theirs.shell(f"""ip link add mine up type veth peer name other; ip link set other up; ip link set lo up
        ip addr add {own[0]} dev mine nodad; ip -{family} route add default via {own[1]} dev mine""")
    before = nets.snapshot(inside=True, without=["file /run/netd"])
    nets.ctl("connect", "a", "theirs")
    assert [dev for _, dev in default_of(nets, "theirs", family)] == ["mine"]
    theirs.serve_both(80)
    assert answers(nets, "theirs", "a", family)
    nets.ctl("disconnect", "a", "theirs")
    wait_same(before, lambda: nets.snapshot(inside=True, without=["file /run/netd"]), "disconnected, it is as before")


# --- routes of a network ---


@pytest.fixture
def far(nets):
    """A network c behind the namespace `router`, which is on a, too; `far` is reached through it only."""
    nets.ctl("connect", "a", "router", "--ip", "10.77.0.254", "--ip6", "fd77::fe")
    nets.ctl("connect", "a", "web")
    router = nets.ns("router")
    for address in FAR_HOST.values():
        router.run(f"ip addr add {address} dev lo")
    router.serve_both(80, tag="far")
    return nets


def route_options(*families):
    via = {"4": "10.77.0.254", "6": "fd77::fe"}
    return [f"{FAR[family]},{via[family]}" for family in families]


def reaches(netd, ns, family):
    """The router may send from addresses that are its own only: it answers by its own one, so it is enough that it is asked."""
    seen = sum(len(server.seen) for server in netd.servers)
    netd.ns(ns).ask("udp", FAR_HOST[family], 80, timeout=0.4)
    return sum(len(server.seen) for server in netd.servers) > seen


@pytest.mark.parametrize("family", FAMILIES)
def test_a_route_of_a_network_leads_its_members(far, family):
    assert not reaches(far, "web", family)
    before = far.snapshot(inside=True)
    far.ctl("network", "set", "a", *(f"route={route}" for route in route_options("4", "6")))
    assert reaches(far, "web", family)
    far.ctl("connect", "a", "later")
    assert reaches(far, "later", family)
    far.ctl("disconnect", "a", "later")
    far.ns("web").run(f"ip -{family} route del {FAR[family]}")
    wait_for(lambda: reaches(far, "web", family), "the route is back")
    far.restart_daemon()
    assert reaches(far, "web", family)
    far.ctl("network", "set", "a", "route=")
    assert not reaches(far, "web", family)
    far.ctl("ns", "rm", "later")
    wait_same(before, lambda: far.snapshot(inside=True), "without the routes all is as before")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_route_that_was_left_behind_goes_at_the_next_start(far, family):
    far.ctl("network", "set", "a", *(f"route={route}" for route in route_options("4", "6")))
    far.stop_daemon()
    table = far.ns("web").run(f"ip -{family} route show {FAR[family]}").stdout
    assert "proto 110" in table or "proto netd" in table
    far.ns("web").run(f"ip -{family} route add {FAR[family].replace('/', '/')} via {route_options(family)[0].split(',')[1]} proto 110 metric 7")
    far.ns("web").run(f"ip -{family} rule add from {HOST[family]} lookup 1073741900 priority 30000 protocol 110")
    far.start_daemon()
    assert HOST[family] not in rules_of(far, "web", family)


def test_a_table_has_the_routes_of_its_network(far):
    far.ctl("network", "set", "a", *(f"route={route}" for route in route_options("4", "6")))
    far.ctl("connect", "b", "web")
    for family in FAMILIES:
        source = address_of(far, "web", "a", family)
        way = far.ns("web").json("ip", "-j", f"-{family}", "route", "get", FAR_HOST[family], "from", source)
        assert way[0]["gateway"] == route_options(family)[0].split(",")[1]


def test_two_networks_with_a_route_to_the_same_place(nets):
    nets.ctl("network", "set", "a", "route=10.99.0.0/24,10.77.0.254")
    nets.ctl("network", "set", "b", "route=10.99.0.0/24,10.88.0.254")
    nets.ctl("connect", "a", "web")
    nets.ctl("connect", "b", "web", "--gw-priority", "1")
    assert "10.88.0.254" in nets.ns("web").run("ip route get 10.99.0.1").stdout
    nets.ctl("disconnect", "b", "web")
    assert "10.77.0.254" in nets.ns("web").run("ip route get 10.99.0.1").stdout


@pytest.mark.parametrize("route, sentence", [
    ("10.99.0.0/24", "CIDR,VIA"), ("10.99.0.1/24,10.77.0.9", "host bits"), ("10.99.0.0/24,fd77::9", "one family"),
    ("10.99.0.0/24,10.78.0.9", "outside of 10.77.0.0/24"), ("10.77.0.0/25,10.77.0.9", "overlaps 10.77.0.0/24"),
    ("0.0.0.0/0,10.77.0.9", "default route"), ("10.99.0.0/24,10.77.0.255", "broadcast"), ("fd98::/64,fd78::9", "outside of fd77::/64"),
    ("fd77::/80,fd77::9", "overlaps fd77::/64"), ("10.99.0.0/24,", "no IP address"), ("/24,10.77.0.9", "no subnet")])
def test_a_bad_route_is_refused(nets, route, sentence):
    assert sentence in nets.ctl("network", "set", "a", f"route={route}", check=2).stderr
    assert sentence in nets.ctl("network", "create", "n", "--subnet", "10.77.1.0/24", "--route", route.replace("10.77.0.", "10.77.1."),
                                check=2).stderr.replace("10.77.1.", "10.77.0.") or ":" in route


def test_a_route_twice_is_refused(nets):
    done = nets.ctl("network", "set", "a", "route=10.99.0.0/24,10.77.0.8", "route=10.99.0.0/24,10.77.0.9", check=2)
    assert "given twice" in done.stderr


# --- through everything ---


def test_reboot(web):
    def state():
        return [(rules_of(web, "web", f), default_of(web, "web", f)) for f in FAMILIES]

    before = state()
    web.reboot()
    web.start_daemon()
    for address in HOST.values():
        web.run(f"ip addr add {address} dev lo")
    assert state() == before
    web.ns("web").serve_both(80)
    assert all(answers(web, "web", name, f) for name in "ab" for f in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_routes_of_a_table_are_healed(web, family):
    source = address_of(web, "web", "b", family)
    table = web.ns("web").run(f"ip -{family} rule show from {source}").stdout.split("lookup ")[1].split()[0]
    before = web.ns("web").run(f"ip -{family} route show table {table}").stdout
    assert "default via" in before
    web.ns("web").run(f"ip -{family} route flush table {table}")
    wait_for(lambda: web.ns("web").run(f"ip -{family} route show table {table}").stdout == before, "the table is as it was")


def test_dry_run_says_it_all(web, nets):
    plan = nets.ctl("connect", "--dry-run", "a", "api").stdout
    assert "rule" not in plan
    nets.ctl("connect", "a", "api")
    plan = nets.ctl("connect", "--dry-run", "b", "api").stdout
    assert len(re.findall(r"^ip -n api rule add from \S+ lookup \d+ priority 30000 protocol 110$", plan, re.M)) == 2
    assert len(re.findall(r"^ip -6 -n api rule add from", plan, re.M)) == 2
    assert len(re.findall(r"^ip (-6 )?-n api route add default via \S+ dev \S+ table \d+ proto 110$", plan, re.M)) == 4
