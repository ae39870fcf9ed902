"""A host with many endpoints, made by several clients at once: a batch costs little more than one."""

import json
from concurrent.futures import ThreadPoolExecutor

NETWORK_SIZE = 500  # endpoints; a bridge takes 1023
CLIENTS = 20


def connect_many(host, count, deadline=120.0):
    """Namespaces n0, n1, ... on networks many0, many1, ..."""
    for number in range(0, count, NETWORK_SIZE):
        network = number // NETWORK_SIZE
        answer = host.http("POST", "/v1/networks", {"name": f"many{network}", "subnets": [{"subnet": f"10.99.{8 * network}.0/21"}]})
        assert answer.status == 201, answer

    def connect(first):
        connection = host.connection(deadline)
        for number in range(first, count, CLIENTS):
            connection.request("POST", "/v1/endpoints", json.dumps({"network": f"many{number // NETWORK_SIZE}", "namespace": f"n{number}"}))
            response = connection.getresponse()
            body = response.read()
            assert response.status == 201, body
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(connect, range(CLIENTS)))
