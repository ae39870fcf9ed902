"""netd-ctl: JSON shapes, exit codes, names only, warnings on standard error, tables for people."""

import json
import re

import pytest

from lib.host import NETD_CTL

NETWORK = {"id": str, "name": str, "driver": str, "bridge": str, "subnets": list, "mtu": int, "internal": bool, "endpoints": list}
NAMESPACE = {"name": str, "path": str, "origin": str, "inode": int, "cookie": str, "nsid": (int, type(None)), "processes": int,
             "endpoints": list}
ENDPOINT = {"network": str, "namespace": str, "interface": str, "host_interface": str, "mac": str, "addresses": list}
PUBLICATION = {"id": str, "protocol": str, "host_ip": str, "host_port": int, "host_port_end": int, "network": (str, type(None)),
               "namespace": str, "port": int, "state": str}


def assert_shape(value, shape):
    for name, kind in shape.items():
        assert name in value and isinstance(value[name], kind), (name, value)


@pytest.fixture
def used(netd):
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24")
    netd.ctl("connect", "my-net", "web")
    netd.ctl("publish", "8080:80", "web")
    return netd


def test_json_shapes(used):
    for words, shape in ((["network", "ls"], NETWORK), (["network", "inspect", "my-net"], NETWORK), (["ns", "ls"], NAMESPACE),
                         (["ns", "inspect", "web"], NAMESPACE), (["ports"], PUBLICATION)):
        found = used.ctl_json(*words)
        assert isinstance(found, list) and found
        for item in found:
            assert_shape(item, shape)
            for endpoint in item.get("endpoints", []):
                assert_shape(endpoint, ENDPOINT)
    subnet, = used.ctl_json("network", "inspect", "my-net")[0]["subnets"]
    assert subnet == {"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}


def test_empty_lists_are_lists(netd):
    assert netd.ctl_json("ns", "ls") == [] and netd.ctl_json("ports") == []


def test_every_changing_answer_has_warnings(netd):
    for words in (["network", "create", "my-net"], ["ns", "create", "db"], ["connect", "my-net", "web"], ["publish", "8080:80", "web"],
                  ["unpublish", "8080"], ["disconnect", "my-net", "web"], ["ns", "rm", "db"], ["network", "rm", "my-net"]):
        answer = netd.ctl_json(*words)
        assert isinstance(answer["warnings"], list), words
        assert all(isinstance(warning, str) for warning in answer["warnings"])


def test_warnings_are_on_standard_error(used):
    done = used.ctl("publish", "8081:81", "web")
    assert "warning" in done.stderr and "warning" not in done.stdout
    done = used.ctl("publish", "8082:81", "web", "--json")
    assert done.json["warnings"]


def test_quiet_prints_names(used):
    assert used.ctl("network", "ls", "-q").stdout == "default\nmy-net\n"
    assert used.ctl("ns", "ls", "-q").stdout == "web\n"
    assert used.ctl("ports", "-q").stdout == "0.0.0.0:8080/tcp\n"
    assert used.ctl("network", "create", "other", "-q").stdout == "other\n"
    assert used.ctl("connect", "other", "db", "-q").stdout == "db\n"
    assert used.ctl("network", "rm", "-fq", "other").stdout == "other\n"


def test_what_is_listed_by_name_can_be_removed_by_name(used):
    for listing, removing in ((["ports"], ["unpublish"]), (["ns", "ls"], ["ns", "rm"])):
        for name in used.ctl(*listing, "-q").lines:
            used.ctl(*removing, name)
        assert used.ctl(*listing, "-q").stdout == ""


def test_tables_are_for_people(used):
    head, *rows = used.ctl("network", "ls").lines
    assert head.split()[0] == "NAME" and [row.split()[0] for row in rows] == ["default", "my-net"]
    assert "10.77.0.0/24" in rows[1]
    ports = used.ctl("ports").stdout
    for word in ("0.0.0.0:8080/tcp", "web", "my-net", "10.77.0.2:80", "active"):
        assert word in ports


def test_exit_codes(used):
    for words, status in ((["version"], 0), (["network", "rm", "my-net"], 1), (["network", "create", "a b"], 2),
                          (["network", "inspect", "x"], 3), (["network", "create", "my-net"], 5), (["nonsense"], 2)):
        used.ctl(*words, check=status)


def test_exist_ok(used):
    for words in (["network", "create", "my-net"], ["ns", "create", "web"], ["connect", "my-net", "web"], ["publish", "8080:80", "web"]):
        used.ctl(*words, check=5)
        used.ctl(*words, "--exist-ok")
    assert len(used.ctl_json("ports")) == 1


def test_errors_are_sentences_with_a_next_step(used):
    for words, hint in ((["connect", "nowhere", "web"], "netd-ctl network create nowhere"), (["network", "rm", "my-net"], "-f"),
                        (["ns", "inspect", "nobody"], "netd-ctl ns ls")):
        done = used.ctl(*words, check=False)
        assert re.match(r"netd-ctl: .+", done.stderr) and hint in done.stderr


def test_error_as_json_is_still_on_standard_error(used):
    done = used.ctl("network", "inspect", "nowhere", "--json", check=3)
    assert done.stderr.startswith("netd-ctl: ") and json.loads(done.stdout or "[]") == []


@pytest.mark.parametrize("running_before", (False, True), ids=("never started", "stopped"))
def test_no_daemon(host, running_before):
    if running_before:
        host.start_daemon()
        host.stop_daemon()
    for words in (["network", "ls"], ["connect", "default", "web"], ["ports"]):
        done = host.ctl(*words, check=4)
        assert "netd.sock" in done.stderr and "systemctl" in done.stderr


def test_socket_by_option_and_environment(host):
    host.start_daemon("--socket", "/run/other.sock")
    host.ctl("network", "ls", check=4)
    assert host.ctl("--socket", "/run/other.sock", "network", "ls", "-q").stdout == "default\n"
    assert host.ctl("network", "ls", "-q", env={"NETD_SOCKET": "/run/other.sock"}).stdout == "default\n"
    host.ctl("--socket", "/run/nothing.sock", "network", "ls", env={"NETD_SOCKET": "/run/other.sock"}, check=4)


def test_version(netd):
    done = netd.ctl_json("version")
    assert re.search(r"\d+\.\d+\.\d+", json.dumps(done))
    assert re.search(r"\d+\.\d+\.\d+", netd.ctl("version").stdout)


def test_help(host):
    for words in (["help"], ["--help"], ["network", "-h"], ["connect", "--help"], ["help", "publish"]):
        done = host.ctl(*words)
        assert "netd-ctl" in done.stdout and done.stderr == ""


def test_closed_output_is_reported(used):
    done = used.shell(f"{NETD_CTL} network ls >/dev/full", check=False)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_options_may_stand_anywhere(netd):
    netd.ctl("--json", "network", "create", "--mtu=1400", "my-net")
    assert netd.ctl_json("network", "inspect", "my-net")[0]["mtu"] == 1400
