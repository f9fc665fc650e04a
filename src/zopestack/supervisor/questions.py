"""Asks several processes of the stack at once, and waits for none of them for long."""

from __future__ import annotations

import socket
import xmlrpc.client
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

from zopestack import USER_AGENT
from zopestack.features.address import Address

#: Seconds for all answers; Prometheus waits 10 s for its own (its manual, ``scrape_timeout``).
PATIENCE = 3.0

#: Bytes of an answer at most: HAProxy's of 256 instances has 2 MB.
LONGEST = 16 << 20


class Garbage(Exception):
    """An answer that is not one."""


class Question:
    """A question to one process over HTTP.

    :param read: makes of the answer what is wanted, or raises :class:`Garbage`.
    """

    def __init__(self, address: Address, path: str, read: Callable[[bytes], Any]) -> None:
        self.path = path
        self.read = read
        self._connection = HTTPConnection(address.host, address.port, timeout=PATIENCE)
        #: That of the connection, which forgets it when the answer begins.
        self._socket: socket.socket | None = None

    def ask(self) -> Any:
        """What ``read`` makes of the answer.

        :raises OSError, HTTPException: where there is no answer.
        :raises Garbage: where the answer is not one.
        """
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            self._connection.request("GET", self.path, headers={"User-Agent": USER_AGENT})
            answer = self._connection.getresponse()
            body = answer.read(LONGEST)
        finally:
            self._connection.close()
        if answer.status != 200:
            raise Garbage(f"status {answer.status}")
        return self.read(body)

    def give_up(self) -> None:
        """Have :meth:`ask` end now."""
        if self._socket:
            # It may just have ended.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def all_at_once(
    asked: Mapping[str, Callable[[], Any]], questions: Mapping[str, Question]
) -> dict[str, Any]:
    """What each has answered within :data:`PATIENCE`; None where it has not.

    :param asked: by name, what asks.
    :param questions: those of them that can be given up.
    """
    pool = ThreadPoolExecutor(len(asked))
    futures = {name: pool.submit(ask) for name, ask in asked.items()}
    wait(futures.values(), PATIENCE)
    for name, question in questions.items():
        if not futures[name].done():
            question.give_up()
    pool.shutdown(wait=False, cancel_futures=True)
    return {name: _answer(future) for name, future in futures.items()}


def _answer(future: Future[Any]) -> Any:
    if not future.done():
        return None
    try:
        return future.result()
    except (OSError, HTTPException, xmlrpc.client.Error, Garbage):
        return None
