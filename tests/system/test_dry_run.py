"""Nothing hidden: --dry-run changes nothing, and the commands it tells do on a second host what the real run does on the first."""

import shutil

import pytest

from lib.host import Host
from lib.snapshot import assert_same
from lib.wait import wait_for

# Each changes something; together they use every kind of resource.
STEPS = [
    ["network", "create", "my-net", "--subnet", "10.77.0.0/24"],
    ["network", "create", "closed", "--internal"],
    ["network", "create", "six", "--ipv6"],
    ["connect", "my-net", "web"],
    ["connect", "six", "web"],
    ["connect", "closed", "web"],
    ["ns", "create", "db"],
    ["connect", "my-net", "db", "--ip", "10.77.0.9", "--mac", "02:00:00:00:00:09", "--ifname", "up0"],
    ["publish", "8080:80", "web"],
    ["publish", "192.0.2.1:5353:53/udp", "db"],
    ["network", "set", "my-net", "mode=routed", "host-access=dns", "trusted-iface=up-out"],
    ["network", "set", "my-net", "mode=", "host-access=", "snat=192.0.2.1", "isolated=yes"],
    ["network", "allow", "my-net", "closed", "web:80"],
    ["network", "disallow", "my-net", "closed"],
    ["network", "set", "my-net", "allow=", "isolated=", "snat=", "trusted-iface="],
    ["unpublish", "8080"],
    ["publish", "8081:80", "web"],
    ["disconnect", "my-net", "db"],
    ["disconnect", "my-net", "web"],
    ["connect", "my-net", "web"],
    ["ns", "link", "db:wan", "far", "--ip", "10.99.0.1/30", "--ip", "fd99::1/64", "--peer-ip", "10.99.0.2/30", "--mtu", "1400"],
    ["ns", "set-link", "db", "far", "mtu=1300"],
    ["ns", "link", "db", "web"],
    ["ns", "unlink", "db", "web"],
    ["ns", "rm", "db"],
    ["network", "rm", "-f", "closed"],
    ["ns", "rm", "web"],
    ["ns", "rm", "far"],
    ["network", "rm", "my-net"],
]
OWN = ["file /run/netd"]  # the socket and netd's records


def database(host):
    return {path.name: path.read_bytes() for path in sorted(host.state.iterdir())}


@pytest.fixture
def twin(netd):
    """A second host with a copy of the first one's state, so that both have the same ids. No daemon runs there."""
    netd.stop_daemon()
    with Host() as made:
        shutil.copytree(netd.state, made.state, dirs_exist_ok=True)
        made.neighbour()
        made.start_daemon()
        made.stop_daemon()
        netd.start_daemon()
        yield made


def change(before, after):
    """What a step did, as text that can be compared between two hosts."""
    return before.diff(after)


def test_plan_changes_nothing(netd):
    for step in STEPS:
        wait_for(lambda: all(item.get("master") for item in netd.json("ip -j link show type veth") if item["ifname"].startswith("nv")),
                 "no link waits for its deletion")
        before, stored = netd.snapshot(inside=True), database(netd)
        plan = netd.ctl(*step, "--dry-run").lines
        assert plan, f"{step} has no plan"
        assert_same(before, netd.snapshot(inside=True), f"--dry-run of {step} changes nothing")
        assert database(netd) == stored, f"--dry-run of {step} changed the database"
        netd.ctl(*step)


def test_told_commands_do_the_same(netd, twin):
    """IPv6 addresses, indexes, cookies and inodes aside, which the snapshot leaves out."""
    first, second = netd.snapshot(inside=True, without=OWN), twin.snapshot(inside=True, without=OWN)
    assert_same(first, second, "both hosts are the same at the start")
    wrong = []
    for step in STEPS:
        plan = netd.ctl(*step, "--dry-run").stdout
        netd.ctl(*step)
        done = twin.shell(plan, check=False)
        if done.returncode != 0:
            wrong.append(f"{step}: exit {done.returncode}: {done.stderr}\n{plan}")
        first_after = netd.snapshot(inside=True, without=OWN)
        second_after = twin.snapshot(inside=True, without=OWN)
        theirs, ours = change(first, first_after), change(second, second_after)
        if theirs != ours:
            wrong.append(f"{step}: netd changed\n{theirs}\nbut the told commands\n{ours}\n--- plan\n{plan}")
        first, second = first_after, second_after
    assert not wrong, "\n\n".join(wrong)


def test_plan_of_a_refused_change_is_the_refusal(netd):
    netd.ctl("connect", "nowhere", "web", "--dry-run", check=3)
    netd.ctl("network", "create", "default", "--dry-run", check=5)


def test_plan_over_the_api(netd):
    answer = netd.http("POST", "/v1/networks?dry_run=true", {"name": "my-net"})
    assert answer.status == 200 and answer.body["plan"] and answer.body["warnings"] == []
    assert netd.http("GET", "/v1/networks/my-net").status == 404
