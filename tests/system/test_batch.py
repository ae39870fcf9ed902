"""Requests that meet in one batch: the later one sees what the earlier one wants, and what was never made is not removed either."""

import http.client
import json

import pytest

from lib.snapshot import wait_same

OWN = ["file /run/netd"]
PAIRS = {
    "network": [("POST", "/v1/networks", {"name": "brief"}), ("DELETE", "/v1/networks/brief", None)],
    "namespace": [("POST", "/v1/namespaces", {"name": "brief"}), ("DELETE", "/v1/namespaces/brief", None)],
    "endpoint": [("POST", "/v1/endpoints", {"network": "my-net", "namespace": "web"}),
                 ("DELETE", "/v1/networks/my-net/endpoints/web", None)],
    "endpoint in a namespace that comes with it": [("POST", "/v1/endpoints", {"network": "my-net", "namespace": "brief"}),
                                                   ("DELETE", "/v1/namespaces/brief?force=true", None)],
    "all of it": [("POST", "/v1/networks", {"name": "brief"}), ("POST", "/v1/endpoints", {"network": "brief", "namespace": "web"}),
                  ("POST", "/v1/publications", {"host_port": 9090, "port": 80, "protocol": "tcp", "namespace": "web", "network": "brief"}),
                  ("DELETE", "/v1/networks/brief?force=true", None), ("DELETE", "/v1/publications?host_port=9090&protocol=tcp", None)],
}


def answers(host, requests):
    """To requests that all wait before netd reads the first."""
    connections = [host.connection(30) for _ in requests]
    with host.paused_daemon():
        for connection, (method, path, body) in zip(connections, requests):
            connection.request(method, path, json.dumps(body) if body else None)
    try:
        return [connection.getresponse().status for connection in connections]
    except http.client.HTTPException as error:
        raise AssertionError(host.log()) from error
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("pair", PAIRS)
def test_made_and_removed_in_one_batch_leaves_nothing(netd, pair):
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24")
    netd.ctl("ns", "create", "web")
    netd.http("GET", "/v1/networks")
    before = netd.snapshot(inside=True, without=OWN)
    statuses = answers(netd, PAIRS[pair])
    assert set(statuses) <= {200, 201, 404}, (statuses, netd.log())  # 404: made, and removed again meanwhile
    wait_same(before, lambda: netd.snapshot(inside=True, without=OWN), "nothing is left of what was made and removed")
    netd.restart_daemon()
    assert "repair" not in netd.log()
    wait_same(before, lambda: netd.snapshot(inside=True, without=OWN), "nor after a restart")
