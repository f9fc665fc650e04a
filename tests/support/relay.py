"""A relay between a ZEO server and a client, that can keep what the server says to itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.polling import until

#: Bytes in which a client names its storage.
BEGINNING = 1024


class Relay:
    """Passes on what both sides say, on a port of its own.

    :ivar muted: whether what the server says is lost from now on.
    :ivar asked: bytes that the client has sent so far.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.server = server
        self.muted = False
        self.asked = 0
        self._cut = False
        self.ends: list[socket.socket] = []
        self._held: bytes | None = None
        self._released = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                if self._cut:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(self.server)
                except ConnectionRefusedError:
                    client.close()
                    continue
                self.ends += [client, server]
                begin = bytearray()
                for pass_on in (self._questions, self._answers):
                    ends = (client, server, begin)
                    threading.Thread(target=pass_on, args=ends, daemon=True).start()

    def _questions(self, client: socket.socket, server: socket.socket, begin: bytearray) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                begin += data[: BEGINNING - len(begin)]
                self.asked += len(data)
                server.sendall(data)
        close(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, begin: bytearray) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                with self._released:
                    self._released.wait_for(lambda: self._held is None or self._held not in begin)
                if not self.muted:
                    client.sendall(data)
        close(client, server)

    @contextmanager
    def held(self, storage: bytes = b"") -> Iterator[None]:
        """What the server says meanwhile arrives afterwards.

        :param storage: a name; only clients of this storage hear nothing.
        """
        self._held = storage
        try:
            yield
        finally:
            with self._released:
                self._held = None
                self._released.notify_all()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nobody gets through meanwhile."""
        self._cut = True
        close(*self.ends)
        self.ends.clear()
        try:
            yield
        finally:
            self._cut = False

    def mute_after(self, storage: object, name: str) -> None:
        """The client hears nothing more once this method of its storage has returned."""
        method = getattr(storage, name)

        def muting(*arguments: object) -> object:
            answer = method(*arguments)
            self.muted = True
            return answer

        setattr(storage, name, muting)

    def close_once(self, condition: Callable[[], bool]) -> None:
        """Nobody gets through any more, once it holds."""
        until("what the relay waits for", condition)
        self.close()

    def close(self) -> None:
        """Nobody gets through any more."""
        close(self.listening, *self.ends)


def close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
