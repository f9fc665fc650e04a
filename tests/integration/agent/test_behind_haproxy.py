"""Whatever clients and applications do to an instance behind HAProxy, every slot comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.agent.serving import Serving, serving
from tests.integration.agent.test_server import FULL, Application
from tests.support import describe, freeports
from tests.support.door import Door, statuses
from tests.support.polling import until
from zopestack.agent.balancers import Balancers
from zopestack.agent.drain import Drain
from zopestack.agent.hang import HangWatch
from zopestack.agent.health import Health
from zopestack.agent.meter import Meter
from zopestack.agent.port import open_port
from zopestack.agent.warm_up import WarmUp
from zopestack.buildout import parts
from zopestack.features.timings import Sizes

#: More of a body than HAProxy keeps before it sends the request on.
BEGINNING = b"a" * (Sizes().buffer + 1000)

POST = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET /{path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def last(path: str) -> bytes:
    return get(path, "Connection: close")


@dataclass
class Site:
    """HAProxy in front of one instance with one thread."""

    door: Door
    instance: Serving
    application: Application


@pytest.fixture(scope="module")
def running(program: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home, ports, application = tmp_path_factory.mktemp("home"), freeports.reserve(), Application()
    options = {"instances": "1", "agent-base-port": str(ports.base)}
    stack = describe.read(home, options)
    own = parts.agent(stack, stack.instances[0])
    with serving(application) as instance:
        meter = Meter(application, instance.threads)
        drain = Drain(meter, own.stop_grace, Balancers(own.drain_delay))
        drain.serve()
        hang, warm_up = HangWatch(meter, 1, own.hung_after), WarmUp(own, then=drain.serve)
        agent = open_port(Health(own, meter, drain, hang, warm_up, time.monotonic()))
        agent.start()
        front = {"instances": 1, "haproxy": program, "timeout_queue": "2s"}
        with Door(home, instance.port, ports.base, front) as door:
            yield Site(door, instance, application)
        agent.shutdown()
        agent.server_close()
    ports.release()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """Whatever a test did to it, nothing of it is left."""
    running.application.release.clear()
    running.application.begun.clear()
    yield running
    running.application.release.set()
    threads = running.instance.threads
    until("HAProxy to have forgotten it", running.door.in_progress, lambda now: now == 0)
    until("no slot to be lent", running.door.limits, lambda now: now == [1])
    until("no thread to be needed", threads.needed, lambda now: now == 0)
    until("no thread to be working", lambda: not threads.inside)
    assert not running.instance.arrivals._open
    assert running.application.most <= 1, "two requests at once"
    assert statuses(running.door.raw(last("thread"))) == (200,)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(POST + b"Content-Length: 99999\r\n\r\n" + BEGINNING, id="half a body"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n9999\r\n" + BEGINNING, id="half a chunk"
        ),
        pytest.param(get("large"), id="an answer that nobody reads"),
    ],
)
def test_a_slot_without_a_thread_is_lent_and_comes_back(site: Site, held: bytes) -> None:
    with site.door.connect() as holder:
        holder.sendall(held)
        until("the instance to have it", lambda: [c for c in channels(site) if busy(c)])
        for _ in range(3):
            assert statuses(site.door.raw(last("thread"))) == (200,)


def channels(site: Site) -> list[object]:
    return list(site.instance.threads.channels())


def busy(channel: object) -> bool:
    """Whether it receives a body or sends an answer."""
    return bool(getattr(channel, "request", None) or getattr(channel, "total_outbufs_len", 0))


def test_an_answer_larger_than_memory_holds_its_thread_until_its_reader_leaves(
    site: Site,
) -> None:
    with site.door.connect() as reader:
        reader.sendall(get("streamed"))
        until(
            "it to be full",
            lambda: [c for c in site.instance.threads.channels() if c.total_outbufs_len > FULL],
        )
        # After timeout-queue.
        assert statuses(site.door.raw(last("thread"))) == (503,)
    assert statuses(site.door.raw(last("thread"))) == (200,)


def test_a_reader_who_leaves_while_it_is_made(site: Site) -> None:
    with site.door.connect() as reader:
        reader.sendall(get("hold"))
        until("it to run", lambda: "hold" in site.application.begun)
    until("it to be noticed", site.application.gone)


def test_half_a_request_and_gone(site: Site) -> None:
    with site.door.connect() as client:
        client.sendall(b"GET /thread HT")
    assert site.application.begun == []


def test_three_requests_in_a_row(site: Site) -> None:
    assert statuses(site.door.raw(get("thread") * 2 + last("thread"))) == (200, 200, 200)


@pytest.mark.parametrize(
    ("path", "status", "times"),
    [("late", 200, 1), ("write", 200, 1), ("broken", 500, 1), ("half", 200, 1), ("leave", 502, 4)],
)
def test_an_application_of_any_kind(site: Site, path: str, status: int, times: int) -> None:
    """One that ends the connection without an answer is asked as often as HAProxy retries."""
    assert statuses(site.door.raw(last(path))) == (status,)
    assert site.application.begun == [path] * times
