"""Requests over connections to instances that were used before, and closed at the worst moment."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.integration.test_outcome import Instance as Agent
from tests.support import freeports
from tests.support.door import Door, received, statuses
from tests.support.http2 import Connection
from tests.support.polling import until

SAFE = ("GET", "HEAD", "OPTIONS")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")

#: What an instance does when a request arrives on a connection that was used before.
ANSWER, RESET, READ = "answer", "close without reading", "read and close"


class Instance:
    """It keeps every connection open, and closes those that a test says."""

    def __init__(self, port: int) -> None:
        self.accepted = 0
        self.seen: list[str] = []
        self.idle: set[socket.socket] = set()
        self.next = ANSWER
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while True:
                self.idle.add(connection)
                select.select([connection], [], [])
                self.idle.discard(connection)
                if not connection.recv(1, socket.MSG_PEEK):
                    return
                what, self.next = self.next, ANSWER
                if what == RESET:
                    return
                method = self._read(connection)
                if not method or what == READ:
                    return
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + b"ok" * (method != "HEAD")
                )

    def _read(self, connection: socket.socket) -> str:
        """Read a request, whose body is short; its method."""
        request = b""
        while chunk := connection.recv(65536):
            request += chunk
            head, found, body = request.partition(b"\r\n\r\n")
            if found and len(body) == (b"content-length" in head.lower()):
                self.seen.append(head.split()[0].decode())
                return self.seen[-1]
        return ""

    def close_idle(self) -> None:
        """Close the connections that nobody uses, as the end of a process does."""
        for connection in list(self.idle):
            connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_idle()


@pytest.fixture(scope="module")
def site(
    program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Door, Instance]]:
    ports = freeports.reserve()
    options = {"instances": 1, "haproxy": program, "tls_certificate": "self-signed"}
    made = Door(tmp_path_factory.mktemp("seen"), ports.base, ports.base + 20, options)
    made.set(https_address=f"127.0.0.1:{made.https}", http_redirect="off")
    agent, instance = Agent(ports.base + 20), Instance(ports.base)
    with made as door:
        yield door, instance
    instance.close()
    agent.shutdown()
    agent.server_close()
    ports.release()


def one_open(site: tuple[Door, Instance]) -> tuple[Door, Instance]:
    """One connection to the instance, which was used before and is idle."""
    door, instance = site
    assert statuses(door.raw(visit("GET"))) == (200,)
    until("one to be idle", lambda: len(instance.idle), lambda number: number == 1)
    instance.seen.clear()
    instance.accepted = 0
    return door, instance


def visit(method: str) -> bytes:
    """The only request of a client, with a body if it may have one."""
    body = "" if method in SAFE else "Content-Length: 1\r\n"
    head = f"{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{body}\r\n"
    return head.encode() + b"x" * bool(body)


def test_clients_share_a_connection(site: tuple[Door, Instance]) -> None:
    door, instance = one_open(site)
    for method in SAFE + UNSAFE:
        assert statuses(door.raw(visit(method))) == (200,)
    assert instance.accepted == 0


@pytest.mark.parametrize("closes", [RESET, READ])
@pytest.mark.parametrize("method", SAFE)
def test_a_safe_request_is_sent_again(
    site: tuple[Door, Instance], method: str, closes: str
) -> None:
    door, instance = one_open(site)
    instance.next = closes
    assert statuses(door.raw(visit(method))) == (200,)
    assert instance.seen == [method] * (1 if closes == RESET else 2)


@pytest.mark.parametrize("closes", [RESET, READ])
@pytest.mark.parametrize("method", UNSAFE)
def test_an_unsafe_request_is_answered_and_never_sent_again(
    site: tuple[Door, Instance], method: str, closes: str
) -> None:
    door, instance = one_open(site)
    instance.next = closes
    answer = door.raw(visit(method))
    assert statuses(answer) == (502,)
    assert b"look whether it was saved" in answer
    assert instance.seen == [method] * (closes == READ)
    until("its line", lambda: f'"{method} / HTTP/1.1" 502 ' in door.log.read_text())


@pytest.mark.parametrize("first", ["the close", "the request"])
@pytest.mark.parametrize("method", SAFE + UNSAFE)
def test_a_close_that_is_there_with_the_request_is_seen_first(
    site: tuple[Door, Instance], method: str, first: str
) -> None:
    door, instance = one_open(site)
    with door.connect() as client:
        with door.held_up():
            if first == "the close":
                instance.close_idle()
            client.sendall(visit(method))
            if first == "the request":
                instance.close_idle()
        assert statuses(received(client)) == (200,)
    assert instance.seen == [method]
    assert instance.accepted == 1


@pytest.mark.parametrize("closes", [RESET, READ])
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 502)])
def test_over_http_2_as_well(
    site: tuple[Door, Instance], method: str, status: int, closes: str
) -> None:
    """A stream that is refused instead would be sent again (RFC 9113, 8.7)."""
    door, instance = one_open(site)
    head = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]
    with closing(door.connect(secure=True, protocol="h2")) as client, Connection(client) as h2:
        instance.next = closes
        sent = (head, None) if method == "GET" else ([*head, ("content-length", "1")], b"x")
        stream = h2.send(*sent)
        assert h2.outcome(stream) == status
