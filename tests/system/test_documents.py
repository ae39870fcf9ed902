"""The commands of README.md and doc/, typed as they stand there, from top to bottom, on a fresh netd."""

import re
import shlex

import pytest

from lib.host import NETD_CTL, ROOT
from lib.wait import wait_for

# What the test cannot type, and why.
SKIPPED = {
    "netd-ctl events": "it does not end",
}
# What stands for something of the reader's: what is typed for it.
INSTEAD = {
    "network rm NAME": "network rm small",
    "ns rm NAME": "ns rm spare",
    "--pid 4711": "--pid {pid}",
}


def section(path, heading):
    """The text behind this heading, up to the next one of its level."""
    text = (ROOT / path).read_text()
    level = heading.split()[0]
    return re.split(rf"^{re.escape(heading)}$", text, flags=re.M)[1].split(f"\n{level} ")[0]


def commands(text):
    """The lines of indented blocks that begin with netd-ctl or curl, without what is said of them."""
    return [re.split(r"  +", line)[0] for line in re.findall(r"^    ((?:netd-ctl|curl) .*)$", text, re.M)]


def type_all(host, lines, **values):
    typed = 0
    for line in lines:
        if line in SKIPPED:
            continue
        for words, other in INSTEAD.items():
            line = line.replace(words, other.format(**values)) if words in line else line
        program, *words = shlex.split(line)
        done = host.run(NETD_CTL if program == "netd-ctl" else program, *words, check=False)
        assert done.returncode == 0, f"{line}: exit {done.returncode}\n{done.stderr}{done.stdout}"
        typed += 1
    return typed


@pytest.fixture
def reader(netd):
    """A host with what the tour takes for granted: an interface to spare, a process in a namespace of its own, things to remove."""
    netd.run("ip link add eth1 type veth peer name eth1-far")
    netd.run("ip link add br0 type bridge")
    netd.ctl("ns", "create", "spare")
    return netd


def own_namespace(host):
    process = host.spawn("unshare", "--net", "sleep", "1000")
    here = host.run("readlink", "/proc/self/ns/net").stdout
    pid = wait_for(lambda: next((pid for pid in host.shell("pgrep -x sleep || true").lines
                                 if host.run("readlink", f"/proc/{pid}/ns/net", check=False).stdout not in ("", here)), None), "it has its namespace")
    return process, pid


def test_the_tour(reader):
    first = commands((ROOT / "README.md").read_text().split("\n## ")[0])
    tour = commands(section("README.md", "## A tour"))
    assert len(first) == 3 and len(tour) > 30
    process, pid = own_namespace(reader)
    with process:
        assert type_all(reader, first + tour, pid=pid) == len(first) + len(tour) - len(SKIPPED)


@pytest.mark.parametrize("path", ["doc/labs.md"])
def test_examples_of_a_page(reader, path):
    lines = commands((ROOT / path).read_text())
    assert lines and type_all(reader, lines) == len(lines)


def test_forms_of_a_published_port(netd):
    netd.ctl("network", "create", "both", "--ipv6")
    netd.ctl("connect", "both", "web")
    table = re.findall(r"^\| (`[^|]*`) \|", (ROOT / "doc/publishing.md").read_text(), re.M)
    forms = [form for cell in table for form in re.findall(r"`([^`]+)`", cell) if not form.startswith("/")]
    assert len(forms) > 10
    for form in forms:
        netd.ctl("unpublish", *netd.ctl("publish", form, "web", "-q").lines)
