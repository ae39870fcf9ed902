"""What cannot be deleted is in nobody's way: the kernel refuses it for ever, and everything else goes as before."""

import sqlite3

import pytest

from lib.wait import wait_for

STUCK = 80  # more than two groups of those that go together


def nv_links(host):
    return [link["ifname"] for link in host.json("ip", "-j", "link", "show") if link["ifname"].startswith("nv")]


@pytest.fixture
def stuck(host):
    """Veth pairs that are condemned, and all of them are `lo`, which the kernel deletes for nobody."""
    host.start_daemon()
    host.stop_daemon()
    with sqlite3.connect(host.state / "netd.db") as database:
        instance, = database.execute("SELECT instance FROM meta").fetchone()
        database.executemany("INSERT INTO tombstones (id, kind, name, namespace, origin, network, cookie, protocol, ip, port, through, match)"
                             " VALUES (?, 'link', 'lo', 'web', 'created', '', 0, 0, NULL, 0, 0, 'reply-source')",
                             [(f"{number:012x}",) for number in range(STUCK)])
    database.close()
    host.run("ip", "link", "set", "lo", "alias", f"netd:{instance}:default/web")
    host.start_daemon()
    wait_for(lambda: host.log().count("not gone yet") == STUCK, "each of them was tried", 20)
    return host


def test_links_that_cannot_be_deleted_keep_no_other_from_it(stuck):
    stuck.ctl("connect", "default", "db")
    assert len(nv_links(stuck)) == 1
    stuck.ctl("disconnect", "default", "db")
    wait_for(lambda: not nv_links(stuck), "the pair is gone", 10)


def test_links_that_could_not_be_deleted_are_tried_again_in_turn(stuck):
    stuck.run("ip", "link", "set", "lo", "alias", "")
    wait_for(lambda: stuck.log().count("gone at last") == STUCK, "each of them was tried again", 30)
    stuck.stop_daemon()
    with sqlite3.connect(stuck.state / "netd.db") as database:
        assert database.execute("SELECT count(*) FROM tombstones").fetchone() == (0,)
    database.close()
