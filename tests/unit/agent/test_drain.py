"""The state machine alone; what signals do to a real instance is in tests/system."""

from __future__ import annotations

import pytest

from zopestack.agent.balancers import Balancers
from zopestack.agent.drain import Drain, State
from zopestack.agent.meter import Meter
from zopestack.agent.threads import Threads


@pytest.fixture
def drain() -> Drain:
    return Drain(
        Meter(lambda environ, start_response: [], Threads(1)), grace=1, balancers=Balancers(1)
    )


def test_an_instance_starts_serves_drains_and_comes_back(drain: Drain) -> None:
    seen = [drain.state]
    for step in (drain.serve, drain.drain, drain.ready):
        step()
        seen.append(drain.state)
    assert seen == [State.STARTING, State.SERVING, State.DRAINING, State.SERVING]


@pytest.mark.parametrize("step", ["serve", "drain", "ready"])
def test_nothing_brings_back_what_stops(drain: Drain, step: str) -> None:
    drain.state = State.STOPPING
    getattr(drain, step)()
    assert drain.state is State.STOPPING


def test_what_has_not_started_cannot_be_drained_into_serving(drain: Drain) -> None:
    drain.drain()
    drain.ready()
    assert drain.state is State.STARTING
