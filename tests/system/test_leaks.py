"""Ten thousand operations on one daemon leave nothing behind: not in it, not in the kernel."""

import itertools
import json

from lib.daemon import SANITIZED, descriptors, mappings, memory, threads
from lib.snapshot import wait_same
from lib.wait import wait_for

OPERATIONS = 10_000
WARM = 2_000
# malloc grows by pages, and not all that is free lies in the right place: some pages come and go. One forgotten entry of a table
# for each name would be twice as much.
TOLERANCE = 48  # kB
LONG = 55  # letters of a name


class Operations:
    """One after the other on a connection that is kept. Names are new each time, so that what is kept by name shows."""

    def __init__(self, host):
        self.host = host
        self.connection = host.connection(60.0)
        self.done = 0

    def ask(self, method, path, status, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == status, f"{method} {path} {body}: {answer}"
        self.done += 1

    def foreign(self, name):
        """An interface that is not netd's comes and goes."""
        self.host.run("ip", "-batch", "-", stdin=f"link add {name} type veth peer name {name}p\nlink set {name} up\nlink del {name}\n")
        self.done += 1

    def round(self, number):
        net, ns, port = f"net{number}-".ljust(LONG, "x"), f"ns{number}-".ljust(LONG, "x"), 20000 + number % 1000
        publication = {"host_port": port, "port": 80, "namespace": ns}
        self.ask("POST", "/v1/networks", 201, {"name": net})
        self.ask("POST", "/v1/networks?dry_run=true", 200, {"name": "dry"})
        self.ask("POST", "/v1/networks", 409, {"name": net})
        self.ask("POST", "/v1/namespaces", 201, {"name": f"{ns}-alone"})
        self.ask("POST", "/v1/endpoints", 201, {"network": net, "namespace": ns})
        self.ask("POST", "/v1/endpoints", 409, {"network": net, "namespace": ns})
        self.ask("POST", "/v1/endpoints?dry_run=true", 200, {"network": "default", "namespace": ns})
        self.ask("POST", "/v1/endpoints", 404, {"network": f"no-{net}", "namespace": ns})
        self.ask("POST", "/v1/publications", 201, publication)
        self.ask("POST", "/v1/publications", 409, publication)
        self.ask("POST", "/v1/publications", 400, {**publication, f"nonsense{number}": 1})
        self.ask("GET", "/v1/networks", 200)
        self.ask("GET", f"/v1/namespaces/{ns}", 200)
        self.ask("GET", "/v1/publications", 200)
        self.ask("DELETE", f"/v1/publications?host_port={port}&dry_run=true", 200)
        self.ask("DELETE", f"/v1/publications?host_port={port}", 200)
        self.ask("DELETE", f"/v1/networks/{net}/endpoints/{ns}", 200)
        self.ask("DELETE", f"/v1/namespaces/{ns}", 200)
        self.ask("DELETE", f"/v1/namespaces/{ns}-alone", 200)
        self.ask("DELETE", f"/v1/networks/{net}", 200)
        if number % 10 == 0:
            self.foreign(f"veth{number}")

    def until(self, count, numbers):
        while self.done < count:
            self.round(next(numbers))
        wait_for(lambda: not [link for link in self.host.json("ip -j link show") if link["ifname"].startswith("nv")], "no pair is left", 30)


def taken(host):
    return {"descriptors": descriptors(host), "threads": threads(host), "mappings": 0 if SANITIZED else mappings(host)}


def test_ten_thousand_operations_leave_nothing_behind(netd):
    operations, numbers = Operations(netd), itertools.count()
    operations.round(next(numbers))
    before = netd.snapshot(without=["file /run/netd/netns-directory"])
    operations.until(WARM, numbers)
    used, grown = taken(netd), memory(netd, "Anonymous")
    operations.until(OPERATIONS, numbers)
    assert taken(netd) == used
    print(f"{operations.done} operations: {grown} kB after {WARM}, {memory(netd, 'Anonymous')} kB at the end")
    assert SANITIZED or memory(netd, "Anonymous") <= grown + TOLERANCE, "the daemon has grown"
    wait_same(before, lambda: netd.snapshot(without=["file /run/netd/netns-directory"]), "nothing is left in the kernel", 20)
    netd.stop_daemon()  # by SIGTERM: LeakSanitizer looks now, and a leak is an exit status
