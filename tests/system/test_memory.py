"""Memory of what runs beside Zope, ZEO and HAProxy, supervisord itself included."""

from __future__ import annotations

import psutil

from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.supervisor.client import Supervisor

#: Bytes for all of it, whatever the number of instances; 36 MB were measured.
MOST = 45e6

#: Bytes of what only waits.
IDLE = 1e6

#: Bytes that one more instance may add: its words in supervisord and on the guard's command line.
EACH = 0.3e6


def test_it_is_little_and_does_not_grow_with_the_instances() -> None:
    two, eight = beside(2), beside(8)
    assert sum(two.values()) < MOST, two
    assert two["haproxy-reload"] < IDLE, two
    assert sum(eight.values()) < sum(two.values()) + 6 * EACH, (two, eight)


def beside(instances: int) -> dict[str, int]:
    """Bytes of each process: what is its own and its share of the rest (PSS)."""
    with Supervised(
        idle=True, instances=instances, memory_limit="2GB", timeout_queue="1s"
    ) as stack:
        stack.start()
        # The access log's process holds most once it has written.
        assert fetch(stack.stack.balancer.local_address, "/").status == 503
        until("the access log", stack.stack.access_log.exists)
        helpers = {
            "supervisord": Supervisor(stack.stack.supervisor_socket).pid(),
            **{name: stack.pids()[name] for name in ("access-log", "guard", "haproxy-reload")},
        }
        # Nothing else runs there: the programs, HAProxy's worker, and these.
        assert len(stack.processes()) == len(stack.stack.programs) + 1 + len(helpers)
        return {name: psutil.Process(pid).memory_full_info().pss for name, pid in helpers.items()}
