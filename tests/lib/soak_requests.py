"""What the clients of a soak ask for: requests drawn at random, on few names, so that they meet; some of them nonsense."""

NETWORKS = [f"net{i}" for i in range(5)]
NAMESPACES = [f"ns{i}" for i in range(8)]
ADOPTED = [f"theirs{i}" for i in range(3)]  # made and removed by others, as `ip netns` does
ATTACHED = "box"  # netd's name for one of these
PORTS = range(7000, 7012)

BAD = [  # method, path, body
    ("POST", "/v1/networks", b"{"), ("POST", "/v1/networks", b'{"name": 7}'), ("POST", "/v1/networks", b'{"name": "../x"}'),
    ("POST", "/v1/networks", b'{"name": "a", "subnets": [{"subnet": "10.0.0.0/33"}]}'), ("POST", "/v1/endpoints", b"[]"),
    ("POST", "/v1/endpoints", b'{"network": "net0", "namespace": "x", "addresses": ["1.2.3"]}'), ("PUT", "/v1/networks", b""),
    ("POST", "/v1/publications", b'{"host_port": 70000, "port": 1}'), ("GET", "/v1/nothing", b""), ("DELETE", "/v1/networks/none", b""),
    ("POST", "/v1/namespaces", b'{"name": "' + b"x" * 5000 + b'"}'), ("DELETE", "/v1/publications/zz", b""),
]


def change_network(draw):
    name = draw.choice(NETWORKS)
    if draw.random() < 0.4:
        return "DELETE", f"/v1/networks/{name}{draw.choice(['', '?force=true'])}", None
    body = {"name": name}
    if draw.random() < 0.5:
        body["subnets"] = [{"subnet": f"10.{draw.randrange(60, 64)}.{draw.randrange(3)}.0/24"}]
    if draw.random() < 0.3:
        body["mtu"] = draw.choice([1280, 1400, 9000])
    if draw.random() < 0.3:
        body["ipv6"] = True
    if draw.random() < 0.3:
        body.update(policy(draw))
    if draw.random() < 0.2:
        body["exist_ok"] = True
    return "POST", "/v1/networks", body


def policy(draw):
    """Settings of a network that say who may reach whom."""
    name, value = draw.choice([
        ("internal", draw.random() < 0.5), ("isolated", draw.random() < 0.5), ("mode", draw.choice(["nat", "routed", "open"])),
        ("mode6", draw.choice(["same", "nat", "routed"])), ("host_access", draw.choice(["yes", "no", "dns"])),
        ("trusted_interfaces", draw.choice([["up-out"], None])), ("snat", draw.choice([["192.0.2.1"], None])),
        ("publish_address", draw.choice(["127.0.0.1", None]))])
    return {name: value}


def set_network(draw):
    name = draw.choice([*NETWORKS, "default"])
    if draw.random() < 0.3:
        way = draw.choice(["allow", "disallow"])
        to = draw.choice([draw.choice(NETWORKS), f"{draw.choice(NAMESPACES)}:80/tcp"])
        return "POST", f"/v1/networks/{name}/{way}", {"to": [to], "exist_ok": draw.random() < 0.5}
    if draw.random() < 0.3:
        return "PATCH", f"/v1/networks/{name}", {"mtu": draw.choice([1280, 1400, None]), "labels": [f"k={draw.randrange(3)}"]}
    return "PATCH", f"/v1/networks/{name}", policy(draw)


def set_endpoint(draw):
    name, value = draw.choice([
        ("rate_in", draw.choice(["8mbit", None])), ("rate_out", draw.choice(["100mbit", None])), ("gw_priority", draw.randrange(-2, 3)),
        ("no_default_route", draw.random() < 0.5), ("router", draw.random() < 0.5)])
    return "PATCH", f"/v1/networks/{draw.choice([*NETWORKS, 'default'])}/endpoints/{draw.choice(NAMESPACES + ADOPTED)}", {name: value}


def set_namespace(draw):
    return "PATCH", f"/v1/namespaces/{draw.choice(NAMESPACES + ADOPTED)}", draw.choice([
        {"sysctls": [f"net.ipv4.tcp_keepalive_time={draw.randrange(600, 603)}"]}, {"sysctls": None}, {"labels": ["k=v"]}])


def prune(draw):
    return "POST", f"/v1/{draw.choice(['networks', 'namespaces'])}/prune", {"labels": [f"k={draw.randrange(3)}"]}


def attach(draw):
    """Another name for what someone else made, which comes and goes."""
    if draw.random() < 0.4:
        return "DELETE", f"/v1/namespaces/{ATTACHED}?detach=true", None
    return "POST", "/v1/namespaces", {"name": ATTACHED, "path": f"/run/netns/{draw.choice(ADOPTED)}"}


def move(draw):
    """An interface of the host that someone else made, into a namespace and back."""
    path = f"/v1/namespaces/{draw.choice(NAMESPACES)}/interfaces"
    if draw.random() < 0.5:
        return "DELETE", f"{path}/uplink2", None
    return "POST", path, {"interface": "uplink2"}


def change_namespace(draw):
    name = draw.choice(NAMESPACES)
    if draw.random() < 0.5:
        return "DELETE", f"/v1/namespaces/{name}{draw.choice(['', '?force=true'])}", None
    return "POST", "/v1/namespaces", {"name": name, "exist_ok": draw.random() < 0.5}


def change_endpoint(draw):
    network, name = draw.choice([*NETWORKS, "default"]), draw.choice(NAMESPACES + ADOPTED)
    if draw.random() < 0.4:
        return "DELETE", f"/v1/networks/{network}/endpoints/{name}", None
    body = {"network": network, "namespace": name}
    if draw.random() < 0.2:
        body["existing"] = True
    if draw.random() < 0.2:
        body["addresses"] = [f"10.{draw.randrange(60, 64)}.{draw.randrange(3)}.{draw.randrange(2, 9)}"]
    if draw.random() < 0.2:
        body["rate_out"] = "100mbit"
    return "POST", "/v1/endpoints", body


def change_publication(draw):
    port, protocol = draw.choice(PORTS), draw.choice(["tcp", "udp"])
    if draw.random() < 0.4:
        return "DELETE", f"/v1/publications?host_port={port}&protocol={protocol}", None
    body = {"host_port": port, "port": draw.choice([80, 81]), "protocol": protocol, "namespace": draw.choice(NAMESPACES)}
    if draw.random() < 0.2:
        body["host_ip"] = draw.choice(["127.0.0.1", "192.0.2.1", "198.51.100.9", "*"])
    if draw.random() < 0.2:
        body["host_port_end"], body["port_end"] = port + 2, body["port"] + 2
    if draw.random() < 0.2:
        body.update(draw.choice([{"interface": "up-out"}, {"from": ["192.0.2.0/24"]}, {"from": [draw.choice(NETWORKS)]}, {"labels": ["k=v"]}]))
    return "POST", "/v1/publications", body


def change_link(draw):
    """A pair between two namespaces, which have no network for it."""
    one, other = draw.sample(NAMESPACES + ADOPTED, 2)
    kind = draw.random()
    if kind < 0.4:
        return "DELETE", f"/v1/links?namespace={one}&peer={other}", None
    if kind < 0.6:
        return "PATCH", f"/v1/links?namespace={one}&peer={other}", {"mtu": draw.choice([1280, 1400, None])}
    subnet = draw.randrange(64)
    ends = [{"namespace": one, "addresses": [f"10.97.{subnet}.1/30", f"fd97:{subnet}::1/64"]}, {"namespace": other}]
    if draw.random() < 0.7:
        ends[1]["addresses"] = [f"10.97.{subnet}.2/30"]
    return "POST", "/v1/links", {"ends": ends, "exist_ok": draw.random() < 0.2}


CHANGES = [*[change_network, change_namespace, change_publication] * 2, *[change_endpoint] * 4, set_network, set_network, set_endpoint, set_namespace,
           prune, attach, move, change_link, change_link]


def operation(draw):
    kind = draw.random()
    if kind < 0.1:
        return draw.choice(BAD)
    if kind < 0.2:
        return "GET", draw.choice(["/v1/networks", "/v1/namespaces", "/v1/endpoints", "/v1/links", "/v1/publications"]), None
    method, path, body = draw.choice(CHANGES)(draw)
    if draw.random() < 0.05:
        path += "&dry_run=true" if "?" in path else "?dry_run=true"
    return method, path, body
