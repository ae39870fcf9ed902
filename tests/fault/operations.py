"""Every operation of the API that changes something, from the base of rig.py and back to it."""

from typing import Callable, NamedTuple

NETWORK = ("POST", "/v1/networks", {"name": "n", "subnets": [{"subnet": "10.3.0.0/24"}], "bridge": "nd-n"})
NAMESPACE = ("POST", "/v1/namespaces", {"name": "x"})
CONNECT = ("POST", "/v1/endpoints", {"network": "a", "namespace": "x", "addresses": ["10.1.0.9"]})
PUBLISH = ("POST", "/v1/publications", {"host_port": 9090, "port": 80, "namespace": "x"})
PUBLISH_UDP = ("POST", "/v1/publications", {"host_port": 9090, "port": 80, "protocol": "udp", "namespace": "x"})
UNPUBLISH = ("DELETE", "/v1/publications?host_port=9090")
DISCONNECT = ("DELETE", "/v1/networks/a/endpoints/x")
FORGET = ("DELETE", "/v1/networks/a/endpoints/x?forget=true")
REMOVE_NETWORK = ("DELETE", "/v1/networks/n")
LINK = ("POST", "/v1/links", {"ends": [{"namespace": "x", "addresses": ["10.99.0.1/30"]},
                                        {"namespace": "web", "interface": "wan", "addresses": ["10.99.0.2/30", "fd99::2/64"]}]})
UNLINK = ("DELETE", "/v1/links?namespace=x&peer=web")
REMOVE_NAMESPACE = ("DELETE", "/v1/namespaces/x?force=true")


def remove_by_hand(rig):
    """What `ip netns del x` does to a namespace of netd's. Between its two steps netd may be faster, and take the file away."""
    rig.host.run("ip netns del x", check=False)


class Operation(NamedTuple):
    name: str
    request: tuple
    before: list = []
    back: list = []
    gone: str = ""  # a file that a success has removed; if it is held, the answer says so
    by_hand: Callable | None = None  # instead of a request: someone does this, and netd follows

    def __str__(self):
        return self.name


OPERATIONS = [
    Operation("network create", NETWORK, back=[REMOVE_NETWORK]),
    Operation("network create, subnet from the pool", ("POST", "/v1/networks", {"name": "n"}), back=[REMOVE_NETWORK]),
    Operation("network create, internal", (*NETWORK[:2], {**NETWORK[2], "internal": True}), back=[REMOVE_NETWORK]),
    Operation("network rm", REMOVE_NETWORK, before=[NETWORK]),
    Operation("network rm -f", ("DELETE", "/v1/networks/n?force=true"),
              before=[NETWORK, ("POST", "/v1/endpoints", {"network": "n", "namespace": "x"}), PUBLISH, PUBLISH_UDP,
                      ("POST", "/v1/endpoints", {"network": "n", "namespace": "two"})],
              back=[REMOVE_NAMESPACE]),
    Operation("ns create", NAMESPACE, back=[REMOVE_NAMESPACE]),
    Operation("ns rm", ("DELETE", "/v1/namespaces/x"), before=[NAMESPACE], gone="/run/netns/x"),
    Operation("ns rm -f", REMOVE_NAMESPACE, before=[CONNECT, PUBLISH, PUBLISH_UDP], gone="/run/netns/x"),
    Operation("connect", CONNECT, before=[NAMESPACE], back=[REMOVE_NAMESPACE]),
    Operation("connect, creating the namespace", CONNECT, back=[REMOVE_NAMESPACE]),
    Operation("connect to a second network", ("POST", "/v1/endpoints", {"network": "b", "namespace": "web", "addresses": ["10.2.0.9"]}),
              back=[("DELETE", "/v1/networks/b/endpoints/web?forget=true")]),
    Operation("connect an adopted namespace", ("POST", "/v1/endpoints", {"network": "a", "namespace": "adopted", "addresses": ["10.1.0.9"]}),
              back=[("DELETE", "/v1/networks/a/endpoints/adopted?forget=true")]),
    Operation("disconnect", DISCONNECT, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("disconnect, and forget", FORGET, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("forget", FORGET, before=[CONNECT, DISCONNECT], back=[REMOVE_NAMESPACE]),
    Operation("connect, with what it had", ("POST", "/v1/endpoints", {"network": "a", "namespace": "x"}), before=[CONNECT, DISCONNECT],
              back=[REMOVE_NAMESPACE]),
    Operation("network set", ("PATCH", "/v1/networks/a", {"routes": ["10.9.0.0/16,10.1.0.99"], "ip_range": ["10.1.0.0/25"],
                                                          "reserve": ["router=10.1.0.99"], "mtu": 1400}),
              back=[("PATCH", "/v1/networks/a", {"routes": None, "ip_range": None, "reserve": None, "mtu": None})]),
    Operation("publish tcp", PUBLISH, before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("publish udp", PUBLISH_UDP, before=[CONNECT], back=[REMOVE_NAMESPACE]),
    Operation("connect, reviving a pending port", CONNECT, before=[CONNECT, PUBLISH, DISCONNECT], back=[REMOVE_NAMESPACE]),
    Operation("unpublish a pending port", UNPUBLISH, before=[CONNECT, PUBLISH, DISCONNECT], back=[REMOVE_NAMESPACE]),
    Operation("unpublish", UNPUBLISH, before=[CONNECT, PUBLISH], back=[REMOVE_NAMESPACE]),
    Operation("unpublish udp", UNPUBLISH, before=[CONNECT, PUBLISH_UDP], back=[REMOVE_NAMESPACE]),
    Operation("ns link", LINK, before=[NAMESPACE], back=[UNLINK, REMOVE_NAMESPACE]),
    Operation("ns link, creating a namespace", LINK, back=[REMOVE_NAMESPACE]),
    Operation("ns link of an adopted namespace", (*LINK[:2], {"ends": [{"namespace": "adopted"}, {"namespace": "two"}]}),
              back=[("DELETE", "/v1/links?namespace=adopted&peer=two")]),
    Operation("ns set-link", ("PATCH", "/v1/links?namespace=x&peer=web", {"mtu": 1400}), before=[NAMESPACE, LINK], back=[UNLINK, REMOVE_NAMESPACE]),
    Operation("ns unlink", UNLINK, before=[NAMESPACE, LINK], back=[REMOVE_NAMESPACE]),
    Operation("ns rm -f of a linked one", REMOVE_NAMESPACE, before=[NAMESPACE, LINK], gone="/run/netns/x"),
    Operation("release of a removed namespace with a link", (), before=[NAMESPACE, LINK], by_hand=remove_by_hand),
    Operation("release of a removed namespace", (), before=[CONNECT, PUBLISH], back=[UNPUBLISH, FORGET], by_hand=remove_by_hand),
]
BY_NAME = {operation.name: operation for operation in OPERATIONS}
