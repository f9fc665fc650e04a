"""Hostile requests, as raw bytes over a real socket, and the one outcome each must have.

Every case says what comes back and what reaches an instance: nothing, or one request
whose every part is unambiguous. A request smuggled behind another would be one too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.frontend.framing import CHUNKS, LENGTH, LINES
from tests.integration.frontend.hostile import Case, names
from tests.integration.frontend.targets import FORGERIES, HOSTS, METHODS, PATHS
from tests.support.door import TO_HAPROXY, Door, statuses
from tests.support.farm import Farm
from tests.support.fetch import fetch

CASES = (*LENGTH, *CHUNKS, *LINES, *METHODS, *PATHS, *FORGERIES, *HOSTS)


@pytest.fixture(scope="module", params=["off", "front", "balancer"])
def door(
    farm: Farm,
    program: Path,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Door]:
    """In front of it, each HAProxy of this machine in turn, without and with Varnish."""
    extra = names(tmp_path_factory.mktemp("extra"))
    options = {"haproxy": program, "sites": "www.example.com = /Plone", "frontend_extra": extra}
    options["varnish"] = request.param
    with farm.door(timeout_http_request="2s", max_body_size="20kB", **options) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(door: Door, case: Case) -> None:
    case.check(door, lambda: statuses(door.raw(case.request)), "http")


def test_there_are_enough_of_them() -> None:
    assert len({case.request for case in CASES}) == len(CASES) >= 60


def test_nothing_a_visitor_claims_to_be_told_by_a_proxy_reaches_zope(door: Door) -> None:
    claims = {
        "X-Forwarded-For": "192.0.2.66",
        "X_Forwarded_For": "192.0.2.66",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Server": "evil.example",
        "Forwarded": "for=192.0.2.66",
        "X-Real-IP": "192.0.2.66",
        "X-Request-ID": "evil",
        "Proxy": "http://evil.example",
        "Zopestack-Lane": "callback",
        "Zopestack-Sent": "1",
    }
    headers = dict(door.reach("/", {"Host": "www.example.com", **claims}).headers)
    passed = set(headers.pop("x-names").split(";"))
    if door.stack.varnish.gives:
        headers = {name: headers[name] for name in headers if name not in TO_HAPROXY}
    assert passed == set(headers) - {"x-request-id"}
    request_id = headers.pop("x-request-id")
    assert len(request_id) == 36
    assert int(headers.pop("zopestack-sent")) > 1
    assert headers == {
        # What http.client says of itself.
        "accept-encoding": "identity",
        "host": "www.example.com",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
    }


def test_what_the_software_is_called_stays_inside(door: Door) -> None:
    names = {"Server", "X-Powered-By", "Via"}
    inside = fetch(door.stack.instances[0].address, "/").headers
    assert {name for name in names if name in inside} >= {"Server", "X-Powered-By"}
    outside = door.get("/", {"Host": "www.example.com"}).headers
    assert [name for name in names if name in outside] == []


@pytest.mark.parametrize("path", ["/health", "/alive", "/metrics", "/;csv", "/haproxy?stats"])
def test_neither_agents_nor_the_status_page_answer_at_the_front_door(door: Door, path: str) -> None:
    request = door.reach(path, {"Host": "www.example.com"})
    assert request.path.endswith(path.partition("?")[0])
