"""Two real processes, netd and netd-ctl, on a private host with neighbours outside."""

import re
import signal

import pytest

from lib.host import NETD, NETD_CTL, Host, HostError
from lib.lab import Lab

SANITIZERS = re.compile(r"ERROR: \w+Sanitizer|runtime error:")


def pytest_sessionstart(session):
    # A shell lets what it starts in the background ignore it, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    missing = [str(program) for program in (NETD, NETD_CTL) if not program.exists()]
    if missing:
        pytest.exit(f"{' and '.join(missing)}: not built; NETD_BUILD names the build directory", returncode=1)
    try:
        Host().close()
    except HostError as error:
        pytest.exit(f"no private host here: {error}", returncode=77)


def checked(host):
    assert not SANITIZERS.search(host.all_logs()), host.all_logs()


@pytest.fixture
def host():
    """A private host without a daemon."""
    with Host() as made:
        yield made
        checked(made)


@pytest.fixture
def out(host):
    """The outside machine 192.0.2.2; the host is 192.0.2.1 and has its default route there."""
    return host.neighbour()


@pytest.fixture
def netd(host, out):
    """A private host with a neighbour and a running daemon."""
    host.start_daemon()
    return host


@pytest.fixture(scope="module")
def lab():
    made = Lab()
    yield made
    checked(made.host)
    made.close()
