"""Bad input: each is refused by the CLI and by the API with an error that names the field, and changes nothing.

After each one the database, the host's interfaces and the namespaces are as before; after all of them the whole snapshot is.
"""

import json
import os
from typing import NamedTuple

import pytest

from lib.host import NETD_CTL, Host
from lib.snapshot import assert_same
from conftest import checked

LONG = "n" * 300
SUBNET, GATEWAY, ADDRESS = "subnets[0].subnet", "subnets[0].gateway", "addresses[0]"


@pytest.fixture(scope="module")
def net():
    with Host() as host:
        host.neighbour()
        host.start_daemon()
        host.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "nd-a")
        host.ctl("network", "create", "alone", "--subnet", "10.76.0.0/24", "--no-host-address")
        host.ctl("connect", "my-net", "web", "--ip", "10.77.0.2", "--mac", "02:00:00:00:00:02")
        host.ctl("publish", "8080:80", "web")
        host.ctl("ns", "link", "web:wan", "far", "--ip", "10.99.0.1/30", "--ip", "fd99::1/64")
        before = host.snapshot(inside=True)
        yield host
        assert_same(before, host.snapshot(inside=True), "bad input changes nothing")
        checked(host)


@pytest.fixture
def unchanged(net):
    before = glance(net)
    yield net
    assert glance(net) == before, "bad input changed something"


def glance(host):
    database = {path.name: path.read_bytes() for path in sorted(host.state.iterdir())}
    return database, [sorted(os.listdir(host.file(path))) for path in ("/sys/class/net", "/run/netns", "/run/netd")]


# Every setting of each object: bad values as they are typed, and as they stand in JSON. Each is tried where the thing is made and where
# it is changed; tests below say that none is left out here.
NUMBERS = (True, "1", 1.5, [], {})
TEXTS = (1, True, [], {})
LISTS = ("text", 1, True, {}, [1], [None], [[]])
SWITCHES = ("yes", 1, [], {})
CIDRS = ("text", "10.77.0.0", "10.77.0.1/24", "10.77.0.0/33", "10.77.0.0/-1", "10.77.0.0/24x", "fd00::", "fd00::1/64", "fd00::/129", "fd00::/64/1")
IPS = ("text", "10.77.0", "10.77.0.256", "10.77.0.1/24", "fd00:::1", "fd00::g", "fd00::1%eth0", "10.77.0.1 ")
RATES = ("0", "0bit", "10", "mbit", "10mb", "10Mbit", "1.5mbit", "-1mbit", "010mbit", "7999bit", "101gbit", "99999999999gbit", "10 mbit")
ENTRIES = ("text", "=10.77.0.9", "a=", "a", "a=text", "../x=10.77.0.9", "a=10.77.0.256", "a=fd00::g", "a=b=10.77.0.9", LONG + "=10.77.0.9")


class Setting(NamedTuple):
    option: str
    typed: tuple
    json: tuple
    twice: tuple = ()  # of a list: items that contradict each other, or are the same


NETWORK = {
    "mtu": Setting("mtu", ("0", "67", "65536", "text", "-1", "1e3", "9" * 20), (*NUMBERS, 0, 67, 65536, -1, 2**40)),
    "internal": Setting("internal", ("maybe", "1", "YES"), SWITCHES),
    "isolated": Setting("isolated", ("maybe", "1", "YES"), SWITCHES),
    "labels": Setting("label", ("k", "=v", LONG + "=v", "../x=v", "a b=v", "k=" + LONG, "k=a\tb"), LISTS, ("k=1", "k=2")),
    "routes": Setting("route", (*[f"{cidr},10.77.0.9" for cidr in CIDRS], *[f"10.79.0.0/24,{ip}" for ip in IPS], "10.79.0.0/24", ",", "10.79.0.0/24,",
                                "0.0.0.0/0,10.77.0.9", "::/0,fd00::9", "10.79.0.0/24,fd00::9", "fd00:79::/64,10.77.0.9"), LISTS,
                      ("10.79.0.0/24,10.77.0.9", "10.79.0.0/24,10.77.0.9")),
    "ip_range": Setting("ip-range", (*CIDRS, "10.79.0.0/25", "fd00:79::/80"), LISTS, ("10.77.0.0/25", "10.77.0.128/25")),
    "reserve": Setting("reserve", (*ENTRIES, "a=10.79.0.9", "a=fd00:79::9"), LISTS, ("a=10.77.0.9", "b=10.77.0.9")),
    "mode": Setting("mode", ("", "NAT", "bridge", "nat,open"), TEXTS),
    "mode4": Setting("mode4", ("", "NAT", "bridge"), TEXTS),
    "mode6": Setting("mode6", ("", "NAT", "bridge"), TEXTS),
    "host_access": Setting("host-access", ("", "YES", "maybe"), TEXTS),
    "trusted_interfaces": Setting("trusted-iface", ("a" * 16, "a/b", "a b", ".", ".."), LISTS, ("up-out", "up-out")),
    "allow": Setting("allow", ("../x", LONG, "a b", "web:0/tcp", "web:65536/tcp", "web:80/icmp", "web:text/tcp", ":80/tcp", "web:", "none", "host", "alone"), LISTS, ("web:80", "web:80/tcp")),
    "snat": Setting("snat", (*IPS, "0.0.0.0", "224.0.0.1", "::", "ff02::1"), LISTS, ("192.0.2.1", "192.0.2.9")),
    "publish_address": Setting("publish-address", (*IPS, "224.0.0.1", "ff02::1", "::1", "fe80::1", "fd00::1"), TEXTS),
    "no_host_address": Setting("no-host-address", ("maybe", "1"), SWITCHES),
    "use_bridge": Setting("use-bridge", ("a" * 16, "a/b", "a b", ".."), TEXTS),
}
ENDPOINT = {
    "gw_priority": Setting("gw-priority", ("text", "1.5", "1000001", "-1000001", "--", "9" * 20), (*NUMBERS, 1000001, -1000001)),
    "no_default_route": Setting("no-default-route", ("maybe", "1"), SWITCHES),
    "router": Setting("router", ("maybe", "1"), SWITCHES),
    "rate_in": Setting("rate-in", RATES, TEXTS),
    "rate_out": Setting("rate-out", RATES, TEXTS),
    "labels": NETWORK["labels"],
}
NAMESPACE = {
    "labels": NETWORK["labels"],
    "sysctls": Setting("sysctl", ("text", "=1", "net.ipv4.ip_forward", "../x=1", "kernel.hostname=x", LONG + "=1"), LISTS,
                       ("net.ipv4.ip_forward=1", "net.ipv4.ip_forward=0")),
}
PUBLICATION = {
    "interface": Setting("iface", ("a" * 16, "a/b", "a b", "."), TEXTS),
    "from": Setting("from", (*[cidr for cidr in CIDRS if cidr not in ("text", "10.77.0.0", "fd00::")], "../x", LONG, "a b"), LISTS,
                    ("10.79.0.1", "10.79.0.1/32")),
    "labels": NETWORK["labels"],
}
LINK = {"mtu": NETWORK["mtu"], "labels": NETWORK["labels"]}
SWITCH_SETTINGS = {"internal", "isolated", "no_default_route", "no_host_address", "router"}
MAKERS = {  # of each object: the words that make it, the words that change it, the request that makes it, the one that changes it
    "network": (NETWORK, ["network", "create", "x", "--subnet", "10.78.0.0/24"], ["network", "set", "my-net"],
                ("/v1/networks", {"name": "x", "subnets": [{"subnet": "10.78.0.0/24"}]}), "/v1/networks/my-net"),
    "endpoint": (ENDPOINT, ["connect", "my-net", "x"], ["endpoint", "set", "my-net", "web"],
                 ("/v1/endpoints", {"network": "my-net", "namespace": "x"}), "/v1/networks/my-net/endpoints/web"),
    "namespace": (NAMESPACE, ["ns", "create", "x"], ["ns", "set", "web"], ("/v1/namespaces", {"name": "x"}), "/v1/namespaces/web"),
    "link": (LINK, ["ns", "link", "web", "x"], ["ns", "set-link", "web", "far"],
             ("/v1/links", {"ends": [{"namespace": "web"}, {"namespace": "x"}]}), "/v1/links?namespace=web&peer=far"),
    "publication": (PUBLICATION, ["publish", "81:80", "web"], None,
                    ("/v1/publications", {"host_port": 81, "port": 80, "namespace": "web"}), None),
}


def setting_words():
    """What is typed: (words, what the error must name)."""
    for settings, make, change, _, _ in MAKERS.values():
        for field, setting in settings.items():
            flag = field in SWITCH_SETTINGS
            for value in setting.typed:
                if not flag:
                    yield [*make, f"--{setting.option}={value}"], field
                if change and value:  # an empty one is the default
                    yield [*change, f"{setting.option}={value}"], field
            if setting.twice:
                yield [*make, *[word for value in setting.twice for word in (f"--{setting.option}", value)]], field
            elif not flag:
                yield [*make, f"--{setting.option}", "1", f"--{setting.option}", "1"], setting.option
            if change and not setting.twice:
                yield [*change, f"{setting.option}=", f"{setting.option}="], setting.option


def setting_requests():
    for settings, _, _, (path, body), change in MAKERS.values():
        for field, setting in settings.items():
            typed = [] if field in SWITCH_SETTINGS or setting.json[:5] == NUMBERS else setting.typed
            bad = [*setting.json, *([[value] for value in typed] if setting.json == LISTS else typed)]
            if setting.twice:
                bad.append([*setting.twice])
            for value in bad:
                yield ("POST", path, {**body, field: value}), field
                if change:
                    yield ("PATCH", change, {field: value}), field
        if change:
            yield ("PATCH", change, {"nonsense": 1}), "nonsense"
            yield ("PATCH", change, {"name": "y"}), "name"


@pytest.mark.parametrize("make", MAKERS)
def test_settings_typed(unchanged, make):
    """Of one kind in one test, as there are many; all that are taken are told."""
    settings, create, change, *_ = MAKERS[make]
    taken = []
    for words, named in setting_words():
        if words[:2] not in (create[:2], (change or [])[:2]):
            continue
        done = unchanged.run(NETD_CTL, *words, check=False)
        # where a value is right by itself, and wrong for this network, it is what is named
        values = [word.split("=")[-1].split(",")[0] for word in words[-3:]] if len(words) > 3 else []
        spoken = {named, named.replace("_", "-"), settings[named].option if named in settings else named, *filter(None, values[0::2])}
        if done.returncode not in (2, 5, 1) or not any(word in done.stderr.splitlines()[0] for word in spoken):
            taken.append(f"{words[1:]}: {done.returncode} {done.stderr or done.stdout}")
    assert not taken, "\n".join(taken)


@pytest.mark.parametrize("make", MAKERS)
def test_settings_in_json(unchanged, make):
    *_, (path, _), change = MAKERS[make]
    taken = []
    for request, field in setting_requests():
        if request[1] not in (path, change):
            continue
        answer = unchanged.http(*request)
        named = answer.body.get("field", "").split("[")[0]
        if answer.status not in (400, 409) or (answer.status == 400 and named != field):
            taken.append(f"{request}: {answer.status} {answer.body}")
    assert not taken, "\n".join(taken)


def test_every_setting_is_in_the_table(net):
    found = net.ctl_json("network", "inspect", "my-net")[0], net.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]
    plain = {"name", "id", "driver", "bridge", "subnets", "ipv4", "ipv6", "endpoints", "state"}, \
        {"network", "namespace", "interface", "host_interface", "mac", "addresses"}
    for fields, without, table in zip(found, plain, (NETWORK, ENDPOINT)):
        assert set(fields) - without == set(table)


# What is typed, the exit status, what the error must say.
CLI = [
    *[(["network", "create", name], 2, "name") for name in ("../x", "", LONG, "a b", "a\nb", ".", "..", "a/b", "ä")],
    *[(["ns", "create", name], 2, "name") for name in ("../x", "", LONG, "a b", "a\nb", ".", "..")],
    *[(["connect", "my-net", name], 2, "namespace") for name in ("../x", "", LONG, "a b", ".")],
    *[(["network", "rm", name], 2, "name") for name in ("../x", "", "a b")],
    *[(["network", "create", "x", "--subnet", subnet], 2, "subnet")
      for subnet in ("10.77.0.128/25", "10.0.0.0/8", "10.77.0.0", "10.78.0.1/24", "10.78.0.0/33", "10.78.0/24", "text", "10.78.0.0/-1",
                     "10.78.0.0/24x", "256.1.1.0/24", "0.0.0.0/0", "127.1.0.0/16", "224.0.0.0/24", "192.0.2.0/24", "10.78.0.0/32")],
    *[(["network", "create", "x", "--subnet", "10.78.0.0/24", "--gateway", gateway], 2, "gateway")
      for gateway in ("10.79.0.1", "10.78.0.0", "10.78.0.255", "text", "fd00::1", "10.78.0.1/24")],
    *[(["network", "create", "x", "--subnet", subnet], 2, "subnet") for subnet in ("fd00::1/64", "fd00::/127", "fe80::/64", "fd00::", "fd00::/64/1")],
    (["network", "create", "x", "--subnet", "10.78.0.0/24", "--subnet", "10.79.0.0/24"], 2, "--subnet is given twice"),
    (["network", "create", "x", "--subnet", "fd00:78::/64", "--gateway", "10.78.0.1"], 2, "--gateway needs --subnet"),
    (["network", "create", "x", "--no-ipv4"], 2, "needs IPv6"),
    (["network", "create", "x", "--no-ipv4", "--subnet", "10.78.0.0/24"], 2, "is not to have"),
    *[(["network", "create", "x", "--bridge", name], 2, "bridge") for name in ("a" * 16, "a/b", "a b", "..", "a:b", "all", "default")],
    (["network", "create", "x", "--bridge", "nd-a"], 5, "nd-a"),
    (["network", "create", "x", "--bridge", "up-out"], 5, "up-out"),
    *[(["network", "create", "x", "--mtu", mtu], 2, "mtu") for mtu in ("0", "67", "65536", "text", "-1", "1e3", "99999999999999999999")],
    *[(["connect", "my-net", "x", "--ip", ip], 2, "address") for ip in ("10.78.0.2", "10.77.0.0", "10.77.0.255", "text", "fd00::2")],
    (["connect", "my-net", "x", "--ip", "10.77.0.1"], 5, "gateway"),
    (["connect", "my-net", "x", "--ip", "10.77.0.2"], 5, "web"),
    *[(["connect", "my-net", "x", "--mac", mac], 2, "mac")
      for mac in ("text", "01:00:00:00:00:01", "00:00:00:00:00:00", "02:00:00:00:00", "02:00:00:00:00:01:02", "02-00-00-00-00-01")],
    (["connect", "my-net", "x", "--mac", "02:00:00:00:00:02"], 5, "web"),
    *[(["connect", "my-net", "x", "--ifname", name], 2, "interface") for name in ("a" * 16, "a/b", "a b", ".", "all", "default")],
    (["connect", "default", "web", "--ifname", "eth0"], 5, "eth0"),
    (["connect", "default", "web", "--ifname", "wan"], 5, "wan"),
    (["connect", "my-net", "x", "--ip", "10.77.0.8", "--ip", "10.77.0.9"], 2, "--ip is given twice"),
    *[(["ns", verb, *ends], 2, named) for verb in ("link", "unlink") for ends, named in (
        (["web", "../x"], "namespace"), (["web", ""], "namespace"), ([LONG, "web"], "namespace"), (["web:", "x"], "interface"),
        (["web:a/b", "x"], "interface"), (["web", "x:" + "a" * 16], "interface"), (["web"], "NS[:IFNAME] is missing"), (["a", "b", "c"], "'c'"))],
    (["ns", "link", "web", "web"], 2, "from one namespace to another"),
    *[(["ns", "link", "web", "x", option, address], 2, "address")
      for option in ("--ip", "--peer-ip") for address in ("text", "10.98.0.1", "10.98.0.0/24", "10.98.0.255/24", "10.98.0.1/33", "10.98.0.1/0", "fd98::/64",
                                                          "fd98::1", "fd98::1/129", "fe80::1/64", "ff02::1/64", "::1/128", "127.0.0.1/8", "224.0.0.1/4", "0.0.0.0/8")],
    *[(["ns", "link", "web", "x", "--ip", address], 5, interface) for address, interface in (
        ("10.77.0.2/32", "eth0"), ("10.77.0.9/24", "eth0"), ("10.99.0.1/24", "wan"), ("10.99.0.2/30", "wan"), ("fd99::1/128", "wan"), ("fd99::9/64", "wan"))],
    (["ns", "link", "web", "x", "--ip", "10.98.0.1/24", "--ip", "10.98.0.2/24"], 5, "10.98.0.2/24"),
    (["ns", "link", "web", "x", "--ip", "10.98.0.1/24", "--ip", "10.98.0.1/24"], 5, "10.98.0.1/24"),
    (["ns", "link", "web", "x", *[word for i in range(9) for word in ("--ip", f"10.98.{i}.1/24")]], 2, "at most 8"),
    (["ns", "link", "web", "x", "--mtu", "1279", "--ip", "fd98::1/64"], 2, "IPv6 needs 1280"),
    *[(["ns", "link", "web", "x", option, mac], 2, "mac") for option in ("--mac", "--peer-mac")
      for mac in ("text", "01:00:00:00:00:01", "00:00:00:00:00:00", "02:00:00:00:00")],
    (["ns", "link", "web", "x", "--mac", "02:00:00:00:00:0a", "--peer-mac", "02:00:00:00:00:0a"], 2, "both ends"),
    (["ns", "link", "web", "x", "--mac", "02:00:00:00:00:0a", "--mac", "02:00:00:00:00:0b"], 2, "--mac is given twice"),
    (["ns", "link", "web:wan", "x"], 5, "wan"),
    (["ns", "link", "web:eth0", "x"], 5, "eth0"),
    (["ns", "link", "web:lo", "x"], 5, "lo"),
    (["ns", "link", "web", "nobody", "--existing"], 3, "nobody"),
    (["ns", "link", "web", "far", "--exist-ok"], 5, "addresses"),
    (["ns", "unlink", "web", "nobody"], 3, "nobody"),
    (["ns", "unlink", "web:eth0", "far"], 3, "far"),
    (["ns", "set-link", "web", "nobody", "mtu=1400"], 3, "nobody"),
    (["ns", "set-link", "web", "far", "nonsense=1"], 2, "nonsense"),
    (["ns", "links", "--filter", "x=y"], 2, "x=y"),
    (["connect", "nowhere", "web"], 3, "nowhere"),
    (["connect", "my-net", "nobody", "--existing"], 3, "nobody"),
    (["disconnect", "nowhere", "web"], 3, "nowhere"),
    (["disconnect", "my-net", "nobody"], 3, "nobody"),
    *[(["publish", spec, "web"], 2, "port")
      for spec in ("65536:80", "text:80", "81:0", "81:65536", "81:text", "81:80/icmp", "81:80/", "x:81:80", "1.2.3:81:80",
                   "81:", "81:80:", "81:+80", "81 :80", "081:80000", "81-90", "81-90:80-81", "90-81:80", "81-:80", "81-90-91:80",
                   "81:80-90", "fd00::1:81:80", "[fd00::1]81:80", "[10.0.0.1]:81:80", "[]:81:80", "[*]:81:80", "10.0.0.1:80")],
    *[(["publish", f"{ip}:81:80", "web"], 2, f"publish: {ip.strip('[]')} ") for ip in ("[::1]", "[fe80::1]", "[ff02::1]", "224.0.0.1")],
    (["publish", "[fd00::1]:81:80", "web"], 1, "IPv6"),
    (["publish", "10000-12000:20000-22000", "web"], 2, "1024"),
    (["publish", "81:80", "81:80", "web"], 5, "81"),
    (["publish", "81:80", "82:", "web"], 2, "port"),
    *[(["publish", "81:80", "web", "--from", source], 2, "from") for source in ("10.0.0.1/8", "fd00::/129", "nowhere", "-", "a/b")],
    (["publish", "81:80", "web", "--iface", "a/b"], 2, "interface"),
    (["publish", "81:80", "web", "--iface", "a", "--iface", "b"], 2, "twice"),
    (["publish", "81:80", "nobody"], 3, "nobody"),
    (["publish", "81:80", "web", "--network", "nowhere"], 3, "nowhere"),
    (["publish", "8080:81", "web"], 5, "8080"),
    *[(["unpublish", spec], 2, "port") for spec in ("0", "65536", "text", "8080/icmp")],
    (["unpublish", "81"], 3, "81"),
    (["network", "inspect", "nowhere"], 3, "nowhere"),
    (["ns", "inspect", "nobody"], 3, "nobody"),
    (["ns", "rm", "nobody"], 3, "nobody"),
    (["network", "create", "-x"], 2, "-x"),
    (["publish", "-1:80", "web"], 2, "-1:80"),
    (["network", "make"], 2, "make"),
    (["nonsense"], 2, "nonsense"),
    ([], 2, "command"),
    (["network", "create"], 2, "NAME"),
    (["network", "create", "x", "y"], 2, "y"),
    (["network", "create", "x", "--nonsense"], 2, "--nonsense"),
    (["network", "create", "x", "--mtu"], 2, "--mtu"),
]


@pytest.mark.parametrize("words, status, named", CLI, ids=[" ".join(words)[:60].replace("\n", "\\n") or "nothing" for words, *_ in CLI])
def test_cli(unchanged, words, status, named):
    done = unchanged.ctl(*words, check=status)
    first = done.stderr.splitlines()[0]
    assert first.startswith("netd-ctl: ") and named in first, done.stderr
    assert done.stdout == ""


def network(**fields):
    return ("POST", "/v1/networks", {"name": "x", **fields})


def subnets(**fields):
    return network(subnets=[{"subnet": "10.78.0.0/24", **fields}])


def endpoint(**fields):
    return ("POST", "/v1/endpoints", {"network": "my-net", "namespace": "x", **fields})


def publication(**fields):
    return ("POST", "/v1/publications", {"host_port": 81, "port": 80, "namespace": "web", **fields})


def link(*ends, **fields):
    return ("POST", "/v1/links", {"ends": [*ends], **fields})


WEB, X = {"namespace": "web"}, {"namespace": "x"}

# The request, the status, the field that is named.
API = [
    *[(link(*ends), 400, "ends") for ends in ((), (WEB,), (WEB, X, X))],
    *[(link(WEB, end), 400, "ends[1]") for end in ("x", 1, None, [])],
    *[(link({**WEB, "namespace": name}, X), 400, "ends[0].namespace") for name in ("../x", "", 1, None)],
    *[(link(WEB, {**X, "interface": name}), 400, "ends[1].interface") for name in ("a" * 16, "a/b", 1)],
    *[(link(WEB, {**X, "mac": mac}), 400, "ends[1].mac") for mac in ("text", "01:00:00:00:00:01", 1)],
    *[(link(WEB, {**X, "addresses": addresses}), 400, "ends[1].addresses") for addresses in ("10.98.0.1/24", 1, {})],
    *[(link(WEB, {**X, "addresses": [address]}), 400, "ends[1].addresses[0]")
      for address in (1, None, "10.98.0.1", "10.98.0.0/24", "fd98::/64", "fe80::1/64")],
    (link(WEB, {**X, "nonsense": 1}), 400, "ends[1].nonsense"),
    (link(WEB, WEB), 400, "ends[1].namespace"),
    (link(WEB, X, existing=1), 400, "existing"),
    (link(WEB, X, existing=True), 404, None),
    (link({**WEB, "interface": "wan"}, X), 409, None),
    (("DELETE", "/v1/links?namespace=web", None), 400, "peer"),
    (("DELETE", "/v1/links?namespace=web&peer=x&nonsense=1", None), 400, "nonsense"),
    (("DELETE", "/v1/links/text", None), 400, "id"),
    (("DELETE", "/v1/links/000000000000", None), 404, None),
    *[(network(name=name), 400, "name") for name in ("../x", "", LONG, "a b", "a\nb", ".", "host", "none")],
    (network(name="a\u0000b"), 400, None),
    *[(network(name=name), 400, "name") for name in (None, 1, True, [], {})],
    (("POST", "/v1/networks", {}), 400, "name"),
    *[(("POST", "/v1/namespaces", {"name": name}), 400, "name") for name in ("../x", "", LONG, 1, None)],
    *[(subnets(subnet=subnet), 400, SUBNET) for subnet in ("10.77.0.0/25", "10.78.0.1/24", "text", "", 1, None, "fd00::1/64", "fd00::/127", "fd00::/15", "::ffff:a4e:0/112",
                                                          "64:ff9b::/96", "fe80:1::/64", "ff02::/64", "fd00::/129", "fd00::", "fd00:::/64")],
    *[(subnets(gateway=gateway), 400, GATEWAY) for gateway in ("10.79.0.1", "10.78.0.0", "text", 1)],
    *[(network(subnets=[{"subnet": "fd00:78::/64", "gateway": gateway}]), 400, GATEWAY)
      for gateway in ("fd00:79::1", "fd00:78::", "10.78.0.1", "fe80::1", "text")],
    (subnets(nonsense=1), 400, "subnets[0].nonsense"),
    (network(subnets=[{"subnet": "10.78.0.0/24"}, {"subnet": "10.79.0.0/24"}]), 400, "subnets[1].subnet"),
    (network(subnets=[{"subnet": "fd00:78::/64"}, {"subnet": "fd00:79::/64"}]), 400, "subnets[1].subnet"),
    (network(subnets=[{"subnet": "10.78.0.0/24"}, {"subnet": "fd00:78::/64"}, {}]), 400, "subnets[2]"),
    (network(subnets=[{"subnet": "fd00:78::/64"}, {"subnet": "10.77.0.0/24"}]), 400, "subnets[1].subnet"),
    (network(subnets=[{"subnet": "fd00:78::/64"}], ipv6=False), 400, SUBNET),
    (network(subnets=[{"subnet": "10.78.0.0/24"}], ipv4=False), 400, SUBNET),
    (network(ipv4=False), 400, "ipv4"),
    (network(ipv4=False, ipv6=False), 400, "ipv4"),
    *[(network(ipv4=value), 400, "ipv4") for value in ("no", 0, [])],
    *[(network(ipv6=value), 400, "ipv6") for value in ("yes", 1, {})],
    (network(ipv6=True, mtu=1279), 400, "mtu"),
    *[(network(subnets=value), 400, "subnets") for value in ("10.78.0.0/24", {}, 1)],
    (network(subnets=["10.78.0.0/24"]), 400, "subnets[0]"),
    (network(driver="macvlan"), 400, "driver"),
    *[(network(bridge=name), 400, "bridge") for name in ("a" * 16, "a/b", 1)],
    (network(bridge="nd-a"), 409, None),
    *[(network(mtu=mtu), 400, "mtu") for mtu in (1, 65536, -1, "1500", 1500.5, 2**40)],
    (network(mtu=2**64), 400, None),
    (network(internal="yes"), 400, "internal"),
    (network(exist_ok=1), 400, "exist_ok"),
    (network(nonsense=1), 400, "nonsense"),
    *[(endpoint(network=name), 400, "network") for name in ("../x", "", 1, None)],
    *[(endpoint(namespace=name), 400, "namespace") for name in ("../x", "", 1, None)],
    (endpoint(network="nowhere"), 404, None),
    (endpoint(namespace="nobody", existing=True), 404, None),
    (endpoint(existing="yes"), 400, "existing"),
    *[(endpoint(addresses=[address]), 400, ADDRESS) for address in ("10.78.0.2", "10.77.0.0", "10.77.0.255", "text", 1)],
    (endpoint(addresses="10.77.0.9"), 400, "addresses"),
    (endpoint(addresses=["fd00::2"]), 400, ADDRESS),  # the network has no IPv6
    (endpoint(addresses=["10.77.0.9", "10.77.0.10"]), 400, "addresses[1]"),
    (endpoint(addresses=["10.77.0.9", "fd00::2", "fd00::3"]), 400, "addresses[2]"),
    (endpoint(addresses=["10.77.0.1"]), 409, None),
    (endpoint(addresses=["10.77.0.2"]), 409, None),
    *[(endpoint(mac=mac), 400, "mac") for mac in ("text", "01:00:00:00:00:01", 1)],
    *[(endpoint(interface=name), 400, "interface") for name in ("a" * 16, "a/b", 1)],
    *[(publication(host_port=port), 400, "host_port") for port in (65536, -1, "81", 81.5)],
    *[(publication(host_port_end=port), 400, "host_port_end") for port in (65536, -1, "81")],
    (publication(host_port_end=80), 400, "host_port"),
    *[(publication(port_end=port), 400, "port_end") for port in (65536, -1, 81, "80")],
    (publication(port_end=79), 400, "port"),
    *[(publication(interface=name), 400, "interface") for name in ("a/b", "", 1)],
    *[(publication(**{"from": sources}), 400, "from") for sources in ("a", ["10.0.0.1/8"], ["nowhere"], ["10.0.0.0/8", "10.0.0.0/8"])],
    (publication(publications=[{"port": 80}]), 400, "host_port"),
    *[(publication(port=port), 400, "port") for port in (0, 65536, "80", None)],
    *[(publication(protocol=protocol), 400, "protocol") for protocol in ("icmp", "TCP", 6)],
    *[(publication(host_ip=address), 400, "host_ip") for address in ("text", "224.0.0.1", 1, "::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "")],
    (publication(host_ip="fd00::1"), 409, None),
    (publication(host_port=8080), 409, None),
    (publication(namespace="nobody"), 404, None),
    (publication(network="nowhere"), 404, None),
    (("DELETE", "/v1/networks/nowhere", None), 404, None),
    (("DELETE", "/v1/networks/..%2fx", None), 400, None),
    (("DELETE", "/v1/networks/a%20b", None), 400, "network"),
    (("DELETE", "/v1/networks/my-net?force=perhaps", None), 400, "force"),
    (("DELETE", "/v1/networks/my-net?nonsense=1", None), 400, "nonsense"),
    (("DELETE", "/v1/publications", None), 400, "host_port"),
    (("DELETE", "/v1/publications?host_port=text", None), 400, "host_port"),
    (("DELETE", "/v1/publications/nonsense", None), 400, "id"),
    (("DELETE", "/v1/publications/0123456789ab", None), 404, None),
    (("GET", "/v1/nonsense", None), 404, None),
    (("GET", "/", None), 404, None),
    (("GET", "/v2/networks", None), 404, None),
    (("PUT", "/v1/networks", {"name": "x"}), 405, None),
    (("PATCH", "/v1/publications", {"mtu": 1400}), 405, None),
]


@pytest.mark.parametrize("request_, status, field", API, ids=[f"{method} {path} {json.dumps(body)}"[:70] for (method, path, body), *_ in API])
def test_api(unchanged, request_, status, field):
    answer = unchanged.http(*request_)
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["status"] == status and answer.body["detail"] and answer.body["code"] and answer.body["title"]
    if field:
        assert answer.body.get("field") == field, answer.body


RAW = {
    "not JSON": (b"not json", 400),
    "half of JSON": (b'{"name": "x"', 400),
    "a list": (b"[]", 400),
    "a number": (b"1", 400),
    "something behind it": (b'{"name": "x"} {}', 400),
    "a field twice": (b'{"name": "x", "name": "y"}', 400),
    "bad UTF-8": (b'{"name": "\xff"}', 400),
    "a zero byte": (b'{"name": "x"}\0', 400),
    "deep nesting": (b'{"name":' + b"[" * 100000, 400),
    "300 KiB": (b'{"name": "' + b"x" * 300 * 1024 + b'"}', 413),
    "10 MB": (b'{"name": "' + b"x" * 10_000_000 + b'"}', 413),
}


@pytest.mark.parametrize("kind", RAW)
def test_body(unchanged, kind):
    body, status = RAW[kind]
    try:
        assert unchanged.http("POST", "/v1/networks", raw=body).status == status
    except (ConnectionError, BrokenPipeError):
        assert status == 413, "only a body that is too large may be cut off"
    assert unchanged.http("GET", "/v1/version").status == 200
