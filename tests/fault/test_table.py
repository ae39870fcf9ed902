"""No call of netd goes outside without standing in the table of what is made to fail, or among the harmless with the reason."""

import functools
import re
import subprocess

import pytest

from fault.control import CALLS
from lib.host import BUILD

# of whole files: `netd --sandbox` is no part of the daemon
LEFT_OUT = re.compile(r"sandbox")

HARMLESS = {
    "only memory, of which there is enough": r"(mem|str|__ctype|__isoc99_sscanf|v?snprintf|sprintf|qsort|inet_|v?asprintf_chk).*|nla_.*|nlmsg_.*"
                                             r"|mnl_(attr|nlmsg|cb)_.*|getpagesize|arc4random",
    "reads what was allocated or received before": r"json_.*|nftnl_\w+_(free|get.*|is_set|set_u32|nlmsg_parse|data|len|foreach|nest_\w+|put_u32)"
                                                   r"|sqlite3_(bind|column)_.*|sqlite3_(err\w+|system_errno|get_autocommit|db_\w+)",
    "gives back": r"free|close|closedir|fclose|fts64_close|pthread_(join|attr_destroy)|sqlite3_(close|finalize|reset)|mnl_socket_close|event_free",
    "SQLite's files and memory fail beneath it": r"sqlite3_.*",
    "libevent's own; what it answers with is tried with evhttp clients": r"(ev|buffer)(ent|http|buffer|connlistener|util)_.*|event_.*|bufferevent_.*",
    "cannot fail with the arguments it has": r"_exit|__assert_fail|__errno_location|_GLOBAL_OFFSET_TABLE_|sig\w*|signal|pthread_(sigmask|attr_\w+)"
                                             r"|clock_gettime|nanosleep|sysconf|dirfd|fileno|ferror|mnl_socket_get_(fd|portid)|getpid|gettimeofday|gmtime_r|inotify_rm_watch"
                                             r"|eventfd_write|stdout|stderr|getenv",
    "writes text to a stream, whose end is looked at": r"fprintf|fputs|fputc|fwrite|printf|puts|vfprintf",
    "reads a stream that was opened, to an end that may come early": r"fgets|fgetc|__getdelim|__isoc99_fscanf",
    "only asks, and every answer but yes means no": r"access|lstat64|fstatat64|getsockname|if_nametoindex|if_indextoname|fcntl64|fdopendir|getgrnam_r|fts64_.*",
    "best effort, by its contract": r"sd_.*|lchown|fsopen|fsconfig|fsmount",
    "from ten thousand connections on: tests/system/test_walk.py": r"eventfd",
    "before anything is there": r"mnl_socket_fdopen|getopt_long|opt(arg|ind|err)|ini_parse|capng_.*|statvfs64|event_base_.*|ev(connlistener|http)_.*",
    "the client's, not the daemon's": r"connect|send",
    "only asks, without waiting": r"poll",
}


def symbols(*arguments):
    return subprocess.run(["nm", *arguments], capture_output=True, text=True, check=True).stdout.splitlines()


@functools.cache
def called():
    """Names that netd's objects want from elsewhere, with the objects."""
    found = {}
    for directory in ("daemon/libnetd-daemon.a.p", "lib/libnetd-lib.a.p", "daemon/netd.p"):
        for path in (BUILD / directory).glob("*.o"):
            if LEFT_OUT.search(path.name):
                continue
            for line in symbols("-u", path):
                found.setdefault(line.split()[-1], []).append(path.name)
    return found


def own():
    lines = symbols("--defined-only", *(BUILD / "daemon" / "libnetd-daemon.a.p").glob("*.o"), *(BUILD / "lib" / "libnetd-lib.a.p").glob("*.o"))
    return {line.split()[-1] for line in lines if len(line.split()) == 3}


def unknown(names):
    harmless = re.compile("|".join(f"(?:{pattern})" for pattern in HARMLESS.values()))
    sanitizers = re.compile(r"__(asan|ubsan|lsan|sanitizer|start|stop|gcov|stack_chk)_.*")
    return sorted(name for name in names if name not in CALLS and not harmless.fullmatch(name) and not sanitizers.fullmatch(name))


def test_every_outside_call_is_in_the_table():
    names = called()
    assert len(names) > 200, "the objects were not found"
    missing = unknown(set(names) - own())
    assert not missing, "neither made to fail nor harmless: " + ", ".join(f"{name} ({names[name][0]})" for name in missing)


def test_an_unknown_call_is_noticed():
    assert unknown(["fork", "open64", "strlen", "rmdir"]) == ["fork"]


@pytest.mark.parametrize("name", CALLS)
def test_each_row_has_errnos(name):
    assert CALLS[name] and all(number > 0 for number in CALLS[name])


def test_what_the_table_names_is_called_by_netd():
    hooks = re.compile(r"(vfs|json|sqlite)_.*")
    unused = sorted(name for name in CALLS if name not in called() and not hooks.fullmatch(name))
    assert not unused, f"netd does not call {', '.join(unused)}"
