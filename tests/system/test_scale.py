"""What a request costs does not depend on how much there is on the host; and what others do there counts from the next request on."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.wait import wait_for

LINKS = 300
OPERATIONS = {
    "network create": ("POST", "/v1/networks", {"name": "more"}),
    "network create, of this subnet": ("POST", "/v1/networks", {"name": "named", "subnets": [{"subnet": "10.67.0.0/24"}]}),
    "connect": ("POST", "/v1/endpoints", {"network": "net", "namespace": "web"}),
    "publish": ("POST", "/v1/publications", {"host_port": 8080, "port": 80, "namespace": "web"}),
    "unpublish": ("DELETE", "/v1/publications?host_port=8080", None),
    "disconnect": ("DELETE", "/v1/networks/net/endpoints/web", None),
    "ns rm": ("DELETE", "/v1/namespaces/web", None),
    "network rm": ("DELETE", "/v1/networks/more", None),
    "network rm, the other": ("DELETE", "/v1/networks/named", None),
}


def heard(host):
    """How many bytes of answers and announcements each operation brings to netd, until its links are gone."""
    trace = host.dir / "trace"
    count = {}
    for what, (method, path, body) in OPERATIONS.items():
        with subprocess.Popen(["strace", "-f", "-p", str(host.daemon.pid), "-o", trace, "-e", "trace=recvmsg,recvfrom"],
                              stderr=subprocess.PIPE, text=True) as strace:
            strace.stderr.readline()  # it is attached
            answer = host.http(method, path, body)
            assert answer.status < 300, answer
            wait_for(lambda: what != "disconnect" or "nv" not in host.run("ip -o link").stdout, "the pair is gone")
            strace.send_signal(2)
            strace.communicate()
        count[what] = sum(int(size) for size in re.findall(r"= (\d+)$", trace.read_text(), re.M))
    return count


def test_no_request_has_all_of_the_host_listed(netd):
    assert netd.http("POST", "/v1/networks", {"name": "net"}).status == 201
    few = heard(netd)
    netd.run("ip", "-batch", "-", stdin="".join(
        f"link add fo{number} type bridge\naddress add 172.{16 + number // 256}.{number % 256}.1/24 dev fo{number}\nlink set fo{number} up\n"
        for number in range(LINKS)))

    def same():
        """netd follows the host's interfaces and looks at all of them once they have changed: after that no more."""
        many = heard(netd)
        return not {what: (few[what], size) for what, size in many.items() if size > few[what] + 32768}

    wait_for(same, "an operation brings as much as on an empty host", 60)


def refused(host, subnet):
    """Why a network of this subnet is; one that is not is removed again."""
    answer = host.http("POST", "/v1/networks", {"name": "wanted", "subnets": [{"subnet": subnet}]})
    if answer.status == 201:
        assert host.http("DELETE", "/v1/networks/wanted").status < 300
        return False
    assert "overlaps" in answer.body["detail"], answer
    return answer.body["detail"]


FO = "ip link add fo type bridge; ip address add 172.16.9.1/24 dev fo; ip link set fo up; "
CHANGES = {
    "address": ("ip address add 10.66.0.9/32 dev lo", "ip address del 10.66.0.9/32 dev lo"),
    "point to point": (FO + "ip address add 172.16.9.7 peer 10.66.0.9/32 dev fo", "ip address del 172.16.9.7 peer 10.66.0.9/32 dev fo"),
    "route": ("ip route add 10.66.0.0/16 via 192.0.2.2", "ip route del 10.66.0.0/16"),
    "unreachable once": ("ip route add 10.66.0.0/16 via 192.0.2.2", "ip route replace unreachable 10.66.0.0/16"),
    "link": ("ip link add fo type bridge; ip address add 10.66.0.1/24 dev fo; ip link set fo up", "ip link del fo"),
    "link that moves": ("ip netns add box; ip link add fo type veth peer fo2; ip address add 10.66.0.1/24 dev fo; ip link set fo up",
                        "ip link set fo netns box"),
    "route of a link that goes down": (FO + "ip route add 10.66.0.0/24 via 172.16.9.2", "ip link set fo down"),
    "route of an address that goes": (FO + "ip route add 10.66.0.0/24 dev fo src 172.16.9.1", "ip address del 172.16.9.1/24 dev fo"),
    "route of a nexthop": ("ip nexthop add id 7 via 192.0.2.2 dev up-out; ip route add 10.66.0.0/24 nhid 7", "ip nexthop del id 7"),
    "two ways": (FO + "ip route add 10.66.0.0/24 nexthop via 172.16.9.2 nexthop via 192.0.2.2", "ip route del 10.66.0.0/24"),
    "address on a bridge of netd's": ("ip address add 10.66.0.1/24 dev nd-a", "ip address del 10.66.0.1/24 dev nd-a"),
    "route through a bridge of netd's": ("ip route add 10.66.0.0/24 dev nd-a", "ip route del 10.66.0.0/24 dev nd-a"),
    "another instance's": ("ip link add fo type bridge; ip link set fo alias netd:00112233445566778899aabbccddeeff:a"
                           "; ip address add 10.66.0.1/24 dev fo; ip link set fo up", "ip link del fo"),
    "IPv6 address": (FO + "ip -6 address add fd66::9/128 dev fo nodad", "ip -6 address del fd66::9/128 dev fo"),
    "IPv6 route": (FO + "ip -6 address add fd67::1/64 dev fo nodad; ip -6 route add fd66::/48 via fd67::2", "ip -6 route del fd66::/48"),
}


@pytest.fixture
def known(netd):
    """What the host uses has been asked for."""
    answer = netd.http("POST", "/v1/networks", {"name": "a", "bridge": "nd-a", "subnets": [{"subnet": "10.77.0.0/24"}]})
    assert answer.status == 201, answer
    return netd


@pytest.mark.parametrize("come, go", CHANGES.values(), ids=CHANGES)
def test_what_came_or_went_right_before_counts(known, come, go):
    subnet = "fd66::/64" if "fd66" in come else "10.66.0.0/24"
    assert not refused(known, subnet)
    known.shell(come)
    assert refused(known, subnet)
    known.shell(go)
    assert not refused(known, subnet)


def flood(host, change):
    """More happens than a socket's queue holds, and this; then a request that waits already is read."""
    with ThreadPoolExecutor(1) as thread:
        with host.paused_daemon():
            host.shell(f"""
                ip link add noise type veth peer name noise2
                i=0; while [ $i -lt 4000 ]; do echo "link set noise up"; echo "link set noise down"; i=$((i+1)); done | ip -batch -
                ip link del noise
                {change}""")
            return thread.submit(refused, host, "10.66.0.0/24")


def test_what_was_not_heard_counts(known):
    assert not refused(known, "10.66.0.0/24")
    assert flood(known, "ip route add 10.66.0.0/24 via 192.0.2.2").result()
    assert not flood(known, "ip route del 10.66.0.0/24").result()
    assert "events of the kernel were lost" in known.log()


def test_what_happened_while_netd_was_stopped_counts(known):
    assert not refused(known, "10.66.0.0/24")
    known.stop_daemon()
    known.run("ip route add 10.66.0.0/24 via 192.0.2.2")
    known.start_daemon()
    assert refused(known, "10.66.0.0/24")
    known.stop_daemon()
    known.run("ip route del 10.66.0.0/24")
    known.start_daemon()
    assert not refused(known, "10.66.0.0/24")


def test_a_bridge_is_not_given_a_name_that_the_host_has(known):
    """The next name that is drawn is the one that a dry run tells."""
    plan = known.ctl("network", "create", "next", "--dry-run").stdout
    name = re.search(r"\bnetd-[0-9a-f]{6}\b", plan)[0]
    known.run(f"ip link add {name} type bridge")
    known.ctl("network", "create", "next")
    assert known.ctl_json("network", "inspect", "next")[0]["bridge"] not in (name, "")
    known.run(f"ip link del {name}")


def test_what_netd_makes_is_not_looked_at_again(netd):
    """A list of all links for each new bridge, or for each port that is taken off, would cost the more the more there are."""
    requests = [("POST", "/v1/networks", {"name": "net", "ipv6": True, "isolated": True}), *list(OPERATIONS.values())[2:7],
                ("DELETE", "/v1/networks/net", None)]
    assert netd.http("POST", "/v1/networks", {"name": "other", "ipv6": True}).status == 201

    def lists():
        """How often all links were listed, while each of these was done once."""
        trace = netd.dir / "trace"
        with subprocess.Popen(["strace", "-f", "-p", str(netd.daemon.pid), "-o", trace, "-e", "trace=sendto,sendmsg"],
                              stderr=subprocess.PIPE, text=True) as strace:
            strace.stderr.readline()
            for method, path, body in requests:
                assert netd.http(method, path, body).status < 300, path
            wait_for(lambda: "nv" not in netd.run("ip -o link").stdout, "the pair is gone")
            strace.send_signal(2)
            strace.communicate()
        text = trace.read_text()
        assert "nlmsg_type=0x10 " in text, "strace shows the netlink messages"
        return len(re.findall(r"nlmsg_type=0x12 /[^/]*/, nlmsg_flags=NLM_F_REQUEST\|0x300", text))

    wait_for(lambda: lists() == 0, "no list of all links", 30)
