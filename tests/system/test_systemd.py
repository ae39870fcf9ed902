"""netd as a service: installed from its own build on a machine that boots, started by its unit, used, and removed again."""

import ast
import contextlib
import subprocess
import threading

import pytest

from lib import owner
from lib.host import BUILD, ROOT
from lib.machine import Machine
from lib.traffic import Datagrams, Server, Stream
from lib.wait import wait_for

OWNS = owner.has_kernel()  # the tables; else they are plain, and no socket of theirs is kept

# Clients without a pause until there is a file `stop`. A line for each answer: exit status, seconds, what was asked, what it said.
CLIENTS = """
import pathlib, subprocess, threading, time
stop, lines, lock = pathlib.Path("/root/stop"), open("/root/answers", "a", buffering=1), threading.Lock()

def ask(*words):
    done = subprocess.run(["netd-ctl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    with lock:
        lines.write(f"{done.returncode}\\t{' '.join(words)}\\t{done.stderr.strip()}\\n")
    time.sleep(0.05)  # bounds the load
    return done.returncode == 0

def client(number):
    turn = 0
    while not stop.exists():
        turn += 1
        if ask("ns", "create", f"c{number}-{turn}"):
            ask("ns", "rm", f"c{number}-{turn}")
        ask("network", "ls")

threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
WEB = """
[Unit]
Requires=netd-ns@web.service
After=netd-ns@web.service
[Service]
NetworkNamespacePath=/run/netns/web
ExecStart=/usr/bin/python3 -u -m http.server 80 --directory /srv
PrivateTmp=yes
ProtectSystem=strict
"""
NEIGHBOUR = """
ip netns add out && ip link add uplink type veth peer name eth0 netns out
ip addr add 192.0.2.1/24 dev uplink && ip link set uplink up
ip -n out addr add 192.0.2.2/24 dev eth0 && ip -n out link set eth0 up
"""
# Asks as long as it takes for a server to listen.
FETCH = "curl -sS --fail --retry 40 --retry-delay 1 --retry-all-errors --max-time 2 --retry-max-time 10"
# Everything on the machine that netd could leave something in. agetty touches its file whenever a login prompt starts.
STATE = r"""
ip -o link | cut -d: -f2; ip -o addr; ip route show table all; ip rule; ip netns; nft list ruleset
sysctl -a -r '^net\.' | grep -v nf_conntrack_count
cut -d' ' -f4- /proc/self/mountinfo | sort
find / -xdev -path /proc -prune -o -path /sys -prune -o -path /var/log -prune -o -path /var/lib/systemd -prune -o -path /tmp -prune \
    -o -path /var/tmp -prune -o -path /root -prune -o -path '/etc/*-' -o -print | sort
find /run -path /run/systemd -prune -o -path /run/log -prune -o -path /run/udev -prune -o \
    -path /run/agetty.reload -prune -o -print | sort
cat /etc/group /etc/passwd
"""


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """The files that `meson install` copies, below a folder."""
    folder = tmp_path_factory.mktemp("staged")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def bare():
    """The machine without netd, with the scripts that quickstart uses."""
    with Machine() as made:
        made.put("/root/tools/common.bash", (ROOT / "tools/common.bash").read_text())
        made.put("/root/tools/install.bash", (ROOT / "tools/install.bash").read_text())
        yield made


def script(machine, function, **options):
    """Runs one of the functions that quickstart calls on the machine that it installs on."""
    return machine.run(f"bash -uc '. tools/common.bash; . tools/install.bash; {function}'", **options)


def install(machine, folder):
    machine.copy_in(folder)
    script(machine, "start_installed")


@pytest.fixture
def machine(bare, staged):
    install(bare, staged)
    return bare


@pytest.fixture
def web(machine):
    """The three commands, and a service of systemd's own in the namespace."""
    machine.put("/etc/systemd/system/web.service", WEB)
    machine.put("/srv/index.html", "served from web\n")
    machine.run(NEIGHBOUR)
    machine.run("netd-ctl network create my-net && netd-ctl connect my-net web && netd-ctl publish 8080:80")
    machine.run("systemctl daemon-reload && systemctl start web.service")
    assert machine.run(f"{FETCH} http://127.0.0.1:8080/").stdout == "served from web\n"
    return machine


def shown(machine, unit, name):
    return machine.run(f"systemctl show --value --property={name} {unit}").stdout.strip()


def test_a_service_in_a_namespace_is_reached_through_its_published_port(web):
    assert web.run(f"ip netns exec out {FETCH} http://192.0.2.1:8080/").stdout == "served from web\n"
    client = web.run("journalctl --unit=web --output=cat --grep=192.0.2.2 --no-pager", check=False).stdout
    assert "GET /" in client, "the client's address is kept"


def sockets(machine):
    pid = shown(machine, "netd", "MainPID")
    return {link for link in machine.run(f"readlink /proc/{pid}/fd/*", check=False).stdout.split() if link.startswith("socket:")}


def test_a_restart_of_netd_leaves_the_service_alone_and_the_port_held(web):
    before = shown(web, "web", "MainPID"), shown(web, "web", "ExecMainStartTimestampMonotonic")
    daemon = shown(web, "netd", "MainPID")
    assert shown(web, "netd", "NFileDescriptorStore") == str(1 + OWNS), "the port, and the owner of the tables"
    had = sockets(web)
    web.run("systemctl restart netd")
    assert shown(web, "netd", "MainPID") != daemon
    assert len(had & sockets(web)) == 2 + OWNS, "the same: systemd's own, the one that holds the port, and the tables' owner"
    taken = web.run("python3 -c 'import socket; socket.create_server((\"\", 8080))'", check=False)
    assert "Address already in use" in taken.stderr
    assert (shown(web, "web", "MainPID"), shown(web, "web", "ExecMainStartTimestampMonotonic")) == before
    assert shown(web, "netd", "NFileDescriptorStore") == str(1 + OWNS)
    assert web.run(f"ip netns exec out {FETCH} http://192.0.2.1:8080/").stdout == "served from web\n"
    web.run("netd-ctl unpublish 8080")
    assert shown(web, "netd", "NFileDescriptorStore") == str(int(OWNS))


def start_owners(machine):
    """Prints who owns netd's tables, on the machine."""
    machine.put("/root/owner.py", (ROOT / "tests/lib/owner.py").read_text())
    return lambda: ast.literal_eval(machine.run("python3 -B owner.py").stdout)


if OWNS:
    def test_tables_are_owned_by_one_socket_through_restart_and_crash(web):
        owners = start_owners(web)
        owned = owners()
        assert {flags for flags, _ in owned.values()} == {6} and len({port for _, port in owned.values()}) == 1
        web.run("systemd-run --unit=heard --property=Type=exec sh -c 'exec nft monitor'")
        marker = "nft add table inet marker && journalctl --sync && journalctl --unit=heard --output=cat --no-pager"
        wait_for(lambda: "marker" in web.run(f"nft delete table inet marker; {marker}", check=False).stdout, "the monitor listens")
        for again in ("systemctl restart netd", "kill -KILL $(systemctl show --value --property=MainPID netd)"):
            daemon = shown(web, "netd", "MainPID")
            web.run(again)
            assert "8080" in web.run("netd-ctl ports").stdout
            assert shown(web, "netd", "MainPID") not in ("0", daemon)
            assert owners() == owned, again
            refused = web.run("nft flush ruleset; nft delete table inet netd", check=False)
            assert "Operation not permitted" in refused.stderr, again
            assert web.run(f"ip netns exec out {FETCH} http://192.0.2.1:8080/").stdout == "served from web\n"
        heard = web.run(f"nft add table inet marker2; journalctl --sync; {marker}").stdout
        assert "marker2" in heard
        assert [line for line in heard.splitlines() if "netd" in line and not line.startswith("# new generation")] == []


def test_tables_of_a_stopped_netd_are_no_ones(web):
    web.run("systemctl stop netd.socket netd.service")
    assert set(start_owners(web)().values()) == {(owner.PERSIST if OWNS else 0, None)}
    assert web.run(f"ip netns exec out {FETCH} http://192.0.2.1:8080/").stdout == "served from web\n"
    web.run("netd --cleanup")
    assert "netd" not in web.run("nft list tables").stdout


def test_a_crash_of_netd_is_mended_by_systemd(web):
    daemon = shown(web, "netd", "MainPID")
    web.run(f"kill -KILL {daemon}")
    # the socket is systemd's: the answer waits until there is someone to give it
    assert "8080" in web.run("netd-ctl ports").stdout
    assert shown(web, "netd", "MainPID") not in ("0", daemon)
    assert web.run(f"{FETCH} http://127.0.0.1:8080/").stdout == "served from web\n"


class Clients:
    def __init__(self, machine):
        self.machine, self.seen = machine, 0
        machine.put("/root/clients.py", CLIENTS)
        machine.run("systemd-run --unit=clients python3 /root/clients.py")

    def answers(self):
        text = self.machine.run("cat /root/answers 2>/dev/null", check=False).stdout
        return [line.split("\t") for line in text.splitlines()]

    def fresh(self, count=60):
        """What was answered since the last time; at least so many."""
        wait_for(lambda: len(self.answers()) >= self.seen + count, "the clients are answered", 60)
        answers, self.seen = self.answers()[self.seen:], len(self.answers())
        return answers

    def end(self):
        self.machine.run("touch /root/stop")
        wait_for(lambda: shown(self.machine, "clients", "ActiveState") != "active", "the clients have ended", 60)
        assert shown(self.machine, "clients", "Result") == "success"
        return self.answers()[self.seen:]


def failed(answers):
    return [answer for answer in answers if answer[0] != "0"]


def test_no_client_is_refused_while_netd_restarts_or_is_upgraded(machine):
    clients = Clients(machine)
    assert not failed(clients.fresh())
    daemon = shown(machine, "netd", "MainPID")
    machine.run("systemctl restart netd")
    assert shown(machine, "netd", "MainPID") != daemon
    assert not failed(clients.fresh())
    with open(BUILD / "tests/netd-later", "rb") as later:
        machine.run("cat >/usr/local/sbin/netd.new && chmod 755 /usr/local/sbin/netd.new && mv /usr/local/sbin/netd.new /usr/local/sbin/netd", stdin=later)
    machine.run("systemctl restart netd")
    assert not failed(clients.fresh() + clients.end())
    version = machine.run("netd-ctl version")
    assert "netd 99.0.0" in version.stdout and "is older than netd 99.0.0" in version.stderr


def test_only_changes_that_were_under_way_do_not_outlive_a_kill(machine):
    """No question fails, and each of the four clients lost at most the one answer that it waited for."""
    clients = Clients(machine)
    assert not failed(clients.fresh())
    daemon = shown(machine, "netd", "MainPID")
    machine.run(f"kill -KILL {daemon}")
    lost = failed(clients.fresh() + clients.end())
    assert shown(machine, "netd", "MainPID") not in ("0", daemon)
    assert len(lost) <= 4
    for status, words, said in lost:
        assert status == "4" and "the change may be done or not" in said and words.startswith("ns ")


class Callers:
    """Clients of netd's socket, one after the other, as fast as they are answered."""

    def __init__(self, machine):
        self.machine = machine
        self.answered = self.cut = 0  # cut: netd was killed before it had answered
        self.refused = []
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            try:
                made = self.machine.connect("/run/netd/netd.sock")
            except OSError as error:
                self.refused.append(error)
                continue
            with made, contextlib.suppress(ConnectionError):
                made.sendall(b"GET /v1/networks HTTP/1.1\r\nHost: netd\r\nConnection: close\r\n\r\n")
                if made.recv(12) == b"HTTP/1.1 200":
                    self.answered += 1
                    continue
            self.cut += 1

    def wait(self, count=5):
        goal = self.answered + count
        wait_for(lambda: self.answered >= goal, "clients are answered", deadline=60)

    def close(self):
        self.stopping = True
        self.thread.join()


def test_traffic_and_clients_notice_no_restart(web):
    """Whatever systemd does with netd: datagrams, a thousand a second, connections, and clients that only wait."""
    inside, out = web.place("web"), web.place("out")
    web.run("netd-ctl publish 5000:5000/udp && netd-ctl publish 8000:8000")
    paths = [(out, "192.0.2.1", 8000, inside, 5000), (inside, "192.0.2.2", 8000, out, 5001)]
    with contextlib.ExitStack() as stack:
        for place in (inside, out):
            stack.enter_context(Server(place, 8000))
        flows = [(stack.enter_context(Stream(source, "tcp", address, tcp, timeout=30.0)),
                  stack.enter_context(Datagrams(source, address, udp, to, udp))) for source, address, tcp, to, udp in paths]
        callers = stack.enter_context(contextlib.closing(Callers(web)))
        for step, ends in (("systemctl restart netd", True), ("systemctl daemon-reexec", False),
                           ("kill -KILL $(systemctl show --value --property=MainPID netd)", True), ("systemctl restart netd", True),
                           ("systemctl daemon-reload", False)):
            daemon = shown(web, "netd", "MainPID")
            web.run(step)
            callers.wait()
            assert (shown(web, "netd", "MainPID") != daemon) == ends, step
            for stream, datagrams in flows:
                datagrams.wait(150)
                stream.wait(deadline=60)
        assert [(datagrams.missing(), stream.error) for stream, datagrams in flows] == [([], None)] * 2
    assert callers.refused == [], "the socket is always there"
    assert callers.cut <= 1, "and who was accepted is answered, unless netd was killed"


def test_the_group_administers_the_network_and_no_one_else(machine):
    expected = "660 root netd"
    member = "setpriv --reuid=nobody --regid=nogroup --groups=netd --inh-caps=-all netd-ctl network ls"
    stranger = "setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all netd-ctl network ls"
    for again in ("true", "systemctl restart netd", "systemctl restart netd.socket"):
        machine.run(again)
        assert machine.run("stat -c '%a %U %G' /run/netd/netd.sock").stdout.strip() == expected, again
        assert machine.run("stat -c '%a %U %G' /run/netd").stdout.strip() == "750 root netd", again
        assert "default" in machine.run(member).stdout, again
        refused = machine.run(stranger, check=False)
        assert refused.returncode == 4 or refused.returncode == 1, again
        assert "netd-ctl:" in refused.stderr and "group" in refused.stderr, again


def test_a_namespace_is_a_unit_that_others_can_require(machine):
    machine.run("systemctl start netd-ns@my-ns.service netd-ns@other.service")
    assert "my-ns" in machine.run("netd-ctl ns ls -q").stdout.split()
    machine.run("systemctl stop netd-ns@my-ns.service")
    assert "my-ns" in machine.run("ip netns").stdout.split(), "stopping the unit leaves the namespace"
    machine.run("systemctl start netd-ns@my-ns.service")
    refused = machine.run("systemctl start 'netd-ns@..service'", check=False)
    assert refused.returncode != 0


def test_what_netd_mounts_is_seen_by_units_with_mounts_of_their_own(machine):
    machine.run("systemd-run --unit=sleeper --property=PrivateMounts=yes sleep 60")
    machine.run("netd-ctl ns create late")
    pid = shown(machine, "sleeper", "MainPID")
    assert " /run/netns/late " in machine.run("cat /proc/1/mountinfo").stdout
    assert " /run/netns/late " in machine.run(f"cat /proc/{pid}/mountinfo").stdout
    machine.run("systemd-run --wait --property=NetworkNamespacePath=/run/netns/late true")


def test_the_units_are_clean_and_hardened(machine):
    units = "netd.service netd.socket netd-ns@web.service"
    verified = machine.run(f"systemd-analyze verify {units}")
    assert verified.stdout + verified.stderr == ""
    machine.run("systemd-analyze security --offline=true --threshold=50 /usr/local/lib/systemd/system/netd.service")
    assert "Operation not permitted" not in machine.run("journalctl --unit=netd --output=cat --no-pager").stdout


def test_netd_starts_again_with_the_machine(machine):
    for unit in ("netd.service", "netd.socket"):
        assert machine.run(f"systemctl is-enabled {unit}").stdout.strip() == "enabled"


def test_removing_netd_leaves_nothing(bare, staged):
    before = bare.run(STATE, check=False).stdout.splitlines()
    install(bare, staged)
    bare.run("netd-ctl network create my-net && netd-ctl connect my-net web && netd-ctl publish 8080:80")
    bare.run("systemctl start netd-ns@other.service")
    files = "\n".join(f"/{path.relative_to(staged)}" for path in sorted(staged.rglob("*")) if not path.is_dir())
    bare.put("/root/files", files + "\n")
    script(bare, "remove_installed <files")
    after = bare.run(STATE, check=False).stdout.splitlines()
    assert sorted(set(after) - set(before)) == []
    assert sorted(set(before) - set(after)) == []


def test_removing_what_is_not_there_says_so(bare):
    refused = script(bare, "echo /usr/local/sbin/netd | remove_installed", check=False)
    assert refused.returncode == 1
    assert "not installed" in refused.stderr
