"""An instance without Zope: waitress and the agent's own parts, around pages that misbehave on
demand. Zope would only make it slow to start. ``python -m tests.support.bare_instance``
"""

from __future__ import annotations

import ctypes
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import waitress

from tests.support.polling import until
from zopestack.agent import server, stacks
from zopestack.agent.arrival import Arrivals
from zopestack.agent.balancers import Balancers
from zopestack.agent.configuration import Configuration
from zopestack.agent.drain import Drain
from zopestack.agent.hang import HangWatch
from zopestack.agent.health import Health
from zopestack.agent.long_requests import LongRequests
from zopestack.agent.meter import Meter
from zopestack.agent.metrics.gil import GilWait
from zopestack.agent.metrics.process import Collector
from zopestack.agent.once import Once
from zopestack.agent.port import open_port
from zopestack.agent.threads import Threads
from zopestack.agent.warm_up import WarmUp
from zopestack.peers import Peers

#: Memory that requests have asked for and nothing gives back.
kept: list[bytearray] = []

_numbers = itertools.count(1)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """``/hang`` never answers, ``/begin`` begins to, nor does ``/freeze``, which stops every thread
    of the process, ``/grow/300`` keeps 300 MB, ``/hold/a/file`` answers once there is a file
    ``/a/file``, ``/keep/60`` may be kept for 60 s, any other path answers."""
    words = environ["PATH_INFO"].split("/")
    if words[1] == "hang":
        threading.Event().wait()
    if words[1] == "freeze":
        # Unlike CDLL, PyDLL keeps the interpreter lock while the function runs. No signal ends
        # this one, unlike sleep, whichever thread runs it (pthread_mutex_lock(3p)).
        lock = ctypes.create_string_buffer(64)
        for _ in range(2):
            ctypes.PyDLL(None).pthread_mutex_lock(lock)
    if words[1] == "hold":
        until("the file", Path("/", *words[2:]).exists)
    if words[1] == "begin":
        start_response("200 OK", [])(b"begun")
        threading.Event().wait()
    if words[1] == "grow":
        # Not bytearray(n): memory that nobody has written to is not resident.
        kept.append(bytearray(b"x") * (int(words[2]) << 20))
    headers = [("Content-Type", "text/plain")]
    if words[1] == "keep":
        headers.append(("Cache-Control", f"public, max-age={words[2]}"))
        start_response("200 OK", headers)
        return [f"made {next(_numbers)} times by {os.getpid()}\n".encode()]
    start_response("200 OK", headers)
    return [b"served\n"]


def main() -> None:
    """Serve, with what ``zopestack.agent.filter`` puts around Zope and does not need it."""
    logging.basicConfig(level=logging.INFO)
    own = Configuration.read(os.environ)
    threads = Threads(own.threads)
    server.install(threads, Arrivals(own.body_timeout), Peers(own.hosts))
    meter = Meter(Once(application, own.stuck_after), threads)
    balancers = Balancers(own.drain_delay, own.haproxy, own.server)
    drain = Drain(meter, own.stop_grace, balancers, own.drained)
    warm_up = WarmUp(own, then=drain.serve)
    hang = HangWatch(meter, own.threads, own.hung_after)
    gil_wait, collector = GilWait(meter), Collector()
    health = Health(own, meter, drain, hang, warm_up, time.monotonic())
    port = open_port(health, gil_wait.figures, collector.figures)
    gil_wait.start()
    collector.start()
    drain.install()
    hang.start()
    LongRequests(meter, own.long_request).start()
    if own.stacks:
        stacks.write_on_signal(own.stacks)
    port.start()
    warm_up.start()
    waitress.serve(meter, host=own.http_host, port=own.http_port, threads=own.threads)


if __name__ == "__main__":
    main()
