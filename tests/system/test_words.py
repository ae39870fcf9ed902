"""What people read: help lists all there is, inspect shows all that was set, and sentences speak of what was typed."""

import re

import pytest

from lib.host import NETD_CTL, Host
from conftest import checked

# Fields of the API that are not called as the option is.
FIELDS = {"label": "labels", "route": "routes", "sysctl": "sysctls", "trusted-iface": "trusted_interfaces", "iface": "interface"}
# What an object has beside its settings, and the settings that cannot be changed.
NETWORK = {"id", "name", "driver", "bridge", "subnets", "ipv4", "ipv6", "endpoints", "state", "no_host_address", "use_bridge"}
NAMESPACE = {"name", "path", "origin", "attached", "source", "inode", "cookie", "nsid", "processes", "interfaces", "moved", "endpoints", "links"}
ENDPOINT = {"network", "namespace", "interface", "host_interface", "mac", "addresses"}
PUBLICATION = ["interface", "from", "labels"]


@pytest.fixture(scope="module")
def net():
    with Host() as host:
        host.neighbour()
        host.start_daemon()
        host.ctl("network", "create", "a", "--subnet", "10.77.0.0/24")
        host.ctl("connect", "a", "web", "--ip", "10.77.0.2")
        yield host
        checked(host)


def keys(net, *words):
    """The settings that `set -h` lists, as the API calls them."""
    settings = net.ctl(*words, "-h").stdout.split("\nSettings:\n")[1].split("\n\n")[0]
    found = re.findall(r"^  ([a-z0-9-]+)=", settings, re.M)
    return {FIELDS.get(key, key.replace("-", "_")): key for key in found}


def record(net, *words):
    """What inspect shows, by the words in front of it."""
    return dict(re.match(r"([A-Z0-9 ]+?)  +(.*)", line).groups() for line in net.ctl(*words).lines)


def objects(net):
    ns, = net.ctl_json("ns", "inspect", "web")
    return {("network", "set"): set(net.ctl_json("network", "inspect", "a")[0]) - NETWORK, ("ns", "set"): set(ns) - NAMESPACE,
            ("endpoint", "set"): set(ns["endpoints"][0]) - ENDPOINT}


def test_help_of_set_lists_every_setting(net):
    for words, fields in objects(net).items():
        assert set(keys(net, *words)) == fields, words
    assert "takes the place" in net.ctl("network", "set", "-h").stdout


def test_inspect_has_a_line_for_every_setting(net):
    shown = {("network", "set"): record(net, "network", "inspect", "a"), ("ns", "set"): record(net, "ns", "inspect", "web")}
    for words, lines in shown.items():
        assert not [key for key in keys(net, *words).values() if key.upper().replace("-", " ") not in lines], words


def test_an_endpoints_line_has_what_was_set(net):
    plain = record(net, "network", "inspect", "a")["ENDPOINTS"]
    values = {"gw-priority": "7", "no-default-route": "yes", "router": "yes", "rate-in": "10mbit", "rate-out": "20mbit", "label": "k=v"}
    assert set(values) == set(keys(net, "endpoint", "set").values())
    net.ctl("endpoint", "set", "a", "web", *[f"{key}={value}" for key, value in values.items()])
    line = record(net, "network", "inspect", "a")["ENDPOINTS"]
    assert line == plain + ", gw-priority 7, no-default-route, router, rate-in 10mbit, rate-out 20mbit, label k=v"
    net.ctl("endpoint", "set", "a", "web", *[f"{key}=" for key in values])
    assert record(net, "network", "inspect", "a")["ENDPOINTS"] == plain


def test_a_restricted_port_is_seen_to_be(net):
    limited = ["--iface", "up-out", "--from", "10.9.0.0/16", "--from", "a", "--label", "k=v"]
    wanted = "iface up-out, from 10.9.0.0/16, from a, label k=v"
    assert f":80, {wanted}\n" in net.ctl("publish", "8101:80", "web", *limited).stdout
    assert "iface" not in net.ctl("publish", "8102:80", "web").stdout
    head, *lines = net.ctl("ports").lines
    assert head.endswith("SETTINGS")
    assert sorted(line.split("active")[1].strip() for line in lines) == ["-", wanted]
    shown = next(one for one in net.ctl_json("ports") if one["host_port"] == 8101)
    assert all(shown[field] for field in PUBLICATION)
    net.ctl("unpublish", "8101", "8102")


def test_an_event_names_what_was_changed(net):
    net.ctl("network", "set", "a", "label=k=v", "mtu=1400")
    net.ctl("network", "set", "a", "label=", "mtu=")
    net.ctl("endpoint", "set", "a", "web", "gw-priority=")
    net.ctl("ns", "set", "web", "label=")
    said = net.ctl("events", "--recent").stdout
    for text in ("network set a (mtu, labels)", "endpoint set a web (gw_priority)", "ns set web (labels)"):
        assert text in said


FIXED = [  # what is typed, the same for the API, the field, what to do instead
    (["network", "set", "a", "subnet=10.78.0.0/24"], ("networks/a", {"subnets": []}), "subnets", "make another network"),
    (["network", "set", "a", "gateway=10.77.0.9"], None, "subnets", "make another network"),
    (["network", "set", "a", "bridge=x"], ("networks/a", {"bridge": "x"}), "bridge", "make another network"),
    (["network", "set", "a", "ipv6=yes"], ("networks/a", {"ipv6": True}), "ipv6", "make another network"),
    (["network", "set", "a", "no-ipv4=yes"], ("networks/a", {"ipv4": False}), "ipv4", "make another network"),
    (["network", "set", "a", "no-host-address=yes"], ("networks/a", {"no_host_address": True}), "no_host_address", "make another network"),
    (["network", "set", "a", "use-bridge=br9"], ("networks/a", {"use_bridge": "br9"}), "use_bridge", "make another network"),
    (["endpoint", "set", "a", "web", "ip=10.77.0.9"], ("networks/a/endpoints/web", {"addresses": []}), "addresses", "connect it again with --ip"),
    (["endpoint", "set", "a", "web", "ip6=fd00::9"], None, "addresses", "connect it again with --ip"),
    (["endpoint", "set", "a", "web", "mac=x"], ("networks/a/endpoints/web", {"mac": "x"}), "mac", "connect it again with --mac"),
    (["endpoint", "set", "a", "web", "ifname=x"], ("networks/a/endpoints/web", {"interface": "x"}), "interface", "connect it again with --ifname"),
    (["ns", "set", "web", "pid=1"], ("namespaces/web", {"pid": 1}), "pid", "ns detach"),
    (["ns", "set", "web", "path=/x"], ("namespaces/web", {"path": "/x"}), "path", "ns detach"),
]


@pytest.mark.parametrize("typed, asked, field, instead", FIXED, ids=[" ".join(typed) for typed, *_ in FIXED])
def test_what_cannot_be_changed_says_why(net, typed, asked, field, instead):
    before = net.ctl_json("network", "inspect", "a")
    key = typed[-1].split("=")[0]
    said = net.ctl(*typed, check=1).stderr
    assert f": {key} cannot be changed: " in said and instead in said
    if asked:
        path, body = asked
        answer = net.http("PATCH", f"/v1/{path}", body)
        assert (answer.status, answer.body["code"], answer.body["field"]) == (409, "refused", field)
        assert f": {field} cannot be changed: " in answer.body["detail"] and instead in answer.body["detail"]
    assert net.ctl_json("network", "inspect", "a") == before


def test_every_option_of_making_is_a_key_or_says_why_not(net):
    """Nobody is told 'there is no setting' of what create or connect lists, but for what is no property of the thing."""
    for make, change in ((["network", "create"], ["network", "set", "a"]), (["connect"], ["endpoint", "set", "a", "web"]),
                         (["ns", "attach"], ["ns", "set", "web"])):
        for option in re.findall(r"^ {6}--([a-z0-9-]+)", net.ctl(*make, "-h").stdout.split("Options of every")[0], re.M):
            said = net.ctl(*change, f"{option}=\x7f", check=False).stderr
            assert ("there is no setting" in said) == (option in ("exist-ok", "dry-run", "existing")), said


SENTENCES = [  # what is typed, the exit status, how the sentence begins
    (["network", "create", "x", "--subnet", "10.78.0.1/24"], 2, "network create: --subnet: '10.78.0.1/24' has host bits"),
    (["network", "create", "x", "--subnet", "10.78.0.0/24", "--gateway", "10.79.0.1"], 2, "network create: --gateway 10.79.0.1 is outside"),
    (["network", "create", "x", "--subnet", "/26", "--subnet", "/64", "--gateway", "x:"], 2, "network create: --gateway: 'x:' is no IP"),
    (["network", "create", "x", "--host-access", "maybe"], 2, "network create: --host-access must be one of"),
    (["network", "set", "a", "host-access=maybe"], 2, "network set: host-access must be one of"),
    (["network", "create", "x", "--trusted-iface", "a/b"], 2, "network create: --trusted-iface: 'a/b' is no interface"),
    (["network", "create", "x", "--internal", "--snat", "192.0.2.1"], 1, "network x: --snat: an internal network"),
    (["network", "create", "a", "--subnet", "10.77.0.0/24", "--label", "k=v", "--exist-ok"], 5, "network a exists with another setting: --label ("),
    (["connect", "a", "web", "--gw-priority", "1", "--exist-ok"], 5, "endpoint a web exists with another setting: --gw-priority (netd-ctl ns inspect web"),
    (["connect", "a", "x", "--ifname", "a/b"], 2, "connect: --ifname: 'a/b' is no interface"),
    (["connect", "a", "x", "--ip", "text"], 2, "connect: --ip: 'text' is no IP address"),
    (["connect", "a", "x", "--ip6", "text"], 2, "connect: --ip6: 'text' is no IP address"),
    (["connect", "a", "x", "--ip", "10.77.0.9", "--ip6", "text"], 2, "connect: --ip6: 'text' is no IP address"),
    (["publish", "[::1]:81:80", "web"], 2, "publish: ::1 cannot be published"),
    (["publish", "81:80", "[::1]:82:80", "web"], 2, "publish: ::1 cannot be published"),
    (["publish", "81:80", "web", "--iface", "a/b"], 2, "publish: --iface: 'a/b' is no interface"),
    (["publish", "81:80", "--ns", "web", "far"], 2, "publish: the namespace is given twice ('far' and --ns web)"),
    (["ns", "set", "web", "sysctl=net.ipv4.conf.eth0.rp_filter=1"], 2, "ns set: sysctl: 'net.ipv4.conf.eth0.rp_filter' is one interface's own"),
    (["ns", "set", "web", "sysctl=net.nope=1"], 1, "namespace web: read sysctl net.nope (the kernel has none of this name"),
    (["ns", "set", "web", "sysctl=net.ipv4.ip_forward=x"], 1, "namespace web: write sysctl net.ipv4.ip_forward (the kernel does not take this value)"),
    (["ns", "attach", "k", "--path", "/proc/self/ns/net"], 3, "attach: /proc/self/ns/net is a link of a process"),
    (["ns", "attach", "k", "--path", "/proc/nope"], 3, "attach: /proc/nope: there is no such file"),
    (["disconnect", "host", "web"], 1, "namespace web is not connected to 'host'"),
    (["--version"], 2, "there is no option '--version'; that is a command: netd-ctl version"),
]


@pytest.mark.parametrize("typed, status, begins", SENTENCES, ids=[" ".join(typed) for typed, *_ in SENTENCES])
def test_sentences_speak_of_what_was_typed(net, typed, status, begins):
    assert net.ctl(*typed, check=status).stderr.startswith(f"netd-ctl: {begins}")


def test_columns_of_help_stand_apart(net):
    commands = [line.split("  ")[1].split() for line in net.ctl("help").lines if re.match(r"  [a-z]", line)]
    pages = [net.ctl(*[word for word in words[:2] if word.islower()], "-h").stdout for words in commands]
    assert len(pages) > 20
    for line in "\n".join(pages).splitlines():
        if re.match(r" +(-.,|--)", line):
            assert re.fullmatch(r"  (-.,|   ) --\S+( [A-Z|a-z:,=]\S*)?(  +\S.*)?", line), line


# --- items of lists, and what lets nobody in ---


def test_equal_items_are_one(net):
    net.ctl("network", "set", "a", "allow=web:81,web:81/tcp", check=2)
    net.ctl("network", "set", "a", "reserve=x=10.77.0.9", "allow=web:81", "snat=192.0.2.1")
    assert "already" in net.ctl("network", "allow", "a", "web:81/tcp", check=5).stderr
    assert net.ctl_json("network", "inspect", "a")[0]["allow"] == ["web:81/tcp"]
    net.ctl("network", "set", "a", "reserve=", "allow=", "snat=")
    for pair in (("10.0.0.1", "10.0.0.1/32"), ("fd00::1", "fd00:0::1/128"), ("fd00::/64", "fd00:0:0::/64")):
        assert "twice" in net.ctl("publish", "8103:80", "web", "--from", pair[0], "--from", pair[1], check=2).stderr
    assert "twice" in net.ctl("network", "allow", "a", "web:80", "web:80/tcp", check=2).stderr


@pytest.mark.parametrize("words, warned", [
    (["8104:80", "--from", "fd00::1"], True), (["8104:80", "--from", "10.0.0.0/8"], False),
    (["8104:80", "--from", "a"], False), (["8104:80", "--from", "fd00::1", "--from", "10.0.0.1"], False)])
def test_a_port_that_lets_nobody_in_is_warned_of(net, words, warned):
    assert ("nobody can come in by port 8104/tcp" in net.ctl("publish", *words, "web").stderr) == warned
    net.ctl("unpublish", "8104")


def test_a_trusted_interface_that_is_not_there_is_warned_of(net):
    assert "does not have the interface nope yet" in net.ctl("network", "set", "a", "trusted-iface=nope,up-out").stderr
    assert "up-out" not in net.ctl("network", "set", "a", "trusted-iface=up-out").stderr
    net.ctl("network", "set", "a", "trusted-iface=")


# --- the network default ---


def subnets(netd):
    return [subnet["subnet"] for subnet in netd.ctl_json("network", "inspect", "default")[0]["subnets"]]


def test_default_is_made_as_the_configuration_says(host, out):
    host.write("/etc/netd/netd.conf", "default-subnet = 10.99.0.0/25\ndefault-subnet = fd99::/64\n")
    host.start_daemon()
    assert subnets(host) == ["10.99.0.0/25", "fd99::/64"]
    host.ctl("connect", "default", "web")
    assert host.ns("web").run("ping", "-c1", "-W2", "fd99::1").returncode == 0
    host.write("/etc/netd/netd.conf", "default-subnet = 10.98.0.0/24\n")
    host.restart_daemon()  # it is there already
    assert subnets(host) == ["10.99.0.0/25", "fd99::/64"]


@pytest.mark.parametrize("options, prefixes", [(["--default-ipv6", "yes"], ["24", "64"]), (["--default-subnet", "/26", "--default-ipv6", "yes"], ["26", "64"]),
                                               (["--default-subnet", "/80"], ["24", "80"]), ([], ["24"])])
def test_default_takes_subnets_out_of_the_pools(host, out, options, prefixes):
    host.start_daemon(*options)
    assert [subnet.split("/")[1] for subnet in subnets(host)] == prefixes


@pytest.mark.parametrize("options, sentence", [
    (["--default-subnet", "10.1.0.1/24"], "host bits"), (["--default-subnet", "/26", "--default-subnet", "/27"], "second one of its family"),
    (["--default-ipv6", "maybe"], "neither yes nor no"), (["--default-subnet", "192.0.2.0/24"], "make network default (default-subnet and default-ipv6")])
def test_a_default_that_cannot_be_is_refused_at_the_start(host, out, options, sentence):
    with pytest.raises(AssertionError) as failure:
        host.start_daemon(*options)
    assert sentence in str(failure.value)
