"""A front door for a test: HAProxy with the file that options of [stack] render to."""

from __future__ import annotations

import csv
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.stack import freeports
from tests.stack.harness import CHECKOUT, PATIENCE, until
from zopestack import haproxy, parts, rendering, settings
from zopestack.agents import Report, ask
from zopestack.frontend import tls
from zopestack.model import LANES, Stack
from zopestack.runtime import Runtime, Server


class Door:
    """HAProxy and instances as ``[stack]`` options describe them.

    :param options: of [stack], with ``_`` for ``-``.
    """

    def __init__(self, **options: object) -> None:
        self.ports = freeports.reserve()
        self._directory = tempfile.TemporaryDirectory(prefix="zd-", dir="/tmp")
        self.directory = Path(self._directory.name)
        self.options = {
            "instances": 2,
            "haproxy": os.environ.get("DOOR_HAPROXY", "auto"),
            "http-address": f"127.0.0.1:{self.ports.http}",
            "stats-address": f"127.0.0.1:{self.ports.stats}",
            "zeo-address": f"127.0.0.1:{self.ports.zeo}",
            "base-port": self.ports.base,
            "agent-base-port": self.ports.base + 20,
        } | {name.replace("_", "-"): value for name, value in options.items()}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = self.directory / "haproxy.out.log"

    @property
    def https(self) -> int:
        """A port for https, to be given as an option."""
        return self.ports.spare

    def __enter__(self) -> Self:
        self.stack = self.read()
        self.render()
        for instance in self.stack.instances:
            told = parts.agent(self.stack, instance).environment()
            self._run(sys.executable, "-m", "tests.frontend.instance", environment=told)
        for instance in self.stack.instances:
            until(f"{instance.name} to be healthy", partial(ask, instance), _healthy)
        self._run(
            str(self.stack.balancer.executable), "-W", "-db", "-f", str(self.stack.haproxy_conf)
        )
        until(
            "HAProxy to see every instance", self.servers, lambda s: all(x.up for x in s.values())
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        if why and self.log.exists():
            print(self.log.read_text(errors="replace")[-4000:])
        for process in self.processes:
            process.kill()
            process.wait(PATIENCE)
        self.ports.release()
        self._directory.cleanup()

    def read(self) -> Stack:
        """The Stack of the options."""
        where = settings.Directories(
            self.directory, self.directory / "bin", self.directory / "parts"
        )
        texts = {name: str(value) for name, value in self.options.items()}
        return settings.read("stack", texts, {}, where)

    def render(self) -> None:
        """Write HAProxy's files; it finds nothing wrong with them."""
        for directory in (self.stack.configuration, self.stack.logs):
            directory.mkdir(parents=True, exist_ok=True)
        tls.prepare(self.stack.frontend)
        rendered = rendering.render(self.stack)
        named = {**rendered, self.stack.server_state: haproxy.NO_STATE}
        verdict = haproxy.check(self.stack.balancer.executable, named, self.stack.haproxy_conf)
        assert (verdict.accepted, verdict.said) == (True, "")
        for path, text in named.items():
            path.write_text(text, encoding="utf-8")

    def reload(self) -> None:
        """Have HAProxy take up its files anew, and wait until it has."""
        before = self._worker()
        self.processes[-1].send_signal(signal.SIGUSR2)
        until("a new worker", self._worker, lambda pid: pid != before)

    def _worker(self) -> int:
        info = Runtime(self.stack.haproxy_socket).command("show info")
        return int(dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)["Pid"])

    def _run(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        with open(self.log, "ab") as log:
            self.processes.append(
                subprocess.Popen(
                    command,
                    cwd=CHECKOUT,
                    env={**os.environ, "PYTHONPATH": str(CHECKOUT), **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    # What HAProxy and the instances say.

    def servers(self) -> dict[str, Server]:
        """HAProxy's view of all instances."""
        return Runtime(self.stack.haproxy_socket).servers(*LANES)

    def figures(self) -> dict[str, dict[str, str]]:
        """HAProxy's figures: ``figures()["zope/instance1"]["slim"]``."""
        answer = Runtime(self.stack.haproxy_socket).command("show stat").lstrip("# ")
        return {
            f"{row['pxname']}/{row['svname']}": row for row in csv.DictReader(answer.splitlines())
        }

    def status_page(self) -> bytes:
        """HAProxy's status page."""
        with urllib.request.urlopen(f"http://{self.stack.balancer.stats}/", timeout=PATIENCE) as it:
            return bytes(it.read())

    def seen(self) -> list[dict[str, Any]]:
        """The requests that reached an instance since the last look."""
        return [
            request
            for instance in self.stack.instances
            for request in self.seen_by(instance.address.port)
        ]

    def seen_by(self, port: int) -> list[dict[str, Any]]:
        """The requests that reached one instance since the last look."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/seen")
            return list(json.loads(connection.getresponse().read()))
        finally:
            connection.close()

    # Visiting.

    def connect(self, source: str = "127.0.0.1", secure: bool = False) -> socket.socket:
        """A connection to the front door.

        :param source: the visitor's address, one of 127.0.0.0/8; only 127.0.0.1 counts as
            this machine itself.
        """
        port = self.https if secure else self.ports.http
        connection = socket.create_connection(
            ("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0)
        )
        if not secure:
            return connection
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(connection, server_hostname="localhost")

    def raw(self, request: bytes, source: str = "127.0.0.1", secure: bool = False) -> bytes:
        """Send bytes; everything that comes back until the other side has nothing more."""
        with self.connect(source, secure) as connection:
            connection.sendall(request)
            return received(connection)

    def get(
        self,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        source: str = "127.0.0.1",
        secure: bool = False,
        body: bytes = b"",
    ) -> Answer:
        """One request on a connection of its own."""
        sent = {"Host": "localhost", "Connection": "close", **(headers or {})}
        if body:
            sent["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items()), "", ""]
        return Answer(self.raw("\r\n".join(lines).encode() + body, source, secure))


class Answer:
    """An HTTP answer, parsed.

    :ivar status: 0 where nothing came.
    """

    def __init__(self, received: bytes) -> None:
        head, _, self.body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/1") else 0
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }

    def json(self) -> Any:
        """The body as the instance described the request."""
        return json.loads(self.body)


def _healthy(report: Report | None) -> bool:
    return report is not None and report.healthy


def received(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    chunks = []
    try:
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(chunks)
