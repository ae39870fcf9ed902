"""A host on which every rule of netd's tables has something to do, built once with netd-ctl; then the daemon is stopped, as
the kernel must hold alone, and as its tables may belong to it while it runs.

    out 192.0.2.2, 2001:db8:1::2 ---- host ---- two 198.51.100.2, 2001:db8:2::2
                                       |
      nd-a 10.1.0.0/24 fd00:a::/64     |  web .2, cli .3
      nd-b 10.2.0.0/24 fd00:b::/64     |  db .2              internal
      nd-c 10.3.0.0/24 fd00:c::/64     |  far .2
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lib import rules
from lib.host import Host
from lib.traffic import NEVER

NETWORKS = {"a": ("nd-a", "10.1.0", []), "b": ("nd-b", "10.2.0", ["--internal"]), "c": ("nd-c", "10.3.0", [])}
MEMBERS = {"web": ("a", "10.1.0.2", "fd00:a::2"), "cli": ("a", "10.1.0.3", "fd00:a::3"), "db": ("b", "10.2.0.2", "fd00:b::2"),
           "far": ("c", "10.3.0.2", "fd00:c::2")}
# both by TCP and by UDP
PUBLISHED = [["8080:80"], ["192.0.2.1:9090:80"], ["[2001:db8:1::1]:9090:80"], ["127.0.0.1:7070:80"], ["10.1.0.1:7171:80"],
             ["[fd00:a::1]:7171:80"], ["15000-16000:15000-16000"], ["192.0.2.1:17000-18000:17000-18000"],
             ["[2001:db8:1::1]:17000-18000:17000-18000"], ["8081:80", "--iface", "up-out"],
             ["8082:80", "--from", "192.0.2.0/24", "--from", "2001:db8:1::/64"]]


class Lab:
    def __init__(self, patience=2.0):
        """patience: how long an answer that must come may take, in seconds."""
        self.long_patience = self.patience = patience
        self.host = Host()
        try:
            self.out = self.host.neighbour(network6="2001:db8:1")
            self.two = self.host.neighbour("two", "198.51.100", "2001:db8:2")
            self.build()
        except BaseException:
            self.host.close()
            raise
        self.web, self.cli, self.db, self.far = (self.host.ns(name) for name in MEMBERS)
        for place in (self.web, self.db, self.far, self.out, self.two):
            place.serve(80)
            place.serve(80, address="::")
        for port in (15432, 17432):
            self.web.serve(port)
            self.web.serve(port, address="::")
        self.host.serve(6000, "loopback", address="127.0.0.1")
        self.host.serve(6001, "host")

    def build(self):
        host = self.host
        host.start_daemon()
        for name, (bridge, prefix, options) in NETWORKS.items():
            host.ctl("network", "create", name, "--subnet", f"{prefix}.0/24", "--subnet", f"fd00:{name}::/64", "--bridge", bridge, *options)
        self.outer, self.mac = {}, {}
        for name, (network, address, address6) in MEMBERS.items():
            endpoint = host.ctl_json("connect", network, name, "--ip", address, "--ip6", address6)["endpoint"]
            self.outer[name], self.mac[name] = endpoint["host_interface"], endpoint["mac"]
        for spec, *words in PUBLISHED:
            host.ctl("publish", f"{spec}/tcp", f"{spec}/udp", "web", *words)
        host.stop_daemon()
        # a tenant can give itself the route that netd did not
        host.run("ip -n db route replace default via 10.2.0.1")
        host.run("ip -n db -6 route replace default via fd00:b::1")

    def close(self):
        self.host.close()

    def address(self, name):
        return MEMBERS[name][1]

    def address6(self, name):
        return MEMBERS[name][2]

    def bridge_filter(self, on):
        """br_netfilter: whether bridged frames pass the inet hooks, too. False where the kernel has none."""
        try:
            self.host.sysctl("net/bridge/bridge-nf-call-iptables", int(on))
            self.host.sysctl("net/bridge/bridge-nf-call-ip6tables", int(on))
        except FileNotFoundError:
            return not on
        return True

    @contextmanager
    def without(self, table, chain, pattern):
        with rules.without(self.host, table, chain, pattern) as taken:
            yield taken

    @contextmanager
    def element(self, table, name, element):
        words = f"{table} {name} {{ {element} }}"
        self.host.run("nft", f"add element {words}")
        try:
            yield
        finally:
            self.host.run("nft", f"delete element {words}")

    def reaches(self, place, address, port, **options):
        """Whether it gets an answer: by TCP, by UDP."""
        with ThreadPoolExecutor(2) as both:
            replies = both.map(lambda protocol: place.ask(protocol, address, port, timeout=self.patience, **options), ("tcp", "udp"))
            return [reply is not None for reply in replies]

    @contextmanager
    def expecting(self, success):
        self.patience = self.long_patience if success else NEVER
        try:
            yield
        finally:
            self.patience = self.long_patience
