"""Slow clients: they read a download, or send a request, for minutes.

They run in a process of their own. In the load generator's, both would wait for one interpreter
lock, and that would be measured as latency of the server.

    python -m zopestack_bench.slow HOST PORT NUMBER PATH SPEED
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from zopestack.features.address import Address

#: Pieces that a slow reader takes a second.
PIECES = 10

#: Seconds between two header lines of a slow sender; HAProxy waits 10 s for the last one.
PAUSE = 2.0

#: Seconds to wait until every client is served. A server that has no room for one does not
#: begin; that is what is then measured.
PATIENCE = 2.0

#: Clients that share an address; the generated HAProxy allows 200 connections from one.
SHARED = 100


@dataclass(frozen=True)
class Slow:
    """Slow clients of one kind.

    :param path: what they download. Without one they send a header now and then and never finish
        ("slowloris"), and connect again when the server closes the connection.
    :param speed: bytes a second of the download.
    """

    number: int
    path: str = ""
    speed: int = 1


@contextmanager
def slow_clients(address: Address, groups: Iterable[Slow]) -> Iterator[tuple[int, ...]]:
    """Clients of these kinds; the process of each kind."""
    with ExitStack() as held:
        yield tuple(held.enter_context(_process(address, each)) for each in groups)


@contextmanager
def _process(address: Address, slow: Slow) -> Iterator[int]:
    command = [sys.executable, "-m", __name__, address.host, str(address.port)]
    command += [str(slow.number), slow.path, str(slow.speed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin  # noqa: S101
        assert process.stdout  # noqa: S101
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            # It ends when its standard input does, also when this process is killed.
            process.stdin.close()


async def _client(address: Address, source: str, slow: Slow, begun: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(OSError), _socket(address, source) as connection:
            async with asyncio.timeout(PATIENCE):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(connection, (address.host, address.port))
            end = "\r\n" if slow.path else ""
            request = f"GET {slow.path or '/'} HTTP/1.1\r\nHost: {address}\r\n{end}"
            await loop.sock_sendall(connection, request.encode())
            if slow.path:
                await _read(connection, slow.speed, begun)
            else:
                await _send(connection, begun)
        await asyncio.sleep(1 / PIECES)


async def _read(connection: socket.socket, speed: int, begun: asyncio.Event) -> None:
    while await asyncio.get_running_loop().sock_recv(connection, speed // PIECES):
        begun.set()
        await asyncio.sleep(1 / PIECES)


async def _send(connection: socket.socket, begun: asyncio.Event) -> None:
    begun.set()
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE):
                while await loop.sock_recv(connection, 1000):
                    pass
                return
        await loop.sock_sendall(connection, b"X-More: to come\r\n")


def _socket(address: Address, source: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    # A small window, as on a slow line: the rest stays on the server's side.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    if address.host.startswith("127."):
        connection.bind((source, 0))
    return connection


async def _run(address: Address, slow: Slow) -> None:
    """Be these clients until standard input ends."""
    begun = [asyncio.Event() for _ in range(slow.number)]
    clients = [
        asyncio.create_task(_client(address, f"127.0.1.{1 + each // SHARED}", slow, event))
        for each, event in enumerate(begun)
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(event.wait() for event in begun))
    print("begun", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for client in clients:
        client.cancel()


if __name__ == "__main__":
    host, port, count, wanted, bytes_per_second = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        kind = Slow(int(count), wanted, int(bytes_per_second))
        asyncio.run(_run(Address(host, int(port)), kind))
