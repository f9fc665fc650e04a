"""What a ZEO server and PostgreSQL need for many instances that write and read.

    .venv/bin/python -m tests.system.scale.storage [CLIENTS ...]

Each client is a process with a cache of its own, as an instance is, in which every object is that
the others change. Round by round, for each number of clients and each storage in turn, one of them
writes while the others look for what it has changed ten times a second; then all write. It prints
the medians of the rounds: commits a second, how long one takes, CPU time a commit of the server and
of all clients, connections, and the server's memory (PSS). Both servers flush each commit to disk.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support import cpu
from tests.support.polling import until
from tests.support.postgres import Postgres
from tests.support.started import Started
from tests.system.scale import client

NUMBERS = (1, 2, 4, 8, 16, 32)

ROUNDS = 3

#: Seconds of one figure.
SECONDS = 5.0


class Durable(Postgres):
    """As in production: each commit is flushed, and there are connections for all."""

    def command(self) -> list[str | Path]:
        """Start it."""
        return [*super().command(), "-c", "fsync=on", "-c", "max_connections=300"]


@dataclass(frozen=True)
class Server:
    """A server of a storage.

    :param pid: of its first process.
    """

    kind: str
    address: str
    pid: int

    def processes(self) -> list[psutil.Process]:
        """Its processes."""
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def spent(self) -> float:
        """Seconds of CPU so far."""
        return cpu.used(self.processes())

    def memory(self) -> float:
        """MB."""
        return sum(each.memory_full_info().pss for each in self.processes()) / 1e6

    def connections(self) -> int:
        """Connections of clients; PostgreSQL has a process for each."""
        if self.kind == "postgresql":
            return sum("idle" in " ".join(each.cmdline()) for each in self.processes())
        opened = psutil.Process(self.pid).net_connections("unix")
        # One of them is the socket that listens.
        return sum(each.laddr == self.address for each in opened) - 1


@contextmanager
def zeo() -> Iterator[Server]:
    """A ZEO server as that of a stack."""
    with tempfile.TemporaryDirectory(prefix="zs-") as home:
        address = f"{home}/zeo.sock"
        command = ["-m", "zopestack.supervisor.zeo", "-a", address, "-f", f"{home}/Data.fs"]
        with Started([sys.executable, *command], stderr=subprocess.DEVNULL) as process:
            until("ZEO's socket", Path(address).exists)
            yield Server("zeo", address, process.pid)
            process.terminate()


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL of its own."""
    server = Durable()
    try:
        server.create("main")
        yield Server("postgresql", str(server.home), server.process.pid)
    finally:
        server.stop()


@dataclass(frozen=True)
class Figures:
    """What some clients did.

    :param storage: ``zeo`` or ``postgresql``.
    :param number: of clients.
    :param writers: of them.
    :param rate: commits a second.
    :param took: milliseconds of one.
    :param server: milliseconds of CPU of the server a commit.
    :param clients: the same of all clients.
    :param connections: of the server.
    :param memory: MB of the server.
    """

    storage: str
    number: int
    writers: int
    rate: float
    took: float
    server: float
    clients: float
    connections: float
    memory: float


def figures(server: Server, number: int, writers: int) -> Figures:
    """Have this many clients take part, of whom the first ones write."""
    with ExitStack() as stack:
        made = []
        for place in range(number):
            what = "writes" if place < writers else "reads"
            given = [server.kind, server.address, str(place), what]
            command = [sys.executable, "-m", "tests.system.scale.client", *given]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            made.append(process)
        for process in made:
            assert process.stdout
            assert process.stdout.readline() == "connected\n", process.args
        clients = [psutil.Process(each.pid) for each in made]
        before, spent, began = server.spent(), cpu.used(clients), time.monotonic()
        tell(made)
        time.sleep(SECONDS)
        after, used, seconds = server.spent(), cpu.used(clients), time.monotonic() - began
        connections, memory = server.connections(), server.memory()
        tell(made)
        told = [process.stdout.readline().split() for process in made if process.stdout]
    commits = sum(int(count) for count, _ in told[:writers])
    took = statistics.median(float(each) for _, each in told[:writers])
    return Figures(
        server.kind,
        number,
        writers,
        commits / seconds,
        took,
        1000 * (after - before) / commits,
        1000 * (used - spent) / commits,
        connections,
        memory,
    )


def tell(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Send a line to each."""
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()


def measured(numbers: Sequence[int]) -> Iterator[list[Figures]]:
    """The rounds of each storage with each number of clients, of whom one writes, then all."""
    with zeo() as first, postgresql() as other:
        servers = (first, other)
        for server in servers:
            client.create(server.kind, server.address)
        for number in numbers:
            for writers in sorted({1, number}):
                rounds = [
                    [figures(server, number, writers) for server in servers] for _ in range(ROUNDS)
                ]
                yield from map(list, zip(*rounds, strict=True))


def median(rounds: Sequence[Figures], name: str) -> float:
    """That of one of the figures."""
    return statistics.median(getattr(each, name) for each in rounds)


def line(rounds: Sequence[Figures]) -> str:
    """The medians of some rounds."""
    one, server = rounds[0], sorted(each.server for each in rounds)
    return (
        f"{one.storage}, {one.number} clients, {one.writers} writing: "
        f"{median(rounds, 'rate'):.0f} commits/s, {median(rounds, 'took'):.1f} ms each; CPU a "
        f"commit: {median(rounds, 'server'):.2f} ms of the server ({server[0]:.2f} to "
        f"{server[-1]:.2f}), {median(rounds, 'clients'):.2f} ms of the clients; "
        f"{median(rounds, 'connections'):.0f} connections, {median(rounds, 'memory'):.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    for rounds in measured(tuple(map(int, sys.argv[1:])) or NUMBERS):
        print(line(rounds), flush=True)


if __name__ == "__main__":
    main()
