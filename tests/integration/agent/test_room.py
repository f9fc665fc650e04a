"""A request maps no memory for a call that it unmaps at its end, however deep the call is."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterable
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.integration.agent.serving import Start, serving

#: Calls in a loop, from every depth of a stack of so many frames: several chunks of it.
CALLS, DEEPEST = 100, 300


def called(one: int = 1, two: int = 2, three: int = 3, four: int = 4) -> int:
    return one + two + three + four


def most_faults(depth: int = DEEPEST) -> int:
    """The page faults of a loop of calls, at the depth with the most of them."""
    deeper = most_faults(depth - 1) if depth else 0
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        called()
    return max(deeper, resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)


def page(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    most_faults()
    text = str(most_faults()).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]


def test_python_maps_memory_for_each_call_at_the_end_of_a_chunk() -> None:
    """What the agent makes room against; where this fails, it need not any more."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(max(most_faults(), most_faults())))
    thread.start()
    thread.join()
    assert found[0] >= CALLS


@pytest.mark.parametrize("threads", [1, 2], ids=["main loop", "worker thread"])
def test_a_request_does_not(threads: int) -> None:
    with serving(page, threads) as site:
        connection = HTTPConnection("127.0.0.1", site.port, timeout=60)
        connection.request("GET", "/")
        faults = int(connection.getresponse().read())
        connection.close()
    assert faults < CALLS
