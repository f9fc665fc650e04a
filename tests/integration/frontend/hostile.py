"""How a hostile request is written, and what becomes of it; for ``test_hostile``.

``framing`` and ``targets`` are the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.door import Door
from zopestack.haproxy import program as haproxy

HOST = b"Host: www.example.com\r\n"
CLOSE = b"Connection: close\r\n"
END = b"\r\n"

#: The visitor's path "/" as an instance sees it.
ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"

#: The body reached the instance as this.
ABC = "abc"

SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + CLOSE + END


@dataclass(frozen=True)
class Outcome:
    """What becomes of a request.

    :param status: of each answer, in turn.
    :param reached: path and body of each request that Zope was given.
    :param by_waitress: requests that HAProxy passed on and waitress refused.
    """

    status: tuple[int, ...]
    reached: tuple[tuple[str, str], ...] = ()
    by_waitress: int = 0


#: Outcomes by a series of HAProxy, such as (3, 0); each holds until the next one.
Others = Mapping[tuple[int, ...], Outcome]


@dataclass(frozen=True)
class Case:
    """A hostile request.

    :param request: as the test sends it.
    :param outcome: what HAProxy 2.8 makes of it.
    :param others: what other series make of it, by the first one.
    """

    name: str
    request: Any
    outcome: Outcome
    others: Others = field(default_factory=dict)

    def check(self, door: Door, send: Callable[[], tuple[int, ...]], scheme: str) -> None:
        """Send it: the answers, and what Zope is given, are as they must be.

        :param send: returns the status of each answer.
        """
        expected = self._outcome(haproxy.version(door.stack.balancer.executable))
        door.seen()
        before = door.handed()
        assert send() == expected.status
        seen = door.seen()
        assert tuple((request.path, request.body) for request in seen) == expected.reached
        # Varnish refuses some of these itself.
        refused = {expected.by_waitress, 0} if door.stack.varnish.gives else {expected.by_waitress}
        assert door.handed() - before - len(seen) in refused
        for request in seen:
            assert request.headers["x-forwarded-for"] == "127.0.0.1"
            assert request.headers["x-forwarded-proto"] == scheme
            assert request.headers["host"].lower() == "www.example.com"
            assert not {"transfer-encoding", "x-forwarded-host"} & set(request.headers)
            assert "_" not in request.headers["x-names"]

    def _outcome(self, version: tuple[int, ...]) -> Outcome:
        known = {(0,): self.outcome, (2, 8): self.outcome, **self.others}
        return known[max(series for series in known if series <= version)]


def names(directory: Path) -> Path:
    """A ``frontend-extra`` that tells Zope which headers HAProxy passes on.

    waitress drops names with ``_`` itself, so that nobody behind it could say whether HAProxy
    has.
    """
    lines = directory / "names"
    lines.write_text("http-request set-header X-Names %[req.hdr_names(;)]\n")
    return lines


def once(path: str = "/", body: str = "", status: int = 200) -> Outcome:
    """Zope is given it once."""
    return Outcome((status,), ((ROOT + path, body),))


def refused(name: str, request: bytes, status: int = 400, others: Others | None = None) -> Case:
    """A request that is answered by HAProxy and seen by nobody else."""
    return Case(name, request, Outcome((status,)), others or {})


def passed(
    name: str,
    request: bytes,
    path: str = "/",
    body: str = "",
    status: int = 200,
    others: Others | None = None,
) -> Case:
    """A request that reaches Zope once, in one unambiguous form."""
    return Case(name, request, once(path, body, status), others or {})


#: waitress, too, refuses what is malformed.
BY_WAITRESS = Outcome((400,), by_waitress=1)

#: The connection is reset, and an answer lost with it.
UNANSWERED = Outcome(())


def get(path: bytes = b"/", headers: bytes = b"", host: bytes = HOST) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + host + CLOSE + headers + END


def post(headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST / HTTP/" + version + b"\r\n" + HOST + CLOSE + headers + END + body


def chunked(body: bytes, header: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    return post(header, body)
