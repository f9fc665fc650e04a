"""The balancers that ask for the instance's health, and HAProxy, which is told of a change at once.

A balancer learns that an instance drains, or serves, when it asks next. HAProxy of this stack is
told over its runtime API, and its answer means that it has heard. An instance that stops then waits
for other balancers only.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from zopestack import USER_AGENT

#: Timeout in seconds for HAProxy's answer; it gives one within one iteration of its event loop.
TIMEOUT = 1.0

#: How HAProxy's health checks name the process that asks (templates/haproxy.cfg.j2).
HAPROXY = "HAProxy/{}"

#: Bytes that are read at once.
CHUNK = 65536


class Balancers:
    """Who asks, and who has been told.

    :param delay: seconds after which every balancer that asks has asked again.
    :param path: the socket of HAProxy's runtime API; empty for an instance that it does not know.
    :param server: what HAProxy calls the instance: backend and name.
    """

    def __init__(self, delay: float, path: str = "", server: str = "") -> None:
        self.delay = delay
        self.path = path
        self.server = server
        #: When each last asked, by its ``User-Agent`` (``time.monotonic``).
        self._asked: dict[str, float] = {}
        #: The status that each has taken last.
        self._took: dict[str, int] = {}
        #: The status that is answered now, and since when.
        self._status, self._since = 0, 0.0
        #: Answers that are on their way.
        self._answers: set[object] = set()
        self._taken = threading.Condition()

    @contextmanager
    def asking(self, name: str) -> Iterator[None]:
        """Around an answer, from before it is known until the one who asks has taken it."""
        now, answer = time.monotonic(), object()
        with self._taken:
            recent = {each: at for each, at in self._asked.items() if now - at <= 2 * self.delay}
            self._asked = {**recent, name: now}
            self._answers.add(answer)
        try:
            yield
        finally:
            with self._taken:
                self._answers.discard(answer)
                self._taken.notify_all()

    def took(self, name: str, status: int) -> None:
        """Note that one who asks has taken an answer with this status."""
        with self._taken:
            took = {**self._took, name: status}
            self._took = {each: took[each] for each in took if each in self._asked}

    def seen(self, status: int) -> bool:
        """Whether every balancer that asks has taken this answer since it is the answer. One that
        has not asked yet has had the time to.
        """
        now = time.monotonic()
        with self._taken:
            if status != self._status:
                self._status, self._since = status, now
            asking = [
                name
                for name, at in self._asked.items()
                if not name.startswith(USER_AGENT) and now - at <= 2 * self.delay
            ]
            taken = all(self._took.get(name) == status for name in asking)
            return bool(asking) and taken and now - self._since >= self.delay

    def tell(self, serves: bool) -> str:
        """Tell HAProxy that the instance serves, or that it is to get no new requests.

        :returns: the name of the HAProxy that has heard; empty where none has.
        """
        if not self.path:
            return ""
        # An answer from before the change must not come after it.
        with self._taken:
            earlier = set(self._answers)
            self._taken.wait_for(lambda: not earlier & self._answers, TIMEOUT)
        # One that does not run yet learns it from its first check.
        with suppress(OSError):
            if pid := self._send("up" if serves else "stopping"):
                return HAPROXY.format(pid)
        return ""

    def unaware(self, told: str = "") -> float:
        """Seconds until every balancer that asks has learned of a change.

        :param told: the name of one that has.
        """
        now = time.monotonic()
        with self._taken:
            others = [
                name
                for name, at in self._asked.items()
                if name != told and not name.startswith(USER_AGENT) and now - at <= 2 * self.delay
            ]
        return self.delay if others else 0

    def _send(self, health: str) -> str:
        """The pid of the HAProxy that has heard (Management Guide, ``set server`` and ``show
        info``).

        :raises OSError: where none does.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(self.path)
            connection.sendall(f"set server {self.server} health {health}; show info\n".encode())
            answer = b"".join(iter(lambda: connection.recv(CHUNK), b""))
        # A server that it does not know is answered with words before the rest.
        found = re.match(rb"\s*Name: .*?^Pid: (\d+)$", answer, re.DOTALL | re.MULTILINE)
        return found[1].decode() if found else ""
