"""The instances as several balancers see them: HAProxy of several hosts, or Varnish beside it.

A host without HAProxy has no runtime API to ask, and Varnish does not say since when it knows. But
each agent knows which balancers ask for the health of its instance, and what they have been told:
any host of the stack may ask it for that.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Server
from zopestack.model import Stack
from zopestack.supervisor.health import DRAINING, ask

#: HAProxy's words for the status of a server.
UP, DOWN, DRAIN, CHANGING = "UP", "DOWN", "DRAIN", "UP 0/1"


def seen(stack: Stack) -> dict[str, Server]:
    """Return every instance that is behind the balancers, by HAProxy's name for it."""
    with ThreadPoolExecutor(max(1, len(stack.balanced))) as pool:
        return {each.name: each for each in pool.map(server, stack.balanced)}


def server(instance: Instance) -> Server:
    """Return one of them.

    It is up where every balancer that asks for it has been told that it serves, and drains where
    every one has been told that it does not. One that no balancer asks for is down.
    """
    report = ask(instance)
    status = DOWN
    if report and report.healthy and report.seen:
        status = UP
    elif report and report.status == DRAINING:
        status = DRAIN if report.seen else CHANGING
    return Server(
        name=instance.server,
        lane=instance.lane,
        status=status,
        current=report.in_flight if report else 0,
        queued=report.queue if report else 0,
        total=report.requests if report else 0,
        limit=instance.maxconn,
        check=str(report.status) if report else "",
    )
