"""Whatever holds the slots: nobody else waits while a thread is idle."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.holding import WAYS, Way
from tests.support.polling import until
from zopestack.supervisor.health import ask

#: Instances and their threads: the first of them in the farm, threads.
LAYOUTS = {"2x1": (1, 1), "2x2": (3, 2)}

#: Seconds within which another client is answered. A slot that is held costs it 10 s at least.
SOON = 1.0

#: A machine that stands still for a second is no fault of a slot; one that is held is held the
#: next time, too.
TRIES = 3


@pytest.fixture(
    scope="module",
    params=[(layout, nbthread) for layout in LAYOUTS for nbthread in (1, 4)],
    ids=lambda param: f"{param[0]}-nbthread{param[1]}",
)
def door(farm: Farm, program: Path, request: pytest.FixtureRequest) -> Iterator[Door]:
    with laid_out(farm, program, *request.param) as running:
        yield running


def laid_out(farm: Farm, program: Path, layout: str, nbthread: int) -> Door:
    """A door in front of one of the layouts, over http and https."""
    first, threads = LAYOUTS[layout]
    made = farm.door(
        first,
        instances=2,
        threads=threads,
        nbthread=nbthread,
        haproxy=program,
        tls_certificate="self-signed",
        http_redirect="off",
        requests_per_address="off",
    )
    made.set(https_address=f"127.0.0.1:{made.https}")
    return made


def answered_in(door: Door) -> float:
    """Seconds until another client has a page."""
    began = time.monotonic()
    try:
        assert door.get().status == 200
    except (OSError, http.client.HTTPException) as why:
        pytest.fail(f"no answer: {why!r}")
    return time.monotonic() - began


def at_rest(door: Door) -> bool:
    """Whether nothing is held, lent or waiting, and no thread is busy."""
    rows = [row for name, row in door.figures().items() if name.startswith("zope/instance")]
    return all(
        row["scur"] == "0" and row["qcur"] == "0" and int(row["slim"]) == instance.threads
        for row, instance in zip(rows, door.stack.instances, strict=True)
    ) and all(
        (report := ask(instance)) and report.busy == report.queue == report.in_flight == 0
        for instance in door.stack.instances
    )


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_another_client_is_answered_at_once(door: Door, way: Way) -> None:
    with ExitStack() as held:
        way.hold(door, held)
        assert min(answered_in(door) for _ in range(TRIES)) < SOON
        for _ in range(5):
            answered_in(door)
    until("everything to be as before", lambda: at_rest(door))
