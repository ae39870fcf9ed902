"""ns attach: the namespace of a container or process, made by someone else, gets a name. netd never ends it; when it ends, netd lets go."""

import json
import os
import re
from pathlib import Path

import pytest

from lib.host import NETD_CTL
from lib.wait import wait_for

KEY = "/run/sandbox/key"


def number(process):
    """The pid that the host knows a process by."""
    return int(re.search(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1])


def names(host):
    return [item["name"] for item in host.json("ip", "-j", "netns", "list")]


def inspect(host, name):
    return host.ctl_json("ns", "inspect", name)[0]


def cookie(host, path):
    return host.run("nsenter", f"--net={path}", "python3", "-c", "import socket, struct; s = socket.socket(); "
                    "print(struct.unpack('=Q', s.getsockopt(socket.SOL_SOCKET, 71, 8))[0])").stdout.strip()


def released(host, name="box"):
    """The endpoints are freed, the ports wait, the name is gone."""
    return (host.ctl_json("network", "inspect", "default")[0]["endpoints"] == [] and name not in os.listdir(host.file("/run/netns"))
            and all(port["state"] == "pending" for port in host.ctl_json("ports")))


def events(host, kind="released", namespace="box"):
    return [event for event in map(json.loads, host.ctl("events", "--recent", "--json").lines) if (event["kind"], event["namespace"]) == (kind, namespace)]


@pytest.fixture
def key(netd):
    """A container's sandbox key: a namespace that is mounted outside of /run/netns."""
    netd.shell(f"mkdir -p {os.path.dirname(KEY)}; touch {KEY}; unshare --net={KEY} ip link set lo up")
    return netd


@pytest.fixture
def process(netd):
    with netd.spawn("unshare", "--net", "sleep", "600") as made:
        wait_for(lambda: made.pid and os.readlink(f"/proc/{made.pid}/ns/net") != os.readlink(f"/proc/{netd.pid}/ns/net"), "it has its namespace")
        made.number = number(made)
        yield made


def test_by_path(key):
    done = key.ctl("ns", "attach", "box", "--path", KEY)
    assert done.stdout == "box: /run/netns/box\n"
    box = inspect(key, "box")
    assert (box["origin"], box["attached"], box["source"], box["cookie"]) == ("adopted", True, KEY, cookie(key, KEY))
    assert names(key) == ["box"] and "lo" in key.run("ip netns exec box ip -br link").stdout
    key.ctl("connect", "default", "box")
    assert "eth0" in [item["ifname"] for item in key.json(f"nsenter --net={KEY} ip -j link")]
    assert f"attached, found by {KEY}" in key.ctl("ns", "inspect", "box").stdout


def test_by_pid(netd, process):
    netd.ctl("ns", "attach", "box", "--pid", process.number)
    box = inspect(netd, "box")
    assert (box["attached"], box["source"], box["processes"]) == (True, str(process.number), 1)
    assert netd.file("/run/netns/box").stat().st_ino == os.stat(f"/proc/{process.pid}/ns/net").st_ino
    netd.ctl("connect", "default", "box")
    assert "eth0" in [item["ifname"] for item in netd.ns("box").json("ip -j link")]


def test_what_is_inside_stays_as_it_is(netd, process):
    """lo is not switched on, IPv6 of interfaces to come not off: the namespace is somebody else's."""
    netd.ctl("ns", "attach", "box", "--pid", process.number)
    assert "UP" not in netd.ns("box").json("ip -j link show lo")[0]["flags"]
    assert netd.ns("box").run("cat /proc/sys/net/ipv6/conf/default/disable_ipv6").stdout == "0\n"


def test_its_own_default_route_stays(netd, process):
    netd.ctl("ns", "attach", "box", "--pid", process.number)
    netd.ns("box").shell("ip link set lo up; ip route add default dev lo")
    netd.ctl("connect", "default", "box")
    assert [route["dev"] for route in netd.ns("box").json("ip -j route show default")] == ["lo"]


def test_attached_again(key, process):
    key.ctl("ns", "attach", "box", "--path", KEY)
    assert "exists already" in key.ctl("ns", "attach", "box", "--path", KEY, check=5).stderr
    key.ctl("ns", "attach", "box", "--path", KEY, "--exist-ok")
    assert "another one" in key.ctl("ns", "attach", "box", "--pid", process.number, "--exist-ok", check=5).stderr
    assert "knows the same namespace as box" in key.ctl("ns", "attach", "other", "--path", KEY, check=1).stderr
    key.run("ip netns add theirs")
    assert "exists already" in key.ctl("ns", "attach", "theirs", "--path", KEY, check=5).stderr


def test_one_namespace_is_not_connected_under_two_names(key):
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.shell(f"touch /run/netns/alias; mount --bind {KEY} /run/netns/alias")
    assert "knows the same namespace as box" in key.ctl("connect", "default", "alias", check=1).stderr


@pytest.mark.parametrize("words, status, text", [
    (("--path", "/run/nothing"), 3, "no such file"),
    (("--path", "/etc/hostname"), 1, "is no network namespace"),
    (("--path", "/proc/self/ns/uts"), 3, ""),
    (("--pid", "4000000"), 3, "no such process"),
    (("--pid", "0"), 2, "pid"),
    (("--pid", "x"), 2, "pid"),
    (("--pid", "1"), 1, "the host's own"),
    ((), 2, "give one of --pid and --path"),
    (("--pid", "1", "--path", KEY), 2, "give one of --pid and --path"),
])
def test_what_is_refused(key, words, status, text):
    key.write("/etc/hostname", "h\n")
    assert text in key.ctl("ns", "attach", "box", *words, check=status).stderr
    assert not key.file("/run/netns/box").exists()


def test_the_api_follows_no_symbolic_link(key):
    """The command line follows them with its caller's rights; netd, which has more, does not."""
    key.shell(f"""ln -s {KEY} /run/link; ln -s /run/sandbox /run/through; mkfifo /run/fifo
        touch /run/own; mount --bind /proc/1/ns/net /run/own; touch /run/own-uts; mount --bind /proc/1/ns/uts /run/own-uts""")
    for path, code, text in (("/run/link", 409, "symbolic link"), ("/run/through/key", 409, "symbolic link"), ("/proc/1/ns/net", 409, "symbolic link"),
                             ("/run/fifo", 409, "no network namespace"), ("/run/own", 409, "the host's own"), ("/run/own-uts", 409, "no network namespace"),
                             ("sandbox/key", 400, "path"), ("/run/../run/sandbox/key", 400, "path"), ("/" + "x" * 200, 400, "path"), ("/run/none", 404, "no such file")):
        answer = key.http("POST", "/v1/namespaces", {"name": "box", "path": path})
        assert (answer.status, answer.body["field"]) == (code, "path") and text in answer.body["detail"], (path, answer)
    answer = key.http("POST", "/v1/namespaces", {"name": "box", "path": KEY, "pid": 1})
    assert (answer.status, answer.body["field"]) == (400, "path")
    key.ctl("ns", "attach", "box", "--path", "/run/through/key")
    assert inspect(key, "box")["source"] == KEY


@pytest.mark.parametrize("words", [("ns", "rm"), ("ns", "detach")])
def test_only_the_name_goes(key, words):
    """With a process inside, and with all that netd put there."""
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("connect", "default", "box")
    key.ctl("publish", "8080:80", "box")
    before = cookie(key, KEY)
    with key.spawn("nsenter", f"--net={KEY}", "sleep", "60") as inside:
        wait_for(lambda: inspect(key, "box")["processes"] == 1, "the process is inside")
        done = key.ctl(*words, "box")
        assert "name of namespace box" in done.stdout and "endpoint box on default" in done.stdout and "8080" in done.stdout
        assert inside.running()
    assert released(key) and key.ctl_json("ports") == []
    assert cookie(key, KEY) == before
    wait_for(lambda: [item["ifname"] for item in key.json(f"nsenter --net={KEY} ip -j link")] == ["lo"], "the interface is gone")
    key.ctl("ns", "attach", "box", "--path", KEY)


def test_detach_is_for_what_someone_else_made(netd):
    netd.ctl("ns", "create", "web")
    assert "ns rm web" in netd.ctl("ns", "detach", "web", check=1).stderr
    netd.run("ip netns add theirs")
    netd.ctl("ns", "detach", "theirs", check=3)
    netd.ctl("connect", "default", "theirs")
    netd.ctl("ns", "detach", "theirs")
    assert sorted(names(netd)) == ["theirs", "web"]
    assert netd.ctl_json("network", "inspect", "default")[0]["endpoints"] == []
    assert "nothing to do" in netd.ctl("ns", "detach", "theirs", check=3).stderr


def test_removed_by_ip_netns(key):
    """It is let go of, not made again, and not ended."""
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("connect", "default", "box")
    key.run("ip netns del box")
    wait_for(lambda: released(key), "the namespace is released")
    assert key.run(f"stat -f -c %T {KEY}").stdout == "nsfs\n"
    key.ctl("ns", "attach", "box", "--path", KEY)


def test_ip_netns_attach_is_adopted(key, process):
    """Others' names keep working beside: such a one stays when netd has nothing to do with it any more."""
    key.run(f"ip netns attach theirs {process.number}")
    key.ctl("connect", "default", "theirs")
    assert (inspect(key, "theirs")["origin"], inspect(key, "theirs")["attached"]) == ("adopted", False)
    key.ctl("disconnect", "default", "theirs")
    assert names(key) == ["theirs"]
    key.ctl("ns", "rm", "theirs", check=1)


def test_a_container_that_starts_again_has_a_new_namespace(key):
    """The old one is not kept alive by its name, nor its address and ports; an event says so."""
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("connect", "default", "box")
    key.ctl("publish", "8080:80", "box")
    key.shell(f"umount {KEY}; unshare --net={KEY} true")
    wait_for(lambda: released(key), "the old one is released", 20)
    assert [("box", True)] == [(event["namespace"], "started again" in event["text"]) for event in events(key)]
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("connect", "default", "box")
    assert [port["state"] for port in key.ctl_json("ports")] == ["active"]


def test_a_container_that_ends(key):
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("connect", "default", "box")
    key.shell(f"umount {KEY}; rm {KEY}")
    wait_for(lambda: released(key), "it is released", 20)


def test_a_link_that_leads_to_another_one(key):
    """Adopted by its name, and held open by a process: nothing of it ends, and nothing is announced by the kernel."""
    key.shell(f"mkdir -p /run/netns; ln -s {KEY} /run/netns/box")
    key.ctl("connect", "default", "box")
    with key.spawn("nsenter", f"--net={KEY}", "sleep", "600") as inside:
        wait_for(lambda: inspect(key, "box")["processes"] == 1, "the process is inside")
        key.shell(f"umount {KEY}; unshare --net={KEY} true")
        wait_for(lambda: key.ctl_json("network", "inspect", "default")[0]["endpoints"] == [], "the old one is released", 20)
        assert inside.running()
    assert key.file("/run/netns/box").is_symlink(), "the link is someone else's"


def test_the_last_process_ends(netd, process):
    """Not the first one: that it was found by this one means nothing."""
    netd.ctl("ns", "attach", "box", "--pid", process.number)
    netd.ctl("connect", "default", "box")
    with netd.spawn("nsenter", f"--net=/proc/{process.number}/ns/net", "sleep", "600") as second:
        wait_for(lambda: inspect(netd, "box")["processes"] == 2, "both are inside")
        process.end()
        assert netd.ctl("ns", "identify", number(second)).stdout == "box\n"
        wait_for(lambda: "box" in names(netd) and has_looked(netd), "netd has looked", 30)
        assert names(netd) == ["box"] and events(netd) == []
    wait_for(lambda: released(netd), "it is released", 20)
    assert ["no process is left" in event["text"] for event in events(netd)] == [True]


def has_looked(host):
    """One that ended after the first process did is released: so that one was looked at, too."""
    if not host.file("/run/canary").exists():
        host.shell("touch /run/canary; unshare --net=/run/canary true")
        host.ctl("ns", "attach", "canary", "--path", "/run/canary")
        host.run("umount /run/canary")
    return "canary" not in names(host)


def test_across_a_restart(key, process):
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("ns", "attach", "held", "--pid", process.number)
    key.ctl("connect", "default", "box")
    before = inspect(key, "box"), key.snapshot()
    key.restart_daemon()
    assert (inspect(key, "box"), key.snapshot()) == before
    key.stop_daemon()
    key.shell(f"umount {KEY}; rm {KEY}")
    process.end()
    key.start_daemon()
    wait_for(lambda: released(key) and released(key, "held"), "both are released", 20)


def test_across_a_reboot(key):
    """Forgotten: what had the name is gone with the boot."""
    key.ctl("ns", "attach", "box", "--path", KEY)
    key.ctl("connect", "default", "box")
    key.ctl("publish", "8080:80", "box")
    key.reboot()
    key.start_daemon()
    assert key.ctl_json("ns", "ls") == [] and [port["state"] for port in key.ctl_json("ports")] == ["pending"]


def test_killed_between_name_and_commit(key):
    """The name that was given is an orphan: the next start takes it away, and only the name."""
    before = cookie(key, KEY)
    for call, when in (("mount", 1), ("fdatasync", 1), ("fsync", 1)):
        key.stop_daemon()
        key.start_daemon(prefix=["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={when}"])
        key.ctl("ns", "attach", "box", "--path", KEY, check=False)
        key.kill_daemon()
        key.start_daemon()
        there = [item["name"] for item in key.ctl_json("ns", "ls")]
        if there:
            key.ctl("ns", "rm", "box")
        assert names(key) == [] and not key.file("/run/netns/box").exists()
        assert cookie(key, KEY) == before


def test_dry_run_says_it(key, process):
    told = key.ctl("ns", "attach", "box", "--path", KEY, "--dry-run").lines
    assert told == ["touch /run/netns/box", f"mount --bind {KEY} /run/netns/box"]
    assert key.ctl("ns", "attach", "box", "--pid", process.number, "--dry-run").lines == [f"ip netns attach box {process.number}"]
    assert key.ctl_json("ns", "ls") == []
    key.ctl("ns", "attach", "box", "--path", KEY)
    assert key.ctl("ns", "rm", "box", "--dry-run").lines == ["ip netns del box"]


def test_pids_and_identify(netd):
    netd.ctl("ns", "create", "web")
    assert netd.ctl("ns", "pids", "web", "-q").lines == []
    with netd.ns("web").spawn("sleep", "600") as first, netd.ns("web").spawn("sleep", "600") as second:
        wait_for(lambda: inspect(netd, "web")["processes"] == 2, "both are inside")
        pids = sorted([number(first), number(second)])
        assert netd.ctl_json("ns", "pids", "web") == [{"pid": pid, "program": "sleep"} for pid in pids]
        assert netd.ctl("ns", "pids", "web", "-q").lines == [str(pid) for pid in pids] == sorted(netd.run("ip netns pids web").lines, key=int)
        assert netd.ctl("ns", "identify", pids[0]).stdout == "web\n" == netd.run(f"ip netns identify {pids[0]}").stdout
        netd.shell("touch /run/netns/alias; mount --bind /run/netns/web /run/netns/alias")
        assert netd.ctl_json("ns", "identify", pids[0]) == ["alias", "web"]
        assert netd.ctl("exec", "web", "--", NETD_CTL, "ns", "identify").lines == ["alias", "web"]
    assert netd.ctl("ns", "identify").stdout == "", "the host's own has no name"
    netd.ctl("ns", "pids", "nothing", check=3)
    netd.ctl("ns", "identify", "4000000", check=3)
    netd.ctl("ns", "identify", "web", check=2)
