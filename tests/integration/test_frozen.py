"""An instance that accepts connections and answers nothing gets no requests for long."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.features.timings import Sizes, Timings
from zopestack.haproxy.runtime import Runtime, servers

#: Seconds within which it is to be out of rotation.
PROMISED = 6


def test_the_checks_take_no_longer_than_promised() -> None:
    """The check before has just been answered; each of the next ones waits for its timeout."""
    timings, sizes = Timings(), Sizes()
    each = timings.check_interval + timings.check
    assert sizes.check_fall * each < PROMISED


def test_a_frozen_instance_leaves_and_comes_back() -> None:
    with Supervised(instances=2) as stack:
        stack.start()
        runtime, http = Runtime(stack.stack.haproxy_socket), stack.stack.balancer.http_address[0]

        def up() -> list[bool]:
            return [each.up for each in runtime.servers().values()]

        until("both to serve", lambda: fetch(http, "/").status == 200 and up() == [True, True])
        pid = stack.pids()["instance1"]
        os.kill(pid, signal.SIGSTOP)
        until("it to leave", up, [False, True].__eq__)
        assert {fetch(http, "/").status for _ in range(10)} == {200}
        rows = until("a check to run", runtime.statistics, lambda found: any(map(running, found)))
        assert {each.check[:1] for each in servers(rows).values()} == {"L"}
        os.kill(pid, signal.SIGCONT)
        until("it to come back", up, [True, True].__eq__)


def running(row: Mapping[str, str]) -> bool:
    """Whether HAProxy waits for the answer to a check, and so tells what the last one said."""
    return row["check_status"].startswith("* ")
