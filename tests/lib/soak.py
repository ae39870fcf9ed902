"""Random operations, random kills, random drift, all drawn from one seed; in the end everything must be as netd's database says, and
after the removal of everything the host as it was.

Several clients work on few names, so that they meet. What they are told may be a refusal, never nonsense. Meanwhile one
troublemaker kills the daemon, starts it again, breaks what netd made, and puts things of its own beside it.
"""

import http.client
import json
import os
import random
import re
import threading
import time
from collections import Counter

from lib.host import NETD, SANITIZED, Host
from lib.snapshot import assert_same, rules
from lib.soak_requests import ADOPTED, NAMESPACES, operation
from lib.traffic import ask
from lib.wait import wait_for

CLIENTS = 4
ANSWERS = {200, 201, 204, 400, 403, 404, 405, 409, 413, 500, 503}
GONE = (ConnectionError, FileNotFoundError, http.client.HTTPException)  # the daemon was killed meanwhile
CONVERGES = 150.0  # a fight is waited out for up to a minute, and looked at once more
RESIDENT_MAX = 64 << 20
DESCRIPTORS_MAX = 400
SANITIZERS = re.compile(r"ERROR: \w+Sanitizer|runtime error:")


# --- clients ---

class Client:
    """One of several. `nonsense` has what no daemon should answer."""

    def __init__(self, host, seed):
        self.host, self.draw = host, random.Random(seed)
        self.count = Counter()
        self.failures = Counter()  # of 500 and 503, by what they say
        self.nonsense = []
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            method, path, body = operation(self.draw)
            try:
                self.call(method, path, body)
            except GONE:
                self.count["no answer"] += 1
                time.sleep(0.05)
            except Exception as error:  # the thread's: it would end in silence
                self.nonsense.append(f"{method} {path} {body}: {error!r}")
            time.sleep(self.draw.uniform(0, 0.03))

    def call(self, method, path, body):
        raw = body if isinstance(body, bytes) else None
        connection = self.host.connection(deadline=60)
        try:
            connection.request(method, path, raw if raw is not None else None if body is None else json.dumps(body).encode())
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        self.count[response.status] += 1
        if response.status not in ANSWERS:
            self.nonsense.append(f"{method} {path}: {response.status} {text[:200]}")
        if response.status >= 400:
            problem = json.loads(text)
            assert problem["detail"] and problem["code"]
            if response.status >= 500:
                self.failures[re.sub(r"[0-9a-f]{6,}|\d+", "#", problem["detail"])] += 1

    def close(self):
        self.stopping = True
        self.thread.join()


# --- the troublemaker ---

def bridge_filter(on):
    """The command that lets bridged packets of both families pass the inet hooks, or not."""
    return "".join(f" sysctl -qw net.bridge.bridge-nf-call-{family}={on};" for family in ("iptables", "ip6tables"))


class Trouble:
    """What goes wrong: one thing at a time, each of a random kind."""

    def __init__(self, host, draw):
        self.host, self.draw = host, draw
        self.count = Counter()
        self.problems = []
        self.form = {"own_tables": False}
        self.kinds = [self.kill, self.kill, self.restart, self.harm, self.harm, self.harm, self.harm, self.harm_link, self.flush,
                      self.netns, self.netns, self.foreign, self.lock, self.stale, self.switch]

    def once(self):
        kind = self.draw.choice(self.kinds)
        self.count[kind.__name__] += 1
        kind()

    def shell(self, script):
        """What it breaks may be gone already."""
        self.host.shell("set +e\n" + script, check=False, deadline=60)

    def look_at_daemon(self):
        process = self.host.daemon
        if not process.running():
            self.problems.append(f"netd ended by itself with {process.popen.returncode}:\n{self.host.log()[-3000:]}")
            return
        status = open(f"/proc/{process.pid}/status").read()
        resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10
        self.count["resident"] = max(self.count["resident"], resident)
        descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
        self.count["descriptors"] = max(self.count["descriptors"], descriptors)

    def kill(self):
        self.look_at_daemon()
        self.host.kill_daemon()
        if self.draw.random() < 0.3:
            self.harm()  # while there is none
        self.start()

    def restart(self):
        self.look_at_daemon()
        self.host.stop_daemon()
        if self.draw.random() < 0.3:
            self.harm()
        self.start()

    def start(self):
        self.form = {"own_tables": self.draw.random() < 0.3}
        self.host.start_daemon(deadline=60, **self.form)

    def links(self):
        return [link for link in self.host.json("ip -j link") if link.get("ifalias", "").startswith("netd:")]

    def harm_link(self):
        """A pair between namespaces has two ends, and no name on the host."""
        links = listed(self.host, "links")
        if not links:
            return
        end = self.draw.choice(self.draw.choice(links)["ends"])
        inside, ifname = end["namespace"], end["interface"]
        self.shell(self.draw.choice([
            f"ip -n {inside} link del {ifname}", f"ip -n {inside} link set {ifname} down", f"ip -n {inside} addr flush dev {ifname}",
            f"ip -n {inside} link set {ifname} mtu 1290", f"ip -n {inside} link set {ifname} address 02:00:00:00:01:{self.draw.randrange(16, 99)}",
            f"ip -n {inside} link set {ifname} down; ip -n {inside} link set {ifname} name odd; ip -n {inside} link set odd up"]))

    def harm(self):
        links = self.links()
        bridges = [link["ifname"] for link in links if "/" not in link["ifalias"]]
        outer = [link for link in links if "/" in link["ifalias"]]
        if not bridges or not outer:
            return
        bridge, veth = self.draw.choice(bridges), self.draw.choice(outer)
        veth, inside = veth["ifname"], veth["ifalias"].rpartition("/")[2]
        self.shell(self.draw.choice([
            f"ip link del {bridge}", f"ip link set {bridge} down", f"ip addr flush dev {bridge}", f"ip link set {bridge} mtu 1300",
            f"ip link set {bridge} down; ip link set {bridge} name odd; ip link set odd up",
            f"ip link del {veth}", f"ip link set {veth} down", f"ip link set {veth} nomaster", f"ip link set {veth} mtu 1300",
            f"ip link set {veth} down; ip link set {veth} name odd1; ip link set odd1 up",
            f"ip link set {veth} nomaster; ip link set {veth} master {bridge}",
            f"ip -n {inside} link del eth0", f"ip -n {inside} link set eth0 down", f"ip -n {inside} addr flush dev eth0",
            f"ip -n {inside} route del default", f"ip -n {inside} link set lo down",
            f"ip -n {inside} route replace default via 10.60.0.77 onlink dev eth0",
            f"ip -n {inside} link set eth0 address 02:00:00:00:00:{self.draw.randrange(16, 99)}",
            f"ip -n {inside} link set eth0 down; ip -n {inside} link set eth0 name mine; ip -n {inside} link set mine up",
            f"ip -n {inside} addr add 10.99.0.{self.draw.randrange(2, 200)}/24 dev eth0",
            f"sysctl -qw net.ipv4.conf.{bridge}.forwarding=0", f"sysctl -qw net.ipv4.conf.{bridge}.route_localnet=0",
            "sysctl -qw net.ipv4.conf.up-out.forwarding=0", "sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0",
        ]))

    def flush(self):
        self.shell(self.draw.choice([
            "nft flush ruleset", "nft delete table inet netd", "nft delete table bridge netd", "nft flush chain inet netd nd_guard",
            "nft add rule inet netd nd_guard accept", "nft flush set inet netd nd_pairs", "nft flush map inet netd nd_any4",
            "nft flush set bridge netd nd_mac"]))

    def netns(self):
        """Someone else's, and netd's own under its feet."""
        name = self.draw.choice(ADOPTED)
        self.shell(self.draw.choice([f"ip netns add {name}", f"ip netns add {name}", f"ip netns del {name}",
                                     f"ip netns del {self.draw.choice(NAMESPACES)}"]))

    def foreign(self):
        self.shell(self.draw.choice([
            "ip link add foreign type dummy; ip link set foreign up; ip addr add 10.61.1.1/24 dev foreign", "ip link del foreign",
            *["ip link add uplink2 type veth peer name uplink3; ip addr add 10.98.0.1/24 dev uplink2; ip link set uplink2 up"] * 2, "ip link del uplink2",
            "ip route add blackhole 10.62.0.0/24", "ip route del blackhole 10.62.0.0/24",
            f"ip -n {self.draw.choice(NAMESPACES)} link add eth1 type dummy"]))

    def lock(self):
        """The lock of /run/netns, which everyone takes who changes it."""
        self.shell(f"flock /run/netns sleep {self.draw.uniform(0.05, 0.5):.2f}")

    def stale(self):
        """What a namespace leaves whose maker was killed between file and mount."""
        name = self.draw.choice(NAMESPACES + ADOPTED)
        self.shell(f"[ -e /run/netns/{name} ] || : >/run/netns/{name}")

    def switch(self):
        self.shell(bridge_filter(self.draw.randrange(2)))

    def undo(self):
        """Its own things, not what it broke."""
        self.shell("ip link del foreign; ip link del uplink2; ip route del blackhole 10.62.0.0/24;"
                   + bridge_filter(1))


# --- what must be true in the end ---

def listed(host, noun):
    return host.http("GET", f"/v1/{noun}").body[noun]


def skeleton(host):
    """The rules of netd's tables, without elements and without words on who owns them."""
    return {name: value for name, value in rules(host.run("nft", "-s", "list", "ruleset").stdout)
            if name.split()[0] in ("chain", "rule") and name.split()[2] == "netd"}


def first_amiss(host, rules_before):
    """Something that is not as the API says; None: all is. A rough look: the exact one is a restart that changes nothing."""
    networks = {network["name"]: network for network in listed(host, "networks")}
    links = {link["ifname"]: link for link in host.json("ip -j -d link")}
    addresses = host.run("ip -o addr").stdout
    hairpin = host.sysctl("net/bridge/bridge-nf-call-iptables") == "1"  # the kernel does not announce when it changes
    for network in networks.values():
        bridge = links.get(network["bridge"])
        if not bridge or "UP" not in bridge["flags"] or bridge["mtu"] != network["mtu"]:
            return f"bridge {network['bridge']}"
        if not all(f" {subnet['gateway']}/" in addresses for subnet in network["subnets"]):
            return f"address of {network['name']}"
        if host.sysctl(f"net/ipv4/conf/{network['bridge']}/forwarding") != "1":
            return f"forwarding of {network['bridge']}"
    for endpoint in listed(host, "endpoints"):
        outer = links.get(endpoint["host_interface"])
        if not outer or "UP" not in outer["flags"] or outer.get("master") != networks[endpoint["network"]]["bridge"]:
            return f"outer end of {endpoint['network']}/{endpoint['namespace']}"
        if outer["linkinfo"]["info_slave_data"]["hairpin"] != hairpin:
            return f"hairpin of {endpoint['network']}/{endpoint['namespace']}"
        words = host.run("ip", "-n", endpoint["namespace"], "-o", "addr", "show", "dev", endpoint["interface"], check=False).stdout
        if not all(f" {address.partition('/')[0]}/" in words for address in endpoint["addresses"]):
            return f"address of {endpoint['network']}/{endpoint['namespace']}"
    for link in listed(host, "links"):
        for end in link["ends"]:
            words = host.run("ip", "-n", end["namespace"], "-o", "addr", "show", "dev", end["interface"], check=False).stdout
            if not all(f" {address}" in words for address in end["addresses"]):
                return f"address of {end['namespace']}:{end['interface']}"
    if skeleton(host) != rules_before:
        return "rules"
    return None


def way_in(publication, networks):
    """The IPv4 address of the host that the neighbour, or for 127.0.0.1 the host, reaches it by; None: there is no such way."""
    network = networks.get(publication["network"])
    address = "192.0.2.1" if publication["host_ip"] in ("*", "0.0.0.0") else publication["host_ip"]
    limited = publication["from"] not in ([], ["192.0.2.0/24"]) or address == "127.0.0.1" and (publication["from"] or publication["interface"])
    if publication["state"] != "active" or address == "198.51.100.9" or limited or not network:
        return None
    translated = network["mode"] == "nat" and not network["internal"]
    return address if translated and any("." in target for target in publication["targets"]) else None


def serving(host, out, publication, address):
    """Whether it leads to where it says."""
    place = host.ns(publication["namespace"])
    source = host if address.startswith("127.") else out
    with_server = place.serve(publication["port"], tag=publication["namespace"], protocols=(publication["protocol"],))
    try:
        answer = ask(source, publication["protocol"], address, publication["host_port"])
        return answer and answer.tag == publication["namespace"]
    finally:
        with_server.close()
        host.servers.remove(with_server)


def check_converged(host, out, rules_before):
    amiss = "nothing was looked at"

    def all_is_well():
        nonlocal amiss
        amiss = first_amiss(host, rules_before)
        return amiss is None

    wait_for(all_is_well, lambda: f"all is as the API says ({amiss})\n{host.log()[-3000:]}", CONVERGES, step=0.2)
    networks = {network["name"]: network for network in listed(host, "networks")}
    for publication in listed(host, "publications"):
        address = way_in(publication, networks)
        assert not address or serving(host, out, publication, address), f"{publication}\n{host.log()[-2000:]}"
    before = host.snapshot(inside=True)
    host.restart_daemon(own_tables=False)
    again = host.log()
    changes = int(re.search(r"changes to the kernel: (\d+)", again)[1])
    assert changes == 0, f"a restart found something to change:\n{again}"
    assert_same(before, host.snapshot(inside=True), "a restart changes nothing")


def remove_everything(host):
    for publication in listed(host, "publications"):
        assert host.http("DELETE", f"/v1/publications/{publication['id']}").status == 200, publication
    for endpoint in listed(host, "endpoints"):
        if endpoint["network"] == "default":
            answer = host.http("DELETE", f"/v1/networks/default/endpoints/{endpoint['namespace']}")
            assert answer.status == 200, answer
    for link in listed(host, "links"):
        assert host.http("DELETE", f"/v1/links/{link['id']}").status == 200, link
    for network in listed(host, "networks"):
        if network["name"] != "default":
            answer = host.http("DELETE", f"/v1/networks/{network['name']}?force=true")
            assert answer.status == 200, answer
    for namespace in listed(host, "namespaces"):
        if namespace["origin"] == "created":
            answer = host.http("DELETE", f"/v1/namespaces/{namespace['name']}?force=true")
            assert answer.status == 200, answer
    host.shell("for file in /run/netns/*; do [ ! -e $file ] || ip netns del ${file##*/}; done")


def soak(seconds, seed, say=print):
    """Runs it all; raises AssertionError where something is not as it must be."""
    draw = random.Random(seed)
    say(f"soak: {seconds} s, seed {seed}")
    with Host() as host:
        out = host.neighbour()
        host.shell("ip netns add first; ip netns del first;" + bridge_filter(1))
        empty = host.snapshot(inside=True)
        host.start_daemon(own_tables=False)
        rules_before = skeleton(host)
        clients = [Client(host, f"{seed}/{number}") for number in range(CLIENTS)]
        trouble = Trouble(host, draw)
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end and not trouble.problems:
                trouble.once()
                time.sleep(draw.expovariate(4))
            trouble.look_at_daemon()
        finally:
            for client in clients:
                client.close()
        total = sum((client.count for client in clients), Counter())
        say(f"answers: {dict(sorted(total.items(), key=str))}")
        say(f"trouble: {dict(trouble.count)}")
        for text, count in sum((client.failures for client in clients), Counter()).most_common(20):
            say(f"  {count} x {text}")
        assert not trouble.problems, trouble.problems[0]
        assert not any(client.nonsense for client in clients), [line for client in clients for line in client.nonsense][:5]
        if not SANITIZED:
            assert trouble.count["resident"] < RESIDENT_MAX
        assert trouble.count["descriptors"] < DESCRIPTORS_MAX
        trouble.undo()
        if trouble.form["own_tables"]:
            host.restart_daemon(own_tables=False)
        check_converged(host, out, rules_before)
        remove_everything(host)
        trouble.undo()  # what was in a namespace is back on the host by now
        host.stop_daemon()
        host.run(NETD, "--cleanup")
        wait_for(lambda: not empty.diff(host.snapshot(inside=True)), lambda: f"the host is empty:\n{empty.diff(host.snapshot(inside=True))}",
                 deadline=20, step=0.5)
        logs = host.all_logs()
        assert not SANITIZERS.search(logs), logs[-5000:]
    return total
