"""What an instance answers that leaves before its requests are done."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import freeports
from tests.support.fetch import Response, fetch
from tests.support.polling import until
from tests.support.started import Started
from zopestack.agent.configuration import Configuration
from zopestack.agent.refusal import MARK
from zopestack.features.address import Address

THREADS = 6


@dataclass
class Leaving:
    """An instance with a short grace."""

    process: subprocess.Popen[bytes]
    address: Address
    agent: Address

    def health(self) -> dict[str, object]:
        with suppress(OSError), urllib.request.urlopen(f"http://{self.agent}/health") as told:
            found: dict[str, object] = json.load(told)
            return found
        return {}

    def cut(self, *requests: tuple[str, str]) -> list[Response | None]:
        """Send requests that do not end, stop it, and return what each is answered."""

        def ask(request: tuple[str, str]) -> Response | None:
            method, path = request
            try:
                return fetch(self.address, path, method)
            except (OSError, http.client.HTTPException):
                return None

        with ThreadPoolExecutor(THREADS) as pool:
            answers = [pool.submit(ask, each) for each in requests]
            until("all to run", self.health, lambda told: told.get("busy") == len(requests))
            self.process.send_signal(signal.SIGTERM)
            return [each.result() for each in answers]


@pytest.fixture
def leaving(tmp_path: Path) -> Iterator[Leaving]:
    ports = freeports.reserve()
    address, agent = Address("127.0.0.1", ports.base), Address("127.0.0.1", ports.base + 1)
    own = Configuration(
        name="instance1",
        host=agent.host,
        port=agent.port,
        http_host=address.host,
        http_port=address.port,
        threads=THREADS,
        stop_grace=0.1,
        drain_delay=0.1,
        hung_after=60,
        stuck_after=60,
        request_timeout=60,
        long_request=60,
        body_timeout=60,
        conflicts="unused",
        stacks=str(tmp_path / "stacks"),
    )
    command = [sys.executable, "-m", "tests.support.bare_instance"]
    environment = {**os.environ, **own.environment()}
    with Started(command, env=environment, stderr=subprocess.DEVNULL) as process:
        found = Leaving(process, address, agent)
        until("it to serve", found.health, lambda told: told.get("status") == 200)
        yield found
        process.kill()
    ports.release()


def test_who_may_have_saved_is_told_and_who_has_not_may_ask_again(leaving: Leaving) -> None:
    methods = ("POST", "PUT", "PATCH", "DELETE")
    *unsafe, safe = leaving.cut(*[(each, "/hang") for each in methods], ("GET", "/hang"))
    assert safe is None
    for answer in unsafe:
        assert answer
        assert (answer.status, answer.headers[MARK]) == (502, "1")
        assert "may have been saved or not" in answer.text


def test_a_response_that_has_begun_gets_no_second_one(leaving: Leaving) -> None:
    assert leaving.cut(("POST", "/begin")) == [None]
