"""A front door for a test: HAProxy with the file that options of [stack] render to."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.support import describe
from tests.support.deployment import Deployment
from tests.support.fetch import Response, fetch, trusting
from tests.support.polling import PATIENCE, until
from zopestack.buildout import certificates, trial
from zopestack.features.address import Address
from zopestack.features.timings import Timings
from zopestack.haproxy.program import NO_STATE
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.render.varnish import command
from zopestack.supervisor.health import ask
from zopestack.varnish.run import prepare
from zopestack_bench.probe import TooLate

#: What Varnish tells HAProxy, if it asks that next; an instance that it asks sees it, too.
TO_HAPROXY = {"zopestack-client", "zopestack-direct", "zopestack-priority", "zopestack-taken"}

#: An answer's first line; 100 Continue is none.
STATUS = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d) ")


@dataclass(frozen=True)
class Seen:
    """A request as Zope was given it; see ``product/frontend_pages/recorder.py``.

    :param port: of the instance.
    :param at: seconds, by which requests to several instances are sorted.
    :param headers: names in small letters.
    """

    port: int
    at: float
    method: str
    protocol: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]


class Door(Deployment):
    """A HAProxy in front of instances that run already.

    :param records: directory in which the instances write down what reaches them.
    :param base: port of the first instance.
    :param agents: port of its agent.
    :param options: of [stack], with ``_`` for ``-``.
    :param groups: the sections of its groups.
    """

    def __init__(
        self,
        records: Path,
        base: int,
        agents: int,
        options: Mapping[str, object],
        groups: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.records = records
        self.set(base_port=base, agent_base_port=agents, **options)
        self.places: dict[int, int] = {}
        self.timings = Timings()
        self.master: subprocess.Popen[bytes] | None = None

    @property
    def https(self) -> int:
        """A port for https, to be given as an option."""
        return self.ports.spare

    @property
    def log(self) -> Path:
        """The access log, as the program access-log would keep it."""
        return self.stack.access_log

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException as why:
            self.__exit__(type(why), why, why.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            if not why:
                self.wait_for_slots()
        finally:
            super().__exit__(kind, why, at)

    def start(self) -> None:
        """Render, start, and wait until HAProxy sends to every instance."""
        texts = {name: str(value) for name, value in self.options.items()}
        self.stack = replace(
            describe.read(self.directory, texts, self.groups), timings=self.timings
        )
        self.render()
        says = self.stack.logs / "haproxy.out.log"
        with open(self.log, "ab") as log, open(says, "ab") as said:
            self.master = subprocess.Popen(
                [self.stack.balancer.executable, "-W", "-db", "-f", self.stack.haproxy_conf],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=said,
            )
            if self.stack.varnish.in_front:
                prepare(self.stack)
                subprocess.Popen(
                    command(self.stack),
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                )
        until("HAProxy to see every instance", self.servers, _all_up)
        if self.stack.varnish.in_front:
            until("HAProxy to see Varnish", self._varnish_status, lambda status: status == "UP")
        self.seen()

    def stop(self, patience: float = 0) -> None:
        """End HAProxy; the instances stay."""
        super().stop(patience)
        if self.master:
            self.master.wait()

    def render(self) -> None:
        """Write HAProxy's files; it finds nothing wrong with them."""
        self.stack.logs.mkdir(parents=True, exist_ok=True)
        for path, text in checked(self.stack).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def reload(self) -> None:
        """Have HAProxy take up its files anew, and wait until it has.

        The master process loses a signal while it is busy with a start or with another reload
        (docs/explanation/measured.rst, "Signals that HAProxy loses"), so it gets several.
        """
        before = self._worker()
        deadline = time.monotonic() + PATIENCE
        while True:
            self.master.send_signal(signal.SIGUSR2)
            try:
                until("a new worker", self._worker, lambda pid: pid != before, timeout=5)
                return
            except TooLate:
                if time.monotonic() > deadline:
                    raise

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """HAProxy does nothing meanwhile, and then sees all at once what has happened."""
        worker = self._worker()
        os.kill(worker, signal.SIGSTOP)
        try:
            # A busy machine stops it later; it takes what happens until then by itself.
            until("HAProxy to be held up", lambda: is_stopped(worker))
            yield
        finally:
            os.kill(worker, signal.SIGCONT)

    def _worker(self) -> int:
        return Runtime(self.stack.haproxy_socket).worker()

    def _varnish_status(self) -> str:
        return self.figures()["varnish/varnish"]["status"]

    # What HAProxy and the instances say.

    def servers(self) -> dict[str, Server]:
        """HAProxy's view of all instances."""
        return Runtime(self.stack.haproxy_socket).servers()

    def handed(self) -> int:
        """Requests that an instance has been sent so far, each attempt counted."""
        given = self._given_by_varnish() if self.stack.varnish.gives else 0
        return given + sum(server.total for server in self.servers().values())

    def _given_by_varnish(self) -> int:
        words = ("varnishstat", "-n", self.stack.varnish_directory, "-1", "-j", "-f", "VBE.*.req")
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        names = {instance.server for instance in self.stack.instances}
        return sum(
            int(counted["value"])
            for name, counted in json.loads(told)["counters"].items()
            if name.split(".")[-2] in names
        )

    def figures(self) -> dict[str, dict[str, str]]:
        """HAProxy's figures: ``figures()["zope/instance1"]["slim"]``."""
        answer = Runtime(self.stack.haproxy_socket).command("show stat").lstrip("# ")
        return {
            f"{row['pxname']}/{row['svname']}": row for row in csv.DictReader(answer.splitlines())
        }

    def rows(self) -> list[dict[str, str]]:
        """HAProxy's figures of each visitors' instance."""
        return [row for name, row in self.figures().items() if name.startswith("zope/instance")]

    def limits(self) -> list[int]:
        """How many requests HAProxy would send to each of them at once."""
        return [int(row["slim"]) for row in self.rows()]

    def wait_for_slots(self) -> None:
        """Wait until no slot is lent any more, whatever the clients did that had them."""
        if self.master and self.master.poll() is None:
            threads = {each.server: each.maxconn for each in self.stack.instances}
            until(
                "the slots to be as before",
                lambda: {name: server.limit for name, server in self.servers().items()},
                threads.__eq__,
            )

    def in_progress(self) -> int:
        """Requests that HAProxy has given to instances."""
        return sum(server.current for server in self.servers().values())

    def busy(self) -> list[int]:
        """Threads of each instance that work on a request."""
        reports = [ask(instance) for instance in self.stack.instances]
        return [report.busy for report in reports if report]

    def seen(self) -> list[Seen]:
        """The requests that reached an instance since the last look, in turn."""
        found: list[Seen] = []
        for instance in self.stack.instances:
            found += self._read(instance.address.port)
        return sorted(found, key=lambda request: request.at)

    def _read(self, port: int) -> list[Seen]:
        record = self.records / str(port)
        if not record.exists():
            return []
        with record.open("rb") as file:
            file.seek(self.places.get(port, 0))
            lines = file.readlines()
            self.places[port] = file.tell()
        return [Seen(port=port, **json.loads(line)) for line in lines]

    # Visiting.

    def get(
        self,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        source: str | None = None,
        secure: bool = False,
        body: bytes | None = None,
    ) -> Response:
        """One request on a connection of its own; see :func:`fetch`."""
        sent = {"Host": "localhost", **(headers or {})}
        return fetch(self._address(secure), path, method, body, sent, source, secure)

    def reach(
        self, path: str = "/", headers: Mapping[str, str] | None = None, **options: object
    ) -> Seen:
        """The same, as the one instance that it reached was given it."""
        self.seen()
        self.get(path, headers, **options)
        (request,) = self.seen()
        return request

    def connect(
        self, source: str = "127.0.0.1", secure: bool = False, protocol: str = "http/1.1"
    ) -> socket.socket:
        """A connection for what is no ordinary request.

        :param source: the visitor's address, one of 127.0.0.0/8; only 127.0.0.1 counts as
            this machine itself.
        :param protocol: what it speaks over TLS.
        """
        address = self._address(secure)
        connection = socket.create_connection(
            (address.host, address.port), timeout=PATIENCE, source_address=(source, 0)
        )
        if not secure:
            return connection
        context = trusting()
        context.set_alpn_protocols([protocol])
        return context.wrap_socket(connection)

    def raw(self, request: bytes, source: str = "127.0.0.1", secure: bool = False) -> bytes:
        """Send bytes; everything that comes back until the other side has nothing more."""
        with self.connect(source, secure) as connection:
            connection.sendall(request)
            return received(connection)

    def _address(self, secure: bool) -> Address:
        return Address("127.0.0.1", self.https if secure else self.ports.http)


def checked(stack: Stack) -> dict[Path, str]:
    """The files of a Stack, with which HAProxy finds nothing wrong."""
    material = certificates.material(stack)
    certificates.put(material)
    verdict = trial.tried(stack, material)
    assert verdict.accepted
    # Since 3.0 it says so where tests ask for more threads than the machine has cores.
    assert not verdict.said or "threads will compete for the same CPU" in verdict.said
    return {**render(stack), stack.server_state: NO_STATE}


def is_stopped(process: int) -> bool:
    """Whether no thread of a process runs any more."""
    threads = psutil.Process(process).threads()
    return all(psutil.Process(each.id).status() == psutil.STATUS_STOPPED for each in threads)


def received(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    chunks = []
    try:
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(chunks)


def statuses(answer: bytes) -> tuple[int, ...]:
    """The status of each HTTP answer among what was received."""
    return tuple(int(code) for code in STATUS.findall(answer))


def _all_up(servers: Mapping[str, Server]) -> bool:
    return all(server.up for server in servers.values())
