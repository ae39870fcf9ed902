"""Runs in a private host, but for its processes: nobody there sees it. Each line of the input is answered by all of the network's
state, unchanged, as a line of JSON.

The words of the input name what is wanted beside the host itself: `inside` looks into every namespace of /run/netns, too.
It is asked some thousand times in a row, so what costs most is not done twice for the same state: no process is started for
nf_tables, `ip` only where the kernel's own answer is another one, and the files of /proc/sys stay open.
"""

import ctypes
import errno
import fcntl
import json
import os
import resource
import socket
import stat
import struct
import subprocess
import sys

DIRECTORIES = ["/run/netns", "/etc/netns", "/run/netd"]
LISTS = {"links": "link show", "addresses": "addr show", "routes": "route show table all", "neighbours": "neigh show"}
RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE, NFT_MSG_GETTABLE = 18, 22, 26, 30, 34, 10 << 8 | 1
NLM_F_DUMP_REQUEST = 0x301
EXT_MASK_AS_IP = struct.pack("=HHI", 8, 29, 1 | 8)  # with virtual functions, without counters
NUD_PERMANENT = 0x80
CLONE_NEWNET = 0x40000000
SIOCGSKNS = 0x894c
NFT_CTX_OUTPUT_STATELESS = 4
SYSCTLS = "/proc/sys/net/"
SYSCTL_MAX = 4000  # the kernel clears as much at each read, whatever comes
OF_INTERFACES = ("ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh")

libc = ctypes.CDLL(None, use_errno=True)
nftables = ctypes.CDLL("libnftables.so.1")
nftables.nft_ctx_new.restype = ctypes.c_void_p
nftables.nft_ctx_get_output_buffer.restype = nftables.nft_ctx_get_error_buffer.restype = ctypes.c_char_p


def output(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def dump(bus, kind, family, more=b""):
    """The messages of one netlink dump, raw, from behind their headers."""
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, bus) as asked:
        asked.send(struct.pack("=IHHIIB", 28 + len(more) + 4 * bool(more), kind, NLM_F_DUMP_REQUEST, 1, 0, family)
                   + bytes(15 if more else 11) + more)
        while True:
            data = asked.recv(65536)
            while data:
                length, answer = struct.unpack_from("=IH", data)
                if answer in (2, 3):  # an error, the end
                    return found
                found.append(data[16:length].hex())
                data = data[(length + 3) & ~3:]


class HomeLists:
    """What `ip` says of the host: one that goes on, as long as nothing but the host's end takes its namespace away."""

    def __init__(self):
        self.process = subprocess.Popen(["ip", "-d", "-j", "-batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self):
        self.process.stdin.write("".join(f"{words}\n" for words in LISTS.values()))
        self.process.stdin.flush()
        return {name: json.loads(self.process.stdout.readline()) for name in LISTS}  # it flushes each


class Lists:
    """What `ip` says of another namespace, which a process that goes on would keep. It is asked again only where the kernel's own
    lists are not what they were, byte for byte."""

    def __init__(self):
        self.raw = self.said = None

    def read(self):
        neighbours = [item for item in dump(0, RTM_GETNEIGH, 0) if bytes.fromhex(item[16:20]) == struct.pack("=H", NUD_PERMANENT)]
        raw = [dump(0, RTM_GETLINK, 0, EXT_MASK_AS_IP), dump(0, RTM_GETADDR, 0), dump(0, RTM_GETROUTE, 0), neighbours]
        if raw != self.raw:
            lines = output("ip", "-d", "-j", "-batch", "-", stdin="\n".join(LISTS.values())).splitlines()
            self.raw, self.said = raw, {name: json.loads(line) for name, line in zip(LISTS, lines, strict=True)}
        return self.said


def tables():
    """As text: the JSON of a table with one flag is broken in libnftables 1.0.6."""
    if not dump(12, NFT_MSG_GETTABLE, 0):
        return ""
    context = ctypes.c_void_p(nftables.nft_ctx_new(0))
    nftables.nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_STATELESS)
    nftables.nft_ctx_buffer_output(context)
    nftables.nft_ctx_buffer_error(context)
    if nftables.nft_run_cmd_from_buffer(context, b"list ruleset") != 0:
        raise SystemExit(nftables.nft_ctx_get_error_buffer(context).decode())
    listing = nftables.nft_ctx_get_output_buffer(context).decode()
    nftables.nft_ctx_free(context)
    return listing


class File:
    """It stays open while there is room, and else is opened for each look."""
    room = 0

    def __init__(self, path):
        self.path, self.number = path, None
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if File.room > 0:
            self.number, File.room = number, File.room - 1
        else:
            os.close(number)

    def read(self):
        if self.number is not None:
            return os.pread(self.number, SYSCTL_MAX, 0)
        with open(self.path, "rb", buffering=0) as file:
            return file.read(SYSCTL_MAX)

    def close(self):
        if self.number is not None:
            os.close(self.number)
            File.room += 1


class Sysctls:
    """Those of one namespace. A file that was opened there belongs to it for good; once its interface has gone, it says so."""

    def __init__(self):
        self.open = {}  # by directory: the file of each name, None where it cannot be opened

    def close(self):
        for directory in list(self.open):
            self.forget(directory)

    def forget(self, directory):
        for file in self.open.pop(directory, {}).values():
            if file:
                file.close()

    def list(self, directory):
        """Opens what is new in it, and returns its directories."""
        entries = os.scandir(SYSCTLS + directory)  # first: a directory that has gone is not kept
        inner, names, files = [], set(), self.open.setdefault(directory, {})
        for entry in entries:
            if entry.is_dir():
                inner.append(os.path.join(directory, entry.name))
                continue
            names.add(entry.name)
            try:
                if entry.name not in files:
                    files[entry.name] = File(entry.path)
            except PermissionError:
                files[entry.name] = None
        for name in files.keys() - names:
            gone = files.pop(name)
            if gone:
                gone.close()
        return inner

    def read_directory(self, directory, values):
        for name, file in self.open[directory].items():
            if not file:
                continue
            try:
                values[f"net/{directory}/{name}"] = file.read().decode().strip()
            except FileNotFoundError:
                raise
            except OSError:
                pass  # not for this namespace

    def read(self):
        values, seen, ahead = {}, set(), [""]
        while ahead:
            directory = ahead.pop()
            try:
                # what an interface has goes with it as a whole, so one look at the names is enough
                if os.path.dirname(directory) not in OF_INTERFACES or directory not in self.open:
                    ahead += self.list(directory)
                self.read_directory(directory, values)
                seen.add(directory)
            except FileNotFoundError:
                if directory in self.open:
                    self.forget(directory)
                    ahead.append(directory)  # another one may have the name
        for directory in self.open.keys() - seen:
            self.forget(directory)
        return values


def random_macs():
    """Interfaces whose address the kernel drew."""
    found = []
    for name in os.listdir("/sys/class/net"):
        try:
            with open(f"/sys/class/net/{name}/addr_assign_type") as file:
                if file.read().strip() == "1":
                    found.append(name)
        except OSError:
            pass
    return found


class Place:
    """A network namespace."""

    def __init__(self, lists):
        self.lists, self.sysctls = lists, Sysctls()

    def read(self):
        """This process is in it."""
        return {**self.lists.read(), "rules": dump(0, RTM_GETRULE, socket.AF_INET) + dump(0, RTM_GETRULE, socket.AF_INET6),
                "nft": tables(), "sysctls": self.sysctls.read()}


def enter(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def files():
    found = {}
    for top in DIRECTORIES:
        for directory, names, others in os.walk(top):
            for path in [directory] + [os.path.join(directory, name) for name in names + others]:
                try:
                    info = os.lstat(path)
                    entry = {"type": stat.filemode(info.st_mode)}
                    if stat.S_ISLNK(info.st_mode):
                        entry["target"] = os.readlink(path)
                    elif stat.S_ISREG(info.st_mode) and not path.startswith("/run/netns/"):
                        with open(path, errors="replace") as file:
                            entry["content"] = file.read(65536)
                except FileNotFoundError:
                    continue  # it went meanwhile
                except OSError as error:
                    if error.errno != errno.EINVAL:  # a namespace that is mounted there
                        raise
                found[path] = entry
    return found


class Host:
    def __init__(self):
        with socket.socket() as here:
            self.home = fcntl.ioctl(here, SIOCGSKNS)
        self.places = {os.fstat(self.home).st_ino: Place(HomeLists())}  # by inode

    def read(self, namespace, met):
        """The network of this one, in which this process is."""
        inode = os.fstat(namespace).st_ino
        met[inode] = self.places[inode] = self.places.get(inode) or Place(Lists())
        return met[inode].read()

    def inside(self, path, met):
        """This process is in it meanwhile."""
        try:
            with open(path, "rb") as namespace:
                enter(namespace.fileno())
                try:
                    return self.read(namespace.fileno(), met)
                finally:
                    enter(self.home)
        except OSError as error:
            return {"broken": error.strerror}

    def state(self, words):
        with open("/proc/1/mountinfo") as file:
            mounts = file.read()
        met = {}
        found = {"": self.read(self.home, met), "mounts": mounts, "files": files(), "random": random_macs()}
        if "inside" in words and os.path.isdir("/run/netns"):
            for name in sorted(os.listdir("/run/netns")):
                found["ns " + name] = self.inside(f"/run/netns/{name}", met)
        for inode in self.places.keys() - met.keys():
            self.places.pop(inode).sysctls.close()
        return found


def serve():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    File.room = min(most // 2, 100000)
    host = Host()
    for line in sys.stdin:
        print(json.dumps(host.state(line.split())), flush=True)


serve()
