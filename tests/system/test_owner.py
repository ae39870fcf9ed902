"""Tables that netd owns: no one else reaches them while it runs, and they are there, for anyone, while it does not.

A kernel that has no such tables (before Linux 6.9) leaves them plain, whatever netd is told: then what others do is repaired.
"""

import re
import socket

import pytest

from lib import owner
from lib.host import NETD
from lib.snapshot import assert_same
from lib.traffic import Datagrams
from lib.wait import wait_for

OWN = ["file /run/netd"]
OWNS = owner.has_kernel()
PLAIN = 0
OWNED, ORPHAN = (owner.OWNER | owner.PERSIST, owner.PERSIST) if OWNS else (PLAIN, PLAIN)
FOREIGN = {
    "flush": "nft flush ruleset",
    "delete a table": "nft delete table inet netd",
    "delete the other table": "nft delete table bridge netd",
    "delete a published port": "nft delete element inet netd nd_any4 '{ tcp . 8080 }'",
    "add a port": "nft add element inet netd nd_any4 '{ tcp . 9999 : 10.77.0.2 . 80 }'",
    "flush a chain": "nft flush chain inet netd nd_guard",
}


@pytest.fixture
def served(netd):
    """A namespace behind a published port."""
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24")
    netd.ctl("connect", "my-net", "web", "--ip", "10.77.0.2")
    for spec in ("8080:80/tcp", "8080:80/udp", "8053:53/udp"):
        netd.ctl("publish", spec, "web")
    netd.ns("web").serve(80)
    return netd


def shot(host):
    return host.snapshot(inside=True, without=OWN)


def assert_serves(host, out):
    for protocol in ("tcp", "udp"):
        assert out.ask(protocol, "192.0.2.1", 8080).peer == out.address


# --- while it runs ---

def test_foreign_changes_are_refused_or_repaired(served, out):
    before = shot(served)
    for what, command in FOREIGN.items():
        done = served.shell(command, check=False)
        if OWNS and what != "flush":
            assert "Operation not permitted" in done.stderr, what
        wait_for(lambda: not before.diff(shot(served)), f"after {what}, all is as it was")
        assert_serves(served, out)
    assert ("no tables that outlive their owner" in served.log()) == (not OWNS)


if OWNS:  # else a table that is gone for some milliseconds may cost a connection
    def test_foreign_changes_do_not_reach_running_traffic(served, out):
        served.run("nft add table inet mine")
        before = shot(served)
        with out.stream("tcp", "192.0.2.1", 8080) as stream, \
                Datagrams(out, "192.0.2.1", 8053, served.ns("web"), 53) as datagrams:
            for what, command in FOREIGN.items():
                done = served.shell(command, check=False)
                if what != "flush":
                    assert "Operation not permitted" in done.stderr, what
                stream.wait(5)
                datagrams.wait(100)
                assert_serves(served, out)
            assert stream.error is None
            assert datagrams.missing() == []
        lines = [line for line in before.diff(shot(served)).splitlines() if "inet mine" not in line]
        assert not lines, "the flush took its own, and nothing of netd's"
        assert "inet mine" not in owner.tables(served)


def test_netd_itself_goes_on_changing_them(served, out):
    served.ctl("publish", "8081:80", "web")
    assert out.ask("tcp", "192.0.2.1", 8081).peer == out.address
    served.ctl("unpublish", "8081")
    assert out.silent("tcp", "192.0.2.1", 8081)


def test_tables_that_are_not_owned_can_be_changed_by_hand(host, out):
    host.start_daemon(own_tables=False)
    assert owner.of_netd(host) == (PLAIN, None)
    host.run("nft", "add element inet netd nd_any4 { tcp . 9999 : 10.77.0.2 . 80 }; delete element inet netd nd_any4 { tcp . 9999 }")


# --- stop and start ---

@pytest.mark.parametrize("ending", ("stop_daemon", "kill_daemon"))
def test_tables_without_a_netd_are_orphans_and_are_claimed(served, out, ending):
    before = shot(served)
    getattr(served, ending)()
    assert owner.of_netd(served) == (ORPHAN, None)
    assert_serves(served, out)
    assert_same(before, shot(served), "an orphan is as it was")
    served.start_daemon()
    assert owner.of_netd(served).flags == OWNED
    assert_same(before, shot(served), "and so is what was claimed")
    assert ("table inet netd is netd's again" in served.log()) == OWNS and "repair" not in served.log()


@pytest.mark.parametrize("damage", list(FOREIGN))
def test_orphan_that_someone_changed_is_repaired_and_claimed(served, damage):
    before = shot(served)
    served.stop_daemon()
    served.shell(FOREIGN[damage])
    assert before.diff(shot(served)), "an orphan is anyone's"
    served.start_daemon()
    assert_same(before, shot(served), "what was changed is repaired")
    assert owner.of_netd(served).flags == OWNED


@pytest.mark.parametrize("ending", ("stop_daemon", "kill_daemon"))
def test_socket_that_was_kept_owns_them_all_the_time(served, out, ending):
    served.restart_daemon(keep=True)
    owned = owner.of_netd(served)
    for _ in range(2):
        getattr(served, ending)()
        assert owner.of_netd(served) == owned
        assert (served.run("nft --check delete table inet netd", check=False).returncode != 0) == OWNS
        assert_serves(served, out)
        served.start_daemon(keep=True)
        assert owner.of_netd(served) == owned
        assert "netd's again" not in served.log()
    served.ctl("unpublish", "8080/udp")
    assert out.silent("udp", "192.0.2.1", 8080), "and changes go through it"


def test_what_is_no_owner_is_not_taken_for_one(served):
    """A service manager hands over what it was given by whomever."""
    served.restart_daemon(keep=True)
    served.stop_daemon()
    served.forget()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        served.kept["nft-owner"] = foreign.detach()
    served.start_daemon(keep=True)
    assert ("no netfilter socket" in served.log()) == OWNS
    owned = owner.of_netd(served)
    assert owned.flags == OWNED
    served.restart_daemon(keep=True)
    assert "no netfilter socket" not in served.log(), "the wrong one was taken out, and the fresh one was kept"
    assert owner.of_netd(served) == owned


# --- the setting ---

@pytest.mark.parametrize("keep", (False, True), ids=("orphan", "kept"))
def test_switching_the_setting_converges_both_ways(served, out, keep):
    before = shot(served)
    served.restart_daemon(keep=keep)
    for own, flags in ((False, PLAIN), (False, PLAIN), (True, OWNED), (True, OWNED), (False, PLAIN)):
        served.restart_daemon(own_tables=own, keep=keep)
        assert owner.of_netd(served).flags == flags
        assert "error" not in served.log()
        assert_same(before, shot(served), f"own-tables={own}")
        assert_serves(served, out)
        assert ("nft-owner" in served.kept) == (keep and own and OWNS)


def test_plain_tables_of_an_earlier_netd_are_replaced_under_running_traffic(served, out):
    served.restart_daemon(own_tables=False)
    with out.stream("tcp", "192.0.2.1", 8080) as stream, \
            Datagrams(out, "192.0.2.1", 8053, served.ns("web"), 53) as datagrams:
        stream.wait()
        datagrams.wait(100)
        served.restart_daemon()
        stream.wait(5)
        datagrams.wait(100)
        assert stream.error is None
        # one batch, but the kernel takes NAT's old hooks out and the new ones in one after the other
        assert len(datagrams.missing()) <= 3
    assert owner.of_netd(served).flags == OWNED


def test_setting_in_the_file_and_its_bad_values(host, out):
    host.write("/etc/netd/netd.conf", "own-tables = no\n")
    host.start_daemon()
    assert owner.of_netd(host).flags == PLAIN
    host.restart_daemon("--own-tables", "yes")
    assert owner.of_netd(host).flags == OWNED
    host.stop_daemon()
    done = host.run(NETD, "--own-tables", "maybe", check=False)
    assert done.returncode == 2 and "--own-tables" in done.stderr and "neither yes nor no" in done.stderr


# --- someone else's, and the end ---

def test_tables_that_someone_else_owns_are_said_and_left(served, out):
    """A socket of the netd before that someone still has, say."""
    served.restart_daemon(keep=True)
    owned = owner.of_netd(served)
    served.stop_daemon()
    kept, served.kept = served.kept, {}
    served.start_daemon()
    assert bool(re.search("change table (inet|bridge) netd, which another program owns.*; netd runs, and tries again", served.log())) == OWNS
    assert owner.of_netd(served) == owned
    assert_serves(served, out)
    served.kept = kept
    served.forget()
    wait_for(lambda: (owner.of_netd(served) not in (owned, (ORPHAN, None))) == OWNS, "netd has claimed them", deadline=30)


@pytest.mark.parametrize("ending", ("stop_daemon", "kill_daemon"))
def test_cleanup_leaves_nothing(host, out, ending):
    before = shot(host)
    host.start_daemon(keep=True)
    host.ctl("connect", "default", "web")
    host.ctl("publish", "8080:80", "web")
    refused = host.run(NETD, "--cleanup", check=False)
    assert refused.returncode != 0 and "already" in refused.stderr
    getattr(host, ending)()
    owned = host.run(NETD, "--cleanup", check=False)
    assert ("which another program owns" in owned.stderr) == (owned.returncode != 0) == OWNS, "someone keeps its socket"
    host.forget()
    host.run(NETD, "--cleanup")
    assert_same(before, shot(host), "nothing is left")
