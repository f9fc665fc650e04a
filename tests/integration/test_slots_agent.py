"""What slots.lua makes of an answer that is no longer true when it arrives."""

from __future__ import annotations

import queue
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support import freeports
from tests.support.door import Door, received, statuses
from tests.support.polling import until

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server(socketserver.ThreadingTCPServer):
    """Gives every connection to a thread."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, serve: Callable[[socket.socket], None]) -> None:
        def handle(connection: socket.socket, *_: object) -> None:
            with suppress(OSError):
                serve(connection)

        super().__init__(("127.0.0.1", port), handle)  # type: ignore[arg-type]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Instance:
    """It answers a request when the test says so, and its agent what the test says."""

    def __init__(self, port: int, agent: int) -> None:
        self.arrived: queue.Queue[Callable[[], None]] = queue.Queue()
        #: From a question to an answer: threads needed at most, and now.
        self.answer: Callable[[str], str] = lambda question: "1 1"
        self.servers = [Server(port, self._requests), Server(agent, self._questions)]

    def _requests(self, connection: socket.socket) -> None:
        while b"\r\n\r\n" in connection.recv(65536):
            self.arrived.put(lambda: connection.sendall(ANSWER))

    def _questions(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            head = lines.readline()
            while lines.readline().strip():
                pass
            if b" /threads " not in head:
                connection.sendall(ANSWER)
                return
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            for line in lines:
                connection.sendall(self.answer(line.decode().strip()).encode() + b"\n")

    def close(self) -> None:
        for each in self.servers:
            each.shutdown()
            each.server_close()


@pytest.fixture
def site(program: Path, tmp_path: Path) -> Iterator[tuple[Door, Instance]]:
    ports = freeports.reserve()
    instance = Instance(ports.base, ports.base + 20)
    options = {"instances": 1, "haproxy": program}
    with Door(tmp_path, ports.base, ports.base + 20, options) as door:
        yield door, instance
    instance.close()
    ports.release()


def test_a_request_that_took_the_place_of_another_has_its_thread(
    site: tuple[Door, Instance],
) -> None:
    """The agent saw no request: after one had ended, and before the next one arrived."""
    door, instance = site
    seen: list[list[int]] = []

    def answer(question: str) -> str:
        if question == "steady" and not seen:
            instance.arrived.get(timeout=60)()
            second.append(instance.arrived.get(timeout=60))
            seen.append(door.limits())
            return "0 0"
        if seen:
            seen.append(door.limits())
        return "1 1"

    second: list[Callable[[], None]] = []
    instance.answer = answer
    with ExitStack() as held:
        clients = [held.enter_context(door.connect()) for _ in range(2)]
        for client in clients:
            client.sendall(REQUEST)
        until("slots.lua to look again", lambda: len(seen) > 1)
        second[0]()
        for client in clients:
            assert statuses(received(client)) == (200,)
    assert seen[:2] == [[1], [1]]


def test_the_agent_is_told_how_many_requests_it_was_sent(site: tuple[Door, Instance]) -> None:
    """Since the question before: once it has seen these, it need not wait for others."""
    door, instance = site
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "0 0"

    instance.answer = answer
    with ExitStack() as held:
        clients = [held.enter_context(door.connect()) for _ in range(20)]
        for client in clients:
            client.sendall(REQUEST)
        # Each gets a slot that the ones before it hold with an idle thread.
        for answered in [instance.arrived.get(timeout=60) for _ in clients]:
            answered()
        for client in clients:
            assert statuses(received(client)) == (200,)
    told = [int(each.removeprefix("next ")) for each in asked if each.startswith("next ")]
    # Not all: without a queue it is asked something else.
    assert 0 < sum(told) <= len(clients)
