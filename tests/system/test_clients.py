"""Many clients, clients that leave, and bad clients: all of them get the truth, and none is in another's way."""

import json
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import checked
from lib import bad_client
from lib.daemon import SANITIZED, descriptors, memory
from lib.host import Host
from lib.snapshot import Snapshot, assert_same, wait_same
from lib.wait import PATIENCE, wait_for

CLIENTS = 200
PSS_MAX = 32 * 1024  # kB
OWN = ["file /run/netd"]
AT_ONCE = 5.0 * PATIENCE  # seconds; what it takes on an idle machine is a millisecond or two


@pytest.fixture
def net(netd):
    """The daemon's memory stays small, whatever the test did."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield netd
    assert SANITIZED or memory(netd) < PSS_MAX, "the daemon has grown"
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits


class Client:
    """A connection that is kept."""

    def __init__(self, host, deadline=60.0):
        self.connection = host.connection(deadline)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def close(self):
        self.connection.close()


def all_at_once(host, count, work):
    """work(client, number) of so many clients, each of which is connected and was answered before any begins. What they returned."""
    together = threading.Barrier(count)

    def run(number):
        client = Client(host)
        try:
            assert client.ask("GET", "/v1/version")[0] == 200
            together.wait(60)
            return work(client, number)
        finally:
            client.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def listed(host, what):
    client = Client(host)
    status, answer = client.ask("GET", f"/v1/{what}")
    client.close()
    assert status == 200
    return answer[what]


def no_duplicates(items, what):
    items = list(items)
    assert len(items) == len(set(items)), f"{what}: {sorted(item for item in set(items) if items.count(item) > 1)}"
    return set(items)


# --- many ---

def overlapping(client, number):
    """The same few names, addresses, MACs and ports as others, and what is picked for everyone. Returns what was acknowledged."""
    made, removed = [], []

    def post(path, noun, body):
        status, answer = client.ask("POST", path, body)
        assert status in (201, 409), answer
        if status == 201:
            made.append((noun, answer[noun]))
        return status == 201 and answer[noun]

    post("/v1/networks", "network", {"name": f"n{number % 20}"})
    post("/v1/endpoints", "endpoint", {"network": "pool", "namespace": f"c{number % 60}"})
    own = number % 15
    post("/v1/endpoints", "endpoint", {"network": "pool", "namespace": f"d{number % 40}", "addresses": [f"10.99.1.{own + 1}"],
                                       "mac": f"02:00:00:00:00:{own:02x}"})
    published = post("/v1/publications", "publication", {"host_port": 9000 + number % 50, "port": 80, "namespace": "web"})
    if published and number % 3 == 0:
        status, answer = client.ask("DELETE", f"/v1/publications/{published['id']}")
        assert status == 200, answer
        removed.append(published["id"])
        post("/v1/publications", "publication", {"host_port": 9000 + number % 50, "port": 80, "namespace": "web"})
    return made, removed


def addresses_inside(host, names):
    script = 'for ns in "$@"; do echo "$ns $(ip -n "$ns" -o -4 addr show scope global | while read -r _ _ _ a _; do echo "$a"; done)"; done'
    lines = host.run("sh", "-ec", script, "sh", *names).lines
    return {(line.split()[0], line.split()[1]) for line in lines}


def check_kernel(host, endpoints, publications):
    aliases = [link["ifalias"].split(":", 2)[2] for link in host.json("ip -j link show type veth") if "ifalias" in link]
    assert sorted(aliases) == sorted(f"{endpoint['network']}/{endpoint['namespace']}" for endpoint in endpoints)
    wanted = {(endpoint["namespace"], endpoint["addresses"][0]) for endpoint in endpoints}
    assert addresses_inside(host, sorted({name for name, _ in wanted})) == wanted
    ruleset, = [item["map"] for item in host.json("nft -j list map inet netd nd_any4")["nftables"] if "map" in item]
    assert sorted(key["concat"][1] for key, _ in ruleset.get("elem", [])) == sorted(item["host_port"] for item in publications)


def remove_all(host):
    for publication in listed(host, "publications"):
        assert host.http("DELETE", f"/v1/publications/{publication['id']}").status == 200
    for network in listed(host, "networks"):
        if network["name"] != "default":
            assert host.http("DELETE", f"/v1/networks/{network['name']}?force=true").status == 200
    for namespace in listed(host, "namespaces"):
        assert host.http("DELETE", f"/v1/namespaces/{namespace['name']}?force=true").status == 200


def test_two_hundred_clients_get_nothing_twice(net):
    before = net.snapshot()
    net.ctl("network", "create", "pool", "--subnet", "10.99.0.0/16", "--bridge", "pool")
    net.ctl("connect", "pool", "web", "--ip", "10.99.2.1")
    results = all_at_once(net, CLIENTS, overlapping)
    removed = {item for _, gone in results for item in gone}
    made = [item for done, _ in results for item in done]
    made += [("network", item) for item in listed(net, "networks") if item["name"] in ("pool", "default")]
    made += [("endpoint", item) for item in listed(net, "endpoints") if item["namespace"] == "web"]

    networks = [item for noun, item in made if noun == "network"]
    endpoints = [item for noun, item in made if noun == "endpoint"]
    publications = [item for noun, item in made if noun == "publication" and item["id"] not in removed]
    names = no_duplicates((item["name"] for item in networks), "names")
    no_duplicates((item["bridge"] for item in networks), "bridges")
    no_duplicates((item["subnets"][0]["subnet"] for item in networks), "subnets")
    no_duplicates(((item["network"], item["namespace"]) for item in endpoints), "endpoints")
    no_duplicates((item["addresses"][0] for item in endpoints), "addresses")
    no_duplicates((item["mac"] for item in endpoints), "MACs")
    ports = no_duplicates((item["host_port"] for item in publications), "ports")
    assert {f"n{number}" for number in range(20)} < names and {9000 + number for number in range(50)} == ports
    assert len([item for item in endpoints if item["namespace"].startswith("c")]) == 60

    assert no_duplicates((item["name"] for item in listed(net, "networks")), "names") == names
    assert no_duplicates((item["host_interface"] for item in listed(net, "endpoints")), "interfaces") == {
        item["host_interface"] for item in endpoints}
    assert no_duplicates((item["id"] for item in listed(net, "publications")), "ids") == {item["id"] for item in publications}
    check_kernel(net, endpoints, publications)
    remove_all(net)
    wait_same(before, net.snapshot, "all that they made is gone", 30)


def own(client, number):
    """Objects that no other client names, but for the namespace, which the first one makes. Three of four clients take them away again."""
    network, namespace = f"n{number}", f"c{number % 10}"
    steps = [("POST", "/v1/networks", {"name": network, "bridge": f"b{number}", "internal": True,
                                       "subnets": [{"subnet": f"10.100.{number}.0/24"}]}),
             ("POST", "/v1/endpoints", {"network": network, "namespace": namespace, "addresses": [f"10.100.{number}.9"],
                                        "mac": f"02:00:00:00:01:{number:02x}", "interface": f"e{number}"}),
             ("POST", "/v1/publications", {"host_port": 9000 + number, "port": 80, "namespace": "web"})]
    if number % 4:
        steps += [("DELETE", f"/v1/publications?host_port={9000 + number}", None),
                  ("DELETE", f"/v1/networks/{network}/endpoints/{namespace}", None),
                  ("DELETE", f"/v1/networks/{network}", None)]
    for method, path, body in steps:
        status, answer = client.ask(method, path, body)
        assert status == (201 if method == "POST" else 200), answer


def canonical(host):
    """The snapshot, when nothing waits for its deletion any more, with outer ends and routing tables by what they belong to: their names and
    numbers follow the order of requests."""
    endpoints = listed(host, "endpoints")
    wait_for(lambda: len(host.json("ip -j link show type veth")) == len(endpoints) + 1, "what was disconnected is gone", 30)
    names = {item["host_interface"]: f"nv:{item['network']}/{item['namespace']}" for item in endpoints}
    seen = dict(host.snapshot(inside=True, without=OWN))
    for device, table in re.findall(r': route {"dev": "(e[0-9]+)"[^}]*"table": "([0-9]{10})"', "\n".join(seen)):
        names[table] = names[int(table).to_bytes(4, "little").hex()] = f"table of {device}"  # as a route and as a rule have it
    pattern = re.compile("|".join(names))

    def rename(value):
        if isinstance(value, str):
            return pattern.sub(lambda found: names[found[0]], value)
        if isinstance(value, list):
            return sorted((rename(item) for item in value), key=json.dumps)
        return {rename(key): rename(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    return Snapshot(rename(seen))


def base(host):
    host.start_daemon()
    host.ctl("connect", "default", "web", "--mac", "02:00:00:00:00:02")


def test_two_hundred_clients_leave_what_one_after_the_other_would(net):
    net.stop_daemon()
    with Host() as alone:
        shutil.copytree(net.state, alone.state, dirs_exist_ok=True)
        alone.neighbour()
        for host in (net, alone):
            base(host)
        all_at_once(net, CLIENTS, own)
        client = Client(alone)
        for number in range(CLIENTS):
            own(client, number)
        client.close()
        assert_same(canonical(alone), canonical(net), "both hosts are the same")
        assert len(listed(net, "networks")) == 1 + CLIENTS / 4
        checked(alone)


# --- those who leave ---

def raw(method, path, body=None):
    text = "" if body is None else json.dumps(body)
    return f"{method} {path} HTTP/1.1\r\nHost: netd\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def send_and_leave(host, data, read=0):
    connection = host.connection()
    connection.sock.sendall(data)
    if read:
        assert connection.sock.recv(read)
    connection.sock.close()


def rest(host):
    """The daemon's descriptors, but for the question itself. What was closed before the first answer is closed before the second."""
    client = Client(host)
    for _ in range(2):
        assert client.ask("GET", "/v1/version")[0] == 200
    found = descriptors(host)
    client.close()
    return found


def track_a_flow(host):
    """From now on a purge walks the flows. Without this there is none until the bridge sends its first report of groups, at a random time."""
    with host.neighbours[0].socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (host.neighbours[0].host_address, 9))
    wait_for(lambda: host.sysctl("net/netfilter/nf_conntrack_count") != "0", "the flow is tracked")


def at_rest(host):
    """The same when the daemon has opened what it keeps once it is opened: the three netlink sockets with which it ends flows."""
    host.ctl("connect", "default", "web")
    track_a_flow(host)
    served(host, 1)
    return rest(host)


def closed(host, before):
    wait_for(lambda: rest(host) == before, lambda: f"the connections are closed: {rest(host)}, not {before}", 10)


def settled(host, before, held=0):
    """All that was under way has been done: a change is tried after those that came before it. `held`: published ports more."""
    closed(host, before + Counter({"socket TCPv6": held}))
    assert host.http("POST", "/v1/namespaces?dry_run=true", {"name": "barrier"}).status == 200


def check_whole(host):
    """What the API lists is in the kernel, and nothing else is."""
    endpoints = listed(host, "endpoints")
    assert {item["name"] for item in listed(host, "namespaces")} == {item["namespace"] for item in endpoints} | {"web"}
    links = host.json("ip -j link show type veth")
    assert {link["ifname"] for link in links if link.get("master")} == {item["host_interface"] for item in endpoints}
    check_kernel(host, endpoints, listed(host, "publications"))


def stored(host):
    host.stop_daemon()
    with sqlite3.connect(host.state / "netd.db") as database:
        found = {row[0] for row in database.execute("SELECT namespace FROM endpoints")}
    database.close()
    return found


def test_a_client_may_leave_at_every_byte_of_its_request(net):
    before = at_rest(net)
    length = len(raw("POST", "/v1/endpoints", {"network": "default", "namespace": "c000"}))
    for cut in range(length + 1):
        send_and_leave(net, raw("POST", "/v1/endpoints", {"network": "default", "namespace": f"c{cut:03}"})[:cut])
    settled(net, before)
    names = {item["namespace"] for item in listed(net, "endpoints")} - {"web"}
    assert names == {f"c{length:03}"}, "the one that was whole is done, and no other"
    check_whole(net)
    assert stored(net) == names | {"web"}
    net.start_daemon()


def test_a_client_that_leaves_with_a_whole_request_leaves_no_half(net):
    """The daemon finds the request and its end together: it may be done or not, but it is never half."""
    before = at_rest(net)
    for number in range(50):
        send_and_leave(net, raw("POST", "/v1/endpoints", {"network": "default", "namespace": f"c{number}"}))
        send_and_leave(net, raw("POST", "/v1/publications", {"host_port": 9000 + number, "port": 80, "namespace": "web"}))
        if number % 2:
            send_and_leave(net, raw("DELETE", f"/v1/networks/default/endpoints/c{number - 1}"))
    settled(net, before, held=50)
    endpoints = {item["namespace"] for item in listed(net, "endpoints")}
    assert endpoints == {"web"} | {f"c{number}" for number in range(50) if number % 2}
    for name in (item["name"] for item in listed(net, "namespaces")):
        if name not in endpoints:
            assert net.http("DELETE", f"/v1/namespaces/{name}").status == 200
    wait_for(lambda: len(net.json("ip -j link show type veth")) == 1 + len(endpoints), "what was disconnected is gone", 10)
    check_whole(net)
    assert stored(net) == endpoints
    net.start_daemon()


@pytest.fixture
def long_lists(net):
    """A daemon whose list of publications is larger than what a socket takes."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))  # for the daemon: each port is held by a socket
    net.restart_daemon()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    name = "w" * 63
    net.http("POST", "/v1/endpoints", {"network": "default", "namespace": name})

    def publish(client, number):
        for port in range(10000 + number, 12000, 20):
            assert client.ask("POST", "/v1/publications", {"host_port": port, "port": 80, "namespace": name})[0] == 201

    all_at_once(net, 20, publish)
    assert len(json.dumps(listed(net, "publications"))) > 500_000
    return net


def test_clients_that_leave_while_they_are_answered_cost_nothing(long_lists):
    before = rest(long_lists)
    for _ in range(20):
        send_and_leave(long_lists, raw("GET", "/v1/publications"), read=1000)
    closed(long_lists, before)
    used = memory(long_lists)
    for _ in range(100):
        send_and_leave(long_lists, raw("GET", "/v1/publications"), read=1000)
    closed(long_lists, before)
    assert SANITIZED or memory(long_lists) < used + 2048, "what was not read is given back"
    assert len(listed(long_lists, "publications")) == 2000


# --- bad ones ---

@pytest.fixture
def beside(net):
    """Starts a bad client, and returns when it is at its worst."""
    started = []

    def start(kind):
        client = net.spawn(sys.executable, "-ISB", bad_client.__file__, "/run/netd/netd.sock", kind, stdout=subprocess.PIPE)
        started.append(client)
        assert client.popen.stdout.readline() == b"bad\n"
        return client

    yield start
    for client in started:
        client.end()


def served(host, rounds):
    """A good client, with a new connection for each request, as netd-ctl has it. The longest that one took."""
    longest = 0

    def ask(method, path, body, status):
        nonlocal longest
        start = time.monotonic()
        answer = host.http(method, path, body)
        longest = max(longest, time.monotonic() - start)
        assert answer.status == status, answer

    for number in range(rounds):
        ask("GET", "/v1/networks", None, 200)
        ask("POST", "/v1/publications", {"host_port": 9000 + number, "port": 80, "namespace": "web"}, 201)
        ask("DELETE", f"/v1/publications?host_port={9000 + number}", None, 200)
    return longest


@pytest.mark.parametrize("kind", [*bad_client.KINDS, "lists"])
def test_beside_a_bad_client_everyone_is_served(net, beside, kind):
    before = at_rest(net)
    bad = beside(kind)
    assert served(net, 30) < AT_ONCE
    assert SANITIZED or memory(net) < PSS_MAX
    assert bad.running(), "it was bad for all of that time"
    bad.end()
    closed(net, before)


def test_beside_all_bad_clients_together_everyone_is_served(net, beside):
    net.ctl("connect", "default", "web")
    for kind in bad_client.KINDS:
        beside(kind)
    assert served(net, 10) < AT_ONCE


def test_clients_that_do_not_read_long_answers_cost_little(long_lists, beside):
    beside("deaf_to_long_lists")
    for _ in range(10):
        assert len(listed(long_lists, "publications")) == 2000
        assert SANITIZED or memory(long_lists) < PSS_MAX


def test_a_thousand_connections_keep_no_one_waiting(net, beside):
    """From their first moment: others come in while they come."""
    net.ctl("connect", "default", "web")
    crowd = threading.Thread(target=beside, args=["crowd"])
    crowd.start()
    assert served(net, 30) < AT_ONCE
    crowd.join()
    assert served(net, 10) < AT_ONCE
