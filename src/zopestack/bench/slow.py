"""Visitors who read slowly: each holds a download open for minutes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zopestack.bench import polling
from zopestack.model import Address

#: How often a slow reader takes what it has a right to, a second.
SIPS = 10

#: Seconds to wait until every download has begun. A server that has no place for it does
#: not begin; that is what is measured then.
PATIENCE = 2.0


@contextmanager
def slow_readers(address: Address, path: str, number: int, speed: int) -> Iterator[None]:
    """So many clients that download a path at a speed, in bytes a second, meanwhile."""
    stop = threading.Event()
    begun = threading.Semaphore(0)
    readers = [
        threading.Thread(target=_read, args=(address, path, speed, stop, begun), daemon=True)
        for _ in range(number)
    ]
    for reader in readers:
        reader.start()
    for _ in readers:
        begun.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        stop.set()
        for reader in readers:
            reader.join(polling.INTERVAL + 2 / SIPS)


def _read(
    address: Address, path: str, speed: int, stop: threading.Event, begun: threading.Semaphore
) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        # A small window, as of a slow line: the rest stays on the server's side.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(1 / SIPS)
        try:
            sock.connect((address.host, address.port))
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            while not stop.wait(1 / SIPS):
                try:
                    if not sock.recv(speed // SIPS):
                        return
                    begun.release()
                except TimeoutError:
                    continue
        except OSError:
            return
