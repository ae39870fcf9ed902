"""Settings of a network: given at its creation, changed live, kept through a restart, back at their defaults."""

from lib.snapshot import wait_same


def network(host, name):
    found, = host.ctl_json("network", "inspect", name)
    return found


def mtu(place, ifname):
    return place.json("ip", "-j", "link", "show", "dev", ifname)[0]["mtu"]


def default_routes(place):
    return [route["gateway"] for route in place.json("ip", "-j", "route", "show", "default")]


def test_changed_live_and_back(netd):
    netd.ctl("network", "create", "a", "--mtu", "1400")
    netd.ctl("connect", "a", "web")
    bridge, web = network(netd, "a")["bridge"], netd.ns("web")
    before = netd.snapshot()
    netd.ctl("network", "set", "a", "mtu=1300", "internal=yes", "label=tier=front,owner=me")
    assert (mtu(netd, bridge), mtu(web, "eth0"), default_routes(web)) == (1300, 1300, [])
    assert network(netd, "a")["labels"] == ["tier=front", "owner=me"]
    netd.ctl("network", "set", "a", "mtu=1400", "internal=no", "label=")
    assert network(netd, "a")["labels"] == []
    wait_same(before, netd.snapshot, "after the settings went back")


def test_without_a_value_it_is_the_default_again(netd):
    netd.ctl("network", "create", "a", "--mtu", "1400")
    netd.ctl("network", "set", "a", "mtu=")
    assert network(netd, "a")["mtu"] == network(netd, "default")["mtu"] == 1500


def test_kept_through_a_restart(netd):
    netd.ctl("network", "create", "a", "--label", "k=v", "--label", "empty=")
    netd.ctl("ns", "create", "web", "--label", "of=ns")
    netd.ctl("connect", "a", "web")
    netd.ctl("network", "set", "a", "internal=yes", "mtu=1280")
    before, kernel = network(netd, "a"), netd.snapshot()
    assert before["labels"] == ["k=v", "empty="] and before["internal"] and before["mtu"] == 1280
    netd.restart_daemon()
    assert network(netd, "a") == before
    assert netd.ctl_json("ns", "inspect", "web")[0]["labels"] == ["of=ns"]
    wait_same(kernel, netd.snapshot, "after a restart")


def test_a_change_leaves_other_endpoints_alone(netd):
    for name in ("a", "b"):
        netd.ctl("network", "create", name)
        netd.ctl("connect", name, "in-" + name)
    netd.ctl("connect", "a", "in-b")
    dry = netd.ctl("network", "set", "a", "internal=yes", "--dry-run").stdout
    assert "in-a" in dry and network(netd, "b")["bridge"] not in dry
    before = network(netd, "b"), default_routes(netd.ns("in-b"))
    netd.ctl("network", "set", "a", "internal=yes")
    assert (network(netd, "b"), default_routes(netd.ns("in-b"))) == before


def test_equal_settings_exist_and_different_ones_are_named(netd):
    netd.ctl("network", "create", "a", "--internal", "--label", "k=v")
    netd.ctl("network", "create", "a", "--internal", "--label", "k=v", "--exist-ok")
    for options, word in ((["--internal"], "label"), (["--label", "k=v"], "internal")):
        assert f"another setting: --{word}" in netd.ctl("network", "create", "a", "--exist-ok", *options, check=5).stderr


def test_bad_settings_change_nothing(netd):
    netd.ctl("network", "create", "a")
    before = network(netd, "a")
    for words, status, sentence in (
            (["a", "mtu=67"], 2, "from 68 to 65535"), (["a", "mtu=many"], 2, "whole number"), (["a", "speed=1"], 2, "no setting 'speed'"),
            (["a", "internal=maybe"], 2, "yes or no"), (["a", "mtu"], 2, "KEY=VALUE"), (["a", "mtu=1400", "mtu=1300"], 2, "twice"),
            (["a", "label=k"], 2, "KEY=VALUE"), (["a", "label=k=v,k=v"], 2, "twice"), (["nowhere", "mtu=1400"], 3, "no such network")):
        assert sentence in netd.ctl("network", "set", *words, check=status).stderr
    assert network(netd, "a") == before
