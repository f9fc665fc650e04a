"""What breaks in the agent's own threads is logged and told."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.support.polling import until
from zopestack.agent import own_thread
from zopestack.agent.balancers import Balancers
from zopestack.agent.configuration import Configuration
from zopestack.agent.drain import Drain
from zopestack.agent.hang import HangWatch
from zopestack.agent.health import Health
from zopestack.agent.meter import Meter
from zopestack.agent.threads import Threads
from zopestack.agent.warm_up import WarmUp

#: No host: a name this long is a UnicodeError, which nobody expects.
BROKEN = "x" * 64


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> Health:
    monkeypatch.setattr(own_thread, "failed", {})
    own = Configuration("instance1", "::1", 1, BROKEN, 1, 1, 1, 1, 60, 60, 60, 60, 10, "")
    meter = Meter(lambda environ, start: [], Threads(1))
    drain = Drain(meter, 1, Balancers(1))
    hang = HangWatch(meter, 1, 60)
    return Health(own, meter, drain, hang, WarmUp(own, then=drain.serve), time.monotonic())


def test_a_warm_up_that_breaks_is_no_start_for_ever(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    health.warm_up.start()
    status, why = until("it to say so", health.answer, lambda told: told[1] != "starting")
    assert status == 503
    assert re.match(r"warm-up failed: Unicode(Encode)?Error: ", why)
    until("the log", lambda: "the agent's thread 'warm-up' has failed" in caplog.text)
    assert "Traceback" in caplog.text


def test_a_drain_that_breaks_is_told(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    health.drain.serve()
    monkeypatch.setattr(health.meter, "in_flight", lambda: 1 // 0)
    health.drain._stop_signal(signal.SIGTERM)
    told = until("it to say so", health.answer, lambda told: "failed" in told[1])
    assert told[0] == 404
    assert told[1].startswith("stopping; drain failed: ZeroDivisionError")


def test_an_instance_that_serves_without_a_part_of_its_agent_says_so(health: Health) -> None:
    health.drain.serve()
    assert health.answer() == (200, "serving")
    own_thread.start("hang watch", lambda: 1 // 0)
    told = until("it to say so", health.answer, lambda told: told[1] != "serving")
    assert told[0] == 200
    assert told[1].startswith("serving; hang watch failed: ZeroDivisionError")
