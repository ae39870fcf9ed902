"""A Debian with systemd as its first process, for what only that can show: units, mount propagation, installing.

systemd-nspawn boots a folder that mmdebstrap fills once (a minute; kept in ~/.cache or /var/cache). What a machine writes
is in memory and goes with it, and so is its network, which has nothing but `lo`. It runs on this machine's own kernel and needs root.
"""

import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib.wait import PATIENCE, wait_for

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "netd-tests"
PACKAGES = """systemd systemd-sysv dbus iproute2 nftables iputils-ping procps curl python3
    libevent-2.1-7 libnl-3-200 libnl-route-3-200 libnftnl11 libmnl0 libjansson4 libsqlite3-0 libcap-ng0 libinih1""".split()
CGROUPS = Path("/sys/fs/cgroup")
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

# The tree of control groups is mounted anew, since a machine with the old kind shows nspawn nothing it could use. The machine gets a
# group of its own, which is there before it and is removed after it.
BOOT = """
set -e
if ! [ -e /sys/fs/cgroup/cgroup.procs ]; then
    umount --recursive /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
mkdir -p /sys/fs/cgroup/"$1"
echo $$ >/sys/fs/cgroup/"$1"/cgroup.procs
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_SECCOMP=0
exec systemd-nspawn --quiet --register=no --keep-unit --machine="$1" --directory="$2" --volatile=overlay \\
    --private-network --capability=all --console=read-only --link-journal=no --resolv-conf=off --timezone=off --boot
"""


class MachineError(Exception):
    """There is no such machine to be had here."""


def codename():
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise MachineError("/etc/os-release names no VERSION_CODENAME: the machine is made from Debian")


def mirrors(suite):
    """The lines of sources.list that this machine's own apt uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "deb $(SITE) $(CODENAME) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True, text=True, check=True).stdout
    return "\n".join(sorted({line for line in listed.splitlines() if line.split()[2].startswith(suite)})) + "\n"


def rootfs():
    """The folder to boot; made now where there is none of this list of packages."""
    suite = codename()
    key = hashlib.sha256(" ".join([suite, *PACKAGES]).encode()).hexdigest()[:12]
    folder = CACHE / f"rootfs-{suite}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            fill(suite, folder)
    return folder


def fill(suite, folder):
    for old in CACHE.glob(f"rootfs-{suite}-*"):
        shutil.rmtree(old)
    half = folder.with_name("half-made")
    if half.exists():
        shutil.rmtree(half)
    made = subprocess.run(
        # in a mount namespace of its own, since what it mounts meanwhile is nobody else's business
        ["unshare", "--mount", "--propagation", "private", "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", f"--include={','.join(PACKAGES)}",
         "--aptopt=Acquire::Languages \"none\"", "--aptopt=APT::Install-Recommends \"false\"",
         "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", suite, half, "-"],
        input=mirrors(suite), capture_output=True, text=True)
    if made.returncode != 0:
        raise MachineError(f"mmdebstrap: {made.stderr[-2000:]}")
    (half / "etc/fstab").write_text("")
    # with an empty one the first boot would enable every unit that has a preset, nftables.service among them
    (half / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    half.rename(folder)


class Inside:
    """A network namespace of a machine, as a place to make sockets in (lib/traffic.py)."""

    def __init__(self, path):
        self.path = path

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """By a thread that enters, and ends."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(self.make, family, kind, protocol).result()

    def make(self, *words):
        with open(self.path) as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"enter {self.path}")
        return socket.socket(*words)


class Machine:
    """Boots when it is made; `with` powers it off."""

    def __init__(self):
        if os.geteuid() != 0:
            raise MachineError("systemd-nspawn boots a machine for root only")
        folder = rootfs()
        self.name = f"netd-test-{os.getpid()}"
        self.log = tempfile.TemporaryFile()
        self.leader = None
        self.nspawn = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", BOOT, "boot", self.name, folder],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        try:
            self.leader = wait_for(self.find_leader, "the machine has a first process", deadline=30)
            wait_for(lambda: self.run("test -S /run/systemd/private", check=False).returncode == 0,
                     "systemd answers", deadline=60)
            self.run("systemctl is-system-running --wait", check=False)
        except BaseException:
            self.close()
            raise

    def console(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def find_leader(self):
        if self.nspawn.poll() is not None:
            raise MachineError(f"systemd-nspawn: {self.console()}")
        for child in Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split():
            try:
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
            except OSError:
                pass
        return None

    def run(self, command, check=True, stdin=None, deadline=120):
        """Runs a line of shell inside."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
             "env", "-i", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=dumb",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", f"cd; {command}"],
            stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=deadline * PATIENCE)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stderr}{done.stdout}{self.journal()}")
        return done

    def journal(self):
        return self.run("journalctl --no-pager --lines=40 --output=cat", check=False).stdout

    def put(self, path, text):
        """Writes a file, and the folders it is in."""
        with tempfile.TemporaryFile("w+") as file:
            file.write(text)
            file.seek(0)
            self.run(f'mkdir -p "$(dirname {path})" && cat >{path}', stdin=file)

    def copy_in(self, folder):
        """Everything in `folder` to the same place below /."""
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            self.run("tar -C / --no-same-owner --no-overwrite-dir -x", stdin=tar.stdout)

    def place(self, netns=None):
        """The machine, or a namespace of its /run/netns."""
        return Inside(f"/proc/{self.leader}/root/run/netns/{netns}" if netns else f"/proc/{self.leader}/ns/net")

    def connect(self, path):
        """A connection to a Unix socket in there."""
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(30)
        made.connect(f"/proc/{self.leader}/root{path}")
        return made

    def close(self):
        if self.leader and self.nspawn.poll() is None:
            os.kill(self.leader, signal.SIGRTMIN + 4)  # systemd(1): power off
        try:
            self.nspawn.wait(20 if self.leader else 0)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        self.log.close()
        self.remove_groups()

    def remove_groups(self):
        for top in (CGROUPS / self.name, CGROUPS / "unified" / self.name):
            for folder in sorted(top.rglob("*"), reverse=True) + [top]:
                if folder.is_dir():
                    try:
                        folder.rmdir()
                    except OSError:
                        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
