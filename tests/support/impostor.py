"""What a broken machine may have in the place of an agent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from zopestack.features.address import Address

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

Say = Callable[[socket.socket, threading.Event], object]


@dataclass
class Impostor:
    """What listens in the place of an agent.

    :param path: of the question that it answers badly; HAProxy and the guard ask other things, and
        are content.
    """

    address: Address
    path: str
    say: Say
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listening = socket.create_server((self.address.host, self.address.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            asked = f"GET {self.path} ".encode() in connection.recv(4096)
            self.say(connection, self.over) if asked else connection.sendall(HEAD)

    def close(self) -> None:
        self.over.set()
        # Unlike close, it wakes the thread that accepts.
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def saying(answer: bytes) -> Say:
    """Answers so."""
    return lambda connection, over: connection.sendall(answer)


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Never answers."""
    over.wait()


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Answers a byte now and then, for ever."""
    connection.sendall(HEAD)
    while not over.wait(0.05):
        connection.sendall(b"#")
