"""Checks of how the site serves, from what HAProxy has counted since it was started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zopestack.haproxy.runtime import backends
from zopestack.supervisor.doctor.finding import ENOUGH, Finding, Severity, check
from zopestack.supervisor.doctor.look import Look
from zopestack.supervisor.readiness import missing

#: The share of requests that may go wrong.
TOLERABLE = 0.01

#: The share of requests that a cache should answer, to be worth its memory.
USEFUL = 0.1

#: Milliseconds in the queue that people notice (docs/explanation/slots.rst).
NOTICED = 1000


@check
def running(look: Look) -> Iterator[Finding]:
    """Programs that do not run, or do not serve."""
    if not look.processes:
        yield Finding(Severity.ERROR, "supervisord does not run, or does not answer", "scripts/up")
        return
    for name, why in missing(look.stack).items():
        yield Finding(Severity.ERROR, f"{name}: {why}", f"bin/supervisorctl tail {name}")
    for instance in look.stack.instances:
        if look.stack.drained(instance).exists():
            yield Finding(
                Severity.ADVICE,
                f"{instance.name} is drained by hand",
                f"bin/supervisorctl ready {instance.name}",
            )


@check
def errors(look: Look) -> Iterator[Finding]:
    """Requests that ended with an error of the server."""
    for name, row in _serving(look).items():
        total, failed = int(row["req_tot"] or 0), int(row["hrsp_5xx"] or 0)
        if total > ENOUGH and failed > TOLERABLE * total:
            yield Finding(
                Severity.WARNING,
                f"{failed} of {total} requests to backend {name} ended with a status of 5xx",
                "bin/supervisorctl tail instance1, and var/log/access.log",
            )


@check
def impatience(look: Look) -> Iterator[Finding]:
    """Requests whose client has gone before the answer."""
    for name, row in _serving(look).items():
        total, left = int(row["req_tot"] or 0), int(row["cli_abrt"] or 0)
        if total > ENOUGH and left > TOLERABLE * total:
            yield Finding(
                Severity.WARNING,
                f"{left} of {total} clients of backend {name} left before they had the answer",
                "more instances where requests wait; long-request shows what is slow",
            )


@check
def queue(look: Look) -> Iterator[Finding]:
    """Requests that wait for a thread."""
    for name, row in backends(look.statistics).items():
        waited, waiting = int(row["qtime"] or 0), int(row["qcur"] or 0)
        if waited > NOTICED:
            yield Finding(
                Severity.WARNING,
                f"the last requests to backend {name} waited {waited} ms on average; {waiting} "
                "wait now",
                "more instances, or affinity and groups that keep slow requests apart",
            )


@check
def cache(look: Look) -> Iterator[Finding]:
    """Varnish that is there to keep pages, and passes nearly everything to the instances."""
    seen = None if look.stack.varnish.gives else look.varnish
    if seen and seen.requests > ENOUGH and seen.share < USEFUL:
        yield Finding(
            Severity.ADVICE,
            f"Varnish has answered {seen.hits} of {seen.requests} requests by itself",
            "in Plone, the control panel Caching; docs/howto/varnish.rst",
        )


def _serving(look: Look) -> dict[str, Mapping[str, str]]:
    """HAProxy's rows of the backends whose requests reach an instance at once."""
    return backends(look.statistics, ("varnish",) if look.stack.varnish.gives else ())
