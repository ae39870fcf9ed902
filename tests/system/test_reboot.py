"""A reboot: what netd made comes back as it was, what it adopted is forgotten, and nothing stale is left, wherever the first start is killed."""

import pytest

from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

OWN = ["file /run/netd"]


@pytest.fixture
def built(netd, out):
    """One of everything: two networks, two namespaces, one that is adopted, ports of both."""
    netd.stop_daemon()
    netd.stub_resolver()
    netd.start_daemon()
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "nd-a")
    netd.ctl("network", "create", "closed", "--subnet", "10.77.1.0/24", "--internal")
    netd.ctl("connect", "my-net", "web", "--ip", "10.77.0.2")
    netd.ctl("connect", "closed", "web")
    netd.ctl("connect", "my-net", "db")
    netd.ctl("ns", "create", "alone")
    for spec in ("8080:80/tcp", "8080:80/udp", "192.0.2.1:9090:80"):
        netd.ctl("publish", spec, "web")
    netd.links = links(netd)
    netd.before = netd.objects()
    netd.kernel = netd.snapshot(inside=True, without=OWN)
    return netd


def links(host):
    """Name, MAC and addresses of every bridge and of every inner end."""
    found = {}
    for name, place in [("", host), *((name, host.ns(name)) for name in host.run("ls /run/netns").stdout.split())]:
        for link in place.json("ip -d -j addr show"):
            if name or link.get("linkinfo", {}).get("info_kind") == "bridge":
                found[name, link["ifname"]] = link["address"], [item["local"] for item in link["addr_info"] if item["family"] == "inet"]
    return found


def is_back(host):
    out, = host.neighbours
    assert host.objects() == host.before
    assert links(host) == host.links
    wait_same(host.kernel, lambda: host.snapshot(inside=True, without=OWN), "after a reboot the kernel is as before")
    host.ns("web").serve(80)
    for protocol in ("tcp", "udp"):
        assert out.ask(protocol, "192.0.2.1", 8080).peer == out.address
    assert out.ask("tcp", "192.0.2.1", 9090).peer == out.address
    host.restart_daemon()
    assert "repair" not in host.log()


def test_everything_is_back(built):
    built.reboot()
    built.stub_resolver()
    built.start_daemon()
    is_back(built)


# Calls at which the first start is killed: (call, number of it, in one thread).
KILLED = [*(("sendto", number) for number in (1, 3, 6, 10, 15, 20, 25, 30, 40, 50)), *(("mount", number) for number in (1, 2, 3, 4, 5)),
          ("unshare", 1), ("setns", 1), ("rename", 1), ("renameat2", 1), ("renameat2", 2), ("pwrite64", 1), ("pwrite64", 8), ("pwrite64", 20),
          ("fdatasync", 1), ("fsync", 1), ("bind", 3), ("mkdir", 1), ("mkdir", 3), ("listen", 1)]


def test_killed_in_the_first_start(built):
    """Each after a reboot of its own; then the start that follows brings everything back."""
    killed = []
    for call, number in KILLED:
        built.reboot()
        built.stub_resolver()
        if built.start_killed(f"{call}:signal=SIGKILL:when={number}"):
            killed.append((call, number))
        built.start_daemon()
        assert built.objects() == built.before, f"killed at {call} {number}"
        assert links(built) == built.links, f"killed at {call} {number}"
        wait_same(built.kernel, lambda: built.snapshot(inside=True, without=OWN), f"killed at {call} {number}")
    assert len(killed) > 20, f"it was only killed at {killed}"
    is_back(built)


def test_killed_again_and_again(built):
    """Each start gets a little further."""
    built.reboot()
    built.stub_resolver()
    for number in range(4, 44, 4):
        built.start_killed(f"sendto:signal=SIGKILL:when={number}")
    built.start_daemon()
    is_back(built)


def adopt(host):
    """A namespace of someone else, and the container's one, by a symbolic link."""
    host.shell("""ip netns add theirs
        mkdir -p /run/sandbox; touch /run/sandbox/key; unshare --net=/run/sandbox/key true; ln -s /run/sandbox/key /run/netns/box""")


@pytest.mark.parametrize("killed", (False, True), ids=("", "killed in the first start"))
@pytest.mark.parametrize("there", (False, True), ids=("", "there again before netd"))
def test_adopted_is_forgotten(built, killed, there):
    """Also where a namespace of the name is there again: it is another one. Its files and ports are no one's."""
    out, = built.neighbours
    adopt(built)
    for name, port in (("theirs", 7070), ("box", 7071)):
        built.ctl("connect", "my-net", name)
        built.ctl("publish", f"{port}:80", name)
    kept = {name: built.file(f"/etc/netns/{name}/resolv.conf").read_text() for name in ("theirs", "box")}
    built.reboot()
    built.stub_resolver()
    for name, text in kept.items():  # /etc outlives a boot
        built.write(f"/etc/netns/{name}/resolv.conf", text)
    if there:
        adopt(built)
    if killed:
        assert built.start_killed("unshare:signal=SIGKILL:when=1")
    built.start_daemon()
    assert {item["name"]: item["origin"] for item in built.ctl_json("ns", "ls")} \
        == {"alone": "created", "db": "created", "web": "created", **({"box": "adopted", "theirs": "adopted"} if there else {})}
    assert {item["namespace"] for item in built.ctl_json("network", "inspect", "my-net")[0]["endpoints"]} == {"web", "db"}
    assert {port["host_port"] for port in built.ctl_json("ports") if port["state"] == "pending"} == {7070, 7071}
    for name in kept:
        assert not built.file(f"/etc/netns/{name}").exists()
    for path in ("/run/netns/theirs", "/run/sandbox/key") if there else ():
        assert "eth0" not in built.run("nsenter", f"--net={path}", "ip", "link").stdout
    if not there:
        adopt(built)
    for name in ("theirs", "box"):
        built.ctl("connect", "my-net", name)
    assert {port["state"] for port in built.ctl_json("ports")} == {"active"}
    built.ns("theirs").serve(80)
    assert out.ask("tcp", "192.0.2.1", 7070).peer == out.address


def test_namespace_of_the_name_of_a_created_one(built):
    """Someone was faster: it is theirs, and gets its endpoints and ports all the same."""
    built.reboot()
    built.stub_resolver()
    built.shell("ip netns add web; ip -n web link add theirs type bridge")
    built.start_daemon()
    assert built.ctl_json("ns", "inspect", "web")[0]["origin"] == "adopted"
    assert "theirs" in built.ns("web").run("ip link").stdout
    out, = built.neighbours
    built.ns("web").serve(80)
    assert out.ask("tcp", "192.0.2.1", 8080).peer == out.address


# --- a published address that the host does not have ---

ADDRESS = "203.0.113.5"


def reaches(host, port=8080):
    """From outside, whose way to the address leads through the host, and from the host itself."""
    out, = host.neighbours
    for protocol in ("tcp", "udp"):
        if out.ask(protocol, ADDRESS, port).peer != out.address:
            return False
    return host.ask("tcp", ADDRESS, port).tag == "web"


@pytest.mark.parametrize("interface", ("up-out", "a new one", "lo"))
def test_address_that_comes_later(netd, out, interface):
    """And goes, and comes again. In between nothing else answers there."""
    netd.ctl("connect", "default", "web")
    netd.ns("web").serve(80)
    for protocol in ("tcp", "udp"):
        done = netd.ctl("publish", f"{ADDRESS}:8080:80/{protocol}", "web")
        assert f"does not have the address {ADDRESS} yet" in done.stderr
    name = "new" if interface == "a new one" else interface
    for _ in range(2):
        if name == "new":
            netd.shell("ip link add new type bridge; ip link set new up")
        netd.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", name)
        wait_for(lambda: reaches(netd), "packets pass")
        assert {port["state"] for port in netd.ctl_json("ports")} == {"active"}
        netd.run(*(["ip", "link", "del", "new"] if name == "new" else ["ip", "addr", "del", f"{ADDRESS}/32", "dev", name]))
        port = netd.ctl_json("ports")[0]
        assert (port["state"], port["reason"]) == ("pending", f"{ADDRESS} is on no interface of this host")
    netd.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    assert reaches(netd) and netd.ctl_json("ports")[0]["state"] == "active"


def test_address_that_comes_after_a_reboot(netd, out):
    """As of an interface that a network manager brings up later than netd starts."""
    netd.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "up-out")
    netd.ctl("connect", "default", "web")
    netd.ctl("publish", f"{ADDRESS}:8080:80", "web")
    netd.ctl("publish", f"{ADDRESS}:8080:80/udp", "web")
    netd.reboot()
    netd.start_daemon()
    netd.ns("web").serve(80)
    assert "tries again" not in netd.log()
    netd.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "up-out")
    wait_for(lambda: reaches(netd), "packets pass")
