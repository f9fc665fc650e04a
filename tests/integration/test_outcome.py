"""A POST whose instance dies is answered, never sent again, and is in the log."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support import describe, freeports
from tests.support.polling import until
from tests.support.started import Started
from zopestack import files
from zopestack.haproxy import launcher
from zopestack.haproxy import program as haproxy
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.files import render


class Instance(ThreadingHTTPServer):
    """Closes the connection without a response where the path says so."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", port), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    server: Instance
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("VirtualHostRoot")[2] or self.path
        self.server.seen.append(f"{self.command} {path}")
        self.close_connection = path.endswith("dies")
        if path.endswith("sleeps"):
            threading.Event().wait(3)
        if not self.close_connection:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(b"ok")

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site(
    program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, Instance]]:
    ports = freeports.reserve()
    options = {
        "instances": "1",
        "http-address": f"{ports.http}",
        "stats-address": f"{ports.stats}",
        "base-port": f"{ports.base}",
        "agent-base-port": f"{ports.base + 20}",
        "timeout-server": "1s",
    }
    made = describe.read(tmp_path_factory.mktemp("outcome"), options)
    stack = replace(made, balancer=replace(made.balancer, haproxy=program))
    stack.logs.mkdir(parents=True)
    for path, text in render(stack).items():
        files.write(path, text)
    files.write(stack.server_state, haproxy.NO_STATE)
    launcher.put(stack.haproxy, program)
    instance, agent = Instance(ports.base), Instance(ports.base + 20)
    python, log = [sys.executable, "-m"], [str(stack.access_pipe), str(stack.access_log)]
    commands = (
        [*python, "zopestack.haproxy.run", str(stack.stack_file)],
        [*python, "zopestack.haproxy.log_writer", *log, "1000000", "3"],
    )
    with ExitStack() as running:
        processes = [
            running.enter_context(Started(each, stderr=subprocess.DEVNULL, start_new_session=True))
            for each in commands
        ]
        until("HAProxy", lambda: listening(stack))
        until("the instance", lambda: Runtime(stack.haproxy_socket).servers()["instance1"].up)
        yield stack, instance
        for each in processes:
            each.kill()
    for each in (instance, agent):
        each.shutdown()
        each.server_close()
    ports.release()


def listening(stack: Stack) -> bool:
    with suppress(OSError):
        Runtime(stack.haproxy_socket).worker()
        return True
    return False


def asked(stack: Stack, *requests: tuple[str, str, bytes | None]) -> list[http.client.HTTPResponse]:
    """Requests one after the other on one connection, and their answers, read to their end."""
    address = stack.balancer.http_address[0]
    client = http.client.HTTPConnection(address.host, address.port, timeout=20)
    client.connect()
    # A second connection would be another one's first request.
    client.auto_open = 0
    answers = []
    for method, path, body in requests:
        client.request(method, path, body)
        answers.append(client.getresponse())
        answers[-1].body = answers[-1].read()  # type: ignore[attr-defined]
    client.close()
    return answers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("before", [0, 1])
def test_it_gets_502(site: tuple[Stack, Instance], method: str, size: int, before: int) -> None:
    """On a connection that was used before, HAProxy itself closes it without a word."""
    stack, instance = site
    path = f"/{method}-{size}-{before}-dies"
    first = [("POST", "/first", b"x")] * before
    *_, answer = asked(stack, *first, (method, path, b"x" * size))
    assert answer.status == 502
    assert b"look whether it was saved" in answer.body  # type: ignore[attr-defined]
    assert b"Status 502, request" in answer.body  # type: ignore[attr-defined]
    assert answer.headers["Cache-Control"] == "no-store"
    assert instance.seen.count(f"{method} {path}") == 1
    until("its line", lambda: f'{path} HTTP/1.1" 502 ' in stack.access_log.read_text())


def test_one_that_takes_too_long_gets_504(site: tuple[Stack, Instance]) -> None:
    stack, instance = site
    *_, answer = asked(stack, ("GET", "/", None), ("POST", "/sleeps", b"x"))
    assert answer.status == 504
    assert instance.seen.count("POST /sleeps") == 1


def test_all_others_are_answered_as_before(site: tuple[Stack, Instance]) -> None:
    stack, _ = site
    answers = asked(stack, *[("GET", "/", None), ("POST", "/", b"x")] * 20)
    assert [each.status for each in answers] == [200] * 40
