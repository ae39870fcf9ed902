"""A private host: the machine that a test's daemon believes to be on, with neighbours outside of it.

It is one process (agent.py) in new user, mount, pid and network namespaces, with its own /run, /etc, /sys,
/var/lib and boot id; nothing of this machine can be written but the host's own directory. Root is not needed. Ending the
process ends the host with everything in it; a reboot is just that, and a new one with the same state directory.
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from lib import traffic
from lib.snapshot import Look, Snapshot
from lib.wait import PATIENCE, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("NETD_BUILD", ROOT / "build")).resolve()
NETD = BUILD / "daemon" / "netd"
NETD_CTL = BUILD / "cli" / "netd-ctl"
SANITIZED = NETD.exists() and b"__asan_init" in NETD.read_bytes()
AGENT = Path(__file__).with_name("agent.py")
START_DEADLINE = 10.0
COMMAND_DEADLINE = 30.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HostError(Exception):
    """The machine does not let us make a private host."""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def lines(self):
        return self.stdout.splitlines()


class Process:
    """A program that was started in a host. `pid` is its number on this machine."""

    def __init__(self, argv, **options):
        self.popen = subprocess.Popen(argv, **options)
        self.entered = None

    @property
    def pid(self):
        """nsenter forks to enter the pid namespace; the program is its child."""
        if self.entered is None:
            path = f"/proc/{self.popen.pid}/task/{self.popen.pid}/children"
            words = wait_for(lambda: self.popen.poll() is not None or Path(path).read_text().split(), "the program has started")
            if words is True:
                return None
            self.entered = int(words[0])
        return self.entered

    def descend(self):
        """From here on, `pid` is the program that this one (strace) runs."""
        self.entered = int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def signal(self, number):
        if self.popen.poll() is None and self.pid:
            with contextlib.suppress(ProcessLookupError):  # it has just ended, and nsenter has not told yet
                os.kill(self.pid, number)

    def running(self):
        return self.popen.poll() is None

    def wait(self, deadline=10.0):
        return self.popen.wait(deadline * PATIENCE)

    def end(self):
        self.signal(signal.SIGKILL)
        self.wait()
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe:
                pipe.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Place:
    """A network namespace of a host: where programs run, sockets are made, packets come from."""

    def __init__(self, host, path=None, name="host"):
        self.host, self.path, self.name = host, path, name

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        return self.host.agent("socket", net=self.path, family=int(family), type=int(kind), protocol=protocol)

    def sysctl(self, name, value=None):
        """Reads it, or writes it where there is a value. Names are paths: net/ipv4/ip_forward."""
        if value is None:
            return self.host.agent("sysctl", net=self.path, name=name)["value"]
        self.host.agent("sysctl", net=self.path, name=name, value=value)
        return str(value)

    def entered(self):
        """A program that starts others in it, but for their numbers, which stay those of this machine."""
        # not --net alone: the agent is in other namespaces now and then
        net = f"root{self.path}" if self.path else f"fd/{self.host.home}"
        return ["nsenter", "--target", str(self.host.pid), "--user", "--preserve-credentials", "--mount",
                f"--net=/proc/{self.host.pid}/{net}"]

    def argv(self, command):
        return [*self.entered(), "--pid", "--", *map(str, command)]

    def run(self, *command, check=True, stdin=None, env=None, deadline=COMMAND_DEADLINE):
        """Runs a program to its end. `run("ip link")` with spaces is split as in a shell without quotes."""
        if len(command) == 1 and isinstance(command[0], str):
            command = command[0].split()
        with Process(self.argv(command), stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                     env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": PATH, **(env or {})}) as process:
            try:
                out, err = process.popen.communicate(stdin, timeout=deadline * PATIENCE)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{command}: not done after {deadline * PATIENCE:g} s") from None
        status = process.popen.returncode
        done = Done(status if status >= 0 else 128 - status, out, err)  # as sh says it
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{err}{out}")
        return done

    def shell(self, script, check=True, **options):
        return self.run("sh", "-ec", script, check=check, **options)

    def ip(self, lines):
        return self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def json(self, *command):
        done = self.run(*command)
        return json.loads(done.stdout) if done.stdout.strip() else []

    def spawn(self, *command, **options):
        """Starts a program and returns at once. End it with `with` or end()."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        process = Process(self.argv(command), **options)
        self.host.processes.append(process)
        return process

    def serve(self, port, tag=None, **options):
        server = traffic.Server(self, port, tag or self.name, **options)
        self.host.servers.append(server)
        return server

    def serve_both(self, port, **options):
        """In both families."""
        return [self.serve(port, address=address, **options) for address in ("0.0.0.0", "::")]

    def ask(self, protocol, address, port, **options):
        return traffic.ask(self, protocol, address, port, **options)

    def silent(self, protocol, address, port, **options):
        return traffic.silent(self, protocol, address, port, **options)

    def stream(self, protocol, address, port, **options):
        return traffic.Stream(self, protocol, address, port, **options)


class Neighbour(Place):
    """A machine outside, on a network of its own with the host: it routes everything through the host."""

    def __init__(self, host, name, network, network6=None):
        super().__init__(host, f"/run/outside/{name}", name)
        self.network = network
        self.interface = f"up-{name}"  # on the host
        self.host_address = network + ".1"
        self.address = network + ".2"
        self.network6 = network6  # 2001:db8:1
        if network6:
            self.host_address6, self.address6 = network6 + "::1", network6 + "::2"

    def make(self):
        number = self.host.neighbours.index(self) + 1
        self.host.agent("namespace", path=self.path)
        self.host.ip([f"link add {self.interface} address 02:00:00:00:0{number}:01 type veth peer name eth0 address 02:00:00:00:0{number}:02 "
                      f"netns {self.path}",
                      f"link set {self.interface} addrgenmode none",
                      f"addr add {self.host_address}/24 dev {self.interface}",
                      f"link set {self.interface} up",
                      *([f"route add default via {self.address}"] if number == 1 else [])])
        self.ip(["link set lo up", "link set eth0 addrgenmode none", f"addr add {self.address}/24 dev eth0", "link set eth0 up",
                 f"route add default via {self.host_address}"])
        if self.network6:
            self.make6(number)
        return self

    def make6(self, number):
        self.host.ip([f"addr add {self.host_address6}/64 dev {self.interface} nodad", f"addr add fe80::1/64 dev {self.interface} nodad",
                      *([f"route add default via {self.address6}"] if number == 1 else [])])
        self.ip([f"addr add {self.address6}/64 dev eth0 nodad", "addr add fe80::2/64 dev eth0 nodad",
                 f"route add default via {self.host_address6}"])



class Answer(NamedTuple):
    """What the HTTP API answered."""
    status: int
    body: dict
    headers: dict


class Host(Place):
    def __init__(self):
        super().__init__(self)
        self.dir = Path(tempfile.mkdtemp(prefix="netd-"))
        self.state = self.dir / "state"
        self.state.mkdir()
        self.neighbours, self.servers, self.processes = [], [], []
        self.kept = {}  # a service manager's descriptor store
        self.daemon, self.netd = None, NETD
        self.logs = []
        self.look = Look(self)
        self.lock = threading.Lock()  # of the channel: tests have threads
        self.channel = self.init = self.pid = None
        try:
            self.boot()
        except BaseException:
            self.close()
            raise

    # --- the machine ---

    def boot(self):
        self.boot_id = str(uuid.uuid4())
        (self.dir / "boot_id").write_text(self.boot_id + "\n")
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(START_DEADLINE * PATIENCE)
        with theirs:
            self.init = subprocess.Popen(
                ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL",
                 "--propagation", "private", "--mount-proc", "--", sys.executable, "-ISB", AGENT, str(theirs.fileno()),
                 self.dir], pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
        ready = self.channel.recv(65536)
        if not ready:
            raise HostError(self.init.communicate()[1])
        ready = json.loads(ready)
        if "error" in ready:
            raise HostError(ready["error"])
        self.home = ready["home"]
        self.pid = int(Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text())
        for neighbour in self.neighbours:
            neighbour.make()

    def power_off(self):
        """All that runs and all that is in memory is gone; the disk (the state directory) stays."""
        for server in self.servers:
            server.close()
        self.servers.clear()
        self.look.close()
        if self.channel:
            self.channel.close()
        if self.init:
            self.init.wait(10 * PATIENCE)
            self.init.stderr.close()
        for process in self.processes + ([self.daemon] if self.daemon else []):
            process.wait()
        self.processes.clear()
        self.forget()
        self.daemon = self.channel = self.init = self.pid = None

    def reboot(self):
        """A new boot id, an empty /run, no links, no rules; neighbours are plugged in again. Starts no daemon."""
        if self.daemon:
            self.stop_daemon()
        self.power_off()
        self.boot()

    def close(self):
        self.power_off()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def agent(self, op, **fields):
        with self.lock:
            self.channel.send(json.dumps({"op": op, **fields}).encode())
            data, fds, _, _ = socket.recv_fds(self.channel, 65536, 1)
        answer = json.loads(data)
        if "error" in answer:
            raise OSError(answer["errno"], answer["error"])
        return socket.socket(fileno=fds[0]) if fds else answer

    def file(self, path):
        """A file of the host, as a path of this machine."""
        return Path(f"/proc/{self.pid}/root{path}")

    def write(self, path, text, mode=0o644):
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return path

    def stub_resolver(self):
        """From now on the resolver is a loopback address, with a real one behind it, so that namespaces get files of their own."""
        self.write("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.2\n")
        self.write("/etc/resolv.conf", "nameserver 127.0.0.53\n")

    def ns(self, name):
        """A namespace of /run/netns."""
        return Place(self, f"/run/netns/{name}", name)

    def neighbour(self, name="out", network="192.0.2", network6=None):
        neighbour = Neighbour(self, name, network, network6)
        self.neighbours.append(neighbour)
        return neighbour.make()

    def snapshot(self, **options):
        return Snapshot.take(self, **options)

    # --- netd ---

    def start_daemon(self, *args, prefix=(), env=None, deadline=START_DEADLINE, own_tables=True, keep=False, program=None):
        """Starts netd, or this copy of it (under `prefix`, as strace is) and waits until it says READY. Fails with its log when it does not.
        own_tables=False: tests can change its live tables. keep: what it puts into the descriptor store until it is ready
        is handed over to the next one."""
        assert self.daemon is None, "a daemon is running"
        args = [*args, *([] if own_tables else ["--own-tables", "no"])]
        notify_path = self.dir / "notify"
        notify_path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(notify_path))
            self.launch(*args, prefix=prefix, program=program, env={"NOTIFY_SOCKET": str(notify_path), **(env or {})})
            pidfd = os.pidfd_open(self.daemon.popen.pid)
            end = time.monotonic() + deadline * PATIENCE
            try:
                while True:
                    ready, _, _ = select.select([notify, pidfd], [], [], max(0, end - time.monotonic()))
                    if notify in ready:
                        if "READY" in self.hear(notify, keep):
                            if prefix:
                                self.daemon.descend()
                            return self.daemon
                    elif pidfd in ready:
                        status = self.daemon.wait()
                        self.daemon = None
                        raise AssertionError(f"netd ended with {status} before it was ready:\n{self.log()}")
                    elif not ready:
                        self.kill_daemon()
                        raise AssertionError(f"netd was not ready after {deadline * PATIENCE:g} s:\n{self.log()}")
            finally:
                os.close(pidfd)

    def hear(self, notify, keep):
        """One message to the service manager, as a dictionary."""
        data, fds, _, _ = socket.recv_fds(notify, 4096, 8)
        fields = dict(line.partition("=")[::2] for line in data.decode().splitlines())
        if "FDSTOREREMOVE" in fields:
            self.forget(fields["FDNAME"])
        for fd in fds:
            if keep and "FDSTORE" in fields:
                self.kept[fields["FDNAME"]] = fd
            else:
                os.close(fd)
        return fields

    def forget(self, *names):
        """Drops what the descriptor store has."""
        for name in names or list(self.kept):
            if name in self.kept:
                os.close(self.kept.pop(name))

    def launch(self, *args, prefix=(), env=None, program=None):
        """Starts netd and returns at once."""
        log = self.dir / f"netd-{len(self.logs)}.log"
        self.logs.append(log)
        program = program or self.netd
        command, env = [*prefix, program, *args], {"LC_ALL": "C.UTF-8", **(env or {})}
        if self.kept:  # handed over as sd_listen_fds(3) expects it
            numbers = " ".join(f"{3 + place}<&{fd}" for place, fd in enumerate(self.kept.values()))
            command = [*prefix, "bash", "-c", f'export LISTEN_PID=$$; exec "$@" {numbers}', "bash", program, *args]
            env |= {"LISTEN_FDS": str(len(self.kept)), "LISTEN_FDNAMES": ":".join(self.kept)}
        with log.open("w") as file:
            self.daemon = Process(self.argv(command), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                  pass_fds=list(self.kept.values()), env={**os.environ, **env})
        return self.daemon

    def start_killed(self, inject, *args):
        """Starts netd, which strace kills at a call (inject=CALL:signal=SIGKILL:when=N); or else it is killed when it runs. True: at the call."""
        assert self.daemon is None, "a daemon is running"
        self.launch(*args, env={"ASAN_OPTIONS": "detect_leaks=0"},
                    prefix=["strace", "-f", "-o", "/dev/null", "-e", f"inject={inject}"])
        wait_for(lambda: not self.daemon.running() or self.ctl("network", "ls", check=False).returncode == 0,
                 "netd is killed, or runs", START_DEADLINE)
        killed = not self.daemon.running()
        if not killed:
            self.daemon.descend()
        self.kill_daemon()
        return killed

    def stop_daemon(self, deadline=10.0):
        process, self.daemon = self.daemon, None
        process.signal(signal.SIGTERM)
        try:
            status = process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.end()
            raise AssertionError(f"netd did not stop within {deadline * PATIENCE:g} s of SIGTERM:\n{self.log()}") from None
        assert status == 0, f"netd ended with {status} after SIGTERM:\n{self.log()}"

    def kill_daemon(self):
        process, self.daemon = self.daemon, None
        process.end()

    def restart_daemon(self, *args, **options):
        self.stop_daemon()
        return self.start_daemon(*args, **options)

    @contextlib.contextmanager
    def paused_daemon(self):
        """The daemon stands still meanwhile, and then finds all that happened at once."""
        entered = self.daemon.popen.pid  # nsenter, which stops itself when its child is stopped
        self.daemon.signal(signal.SIGSTOP)
        wait_for(lambda: Path(f"/proc/{entered}/stat").read_text().rsplit(")")[-1].split()[0] == "T", "netd stands still")
        try:
            yield
        finally:
            self.daemon.signal(signal.SIGCONT)
            os.kill(entered, signal.SIGCONT)

    def log(self):
        """What the last daemon logged."""
        return self.logs[-1].read_text() if self.logs else ""

    def all_logs(self):
        return "".join(log.read_text() for log in self.logs)

    def ctl(self, *args, check=True, **options):
        """netd-ctl with these words. check: fail unless it exits with 0 (True) or with this status (a number)."""
        done = self.run(NETD_CTL, *args, check=False, **options)
        wanted = 0 if check is True else check
        if check is not False and done.returncode != wanted:
            raise AssertionError(f"netd-ctl {' '.join(map(str, args))}: exit {done.returncode}, not {wanted}\n"
                                 f"{done.stderr}{done.stdout}--- log\n{self.log()[-3000:]}")
        return done

    def ctl_json(self, *args, **options):
        """The JSON that netd-ctl prints."""
        return json.loads(self.ctl(*args, "--json", **options).stdout)

    def objects(self):
        """Names, addresses, MACs and ports as netd lists them, without what belongs to a boot."""
        namespaces = self.ctl_json("ns", "ls")
        for namespace in namespaces:
            for field in ("inode", "cookie", "nsid"):
                del namespace[field]
        return {"networks": self.ctl_json("network", "ls"), "namespaces": namespaces, "ports": self.ctl_json("ports")}

    def connection(self, deadline=10.0):
        """An HTTP connection to the daemon's socket."""
        deadline *= PATIENCE
        made = http.client.HTTPConnection("netd", timeout=deadline)
        made.sock = socket.socket(socket.AF_UNIX)
        made.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(deadline), 0))
        made.sock.connect(f"/proc/{self.pid}/root/run/netd/netd.sock")  # waits while others are ahead, where settimeout() would fail
        made.sock.settimeout(deadline)
        return made

    def http(self, method, path, body=None, raw=None):
        connection = self.connection()
        try:
            data = raw if raw is not None else None if body is None else json.dumps(body).encode()
            connection.request(method, path, data)
            response = connection.getresponse()
            text = response.read()
            return Answer(response.status, json.loads(text) if text else {}, dict(response.getheaders()))
        finally:
            connection.close()
