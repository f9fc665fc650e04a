"""Visitors who are slow: they read a download, or send a request, for minutes.

They are a process of their own, so that they and the load generator do not wait for each
other's interpreter lock: that would be measured as the server's latency.

    python -m zopestack_bench.slow HOST PORT NUMBER PATH SPEED
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zopestack.address import Address

#: How often a slow visitor takes, or sends, a little, a second.
SIPS = 10

#: Seconds between two header lines of a slow sender; HAProxy waits 10 s for the last one.
PAUSE = 2.0

#: Seconds to wait until every visitor is being served. A server that has no place for one
#: does not begin; that is what is measured then.
PATIENCE = 2.0

#: Visitors with one address; the generated HAProxy lets one have 200 connections.
SHARED = 100


@contextmanager
def slow_readers(address: Address, path: str, number: int, speed: int) -> Iterator[tuple[int, ...]]:
    """So many clients that download a path at a speed, in bytes a second, meanwhile.

    Yields the process that plays them.
    """
    with _crowd(address, number, path, speed) as pids:
        yield pids


@contextmanager
def slow_senders(address: Address, number: int) -> Iterator[tuple[int, ...]]:
    """So many clients that send a header now and then and never finish ("slowloris"); one
    that is sent away comes back. Yields the process that plays them."""
    with _crowd(address, number, "", SIPS) as pids:
        yield pids


@contextmanager
def _crowd(address: Address, number: int, path: str, speed: int) -> Iterator[tuple[int, ...]]:
    if not number:
        yield ()
        return
    command = [sys.executable, "-m", __name__, address.host, str(address.port), str(number)]
    command += [path, str(speed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin  # noqa: S101
        assert process.stdout  # noqa: S101
        process.stdout.readline()
        try:
            yield (process.pid,)
        finally:
            # It ends where its standard input does, also when this process is killed.
            process.stdin.close()


class _Visitor:
    """One of them: a connection that is opened again when the server closes it.

    :param path: what is downloaded; empty for one who never finishes a request.
    """

    def __init__(self, address: Address, number: int, path: str, speed: int) -> None:
        self.address = address
        self.source = f"127.0.1.{1 + number // SHARED}"
        self.path, self.speed = path, speed
        self.begun = False
        self.sock: socket.socket | None = None
        self.said_at = 0.0

    def turn(self, now: float) -> None:
        """Do what is to be done ten times a second."""
        try:
            if self.sock is None:
                self.sock = self._connect()
                self.said_at = now
            elif not self.path and now - self.said_at >= PAUSE:
                self.sock.send(b"X-More: to come\r\n")
                self.said_at = now
            if not self.sock.recv(self.speed // SIPS):
                self._leave()
            self.begun = True
        except BlockingIOError:
            self.begun = self.begun or not self.path
        except OSError:
            self._leave()

    def _connect(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        # A small window, as of a slow line: the rest stays on the server's side.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if self.address.host.startswith("127."):
            sock.bind((self.source, 0))
        sock.settimeout(PATIENCE)
        sock.connect((self.address.host, self.address.port))
        request = f"GET {self.path or '/'} HTTP/1.1\r\nHost: {self.address}\r\n"
        sock.sendall((request + ("\r\n" if self.path else "")).encode())
        sock.setblocking(False)
        return sock

    def _leave(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock = None


def _play(address: Address, number: int, path: str, speed: int) -> None:
    """Be so many visitors until standard input ends."""
    visitors = [_Visitor(address, n, path, speed) for n in range(number)]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    began, said = time.monotonic(), False
    while not selector.select(1 / SIPS):
        now = time.monotonic()
        for visitor in visitors:
            visitor.turn(now)
        if not said and (now - began > PATIENCE or all(visitor.begun for visitor in visitors)):
            said = True
            print("begun", flush=True)


if __name__ == "__main__":
    host, port, count, wanted, bytes_per_second = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        _play(Address(host, int(port)), int(count), wanted, int(bytes_per_second))
