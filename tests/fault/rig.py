"""A private host with netd-faulty, and its whole state fast enough to be compared some thousand times: kernel, files, rows of
the database, and what the API says."""

import functools
import ipaddress
import json
import operator
import re
import shutil
import signal
import sqlite3
import sys
import time

from fault.control import Control
from lib.host import BUILD, Host
from lib.snapshot import Snapshot
from lib.wait import wait_for

FAULTY = BUILD / "tests" / "fault" / "netd-faulty"
DEADLINE = 20.0
LISTS = ("networks", "namespaces", "endpoints", "links", "publications")
VOLATILE = {"next_id", "generation", "number"}  # of the database: they only ever grow, and no one sees them
HURRY = 20

# Before anything is tried: two networks, a namespace with ports published, one without anything, and one that is not netd's.
BASE = [
    ("POST", "/v1/networks", {"name": "a", "subnets": [{"subnet": "10.1.0.0/24"}], "bridge": "nd-a"}),
    ("POST", "/v1/networks", {"name": "b", "subnets": [{"subnet": "10.2.0.0/24"}], "bridge": "nd-b"}),
    ("POST", "/v1/endpoints", {"network": "a", "namespace": "web", "addresses": ["10.1.0.2"]}),
    ("POST", "/v1/namespaces", {"name": "two"}),
    ("POST", "/v1/publications", {"host_port": 8080, "port": 80, "namespace": "web"}),
    ("POST", "/v1/publications", {"host_port": 8081, "port": 80, "protocol": "udp", "namespace": "web"}),
]


class Died(Exception):
    """The daemon ended before it answered."""


class Rig:
    def __init__(self, base=True, netd=FAULTY, ground=None):
        self.host = Host()
        self.host.netd = netd
        self.control = Control(self.host.dir / "control")
        try:
            self.host.neighbour()
            self.ground = ground and ground(self.host)
            if base:
                self.start()
                self.host.run("ip netns add adopted")
                for request in BASE:
                    self.must(*request)
        except BaseException:
            self.host.close()
            raise

    def close(self):
        self.host.close()

    # --- the daemon ---

    def start(self):
        self.control.set("hurry", HURRY)
        self.host.start_daemon(env={"NETD_FAULT_CONTROL": str(self.control.path)})

    def kill(self):
        if self.host.daemon:
            self.host.kill_daemon()

    def has_died(self):
        """Waits for the end of a daemon that was hit by SIGKILL."""
        process, self.host.daemon = self.host.daemon, None
        status = process.popen.wait(DEADLINE)
        assert status in (-signal.SIGKILL, 128 + signal.SIGKILL), f"netd ended with {status}:\n{self.host.log()}"

    def log(self):
        return self.host.log()

    def request(self, method, path, body=None):
        try:
            return self.host.http(method, path, body)
        except (OSError, json.JSONDecodeError) as error:
            raise Died(str(error)) from None
        except Exception as error:  # http.client's
            if type(error).__name__ in ("RemoteDisconnected", "IncompleteRead", "BadStatusLine"):
                raise Died(str(error)) from None
            raise

    def must(self, method, path, body=None):
        answer = self.request(method, path, body)
        assert answer.status < 300, f"{method} {path} {body}: {answer.status} {answer.body}\n{self.log()[-2000:]}"
        return answer

    # --- what is ---

    def rows(self):
        """All rows of the database, from a copy: netd has it locked."""
        copy = self.host.dir / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in self.host.state.glob("netd.db*"):
            shutil.copyfile(path, copy / path.name)
        if not (copy / "netd.db").exists():
            return {}
        with sqlite3.connect(copy / "netd.db") as database:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA synchronous = OFF")  # its end writes into the copy
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            found = {table: [dict(row) for row in database.execute(f"SELECT * FROM {table}")] for table in tables}
        database.close()
        return found

    def state(self, alike=False):
        """Everything. `alike`: with the names and numbers that are dealt out replaced, so that two ways to the same end are equal."""
        return self.both()[alike]

    def both(self):
        """The state as it is, and the one that is alike however it came about: each is a call, and both are of one moment."""
        collected, rows, lists = self.host.look.collect("inside"), self.rows(), {}
        if self.host.daemon:
            lists = {name: self.must("GET", f"/v1/{name}").body[name] for name in LISTS}
        for namespace in lists.get("namespaces", []):
            del namespace["nsid"], namespace["processes"]
        return Both(self.host, collected, rows, lists)

    def settle(self):
        """Waits until nothing waits for deletion any more."""
        wait_for(lambda: not self.rows().get("tombstones"), lambda: f"no tombstones: {self.rows()['tombstones']}\n{self.log()[-3000:]}",
                 DEADLINE)

    def settled(self):
        """Both states once nothing moves: the kernel deletes some things a little later."""
        self.settle()
        both = self.both()
        while True:
            again = self.both()
            if not both[False].diff(again[False]):
                return again
            both = again

    def wait_state(self, wanted, what, alike=False):
        """Waits until the state is that one, and returns both; fails with the difference."""
        end = time.monotonic() + DEADLINE
        while True:
            both = self.both()
            lines = wanted.diff(both[alike])
            if not lines:
                return both
            if time.monotonic() > end:
                raise AssertionError(f"{what}, but:\n{lines}\n--- log\n{self.log()[-3000:]}")
            time.sleep(0.01)

    def counted(self, action, *kinds):
        """The calls that an action makes when nothing fails: a list for each of these sets of groups, counted as if there were no other."""
        self.control.count(functools.reduce(operator.or_, kinds))
        action()
        self.control.disarm()
        return [self.control.calls(groups) for groups in kinds]


def link_local(mac):
    """The IPv6 address that follows from it, as a text, and its lower half as a number."""
    part = bytes.fromhex(mac.replace(":", ""))
    address = ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([part[0] ^ 2]) + part[1:3] + b"\xff\xfe" + part[3:])
    return str(address), f"{int(address) & (1 << 64) - 1:#x}"


def bridge_id(mac):
    """Of a bridge with this address: its priority, and the address as `ip` writes it there, without leading zeros."""
    return "8000." + ":".join(f"{int(part, 16):x}" for part in mac.split(":"))


def names(lists, rows):
    """What is dealt out, and what to call it instead."""
    found = {}
    for row in rows.get("meta", []):
        found |= {row["instance"]: "instance", row["boot_id"]: "boot"}
    for network in rows.get("networks", []):
        found[network["mac"]] = f"mac of {network['name']}"
        found[bridge_id(network["mac"])] = f"bridge id of {network['name']}"
        found[network["id"]] = f"id of {network['name']}"
        if re.fullmatch(r"netd-[0-9a-f]+", network["bridge"]):
            found[network["bridge"]] = f"bridge of {network['name']}"
    for endpoint in lists.get("endpoints", []):
        whose = f"{endpoint['network']}/{endpoint['namespace']}"
        found[endpoint["host_interface"]] = f"outer {whose}"
        found[endpoint["mac"]] = f"mac of {whose}"
        found |= dict.fromkeys(link_local(endpoint["mac"]), f"link-local address of {whose}")
        port = endpoint["host_interface"][2:10]
        found["fe:ff:" + ":".join(port[i:i + 2] for i in range(0, 8, 2))] = f"mac of the port of {whose}"  # on somebody else's bridge
        table = 0x40000000 | int(endpoint["host_interface"][2:], 16) & 0x3fffffff  # of its id; its routing table
        found[str(table)] = f"table of {whose}"
        found[table.to_bytes(4, sys.byteorder).hex()] = f"bytes of the table of {whose}"
    for link in lists.get("links", []):
        ends = " ".join(f"{end['namespace']}:{end['interface']}" for end in link["ends"])
        found |= {"nv" + link["id"]: f"pair {ends}", link["id"]: f"link {ends}"}
        found |= {end["mac"]: f"mac of {end['namespace']} {ends}" for end in link["ends"]}
    for publication in lists.get("publications", []):
        found[publication["id"]] = f"publication {publication['host_port']}/{publication['protocol']}"
    return found


class Both:
    """One moment, as it is ([False]) and alike ([True])."""

    def __init__(self, host, collected, rows, lists):
        self.host, self.parts, self.states = host, (collected, json.dumps(rows), json.dumps(lists)), {}
        self.found = names(lists, rows)

    def __getitem__(self, alike):
        if alike not in self.states:
            self.states[alike] = self.make(alike)
        return self.states[alike]

    def make(self, alike):
        collected, rows, lists = [rename(part, self.found) for part in self.parts] if alike else self.parts
        rows, lists = json.loads(rows), json.loads(lists)
        if alike:
            strip_dealt(rows, lists)
        shot = Snapshot.of(self.host, json.loads(collected))
        for table, items in rows.items():
            for item in items:
                shot[f"row {table} {json.dumps({name: value for name, value in item.items() if name not in VOLATILE})}"] = ""
        for name, items in lists.items():
            for item in items:
                shot[f"api {name} {json.dumps(item)}"] = ""
        for key, value in shot.items():
            if alike and key.startswith("file /run/netd/namespaces/"):
                value.pop("content", None)  # the cookie
            if alike and re.fullmatch("file /run/netd/moved/.*/record", key):
                value["content"] = re.sub(r" \d+\n", " index\n", without_index(value["content"]), count=1)
        if journal := shot.get("file /run/netd/sysctls"):
            lines = journal["content"].splitlines()
            journal["content"] = sorted(re.sub(r" \d+$", " cookie", line) if alike and line.count(" ") == 5 else line for line in lines)
        return shot


def rename(text, found):
    for name in sorted(filter(None, found), key=len, reverse=True):  # a boot id may still be missing
        text = text.replace(name, found[name])
    return text


def without_index(belongings):
    """What an interface had on the host. Where a fault has come before, its index is another one: it came back without."""
    return re.sub(r"^index \d+$", "index", belongings, flags=re.M)


def strip_dealt(rows, lists):
    for items in [*rows.values(), *lists.values()]:
        for item in items:
            for name in ("id", "cookie", "inode"):
                item.pop(name, None)
    for moved in rows.get("moved", []):
        moved["belongings"] = without_index(moved["belongings"])
    rows.pop("tombstones", None)
