"""Every rule of isolation and policy, by what happens without it, in both families: see test_guards.py."""

import itertools

import pytest

from lib.policy_lab import FAMILIES, PolicyLab
from test_guards import BRIDGE, INET, Row, check_row

ROWS = []


def row(attack, table, chain, pattern, families=FAMILIES, bridge_filter=(False, True)):
    """`pattern` may hold {family}: then the rule is another one for each."""
    def add(function):
        for family in families:
            def check(lab, family=family):
                return function(lab, family)
            check.__name__ = f"{function.__name__}-ipv{family}"
            ROWS.append(Row(attack, table, chain, pattern.replace("{family}", str(family)), check, bridge_filter))
        return function
    return add


def guard(*args, **options):
    return row(True, *args, **options)


def way(*args, **options):
    return row(False, *args, **options)


def pings(lab, place, address):
    return [place.run("ping", "-c", "1", "-W", str(lab.patience), address, check=False).returncode == 0]


# --- isolated networks ---

@guard(INET, "nd_forward", r"@nd_apart")
def member_goes_round_by_the_gateway(lab, family):
    """Two that agree on it have routes to each other through the host; the network lets everyone else in."""
    routes = [(lab.other, lab.address("one", family)), (lab.one, lab.address("other", family))]
    via = lab.gateway("other", family)
    for place, target in routes:
        place.sysctl("net/ipv6/conf/eth0/accept_redirects", 0)  # which would send them to each other straight
        place.run(f"ip route add {target} via {via} dev eth0")
    try:
        return lab.reaches(lab.other, lab.address("one", family), 80)
    finally:
        for place, target in routes:
            place.run(f"ip route del {target} via {via} dev eth0")


@guard(BRIDGE, "nd_between", r"@nd_isolated", bridge_filter=(False,))
def member_reaches_another_straight(lab, family):
    """The kernel's own flag stops it, too; so for this test it is off."""
    ports = [lab.outer[name] for name in ("one", "other")]
    for port in ports:
        lab.host.run(f"bridge link set dev {port} isolated off")
    try:
        return lab.reaches(lab.other, lab.address("one", family), 80)
    finally:
        for port in ports:
            lab.host.run(f"bridge link set dev {port} isolated on")


# --- ports that were unpublished ---

UNUSED = itertools.count(42048, 64)  # the kernel knows no flow of theirs yet


def late_answer(lab, family, name, more):
    port = next(UNUSED)
    ports = f"{port}-{port + more}" if more else port
    with lab.element(INET, name, f"{lab.address('back', family)} . {ports} timeout 1m"):
        return [lab.back.ask("udp", lab.outside(family), 80, source_port=port + more, timeout=lab.patience) is not None]


@guard(INET, "nd_forward", r"@nd_late{family} ")
def answer_by_a_port_that_was_unpublished(lab, family):
    return late_answer(lab, family, f"nd_late{family}", 0)


@guard(INET, "nd_forward", r"@nd_laterng{family} ")
def answer_by_a_range_that_was_unpublished(lab, family):
    return late_answer(lab, family, f"nd_laterng{family}", 63)


# --- modes ---

@way(INET, "nd_routed", r"ct status dnat", families=(4,))
def published_port_of_a_routed_network(lab, _):
    return lab.reaches(lab.out, lab.out.host_address, 8082)


@way(INET, "nd_routed", r"@nd_open{family}", families=(4,))
def published_target_by_its_own_address(lab, family):
    return lab.reaches(lab.out, lab.address("shop", family), 80)


@way(INET, "nd_routed", r"@nd_open6", families=(6,))
def opened_target_by_its_own_address(lab, family):
    address = lab.address("shop", family)
    with lab.element(INET, "nd_open6", f"{address} . tcp . 81, {address} . udp . 81"):
        return lab.reaches(lab.out, address, 81)


@way(INET, "nd_routed", r"@nd_openrng{family}")
def published_range_by_its_own_address(lab, family):
    address = lab.address("shop", family)
    with lab.element(INET, f"nd_openrng{family}", f"{address} . tcp . 81-90, {address} . udp . 81-90"):
        return lab.reaches(lab.out, address, 81)


@way(INET, "nd_routed", r"^icmp type echo-request", families=(4,))
def routed_namespace_answers_echo(lab, family):
    return pings(lab, lab.out, lab.address("shop", family))


@way(INET, "nd_routed", r"^icmpv6 type echo-request", families=(6,))
def routed_namespace_answers_echo_of_ipv6(lab, family):
    return pings(lab, lab.out, lab.address("shop", family))


@guard(INET, "nd_routed", r"^drop")
def port_that_is_not_published(lab, family):
    return lab.reaches(lab.out, lab.address("shop", family), 81)


@way(INET, "nd_postrouting", r"map @nd_snat{family}")
def leaves_with_the_address_that_was_chosen(lab, family):
    replies = [lab.source.ask(protocol, lab.outside(family), 80, timeout=lab.patience) for protocol in ("tcp", "udp")]
    return [reply is not None and reply.peer == {4: "192.0.2.7", 6: "fd00:2::7"}[family] for reply in replies]


# --- who may reach whom ---

@way(INET, "nd_forward", r"@nd_trusted")
def trusted_interface_reaches_a_namespace(lab, family):
    return lab.reaches(lab.out, lab.address("trust", family), 80)


@way(INET, "nd_forward", r"@nd_allowed{family}")
def permission_for_one_port(lab, family):
    return lab.reaches(lab.front, lab.address("db", family), 5432)


@way(INET, "nd_forward", r"@nd_pairs")
def permission_for_a_network(lab, family):
    return lab.reaches(lab.front, lab.address("back", family), 80)


# --- the host itself ---

@guard(INET, "nd_input", r"@nd_shut")
def shut_network_reaches_the_host(lab, family):
    return lab.reaches(lab.shut, lab.gateway("shut", family), 6001)


@guard(INET, "nd_host", r"^drop")
def shut_network_reaches_another_port_of_the_host(lab, family):
    return lab.reaches(lab.asker, lab.gateway("asker", family), 6001)


@way(INET, "nd_host", r"^ct state .*established")
def answers_to_the_host(lab, family):
    return lab.reaches(lab.host, lab.address("shut", family), 80)


@way(INET, "nd_host", r"@nd_served{family}")
def port_53_of_the_gateway(lab, family):
    return lab.reaches(lab.asker, lab.gateway("asker", family), 53)


@way(INET, "nd_host", r"^icmpv6 type", families=(6,))
def host_finds_a_namespace(lab, family):
    lab.host.run("ip -6 neigh flush dev nd-shut")
    return lab.reaches(lab.host, lab.address("shut", family), 80)


@pytest.fixture(scope="module")
def policy_lab():
    made = PolicyLab()
    yield made
    made.close()


@pytest.mark.parametrize("row, bridge_filter", [pytest.param(row, on, id=f"{row.name}-{'br_netfilter' if on else 'plain'}")
                                                for row in ROWS for on in row.bridge_filter])
def test_guard(policy_lab, row, bridge_filter):
    assert policy_lab.bridge_filter(bridge_filter), "the kernel has no br_netfilter"
    check_row(policy_lab, row)
