"""Clients that open, stall and drop at random; the slots invariant is looked at from outside."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.frontend.test_holding import at_rest, laid_out
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.holding import WAYS
from tests.support.polling import until
from zopestack.supervisor.health import ask

#: How often is looked in each of the four runs, and seconds between two looks; a minute together.
LOOKS, LOOK = 280, 0.05

#: Who holds slots, and who wants pages, some of which take a while.
HOLDERS, VISITORS = 4, 6
PAGES = ("/", "/", "/sized?bytes=10&seconds=0.05", "/sized?bytes=20000&seconds=0.3")

#: How many times in a row somebody may be seen waiting beside an idle thread. The docs have the
#: figures; here a machine that stands still, and then looks no more often than HAProxy does, must
#: not look like a slot that is held, which costs 10 s at least.
LONGEST = 100


@pytest.fixture(params=[("2x1", 1), ("2x2", 4)], ids=lambda p: f"{p[0]}-nbthread{p[1]}")
def door(farm: Farm, program: Path, request: pytest.FixtureRequest) -> Iterator[Door]:
    with laid_out(farm, program, *request.param) as running:
        yield running


@dataclass
class Seen:
    """What was seen from outside.

    :ivar waited: the most looks in a row at which somebody waited in HAProxy's queue and an
        instance had an idle thread.
    :ivar over: the most looks in a row at which an instance had more requests that need a thread
        than it has threads.
    :ivar answers: statuses of the visitors' pages.
    """

    waited: int = 0
    over: int = 0
    answers: list[int | str] = None  # type: ignore[assignment]


def hold_at_random(door: Door, chance: random.Random, end: threading.Event) -> None:
    """Hold slots in one way after the other, for a while each."""
    while not end.is_set():
        with ExitStack() as held, suppress(OSError):
            for _ in range(chance.randint(1, 3)):
                chance.choice(WAYS).hold(door, held)
            end.wait(chance.random())


def visit(door: Door, chance: random.Random, end: threading.Event, seen: Seen) -> None:
    while not end.is_set():
        try:
            seen.answers.append(door.get(chance.choice(PAGES), source="127.0.0.3").status)
        except OSError as why:
            seen.answers.append(repr(why))
        end.wait(chance.random() / 10)


def watch(door: Door, seen: Seen) -> None:
    """Compare what HAProxy and the agents say."""
    waited = over = 0
    for _ in range(LOOKS):
        time.sleep(LOOK)
        waiting = int(door.figures()["zope/BACKEND"]["qcur"])
        reports = [report for each in door.stack.instances if (report := ask(each))]
        idle = any(report.busy + report.queue < report.threads for report in reports)
        waited = waited + 1 if waiting and idle else 0
        seen.waited = max(seen.waited, waited)
        over = over + 1 if any(r.busy + r.queue > r.threads for r in reports) else 0
        seen.over = max(seen.over, over)


def test_nobody_waits_beside_an_idle_thread(door: Door) -> None:
    seen, end = Seen(answers=[]), threading.Event()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chances = [random.Random(seed + number) for number in range(HOLDERS + VISITORS)]
    threads = [
        threading.Thread(target=hold_at_random, args=(door, chance, end))
        for chance in chances[:HOLDERS]
    ]
    threads += [
        threading.Thread(target=visit, args=(door, chance, end, seen))
        for chance in chances[HOLDERS:]
    ]
    for thread in threads:
        thread.start()
    try:
        watch(door, seen)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    print(seen.waited, seen.over, len(seen.answers))
    assert set(seen.answers) == {200}
    assert seen.waited < LONGEST
    assert seen.over < LONGEST
    until("everything to be as before", lambda: at_rest(door))
