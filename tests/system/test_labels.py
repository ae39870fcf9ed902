"""Labels, filters of lists, and what is removed by them."""

import json

import pytest

from lib.wait import wait_for


def names(host, *words):
    """What `ls` prints by name, sorted."""
    return sorted(host.ctl(*words, "-q").lines)


def networks(host, *filters):
    return names(host, "network", "ls", *(word for one in filters for word in ("--filter", one)))


def namespaces(host, *filters):
    return names(host, "ns", "ls", *(word for one in filters for word in ("--filter", one)))


@pytest.fixture
def labelled(netd):
    netd.ctl("network", "create", "front", "--label", "tier=front", "--label", "team=a=b, c")
    netd.ctl("network", "create", "back", "--label", "tier=back", "--internal")
    netd.ctl("network", "create", "plain")
    netd.ctl("ns", "create", "web", "--label", "tier=front")
    netd.ctl("ns", "create", "db", "--label", "tier=back", "--label", "empty=")
    netd.run("ip netns add theirs")
    return netd


def test_labels_are_shown(labelled):
    front, = labelled.ctl_json("network", "inspect", "front")
    assert front["labels"] == ["tier=front", "team=a=b, c"]
    assert "tier=front" in labelled.ctl("network", "inspect", "front").stdout
    assert labelled.ctl_json("ns", "inspect", "theirs")[0]["labels"] == []
    assert "tier=back" in labelled.ctl("ns", "inspect", "db").stdout


def test_filters_of_networks(labelled):
    labelled.ctl("connect", "front", "web")
    for filters, wanted in (
            (["label=tier"], ["back", "front"]), (["label=tier=front"], ["front"]), (["label=tier=fro"], []), (["label=tie"], []),
            (["label=team=a=b, c"], ["front"]), (["name=front"], ["front"]), (["name=*a*"], ["back", "default", "plain"]),
            (["driver=bridge", "name=b*"], ["back"]), (["driver=none"], []), (["internal=yes"], ["back"]), (["bridge=netd0"], ["default"]),
            (["label=tier", "internal=no"], ["front"]), (["namespace=web"], ["front"]), (["namespace=db"], [])):
        assert networks(labelled, *filters) == wanted, filters
    assert [network["name"] for network in labelled.ctl_json("network", "ls", "--filter", "name=plain")] == ["plain"]
    lines = labelled.ctl("network", "ls", "--filter", "name=plain").lines
    assert len(lines) == 2 and lines[1].startswith("plain ")


def test_filters_of_namespaces(labelled):
    labelled.ctl("connect", "front", "web")
    labelled.shell("touch /run/key; unshare --net=/run/key true")
    labelled.ctl("ns", "attach", "box", "--path", "/run/key", "--label", "tier=front")
    for filters, wanted in (
            (["origin=created"], ["db", "web"]), (["origin=adopted"], ["box", "theirs"]), (["attached=yes"], ["box"]),
            (["network=front"], ["web"]), (["label=empty="], ["db"]), (["label=tier=front", "origin=created"], ["web"]), (["name=?b"], ["db"])):
        assert namespaces(labelled, *filters) == wanted, filters


def test_filters_of_ports(labelled):
    labelled.ctl("connect", "front", "web")
    labelled.ctl("publish", "8080:80", "web")
    labelled.ctl("publish", "127.0.0.1:5353:53/udp", "web")
    for filters, wanted in ((["protocol=udp"], ["127.0.0.1:5353/udp"]), (["port=8080"], ["0.0.0.0:8080/tcp"]), (["ip=127.*"], ["127.0.0.1:5353/udp"]),
                            (["namespace=web", "protocol=tcp"], ["0.0.0.0:8080/tcp"]), (["state=pending"], []), (["network=front", "port=53"], [])):
        assert names(labelled, "ports", *(word for one in filters for word in ("--filter", one))) == wanted, filters


def test_labels_of_endpoints_and_ports(labelled):
    labelled.ctl("connect", "front", "web", "--label", "role=main")
    labelled.ctl("publish", "8080:80", "web", "--label", "team=a")
    labelled.ctl("publish", "8443:443", "web", "--label", "team=b", "--label", "tls=")
    labelled.restart_daemon()
    assert labelled.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["labels"] == ["role=main"]
    assert {port["host_port"]: port["labels"] for port in labelled.ctl_json("ports")} == {8080: ["team=a"], 8443: ["team=b", "tls="]}
    for wanted, found in (("label=team", ["0.0.0.0:8080/tcp", "0.0.0.0:8443/tcp"]), ("label=tls", ["0.0.0.0:8443/tcp"]), ("label=team=c", [])):
        assert names(labelled, "ports", "--filter", wanted) == found
    labelled.ctl("endpoint", "set", "front", "web", "label=role=spare", "label=x=")
    assert labelled.ctl_json("network", "inspect", "front")[0]["endpoints"][0]["labels"] == ["role=spare", "x="]
    labelled.ctl("endpoint", "set", "front", "web", "label=")
    assert labelled.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["labels"] == []
    assert "another setting: --label" in labelled.ctl("publish", "8080:80", "web", "--exist-ok", check=5).stderr


def test_wrong_filters_name_the_right_ones(netd):
    for words, keys in ((("network", "ls"), "name, driver, label"), (("ns", "ls"), "origin"), (("ports",), "protocol, state")):
        for wrong in ("colour=red", "name", "=x", "labels=x"):
            assert keys in netd.ctl(*words, "--filter", wrong, check=2).stderr
    netd.ctl("network", "rm", "--filter", "name=x", "y", check=2)


@pytest.mark.parametrize("label", ["x", "=x", "a b=c", "k=" + "v" * 300, "-k=v", "k" * 64 + "=v"])
def test_bad_labels(netd, label):
    for noun in ("network", "ns"):
        assert "label" in netd.ctl(noun, "create", "x", f"--label={label}", check=2).stderr
    assert networks(netd) == ["default"] and namespaces(netd) == []


def test_a_key_stands_once(netd):
    for noun in ("network", "ns"):
        assert "given twice" in netd.ctl(noun, "create", "x", "--label", "k=1", "--label", "k=2", check=2).stderr


def test_labels_count_for_exist_ok(labelled):
    labelled.ctl("network", "create", "front", "--label", "tier=front", "--label", "team=a=b, c", "--exist-ok")
    assert "another setting: --label" in labelled.ctl("network", "create", "front", "--label", "tier=back", "--exist-ok", check=5).stderr
    assert "another setting: --label" in labelled.ctl("ns", "create", "web", "--exist-ok", check=5).stderr


# --- removing ---

def test_network_prune(labelled):
    labelled.ctl("connect", "front", "web")
    bridge = labelled.ctl_json("network", "inspect", "back")[0]["bridge"]
    assert f"ip link del dev {bridge}" in labelled.ctl("network", "prune", "--dry-run").lines
    assert networks(labelled) == ["back", "default", "front", "plain"]
    assert labelled.ctl("network", "prune").lines == ["removed network back", "removed network plain"]
    assert networks(labelled) == ["default", "front"]
    wait_for(lambda: labelled.run("ip", "link", "show", bridge, check=False).returncode != 0, "the bridge is gone")
    assert labelled.ctl("network", "prune").lines == []
    event, = [event for event in map(json.loads, labelled.ctl("events", "--recent", "--json").lines) if "prune" in event["text"]]
    assert "network back" in event["text"] and event["cause"]["uid"] is not None


def test_prune_by_label(labelled):
    assert labelled.ctl("network", "prune", "--label", "tier", "--label", "team", "-q").lines == ["front"]
    for nothing in ("tier=none", "tie", "tier=bac", "tier=", "Tier"):
        assert labelled.ctl_json("network", "prune", "--label", nothing)["removed"] == []
    assert labelled.ctl("network", "prune", "--label", "tier=back").lines == ["removed network back"]
    assert networks(labelled) == ["default", "plain"]
    assert labelled.ctl("ns", "prune", "--label", "empty").lines == ["removed namespace db"]
    for bad in ("", "x\ny", 5, "v" * 300):
        assert labelled.http("POST", "/v1/networks/prune", {"labels": [bad]}).status == 400
    assert labelled.http("POST", "/v1/networks/prune", {"labels": ["k"] * 65}).status == 400
    assert labelled.http("POST", "/v1/networks/prune", {"label": []}).body["code"] == "unknown"
    assert labelled.http("POST", "/v1/networks/prune").status == 200


def test_ns_prune_takes_what_no_one_uses(labelled):
    """Not what others made, not what is connected, has a port that waits, or a process."""
    labelled.shell("touch /run/key; unshare --net=/run/key true")
    labelled.ctl("ns", "attach", "box", "--path", "/run/key")
    for name in ("connected", "published", "inhabited"):
        labelled.ctl("ns", "create", name)
    labelled.ctl("connect", "front", "connected")
    labelled.ctl("connect", "front", "published")
    labelled.ctl("publish", "8080:80", "published")
    labelled.ctl("disconnect", "front", "published")
    with labelled.ns("inhabited").spawn("sleep", "600"):
        wait_for(lambda: labelled.ctl_json("ns", "inspect", "inhabited")[0]["processes"] == 1, "the process is inside")
        assert "ip netns del db" in labelled.ctl("ns", "prune", "--dry-run").lines
        assert labelled.ctl("ns", "prune").lines == ["removed namespace db", "removed namespace web"]
        assert namespaces(labelled) == ["box", "connected", "inhabited", "published", "theirs"]
    wait_for(lambda: labelled.ctl_json("ns", "inspect", "inhabited")[0]["processes"] == 0, "the process is gone")
    labelled.ctl("ns", "prune")
    assert "inhabited" not in labelled.run("ip netns list").stdout


def test_many_in_one_command(labelled):
    done = labelled.ctl("network", "rm", "front", "nothing", "back", check=3)
    assert done.lines == ["removed network front", "removed network back"] and "nothing" in done.stderr
    labelled.ctl("ns", "rm", "web", "db")
    assert (networks(labelled), namespaces(labelled)) == (["default", "plain"], ["theirs"])


def test_a_network_may_be_called_prune(netd):
    netd.ctl("network", "create", "prune")
    assert networks(netd) == ["default", "prune"]
    netd.ctl("network", "set", "prune", "mtu=1300")
    netd.ctl("network", "rm", "prune")
