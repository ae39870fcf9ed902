"""Every operation of the API that changes something, from the base of rig.py and back to it."""

from typing import Callable, NamedTuple

from fault.ground import KEY, bridge, interface, process, sandbox_key

NETWORK = ("POST", "/v1/networks", {"name": "n", "subnets": [{"subnet": "10.3.0.0/24"}], "bridge": "nd-n"})
BOTH = ("POST", "/v1/networks", {**NETWORK[2], "subnets": [{"subnet": "10.3.0.0/24"}, {"subnet": "fd03::/64"}]})
HOSTLESS = ("POST", "/v1/networks", {**NETWORK[2], "no_host_address": True})
USED = ("POST", "/v1/networks", {"name": "n", "subnets": [{"subnet": "10.3.0.0/24"}], "use_bridge": "br0"})
LABELLED = [("POST", "/v1/networks", {**NETWORK[2], "labels": ["of=test"]}),
            ("POST", "/v1/networks", {"name": "m", "subnets": [{"subnet": "10.4.0.0/24"}], "bridge": "nd-m", "labels": ["of=test"]})]
NAMESPACE = ("POST", "/v1/namespaces", {"name": "x"})
CONNECT = ("POST", "/v1/endpoints", {"network": "a", "namespace": "x", "addresses": ["10.1.0.9"]})
CONNECT_TO_NEW = ("POST", "/v1/endpoints", {"network": "n", "namespace": "x", "addresses": ["10.3.0.9"]})
CONNECT_BOTH = ("POST", "/v1/endpoints", {"network": "n", "namespace": "x", "addresses": ["10.3.0.9", "fd03::9"]})
CONNECT_SECOND = ("POST", "/v1/endpoints", {"network": "b", "namespace": "x", "addresses": ["10.2.0.9"]})
SETTINGS = {"gw_priority": 5, "rate_in": "1mbit", "rate_out": "2mbit", "labels": ["of=test"]}
ROUTER = {"router": True, "no_default_route": True}
PUBLISH = ("POST", "/v1/publications", {"host_port": 9090, "port": 80, "namespace": "x"})
PUBLISH_UDP = ("POST", "/v1/publications", {"host_port": 9090, "port": 80, "protocol": "udp", "namespace": "x"})
PUBLISH_RANGE = ("POST", "/v1/publications", {"host_port": 9090, "host_port_end": 9099, "port": 80, "port_end": 89, "namespace": "x"})
UNPUBLISH = ("DELETE", "/v1/publications?host_port=9090")
DISCONNECT = ("DELETE", "/v1/networks/a/endpoints/x")
FORGET = ("DELETE", "/v1/networks/a/endpoints/x?forget=true")
REMOVE_NETWORK = ("DELETE", "/v1/networks/n")
REMOVE_WHOLE_NETWORK = ("DELETE", "/v1/networks/n?force=true")
LINK = ("POST", "/v1/links", {"ends": [{"namespace": "x", "addresses": ["10.99.0.1/30"]},
                                        {"namespace": "web", "interface": "wan", "addresses": ["10.99.0.2/30", "fd99::2/64"]}]})
UNLINK = ("DELETE", "/v1/links?namespace=x&peer=web")
ENDS = UNLINK[1] + "&interface=eth0&peer_interface=wan"
REMOVE_NAMESPACE = ("DELETE", "/v1/namespaces/x?force=true")
SET = ("PATCH", "/v1/namespaces/x", {"sysctls": ["net.ipv4.tcp_keepalive_time=600", "net.ipv4.ip_forward=1"], "labels": ["of=test"]})
ATTACH = ("POST", "/v1/namespaces", {"name": "x", "path": KEY})
DETACH = ("DELETE", "/v1/namespaces/x?detach=true")
MOVE_IN = ("POST", "/v1/namespaces/x/interfaces", {"interface": "lan"})
MOVE_IN_BY_FORCE = ("POST", "/v1/namespaces/x/interfaces?force=true", {"interface": "port", "name": "eth7"})
MOVE_OUT = ("DELETE", "/v1/namespaces/x/interfaces/lan")
ALLOW = ("POST", "/v1/networks/a/allow", {"to": ["b", "web:80/tcp"]})
DISALLOW = ("POST", "/v1/networks/a/disallow", ALLOW[2])


def attach_process(rig):
    return "POST", "/v1/namespaces", {"name": "x", "pid": rig.ground}


def unpublish_by_id(rig):
    publication, = (item for item in rig.must("GET", "/v1/publications").body["publications"] if item["host_port"] == 9090)
    return "DELETE", f"/v1/publications/{publication['id']}"


def path_of_link(rig):
    link, = rig.must("GET", "/v1/links").body["links"]
    return f"/v1/links/{link['id']}"


def set_link_by_id(rig):
    return "PATCH", path_of_link(rig), {"labels": ["of=test"]}


def unlink_by_id(rig):
    return "DELETE", path_of_link(rig)


def remove_by_hand(rig):
    """What `ip netns del x` does to a namespace of netd's. Between its two steps netd may be faster, and take the file away."""
    rig.host.run("ip netns del x", check=False)


class Operation(NamedTuple):
    name: str
    request: tuple | Callable  # or what makes it of the rig, once all is ready
    before: list = []
    back: list = []
    gone: str = ""  # a file that a success has removed; if it is held, the answer says so
    by_hand: Callable | None = None  # instead of a request: someone does this, and netd follows
    ground: Callable | None = None  # what the host has beside the base

    def __str__(self):
        return self.name


def set_network(name, **settings):
    """Of the base, and back again."""
    path = "/v1/networks/a"
    return Operation(name, ("PATCH", path, settings), back=[("PATCH", path, dict.fromkeys(settings))])


NETWORKS = [
    Operation("network create", NETWORK, back=[REMOVE_NETWORK]),
    Operation("network create, subnet from the pool", ("POST", "/v1/networks", {"name": "n"}), back=[REMOVE_NETWORK]),
    Operation("network create, internal", (*NETWORK[:2], {**NETWORK[2], "internal": True}), back=[REMOVE_NETWORK]),
    Operation("network create, both families", BOTH, back=[REMOVE_NETWORK]),
    Operation("network create, without the host", HOSTLESS, back=[REMOVE_NETWORK]),
    Operation("network create, on someone's bridge", USED, back=[REMOVE_NETWORK], ground=bridge),
    Operation("network rm", REMOVE_NETWORK, before=[NETWORK]),
    Operation("network rm, both families", REMOVE_NETWORK, before=[BOTH]),
    Operation("network rm -f", REMOVE_WHOLE_NETWORK,
              before=[NETWORK, ("POST", "/v1/endpoints", {"network": "n", "namespace": "x"}), PUBLISH, PUBLISH_UDP,
                      ("POST", "/v1/endpoints", {"network": "n", "namespace": "two"})],
              back=[REMOVE_NAMESPACE]),
    Operation("network prune", ("POST", "/v1/networks/prune", {"labels": ["of=test"]}), before=LABELLED),
    Operation("network allow", ALLOW, back=[DISALLOW]),
    Operation("network disallow", DISALLOW, before=[ALLOW]),
    set_network("network set", routes=["10.9.0.0/16,10.1.0.99"], ip_range=["10.1.0.0/25"], reserve=["router=10.1.0.99"], mtu=1400),
    set_network("network set, isolation", isolated=True, internal=True, host_access="no"),
    set_network("network set, ways out", mode="routed", mode4="nat", snat=["192.0.2.1"], publish_address="192.0.2.1",
                trusted_interfaces=["up-out"], allow=["b"]),
    Operation("network set, both families", ("PATCH", "/v1/networks/n", {"mode": "routed", "mode6": "open"}), before=[BOTH], back=[REMOVE_NETWORK]),
]

NAMESPACES = [
    Operation("ns create", NAMESPACE, back=[REMOVE_NAMESPACE]),
    Operation("ns attach, by path", ATTACH, back=[DETACH], ground=sandbox_key),
    Operation("ns attach, by pid", attach_process, back=[DETACH], ground=process),
    Operation("ns detach", DETACH, before=[ATTACH, CONNECT, PUBLISH], ground=sandbox_key),
    Operation("ns rm", ("DELETE", "/v1/namespaces/x"), before=[NAMESPACE], gone="/run/netns/x"),
    Operation("ns rm -f", REMOVE_NAMESPACE, before=[CONNECT, PUBLISH, PUBLISH_UDP], gone="/run/netns/x"),
    Operation("ns rm -f, with an interface of the host", REMOVE_NAMESPACE, before=[NAMESPACE, MOVE_IN], gone="/run/netns/x", ground=interface),
    Operation("ns prune", ("POST", "/v1/namespaces/prune", {"labels": ["of"]}),
              before=[("POST", "/v1/namespaces", {"name": name, "labels": ["of=test"]}) for name in ("x", "y")]),
    Operation("ns set", SET, before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("ns set, back to what was", (*SET[:2], dict.fromkeys(SET[2])), before=[CONNECT, SET], back=[REMOVE_NAMESPACE]),
    Operation("ns move-in", MOVE_IN, before=[NAMESPACE], back=[REMOVE_NAMESPACE], ground=interface),
    Operation("ns move-in -f", MOVE_IN_BY_FORCE, before=[NAMESPACE], back=[REMOVE_NAMESPACE], ground=interface),
    Operation("ns move-out", MOVE_OUT, before=[NAMESPACE, MOVE_IN], back=[REMOVE_NAMESPACE], ground=interface),
]

ENDPOINTS = [
    Operation("connect", CONNECT, before=[NAMESPACE], back=[REMOVE_NAMESPACE]),
    Operation("connect, creating the namespace", CONNECT, back=[REMOVE_NAMESPACE]),
    Operation("connect to a second network", ("POST", "/v1/endpoints", {"network": "b", "namespace": "web", "addresses": ["10.2.0.9"]}),
              back=[("DELETE", "/v1/networks/b/endpoints/web?forget=true")]),
    Operation("connect an adopted namespace", ("POST", "/v1/endpoints", {"network": "a", "namespace": "adopted", "addresses": ["10.1.0.9"]}),
              back=[("DELETE", "/v1/networks/a/endpoints/adopted?forget=true")]),
    Operation("connect an adopted namespace to a second network", ("POST", "/v1/endpoints", {
        "network": "b", "namespace": "adopted", "addresses": ["10.2.0.9"]}),
              before=[("POST", "/v1/endpoints", {"network": "a", "namespace": "adopted", "addresses": ["10.1.0.9"]})],
              back=[("DELETE", f"/v1/networks/{network}/endpoints/adopted?forget=true") for network in "ab"]),
    Operation("connect, both families", CONNECT_BOTH, before=[BOTH], back=[REMOVE_NAMESPACE, REMOVE_NETWORK]),
    Operation("connect, on someone's bridge", CONNECT_TO_NEW, before=[USED], back=[REMOVE_NAMESPACE, REMOVE_NETWORK], ground=bridge),
    Operation("connect, as a router with rates", (*CONNECT[:2], {**CONNECT[2], **SETTINGS, **ROUTER}), back=[REMOVE_NAMESPACE]),
    Operation("connect, with what it had", ("POST", "/v1/endpoints", {"network": "a", "namespace": "x"}), before=[CONNECT, DISCONNECT],
              back=[REMOVE_NAMESPACE]),
    Operation("connect, reviving a pending port", CONNECT, before=[CONNECT, PUBLISH, DISCONNECT], back=[REMOVE_NAMESPACE]),
    Operation("endpoint set", ("PATCH", "/v1/networks/b/endpoints/x", SETTINGS), before=[CONNECT, CONNECT_SECOND, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("endpoint set, router", ("PATCH", "/v1/networks/a/endpoints/x", ROUTER), before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("disconnect", DISCONNECT, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("disconnect, and forget", FORGET, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("forget", FORGET, before=[CONNECT, DISCONNECT], back=[REMOVE_NAMESPACE]),
    Operation("release of a removed namespace", (), before=[CONNECT, PUBLISH], back=[UNPUBLISH, FORGET], by_hand=remove_by_hand),
]

PUBLICATIONS = [
    Operation("publish tcp", PUBLISH, before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("publish udp", PUBLISH_UDP, before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("publish a range, both families", PUBLISH_RANGE, before=[BOTH, CONNECT_BOTH], back=[REMOVE_NAMESPACE, REMOVE_NETWORK]),
    Operation("publish, from some by one interface", (*PUBLISH[:2], {
        **PUBLISH[2], "interface": "up-out", "from": ["b", "192.0.2.0/24"], "labels": ["of=test"]}), before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("publish several", ("POST", "/v1/publications", {"namespace": "x", "publications": [
        {"host_port": 9090, "port": 80}, {"host_port": 9090, "port": 80, "protocol": "udp"}, {"host_port": 9100, "host_port_end": 9109, "port": 70}]}),
              before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("unpublish", UNPUBLISH, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("unpublish udp", UNPUBLISH, before=[CONNECT, PUBLISH_UDP], back=[REMOVE_NAMESPACE]),
    Operation("unpublish a pending port", UNPUBLISH, before=[CONNECT, PUBLISH, DISCONNECT], back=[REMOVE_NAMESPACE]),
    Operation("unpublish a range", ("DELETE", "/v1/publications?host_port=9090&host_port_end=9099&protocol=tcp&host_ip=*&port=80&port_end=89"),
              before=[CONNECT, PUBLISH_RANGE], back=[REMOVE_NAMESPACE]),
    Operation("unpublish by id", unpublish_by_id, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
]

LINKS = [
    Operation("ns link", LINK, before=[NAMESPACE], back=[UNLINK, REMOVE_NAMESPACE]),
    Operation("ns link, creating a namespace", LINK, back=[REMOVE_NAMESPACE]),
    Operation("ns link of an adopted namespace", (*LINK[:2], {"ends": [{"namespace": "adopted"}, {"namespace": "two"}]}),
              back=[("DELETE", "/v1/links?namespace=adopted&peer=two")]),
    Operation("ns set-link", ("PATCH", ENDS, {"mtu": 1400}), before=[NAMESPACE, LINK], back=[UNLINK, REMOVE_NAMESPACE]),
    Operation("ns set-link by id", set_link_by_id, before=[NAMESPACE, LINK], back=[UNLINK, REMOVE_NAMESPACE]),
    Operation("ns unlink", ("DELETE", ENDS), before=[NAMESPACE, LINK], back=[REMOVE_NAMESPACE]),
    Operation("ns unlink by id", unlink_by_id, before=[NAMESPACE, LINK], back=[REMOVE_NAMESPACE]),
    Operation("ns rm -f of a linked one", REMOVE_NAMESPACE, before=[NAMESPACE, LINK], gone="/run/netns/x"),
    Operation("release of a removed namespace with a link", (), before=[NAMESPACE, LINK], by_hand=remove_by_hand),
]

OPERATIONS = [*NETWORKS, *NAMESPACES, *ENDPOINTS, *PUBLICATIONS, *LINKS]
BY_NAME = {operation.name: operation for operation in OPERATIONS}
