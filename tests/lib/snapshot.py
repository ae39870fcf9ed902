"""What a host is, as one flat dictionary that can be compared: links, addresses, routes, rules, nf_tables, sysctls, mounts, files.

Numbers that the kernel deals out (indexes, handles, inodes, mount ids, counters, timers, drawn MACs) are taken out, so that
two hosts that went the same way are equal.
"""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

from lib.wait import wait_for

COLLECT = Path(__file__).with_name("collect.py")

LINK_DEALT = {"ifindex", "link_index", "link_netnsid", "ifi_index"}
LINK_DEALT_LATE = re.compile(r"(_timer|^[gt]so_max_\w+|^gro_max_\w+|^gc_interval|^port_no|_port|^port_id|^no)$")
SYSCTL_DEALT = re.compile(r"^net/(netfilter/nf_conntrack_(count|buckets)|ipv4/(tcp_fastopen_key|inet_frag)|.*/stable_secret"
                          r"|ipv4/fib_sync_mem|netfilter/nf_log)")

LINK = re.compile(r"^(ns [^:]*: )?link ")
SYSCTL_OF_LINK = re.compile(r"^((?:ns [^:]*: )?)sysctl net/ipv[46]/(?:conf|neigh)/([^/]*)/")


def strip(value, dealt):
    """Without the fields that the kernel deals out."""
    if isinstance(value, dict):
        return {name: strip(inner, dealt) for name, inner in value.items() if not dealt(name)}
    if isinstance(value, list):
        return [strip(inner, dealt) for inner in value]
    return value


def text(value):
    return json.dumps(value, sort_keys=True)


def apart(old, new):
    """Both, reduced to the fields in which they differ."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old, new
    pairs = {name: apart(old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)}
    return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}


def links(items, random):
    for link in items:
        link = strip(link, lambda name: name in LINK_DEALT or LINK_DEALT_LATE.search(name))
        link.get("linkinfo", {}).get("info_data", {}).pop("fdb_n_learned", None)  # of traffic; later versions of iproute2 tell it
        link["flags"] = sorted(set(link.get("flags", [])) - {"NO-CARRIER", "LOWER_UP"})
        link.pop("operstate", None)  # the kernel notices a carrier some time later
        link.pop("tso_max_size", None)  # of a bridge: what its last port could do
        if link["ifname"] in random:
            link["address"] = "drawn"
        if link.get("linkinfo", {}).get("info_slave_kind") == "bridge":
            data = link["linkinfo"]["info_slave_data"]
            data.pop("id", None)
        yield link["ifname"], link


def addresses(items):
    for link in items:
        for address in link.get("addr_info", []):
            if address["family"] == "inet6" and address["scope"] == "link":
                continue  # derived from the MAC, tentative for a while
            address = {name: value for name, value in address.items() if not name.endswith("_life_time")}
            yield f'{link["ifname"]} {address["local"]}/{address["prefixlen"]}', address


def routes(items):
    for route in items:
        route.pop("expires", None)
        route["flags"] = sorted(set(route.get("flags", [])) - {"linkdown", "dead"})
        if str(route.get("dst", "")).startswith("fe80:"):
            continue
        if route.get("type") == "multicast" and route.get("protocol") == "kernel":
            continue  # it comes once there is a carrier, as of a bridge that was down it does with the next port
        yield text({name: route.get(name) for name in ("table", "type", "dst", "gateway", "dev", "metric")}), route


def neighbours(items):
    """Those that someone has set: the others come and go with the traffic."""
    for neighbour in items:
        if "PERMANENT" in neighbour.get("state", []):
            yield f'{neighbour["dev"]} {neighbour["dst"]}', neighbour


def rules(listing):
    """nf_tables: objects by name, rules by their place in the chain. Who owns a table is left out: that changes when netd stops."""
    for table, body in re.findall(r"^table (\S+ \S+) \{[^\n]*\n(.*?)^\}", listing, re.M | re.S):
        yield f"table {table}", re.findall(r"^\t(?!flags (?:owner|persist|owner,persist)?$)([^\t}].*)(?<!\{)$", body, re.M)
        for kind, name, inner in re.findall(r"^\t(\w+) (\S+) \{\n(.*?)^\t\}", body, re.M | re.S):
            if kind == "chain":
                lines = [line.strip() for line in inner.splitlines()]
                yield f"chain {table} {name}", [line for line in lines if line.startswith("type ")]
                for place, line in enumerate((line for line in lines if not line.startswith("type ")), 1):
                    yield f"rule {table} {name} {place:02}", line
            else:
                fields, _, elements = inner.partition("elements = {")
                members = [" ".join(member.split()) for member in elements.rpartition("}")[0].split(",")]
                if "timeout" in fields:
                    members = []  # they go by themselves
                yield f"{kind} {table} {name}", {"fields": fields.split(), "elements": sorted(members)}


def mounts(lines):
    for line in lines.splitlines():
        left, right = line.split(" - ")
        words, fields = left.split(), right.split()
        root = re.sub(r"\[\d+\]", "", words[3]) if fields[0] == "nsfs" else words[3]
        shared = any(word.startswith("shared:") for word in words[6:])
        yield f"{words[4]} {fields[0]} {root}", {"options": words[5], "shared": shared}


class Look:
    """collect.py in a host: it runs from the first look on until the host ends."""

    def __init__(self, host):
        self.host, self.process, self.lock = host, None, threading.Lock()

    def collect(self, *words):
        """All that is, as JSON."""
        with self.lock:
            if self.process is None:
                self.process = subprocess.Popen([*self.host.entered(), "--", sys.executable, "-ISB", COLLECT],
                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.process.stdin.write(" ".join(words) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            assert line, f"collect.py ended:\n{self.process.communicate()[1]}"
            return line

    def close(self):
        if self.process:
            self.process.communicate()
            self.process = None


class Snapshot(dict):
    @classmethod
    def take(cls, host, inside=False, without=()):
        """`without`: beginnings of keys that do not count."""
        return cls.of(host, json.loads(host.look.collect(*["inside"] if inside else [])), without)

    @classmethod
    def of(cls, host, state, without=()):
        """From what collect.py says."""
        shot = cls()
        for where, network in state.items():
            if where == "" or where.startswith("ns "):
                shot.add_network(where, network, state["random"] if where == "" else [])
        count = {}
        for name, value in mounts(state["mounts"].replace(str(host.dir), "DIR")):
            count[name] = count.get(name, 0) + 1
            shot[f"mount {name} {count[name]}"] = value
        for name, value in state["files"].items():
            if name != "/run/netd/generation":  # how many commits there were
                shot["file " + name] = value
        for key in [key for key in shot if key.startswith(tuple(without))] if without else []:
            del shot[key]
        return shot

    def add_network(self, where, network, random):
        prefix = where + ": " if where else ""
        if "broken" in network:
            self[prefix + "broken"] = network["broken"]
            return
        for kind, pairs in (("link", links(network["links"], random)), ("address", addresses(network["addresses"])),
                            ("route", routes(network["routes"])),
                            ("rule", ((rule, "") for rule in network["rules"])),
                            ("neighbour", neighbours(network["neighbours"])),
                            ("nft", rules(network["nft"]))):
            for name, value in pairs:
                self[f"{prefix}{kind} {name}"] = value
        for name, value in network["sysctls"].items():
            if not SYSCTL_DEALT.search(name):
                self[f"{prefix}sysctl {name}"] = value

    def diff(self, other):
        """What is different in `other`, a line each; empty where nothing is. Sysctls of an interface that came or went say nothing more."""
        lines = []
        changed = [key for key in sorted(set(self) | set(other)) if self.get(key) != other.get(key)]
        moved = {key.replace("link ", "sysctl ") for key in changed if LINK.match(key) and (key in self) != (key in other)}
        for key in changed:
            sysctl = SYSCTL_OF_LINK.match(key)
            if sysctl and f"{sysctl[1]}sysctl {sysctl[2]}" in moved:
                continue
            old, new = apart(self.get(key), other.get(key))
            if key in self:
                lines.append(f"- {key}: {text(old)}")
            if key in other:
                lines.append(f"+ {key}: {text(new)}")
        return "\n".join(lines)


def assert_same(before, after, what="nothing changed"):
    lines = before.diff(after)
    assert not lines, f"{what}, but:\n{lines}"


def wait_same(before, take, what, deadline=5.0):
    """assert_same() with what take() returns, once links that are only waiting for their deletion have gone."""
    try:
        wait_for(lambda: not before.diff(take()), "", deadline, step=0.05)
    except AssertionError:
        assert_same(before, take(), what)
