"""Fetch pages from the instance itself before it serves clients.

The first request to a new instance loads code, templates and objects. Without a warm-up, a
client would have to wait for that.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable

from zopestack.agent import own_thread
from zopestack.agent.configuration import Configuration

#: Poll interval in seconds while the server does not listen yet or a path fails.
POLL_INTERVAL = 0.05

#: Timeout in seconds for a page's first rendering.
TIMEOUT = 120


class WarmUp:
    """Brings one instance from listening to ready.

    :ivar problem: the reason why it is not ready; empty when it is ready.
    """

    def __init__(self, configuration: Configuration, then: Callable[[], None]) -> None:
        self.configuration = configuration
        self.then = then
        self.problem = "starting"

    def start(self) -> None:
        """Warm up in a thread of its own, and call ``then`` once every path answers."""
        own_thread.start("warm-up", self._run)

    def _run(self) -> None:
        # Without paths, only check that the server accepts connections.
        pause = threading.Event()
        for path in self.configuration.cold or ("",):
            while problem := self._fetch(path):
                self.problem = problem
                pause.wait(POLL_INTERVAL)
        self.problem = ""
        self.then()

    def _fetch(self, path: str) -> str:
        """Return the problem of a path; empty if it answers, including with 404 or 401."""
        own = self.configuration
        connection = http.client.HTTPConnection(own.http_host, own.http_port, timeout=TIMEOUT)
        try:
            connection.connect()
        except OSError:
            # The server does not listen yet.
            return "starting"
        try:
            if path:
                connection.request("GET", path)
                status = connection.getresponse().status
                if status >= 500:
                    return f"warm-up path {path} answered {status}"
        except (OSError, http.client.HTTPException) as why:
            return f"warm-up path {path}: {why}"
        finally:
            connection.close()
        return ""
