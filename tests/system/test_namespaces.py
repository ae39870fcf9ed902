"""Namespaces: the same ones that `ip netns` knows, and what happens when someone else removes, links or holds them."""

import json
import os
import socket
import struct

import pytest

from lib.wait import wait_for

SO_NETNS_COOKIE = 71
FIELDS = {"name", "path", "origin", "inode", "cookie", "nsid", "processes", "interfaces", "endpoints"}


def names(host):
    return [item["name"] for item in host.json("ip", "-j", "netns", "list")]


def inspect(host, name):
    return host.ctl_json("ns", "inspect", name)[0]


def cookie(place):
    with place.socket() as made:
        return str(struct.unpack("=Q", made.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0])


def test_ip_netns_sees_what_netd_made(netd):
    netd.ctl("ns", "create", "web")
    assert names(netd) == ["web"]
    assert "UP" in netd.json("ip", "-n", "web", "-j", "link", "show", "lo")[0]["flags"]
    assert "lo" in netd.run("ip netns exec web ip -br link").stdout


def test_netd_sees_what_ip_netns_made(netd):
    netd.run("ip netns add theirs")
    ours, = netd.ctl_json("ns", "ls")
    assert (ours["name"], ours["origin"]) == ("theirs", "adopted")


def test_names_that_netd_would_not_give_are_shown_all_the_same(netd):
    netd.run("ip netns add we.ird@x")
    netd.run("ip", "netns", "add", "sp ace")
    assert names(netd) == ["sp ace", "we.ird@x"]
    assert "lo" in inspect(netd, "sp ace")["interfaces"]
    assert netd.ctl("exec", "we.ird@x", "--", "true", check=0).returncode == 0
    assert "is no name" in netd.ctl("connect", "default", "sp ace", check=2).stderr


def test_namespaces_reach_the_whole_host(netd):
    """Also where /run/netns was there before, made by ip netns."""
    netd.run("ip netns add theirs")
    netd.ctl("ns", "create", "web")
    with netd.spawn("unshare", "--mount", "--propagation", "slave", "sleep", "60") as other:
        wait_for(lambda: other.pid, "the other mount namespace")
        netd.ctl("ns", "create", "db")
        assert netd.run("stat", "-f", "-c", "%T", "/run/netns/db").stdout.strip() == "nsfs"
        wait_for(lambda: "/run/netns/db" in open(f"/proc/{other.pid}/mountinfo").read(), "the mount reaches others")


def test_inspect_says_what_the_kernel_says(netd):
    netd.ctl("connect", "default", "web")
    web = inspect(netd, "web")
    assert set(web) >= FIELDS
    assert (web["path"], web["origin"]) == ("/run/netns/web", "created")
    assert web["inode"] == int(netd.run("stat -L -c %i /run/netns/web").stdout)
    assert web["cookie"] == cookie(netd.ns("web"))
    assert [web["nsid"]] == [item["nsid"] for item in netd.json("ip", "-j", "netns", "list-id") if item.get("name") == "web"]
    assert sorted(web["interfaces"]) == ["eth0", "lo"]
    assert web["endpoints"][0]["network"] == "default"
    assert web["processes"] == 0
    with netd.ns("web").spawn("sleep", "60"):
        wait_for(lambda: inspect(netd, "web")["processes"] == 1, "the process is counted")


def test_create_again(netd):
    netd.ctl("ns", "create", "web")
    assert "web" in netd.ctl("ns", "create", "web", check=5).stderr
    netd.ctl("ns", "create", "web", "--exist-ok")
    netd.run("ip netns add theirs")
    netd.ctl("ns", "create", "theirs", check=5)
    netd.ctl("ns", "create", "theirs", "--exist-ok")


def test_stale_file_of_a_crash_is_no_namespace(netd):
    netd.shell("ip netns add x; ip netns del x; touch /run/netns/web")
    assert netd.ctl_json("ns", "ls") == []
    netd.ctl("ns", "rm", "web", check=3)
    assert netd.ctl_json("connect", "default", "web")["created_namespace"]
    assert inspect(netd, "web")["origin"] == "created"


def test_remove(netd):
    netd.ctl("ns", "create", "web")
    netd.ctl("ns", "rm", "web")
    assert names(netd) == [] and not netd.file("/run/netns/web").exists()
    netd.ctl("ns", "rm", "web", check=3)


def test_remove_lists_what_goes_with_it(netd):
    netd.ctl("connect", "default", "web")
    netd.ctl("publish", "8080:80", "web")
    outer = inspect(netd, "web")["endpoints"][0]["host_interface"]
    done = netd.ctl("ns", "rm", "web")
    assert "default" in done.stdout and "8080" in done.stdout and "web" in done.stdout
    assert netd.ctl_json("ports") == []
    wait_for(lambda: netd.run("ip", "link", "show", outer, check=False).returncode != 0, "the outer end is gone")


def test_remove_refuses_while_processes_run_inside(netd):
    netd.ctl("ns", "create", "web")
    with netd.ns("web").spawn("sleep", "60") as inside:
        wait_for(lambda: inspect(netd, "web")["processes"] == 1, "the process is inside")
        done = netd.ctl("ns", "rm", "web", check=1)
        assert "1 process" in done.stderr and "-f" in done.stderr
        assert names(netd) == ["web"]
        netd.ctl("ns", "rm", "-f", "web")
        assert names(netd) == [] and inside.running()


def test_what_is_held_is_tried_again(netd):
    """Without any further request; and until it is gone the name is nobody's."""
    netd.ctl("ns", "create", "web")
    netd.run("mount -o remount,bind,ro /run/netns")
    done = netd.ctl("ns", "rm", "web")
    assert done.stderr.count("still held") == 1 and "/run/netns" in done.stderr
    for command in (("connect", "default", "web"), ("ns", "create", "web", "--exist-ok")):
        assert "try again" in netd.ctl(*command, check=1).stderr
    netd.run("mount -o remount,bind,rw /run/netns")
    wait_for(lambda: names(netd) == [], "the namespace is gone", 10)
    wait_for(lambda: netd.ctl("ns", "create", "web", check=False).returncode == 0, "the name is free")
    assert netd.log().count("not gone yet") == 1, "however often it was tried"
    assert "gone at last: namespace web" in netd.log()


def at_once(host, *requests):
    """Requests that the daemon finds all at once, and so tries as one batch. Their answers, in this order."""
    connections = [host.connection() for _ in requests]
    for connection in connections:  # each is accepted before the next turn
        connection.request("GET", "/v1/networks")
        connection.getresponse().read()
    with host.paused_daemon():
        for connection, (method, path, body) in zip(connections, requests):
            connection.request(method, path, json.dumps(body) if body else None)
    answers = [connection.getresponse() for connection in connections]
    return [(answer.status, json.loads(answer.read())) for answer in answers]


def test_two_connects_make_one_namespace(netd):
    netd.ctl("network", "create", "my-net")
    done = at_once(netd, *(("POST", "/v1/endpoints", {"network": name, "namespace": "web"}) for name in ("default", "my-net")))
    assert [status for status, _ in done] == [201, 201], done
    assert sorted(answer["created_namespace"] for _, answer in done) == [False, True]
    assert sorted(answer["endpoint"]["interface"] for _, answer in done) == ["eth0", "eth1"]


def test_connect_beside_a_removal(netd):
    """Whichever comes first: what is answered as connected is connected, unless the removal came later and took it along."""
    netd.ctl("ns", "create", "web")
    removed, connected = at_once(netd, ("DELETE", "/v1/namespaces/web", None),
                                 ("POST", "/v1/endpoints", {"network": "default", "namespace": "web"}))
    endpoints = netd.ctl_json("network", "inspect", "default")[0]["endpoints"]
    assert removed[0] == 200, removed
    stays = connected[0] < 300 and "endpoint web on default" not in removed[1]["removed"]
    assert (len(endpoints) == 1 and names(netd) == ["web"]) if stays else (endpoints == [] and names(netd) == [])


def test_disconnect_beside_a_connect_keeps_a_default_route(netd):
    """netd's own route, which is about to go, is not taken for the namespace's own."""
    netd.ctl("network", "create", "my-net")
    netd.run("ip netns add theirs")
    netd.ctl("connect", "default", "theirs")
    done = at_once(netd, ("DELETE", "/v1/networks/default/endpoints/theirs", None),
                   ("POST", "/v1/endpoints", {"network": "my-net", "namespace": "theirs"}))
    assert [status for status, _ in done] == [200, 201], done
    assert len(netd.ns("theirs").json("ip -j route show default")) == 1


def test_adopted_is_never_deleted(netd):
    netd.run("ip netns add theirs")
    for words in (["theirs"], ["-f", "theirs"]):
        assert "ip netns del theirs" in netd.ctl("ns", "rm", *words, check=1).stderr
    assert names(netd) == ["theirs"]


def test_symlink_is_adopted_and_only_the_link_removed(netd):
    """As the SandboxKey of a container is linked: the namespace is mounted elsewhere and must stay mounted there."""
    netd.shell("""ip netns add x; ip netns del x
        mkdir /run/sandbox; touch /run/sandbox/key; unshare --net=/run/sandbox/key true
        ln -s /run/sandbox/key /run/netns/box""")
    assert inspect(netd, "box")["origin"] == "adopted"
    netd.ctl("connect", "default", "box")
    assert "eth0" in [item["ifname"] for item in netd.json("nsenter --net=/run/sandbox/key ip -j link")]
    netd.ctl("ns", "rm", "box")
    assert not netd.file("/run/netns/box").is_symlink()
    assert netd.run("stat -f -c %T /run/sandbox/key").stdout.strip() == "nsfs"
    netd.run("nsenter --net=/run/sandbox/key true")
    assert netd.ctl_json("network", "inspect", "default")[0]["endpoints"] == []


@pytest.fixture
def box(netd):
    """A container's namespace, by a symlink."""
    netd.shell("""ip netns add x; ip netns del x
        mkdir /run/sandbox; touch /run/sandbox/key; unshare --net=/run/sandbox/key true
        ln -s /run/sandbox/key /run/netns/box""")
    netd.ctl("connect", "default", "box")
    netd.ctl("publish", "8080:80", "box")
    return netd


def test_symlinked_namespace_that_ends_is_released(box):
    box.shell("umount /run/sandbox/key; rm /run/sandbox/key")
    wait_for(lambda: box.ctl_json("network", "inspect", "default")[0]["endpoints"] == [], "the endpoint is freed")
    assert [port["state"] for port in box.ctl_json("ports")] == ["pending"]


def test_symlink_that_leads_nowhere_is_removed(box):
    box.shell("umount /run/sandbox/key; rm /run/sandbox/key")
    wait_for(lambda: box.ctl_json("network", "inspect", "default")[0]["endpoints"] == [], "the endpoint is freed")
    assert "rm /run/netns/box" in box.ctl("ns", "rm", "box", "--dry-run").stdout
    assert "ns rm box" in box.ctl("connect", "default", "box", check=1).stderr
    box.ctl("ns", "rm", "box")
    assert "box" not in os.listdir(box.file("/run/netns"))


def test_the_hosts_own_namespace_is_not_connected(netd):
    netd.shell("ip netns add x; ip netns del x; touch /run/netns/self; mount --bind /proc/self/ns/net /run/netns/self")
    assert "self" in netd.ctl("connect", "default", "self", check=1).stderr


def released(host):
    return (host.ctl_json("network", "inspect", "default")[0]["endpoints"] == []
            and [port["state"] for port in host.ctl_json("ports")] == ["pending"] and names(host) == [])


@pytest.fixture
def connected(netd):
    netd.ctl("connect", "default", "web", "--ip", str(address(netd)))
    netd.ctl("publish", "8080:80", "web")
    return netd


def address(host):
    """An address of the default network."""
    subnet = host.ctl_json("network", "inspect", "default")[0]["subnets"][0]["subnet"]
    return subnet.split("/")[0].rsplit(".", 1)[0] + ".77"


def test_removed_by_someone_while_netd_runs(connected):
    connected.run("ip netns del web")
    wait_for(lambda: released(connected), "the namespace is released")
    connected.ctl("connect", "default", "web", "--ip", address(connected))
    assert [port["state"] for port in connected.ctl_json("ports")] == ["active"]


def test_removed_by_someone_while_netd_is_down(connected):
    connected.stop_daemon()
    connected.run("ip netns del web")
    connected.start_daemon()
    assert released(connected)


def test_replaced_by_someone_while_netd_is_down(connected):
    """The name is the same, the namespace is not: it is nobody netd knows."""
    connected.stop_daemon()
    connected.shell("ip netns del web; ip netns add web")
    connected.start_daemon()
    assert inspect(connected, "web")["origin"] == "adopted"
    assert [item["ifname"] for item in connected.ns("web").json("ip -j link")] == ["lo"]
    assert connected.ctl_json("network", "inspect", "default")[0]["endpoints"] == []


def test_a_name_is_free_again_at_once(netd):
    """Removed, by netd or by someone else, and made again before netd has buried the first one."""
    for remove in (lambda: netd.ctl("ns", "rm", "web"), lambda: netd.run("ip netns del web")):
        netd.ctl("ns", "create", "web")
        remove()
        wait_for(lambda: not netd.ctl("ns", "ls", "-q").lines, "the namespace is gone", step=0)
        netd.ctl("ns", "create", "web")
        netd.ctl("ns", "rm", "web")
