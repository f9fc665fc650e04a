"""Fetch pages on the instance itself before it takes traffic.

The first request of a fresh instance loads code, templates and objects; without this a
visitor waits for it.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable

from zopestack.agent.configuration import Configuration

#: Seconds between two tries, while the server does not listen yet or a path fails.
RETRY = 0.2

#: Seconds a page may take to be made for the first time.
PATIENCE = 120


class WarmUp:
    """Brings one instance from listening to ready.

    :ivar problem: why it is not ready, in words; empty when it is.
    """

    def __init__(self, configuration: Configuration, then: Callable[[], None]) -> None:
        self.configuration = configuration
        self.then = then
        self.problem = "starting"

    def start(self) -> None:
        """Warm up in a thread of its own and call ``then`` once everything answered."""
        threading.Thread(target=self._run, name="warm-up", daemon=True).start()

    def _run(self) -> None:
        # Without paths to fetch, one look whether the server accepts is enough.
        pause = threading.Event()
        for path in self.configuration.warm_up or ("",):
            while problem := self._fetch(path):
                self.problem = problem
                pause.wait(RETRY)
        self.problem = ""
        self.then()

    def _fetch(self, path: str) -> str:
        """What is wrong with a path; empty where it answers, even if with a 404 or a 401."""
        own = self.configuration
        connection = http.client.HTTPConnection(own.http_host, own.http_port, timeout=PATIENCE)
        try:
            connection.connect()
        except OSError:
            # It does not listen yet.
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
