"""The PasteDeploy filter that assembles the agent inside an instance.

The instance's pipeline names it ``egg:zopestack#agent``.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from zopestack.agent import admin, away, forms, mounts, reach, server, stacks, untrusted, users
from zopestack.agent.arrival import Arrivals
from zopestack.agent.balancers import Balancers
from zopestack.agent.configuration import Configuration
from zopestack.agent.conflicts import Conflicts
from zopestack.agent.drain import Drain
from zopestack.agent.hang import HangWatch
from zopestack.agent.health import Health
from zopestack.agent.interrupt import Interrupts
from zopestack.agent.log_lines import keep_lines_whole
from zopestack.agent.long_requests import LongRequests
from zopestack.agent.meter import Application, Meter
from zopestack.agent.metrics.databases import Databases
from zopestack.agent.metrics.gil import GilWait
from zopestack.agent.metrics.process import Collector
from zopestack.agent.once import Once
from zopestack.agent.own_writes import OwnWrites
from zopestack.agent.port import open_port
from zopestack.agent.request_id import name_requests
from zopestack.agent.storage import databases, mend_zeo_clients, zeo_clients
from zopestack.agent.threads import Threads
from zopestack.agent.warm_up import WarmUp
from zopestack.peers import Peers


def factory(global_conf: Any) -> Any:
    """Return a ``paste.filter_factory`` for the filter that wraps Zope."""
    return attach


def attach(application: Application) -> Application:
    """Start the agent and return the application wrapped in its meter."""
    own = Configuration.read(os.environ)
    if own.switch_interval:
        sys.setswitchinterval(own.switch_interval)
    threads = Threads(own.threads)
    server.install(threads, Arrivals(own.body_timeout), Peers(own.hosts))
    conflicts = Conflicts(application, own.conflicts)
    own_writes = OwnWrites(away.attach(conflicts))
    interrupts = Interrupts(Once(own_writes, own.stuck_after), own.request_timeout)
    meter = Meter(interrupts, threads)
    balancers = Balancers(own.drain_delay, own.haproxy, own.server)
    drain = Drain(meter, own.stop_grace, balancers, own.drained)
    hang = HangWatch(meter, own.threads, own.hung_after)
    warm_up = WarmUp(own, then=drain.serve)
    known, gil_wait, collector = Databases(), GilWait(meter), Collector()
    port = open_port(
        Health(own, meter, drain, hang, warm_up, time.monotonic()),
        *(each.figures for each in (interrupts, conflicts, own_writes)),
        *(each.figures for each in (known, gil_wait, collector)),
    )
    untrusted.listen()
    mend_zeo_clients()
    for client in zeo_clients():
        untrusted.pace(client)
    mounts.make(own.mount_points)
    for database in databases():
        reach.watch(database)
    known.install()
    collector.start()
    own_writes.note_commits()
    name_requests(meter)
    keep_lines_whole()
    users.note(meter)
    if own.stacks:
        stacks.write_on_signal(own.stacks)
    admin.install()
    forms.install()
    conflicts.install()
    drain.install()
    interrupts.start()
    hang.start()
    LongRequests(meter, own.long_request).start()
    gil_wait.start()
    port.start()
    warm_up.start()
    return meter
