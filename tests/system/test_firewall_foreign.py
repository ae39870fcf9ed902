"""Other people's firewalls: netd cannot overrule a drop, so it names it, with the command that helps; and that command does help."""

import re

import pytest

NFT_POLICY = "table inet mine { chain through { type filter hook forward priority 0; policy drop; ct state established accept; }; }"
NFT_RULE = "table inet mine { chain through { type filter hook forward priority 0; ct state established accept; counter drop; }; }"
DOCKER = """iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN
    iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -j DOCKER-USER"""
UFW = """table ip filter { chain ufw-before-forward { ct state established accept; }
    chain ufw-user-forward { }
    chain FORWARD { type filter hook forward priority 0; policy drop; jump ufw-before-forward; jump ufw-user-forward; }; }"""
FIREWALLD = """table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10;
    ct state { established, related } accept; reject with icmpx admin-prohibited; }; }"""
FRIENDLY = """table inet mine { chain through { type filter hook forward priority 0; policy drop; ct state established,related accept;
    iifname "netd*" accept; oifname "netd*" accept; }; }"""


def nft(host, text):
    host.run("nft", "-f", "-", stdin=text)


def serve(host):
    host.ctl("connect", "default", "web")
    host.ns("web").serve(80)
    return host.ctl("publish", "8080:80", "web")


def commands(text):
    """What the warnings say to type."""
    return re.findall(r"((?:nft|iptables(?:-nft|-legacy)?) [^\n]*?)(?: \(|; then|[.;]?$)", text, re.M)


def works(host, out):
    return host.ns("web").ask("tcp", out.address, 80, timeout=0.5) is not None, \
        out.ask("tcp", out.host_address, 8080, timeout=0.5) is not None


@pytest.fixture
def server(out):
    out.serve(80)
    return out


@pytest.mark.parametrize("firewall", (NFT_POLICY, NFT_RULE), ids=("policy", "rule"))
def test_warning_names_table_and_chain_and_its_command_helps(netd, server, firewall):
    nft(netd, firewall)
    done = serve(netd)
    assert works(netd, server) == (False, False)
    assert re.search(r"warning: .*inet mine.*through", done.stderr), done.stderr
    found = commands(done.stderr)
    assert found, f"no command in: {done.stderr}"
    for command in found:
        netd.shell(command)
    assert works(netd, server) == (True, True)
    assert "mine" not in netd.ctl("connect", "default", "db").stderr


def test_every_change_that_it_concerns_warns(netd):
    nft(netd, NFT_POLICY)
    for words in (["network", "create", "my-net"], ["connect", "my-net", "web"], ["publish", "8080:80", "web"]):
        assert "inet mine" in netd.ctl(*words).stderr
    answer = netd.http("POST", "/v1/networks", {"name": "other"})
    assert answer.status == 201 and any("inet mine" in warning for warning in answer.body["warnings"])


def test_start_says_it_in_the_log(host, out):
    nft(host, NFT_POLICY)
    host.start_daemon()
    assert "inet mine" in host.log() and "through" in host.log()


def test_no_warning_where_netds_bridges_are_accepted(netd, server):
    nft(netd, FRIENDLY)
    done = serve(netd)
    assert "mine" not in done.stderr
    assert works(netd, server) == (True, True)


def test_no_warning_without_a_drop(netd):
    nft(netd, "table inet mine { chain through { type filter hook forward priority 0; policy accept; ip daddr 203.0.113.1 drop; }; }")
    assert "mine" not in serve(netd).stderr


def test_docker_gets_a_rule_in_docker_user(netd, server):
    netd.shell(DOCKER)
    done = serve(netd)
    assert works(netd, server) == (False, False)
    found = [command for command in commands(done.stderr) if "DOCKER-USER" in command]
    assert found, done.stderr
    for command in found:
        netd.shell(command)
    assert works(netd, server) == (True, True)
    assert "FORWARD" not in netd.ctl("connect", "default", "db").stderr


def test_ufw_gets_a_route_rule(netd):
    nft(netd, UFW)
    assert "ufw route allow" in serve(netd).stderr


def test_firewalld_gets_a_zone(netd):
    nft(netd, FIREWALLD)
    assert re.search(r"firewall-cmd --permanent .*zone", serve(netd).stderr)


def test_iptables_legacy_is_seen(netd):
    if netd.run("iptables-legacy", "-P", "FORWARD", "DROP", check=False).returncode != 0:
        pytest.skip("this kernel has no legacy iptables")
    assert re.search("FORWARD", serve(netd).stderr)
