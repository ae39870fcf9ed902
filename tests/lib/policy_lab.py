"""A host on which every rule of isolation and policy has something to do, in both families; then the daemon is stopped.

    out 192.0.2.2, fd00:2::2 ---- host (also 192.0.2.7, fd00:2::7)
                                    |  each network N has 10.N.0.0/24 and fd00:N::/64, each namespace .2 or .3
      nd-isolated 4                 |  one, other      open and isolated: what comes in may, but not from each other
      nd-routed   5                 |  shop            port 80 is published everywhere, 81 on one address
      nd-shut     6                 |  shut            may not reach the host
      nd-dns      7                 |  asker           may reach the host's port 53
      nd-trusted  8                 |  trust           what comes in from `out` may reach it
      nd-front    9                 |  front           may reach nd-back, and db's port 5432
      nd-back    10                 |  back
      nd-closed  11                 |  db              internal
      nd-source  12                 |  source          leaves with the host's other addresses
"""

from lib.host import Host
from lib.lab import Lab

NETWORKS = {"isolated": (4, ["--isolated", "--mode", "open"]), "routed": (5, ["--mode", "routed"]), "shut": (6, ["--host-access", "no"]),
            "dns": (7, ["--host-access", "dns"]), "trusted": (8, ["--trusted-iface", "up-out"]), "back": (10, []),
            "closed": (11, ["--internal"]), "front": (9, ["--allow", "back"]), "source": (12, ["--snat", "192.0.2.7", "--snat", "fd00:2::7"])}
MEMBERS = {"one": ("isolated", 2), "other": ("isolated", 3), "shop": ("routed", 2), "shut": ("shut", 2), "asker": ("dns", 2),
           "trust": ("trusted", 2), "front": ("front", 2), "back": ("back", 2), "db": ("closed", 2), "source": ("source", 2)}
FAMILIES = (4, 6)


class PolicyLab(Lab):
    def __init__(self, patience=2.0):
        self.long_patience = self.patience = patience
        self.host = Host()
        try:
            self.out = self.host.neighbour()
            self.out.run("ip addr add fd00:2::2/64 dev eth0 nodad")
            self.out.run("ip route add default via fd00:2::1")
            self.host.shell("ip addr add fd00:2::1/64 dev up-out nodad; ip addr add 192.0.2.7/24 dev up-out; "
                            "ip addr add fd00:2::7/64 dev up-out nodad")
            self.build()
        except BaseException:
            self.host.close()
            raise
        for name in MEMBERS:
            setattr(self, name, self.host.ns(name))
        for place in [self.out] + [self.host.ns(name) for name in MEMBERS]:
            self.serve(place, 80)
        for place, port in ((self.shop, 81), (self.db, 5432), (self.host, 53), (self.host, 6001)):
            self.serve(place, port)

    @staticmethod
    def serve(place, port):
        place.serve(port)
        place.serve(port, address="::")

    def build(self):
        host = self.host
        host.start_daemon()
        for name, (number, options) in NETWORKS.items():
            host.ctl("network", "create", name, "--subnet", f"10.{number}.0.0/24", "--subnet", f"fd00:{number}::/64",
                     "--bridge", f"nd-{name}", *options)
        self.outer = {}
        for name, (network, last) in MEMBERS.items():
            endpoint = host.ctl_json("connect", network, name, "--ip", self.address(name), "--ip6", self.address(name, 6))["endpoint"]
            self.outer[name] = endpoint["host_interface"]
        host.ctl("network", "allow", "front", "db:5432/tcp", "db:5432/udp")
        for protocol in ("tcp", "udp"):
            host.ctl("publish", f"8080:80/{protocol}", "one")
            host.ctl("publish", f"8081:80/{protocol}", "shop")
            host.ctl("publish", f"192.0.2.1:8082:81/{protocol}", "shop")
        host.stop_daemon()

    @staticmethod
    def address(name, family=4):
        network, last = MEMBERS[name]
        number = NETWORKS[network][0]
        return f"10.{number}.0.{last}" if family == 4 else f"fd00:{number}::{last}"

    @staticmethod
    def gateway(name, family=4):
        number = NETWORKS[MEMBERS[name][0]][0]
        return f"10.{number}.0.1" if family == 4 else f"fd00:{number}::1"

    def outside(self, family=4):
        return "192.0.2.2" if family == 4 else "fd00:2::2"
