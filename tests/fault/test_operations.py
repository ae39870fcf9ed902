"""Nothing of the API that changes something is missing among the operations: no route of its table, no parameter, no setting of a noun."""

import re

import pytest

from fault.operations import BY_NAME, OPERATIONS
from lib.host import ROOT, Answer

NOUNS = {"networks": "network", "namespaces": "namespace", "endpoints": "endpoint", "links": "ns_link", "publications": "publication"}


def read_routes():
    """Each row of the API's table that changes something: method and path, its parameters."""
    table = re.search(r"routes\[\] = \{\n(.*?)^\};", (ROOT / "daemon/api/route.c").read_text(), re.M | re.S)[1]
    rows = [(line, re.match(r'\t\{EVHTTP_REQ_(\w+), "(/v1/[\w/]+)"(?:, \{(.*?)\})?, (\..*)\},$', line)) for line in table.splitlines() if line]
    assert all(row for _, row in rows), [line for line, row in rows if not row]
    return {(row[1], row[2]): set(re.findall(r'"(\w+)"', row[3] or "")) - {"dry_run"} for _, row in rows if ".parse = " in row[4]}


def read_settings():
    """What can be set on each noun."""
    text = (ROOT / "daemon/model/setting_rows.c").read_text()
    return set(re.findall(r'^\t\{"(\w+)", SETTING_\w+, PLACE\((\w+), ', text, re.M))


ROUTES, SETTINGS = read_routes(), read_settings()


class AnyRig:
    """What requests are made of."""
    ground = 1

    def must(self, *_):
        return Answer(200, {"publications": [{"id": "0", "host_port": 9090}], "links": [{"id": "0"}]}, {})


def tried(operations):
    """What these operations ask for: routes, parameters of routes, settings of nouns."""
    routes, settings = {}, set()
    for operation in operations:
        if operation.by_hand:
            continue
        request = operation.request
        method, path, *body = request(AnyRig()) if callable(request) else request
        path, _, query = path.partition("?")
        # the words of a path count more than its names
        fitting = [key for key in ROUTES if key[0] == method and re.fullmatch(re.sub(r"[A-Z]+", "[^/]+", key[1]), path)]
        route = min(fitting, key=lambda key: len(re.findall("[A-Z]+", key[1])))
        routes.setdefault(route, set()).update(part.partition("=")[0] for part in query.split("&") if part)
        nouns = [NOUNS[part] for part in route[1].split("/") if part in NOUNS]
        settings |= {(name, nouns[-1]) for name in (body[0] if body else {})}
    return routes, settings & SETTINGS


def missing(operations):
    routes, settings = tried(operations)
    yield from (f"{method} {path}" for method, path in ROUTES.keys() - routes.keys())
    yield from (f"{key[0]} {key[1]}?{name}=" for key, found in routes.items() for name in ROUTES[key] - found)
    yield from (f"{name} of a {noun}" for name, noun in SETTINGS - settings)


def test_every_changing_route_and_setting_is_an_operation():
    assert len(ROUTES) >= 23 and len(SETTINGS) >= 30, "the tables were not found"
    assert not sorted(missing(OPERATIONS))


def without(*gone):
    return [operation for operation in OPERATIONS if operation.name not in gone]


@pytest.mark.parametrize("operations, what", [
    (without("ns prune"), ["POST /v1/namespaces/prune"]),
    (without("ns detach"), ["DELETE /v1/namespaces/NAME?detach="]),
    (without("network create, without the host"), ["no_host_address of a network"]),
    (without("unpublish by id"), ["DELETE /v1/publications/ID"]),
    (without("ns set-link by id"), ["PATCH /v1/links/ID", "labels of a ns_link"]),
])
def test_what_is_missing_is_noticed(operations, what):
    assert sorted(missing(operations)) == what


def test_names_are_given_once():
    assert len(BY_NAME) == len(OPERATIONS)
