"""Rate limits of endpoints: what passes is measured, in both directions; a limit is changed live, kept, healed and told like all else."""

import socket
import threading
import time

import pytest

from lib.snapshot import wait_same
from lib.wait import wait_for

PORT = 5001
RATE = 8_000_000
BUCKET = RATE // 8 + 65536  # what passes at once where nothing was sent for a second
MEASURED = RATE // 8 * 3 // 2


@pytest.fixture
def pair(host, out):
    """Tables are plain ones, which others can change."""
    host.start_daemon(own_tables=False)
    host.ctl("network", "create", "a", "--subnet", "10.1.0.0/24", "--subnet", "fd00:1::/64")
    host.ctl("connect", "a", "web")
    host.ctl("connect", "a", "other")
    return host


def address(host, name, version=4):
    endpoint, = host.ctl_json("ns", "inspect", name)[0]["endpoints"]
    return next(cidr.split("/")[0] for cidr in endpoint["addresses"] if (":" in cidr) == (version == 6))


def rate(sender, receiver, to, skip=BUCKET, measured=MEASURED):
    """Bits per second that a TCP connection gets, once the first `skip` bytes are through."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with receiver.socket(family) as listener, sender.socket(family) as source:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((to, PORT))
        listener.listen()
        listener.settimeout(30)
        source.settimeout(30)
        source.connect((to, PORT))
        sink, _ = listener.accept()
        with sink:
            sink.settimeout(30)

            def send():
                try:
                    while True:
                        source.sendall(bytes(65536))
                except OSError:
                    pass
            sending = threading.Thread(target=send)
            sending.start()
            try:
                took(sink, skip)
                return measured * 8 / took(sink, measured)
            finally:
                sink.close()
                sending.join()


def took(sink, count):
    """Seconds until so many bytes have come."""
    start = time.monotonic()
    while count > 0:
        data = sink.recv(min(count, 65536))
        assert data, "the stream ended"
        count -= len(data)
    return time.monotonic() - start


def is_limited(sender, receiver, to):
    """More never passes; less may on a busy machine, but not each time."""
    for _ in range(3):
        measured = rate(sender, receiver, to)
        if measured > 0.8 * RATE:
            return measured < 1.2 * RATE
    return False


@pytest.mark.parametrize("version", [4, 6])
def test_what_passes_is_what_is_set(pair, version):
    """The other direction is free, and so is the other endpoint."""
    web, other = pair.ns("web"), pair.ns("other")
    web_address, other_address = address(pair, "web", version), address(pair, "other", version)
    assert rate(web, other, other_address) > 3 * RATE, "without a limit"
    pair.ctl("endpoint", "set", "a", "web", "rate-out=8mbit")
    assert is_limited(web, other, other_address)
    assert rate(other, web, web_address) > 3 * RATE
    pair.ctl("endpoint", "set", "a", "web", "rate-out=", "rate-in=8mbit")
    assert is_limited(other, web, web_address)
    assert rate(web, other, other_address) > 3 * RATE


def test_towards_the_host_and_from_it(netd):
    netd.ctl("network", "create", "a", "--subnet", "10.1.0.0/24")
    netd.ctl("connect", "a", "web", "--rate-in", "8mbit", "--rate-out", "8000kbit")
    endpoint, = netd.ctl_json("ns", "inspect", "web")[0]["endpoints"]
    assert (endpoint["rate_in"], endpoint["rate_out"]) == ("8mbit", "8mbit")
    assert is_limited(netd.ns("web"), netd, "10.1.0.1")
    assert is_limited(netd, netd.ns("web"), address(netd, "web"))


def limits(host):
    return {name: host.run("nft", "list", "set", "bridge", "netd", name).stdout for name in ("nd_ratein", "nd_rateout")}


def test_kept_healed_and_gone(pair):
    before, free = limits(pair), pair.snapshot()
    pair.ctl("endpoint", "set", "a", "web", "rate-in=10mbit", "rate-out=500kbit")
    set_ = limits(pair)
    assert set_ != before and "limit rate over" in set_["nd_ratein"]
    pair.stop_daemon()
    pair.start_daemon(own_tables=False)
    assert limits(pair) == set_
    pair.run("nft flush set bridge netd nd_rateout")
    wait_for(lambda: limits(pair) == set_, "healed what was removed")
    outer = pair.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["host_interface"]
    pair.run("nft", f'delete element bridge netd nd_ratein {{ "{outer}" }}; '
             f'add element bridge netd nd_ratein {{ "{outer}" limit rate over 1 bytes/second burst 1 bytes }}')
    wait_for(lambda: limits(pair) == set_, "healed what was changed")
    pair.ctl("endpoint", "set", "a", "web", "rate-in=", "rate-out=")
    assert limits(pair) == before
    wait_same(free, pair.snapshot, "with no limit any more")


def test_what_a_dry_run_tells_does_the_same(pair):
    for words in (["rate-in=1gbit"], ["rate-in=9kbit"], ["rate-in="]):
        told = pair.ctl("endpoint", "set", "a", "web", "--dry-run", *words).stdout
        before = limits(pair)
        pair.ctl("endpoint", "set", "a", "web", *words)
        after = limits(pair)
        pair.stop_daemon()
        back = before["nd_ratein"], after["nd_ratein"]
        assert back[0] != back[1]
        pair.shell("nft flush set bridge netd nd_ratein; " + (f"nft '{element_of(back[0])}'" if "elements" in back[0] else "true"))
        assert limits(pair) == before
        pair.shell(told)
        assert limits(pair) == after
        pair.start_daemon(own_tables=False)


def element_of(listing):
    return "add element bridge netd nd_ratein {" + listing.split("elements = {")[1].split("}")[0] + "}"


def test_compared_by_exist_ok_and_by_number(pair):
    pair.ctl("connect", "a", "slow", "--rate-in", "1mbit")
    pair.ctl("connect", "a", "slow", "--rate-in", "1000kbit", "--exist-ok")
    assert "another setting: --rate-in" in pair.ctl("connect", "a", "slow", "--rate-in", "2mbit", "--exist-ok", check=5).stderr


@pytest.mark.parametrize("words, status, named", [
    *[(["a", "web", f"rate-{way}={value}"], 2, f"rate-{way}") for way in ("in", "out")
      for value in ("0", "10", "10mb", "10 mbit", "-1mbit", "1.5mbit", "1e3kbit", "010mbit", "7999bit", "101gbit", "99999999999gbit",
                    "9999999999999999999gbit", "mbit", "10Mbit", "10mbit ")],
    (["a", "web", "rate-in=1mbit", "rate-in=2mbit"], 2, "given twice"), (["a", "web", "rate=1mbit"], 2, "no setting 'rate'"),
    (["a", "web", "ip=10.1.0.9"], 1, "cannot be changed"), (["a", "web", "rate-in"], 2, "KEY=VALUE"), (["a", "web"], 2, "KEY=VALUE"),
    (["nowhere", "web", "rate-in=1mbit"], 3, "no such network"), (["a", "nobody", "rate-in=1mbit"], 3, "not connected")])
def test_bad_rates(netd_with_pair, words, status, named):
    before = limits(netd_with_pair)
    assert named in netd_with_pair.ctl("endpoint", "set", *words, check=status).stderr
    assert limits(netd_with_pair) == before


@pytest.fixture(scope="module")
def netd_with_pair():
    from lib.host import Host
    with Host() as host:
        host.neighbour()
        host.start_daemon()
        host.ctl("network", "create", "a")
        host.ctl("connect", "a", "web")
        yield host
