"""Published ports of SCTP, with packets: through the kernel's own SCTP where it has that, else made by hand."""

import contextlib
import errno
import socket

import pytest

from lib import sctp, traffic
from lib.wait import wait_for

V4, V6 = "192.0.2.1", "2001:db8::1"


@pytest.fixture
def net(host):
    host.neighbour(network6="2001:db8")
    host.start_daemon()
    host.out, host.web = host.neighbours[0], host.ns("web")
    host.ctl("network", "create", "a", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64")
    host.ctl("connect", "a", "web")
    return host


@pytest.mark.parametrize("spec, port, target", (("9000:9000", 9000, 9000), ("9000:80", 9000, 80), ("9000-9009:9000-9009", 9003, 9003),
                                                ("9000-9003:8000-8003", 9002, 8002)))
def test_an_association_lasts_as_long_as_its_port(net, spec, port, target):
    net.ctl("publish", f"{spec}/sctp", "web")
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(contextlib.closing(sctp.associate(net.out, address, port, net.web, target))) for address in (V4, V6)]
        assert [made.passes() and made.passes() for made in both] == [True, True]
        assert [made.seen for made in both] == [net.out.address, net.out.address6]
        net.restart_daemon()
        assert [made.passes() for made in both] == [True, True], "a restart ends nothing"
        net.ctl("unpublish", f"{spec}/sctp")
        assert [made.passes(timeout=traffic.NEVER) for made in both] == [False, False]
    for address in (V4, V6):
        with pytest.raises(OSError):
            sctp.associate(net.out, address, port, net.web, target).close()


def test_other_protocols_and_ports_are_not_published_with_it(net):
    net.web.serve(9000, "web")
    net.ctl("publish", "9000:9000/sctp", "web")
    for protocol in ("tcp", "udp"):
        assert net.out.silent(protocol, V4, 9000)
    with pytest.raises(OSError):
        sctp.associate(net.out, V4, 9001, net.web, 9001).close()


def test_what_goes_out_is_masqueraded_and_ends_with_the_endpoint(net):
    with contextlib.closing(sctp.associate(net.web, net.out.address, 7000, net.out, 7000)) as association:
        assert association.passes()
        assert association.seen == V4
        net.ctl("disconnect", "a", "web")
        assert not association.passes(timeout=traffic.NEVER)


def bind(place, port):
    made = place.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    try:
        made.bind(("0.0.0.0", port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def test_a_port_has_one_owner_where_the_kernel_speaks_sctp(net):
    """Who listens is asked, and a published port is held; where the kernel has no SCTP there is no one else, and it is just published."""
    if not sctp.spoken(net):
        with pytest.raises(OSError) as refused:
            bind(net, 9000)
        assert refused.value.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
        net.ctl("publish", "9000:9000/sctp", "web")
        return
    with bind(net, 9000):
        assert "9000" in net.ctl("publish", "9000:9000/sctp", "web", check=5).stderr
    net.ctl("publish", "9000:9000/sctp", "web")
    with pytest.raises(OSError) as refused:
        bind(net, 9000)
    assert refused.value.errno == errno.EADDRINUSE
    net.ctl("unpublish", "9000/sctp")
    wait_for(lambda: not bind(net, 9000).close(), "the port is free again")
