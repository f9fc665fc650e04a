"""What tune replays of an access log is what visitors asked for, and reaches the same objects."""

from __future__ import annotations

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.polling import until
from zopestack_bench import load, visitors
from zopestack_bench.probe import status
from zopestack_bench.record import Closed
from zopestack_bench.workloads import host_and_path

SITES = """
    www.example.com = /Plone
    example.org/intranet = /inside
    odd.example:9999 = /odd"""

ASKED = [
    ("www.example.com", "/?b=c"),
    ("www.example.com:{port}", "/?b"),
    ("example.org", "/intranet?c"),
    ("odd.example:9999", "/?d"),
]


def zope(door: Door) -> set[tuple[str, str]]:
    """Paths and queries that instances have seen, without the number of a port of the door."""
    port = f":{door.ports.http}/"
    return {(each.path.replace(port, ":80/"), each.query) for each in door.seen()}


def test_a_replayed_log_reaches_what_its_visitors_saw(farm: Farm) -> None:
    with farm.door(sites=SITES) as door:
        hosts = [(host.format(port=door.ports.http), path) for host, path in ASKED]
        for host, path in hosts:
            assert door.get(path, {"Host": host}).status == 200
        expected = zope(door)
        assert door.get("/", {"Host": "other.example"}).status == 421
        assert door.get("/nothing", {"Host": "www.example.com"}).status == 404
        assert door.get("/?x", {"Host": "www.example.com"}, "POST", body=b"x").status == 200
        logged = until(
            "the log", lambda: visitors.logged(door.log), lambda found: len(found) == len(hosts)
        )
        stack = door.stack
    asked = visitors.from_log(logged, stack)
    assert len(expected) == len(asked) == len(ASKED)
    # Another front end on another port, as the benchmark's own are.
    with farm.door(sites=SITES) as other:
        assert other.ports.http != door.ports.http
        address = other.stack.balancer.local_address
        for each in asked:
            host, path = host_and_path(each, address)
            assert status(address, path, host) == 200
        assert zope(other) == expected
        measured = load.run(address, asked, Closed(2), 0.3)
        assert measured.requests >= len(asked)
        assert measured.errors == {}
        assert zope(other) == expected
