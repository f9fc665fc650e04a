"""The processes of a Stack, as supervisord is told about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from zopestack.model import CALLBACKS, START_SECONDS, STOP_SECONDS, Instance, Stack
from zopestack.parts import agent

#: Seconds that ``haproxy-reload`` gets to check HAProxy's files. supervisord waits as long, so
#: ``supervisorctl restart haproxy-reload`` fails where HAProxy refuses them.
RELOAD_SECONDS = 3

#: The event that wakes the guard: once a minute (supervisor's manual, "TICK_60 Event Type").
GUARD_EVENT = "TICK_60"


@dataclass(frozen=True)
class Program:
    """One ``[program:...]`` or ``[eventlistener:...]`` of supervisord (its manual).

    :param comment: what the process is for, in the file.
    :param priority: lower starts first and stops last.
    :param startsecs: seconds after which it counts as started.
    :param autorestart: whether it is started again when it has ended.
    :param stopwaitsecs: seconds from the stop signal to a kill.
    :param environment: added to its environment, as supervisord writes it.
    :param events: what an event listener is told; empty for a program.
    """

    name: str
    comment: str
    command: str
    priority: int
    startsecs: int = 1
    autorestart: bool = True
    stopsignal: str = "TERM"
    stopwaitsecs: int = STOP_SECONDS
    environment: str = ""
    events: str = ""

    @property
    def section(self) -> str:
        """The kind of its section."""
        return "eventlistener" if self.events else "program"


def programs(stack: Stack, haproxy_digest: str) -> tuple[Program, ...]:
    """Every process, in the order supervisord starts them.

    :param haproxy_digest: of HAProxy's files, so that ``supervisorctl update`` sees new ones.
    """
    return (
        _zeo(stack),
        *(_instance(stack, instance) for instance in stack.instances),
        _haproxy(stack),
        _reload(stack, haproxy_digest),
        _guard(stack),
    )


def _zeo(stack: Stack) -> Program:
    return Program(
        name="zeo",
        comment="The database server. An empty database is set up once, before it listens.",
        # The interpreter that has the instances' own eggs.
        command=f"{stack.parts}/{stack.instances[0].name}/bin/interpreter -m zopestack.database "
        f"{stack.database} {stack.user} {stack.password_file} {stack.parts}/zeo/bin/runzeo",
        priority=100,
        environment=_settings(stack.zeo),
    )


def _instance(stack: Stack, instance: Instance) -> Program:
    return Program(
        name=instance.name,
        comment=f"A Zope with {instance.threads} thread(s) on {instance.address}; it waits for "
        f"zeo.\n; A stop is a drain: requests get {stack.stop_grace} s to finish.",
        command=f"{stack.bin}/{instance.name} console",
        priority=200,
        # Longer than an instance that cannot start takes to end, shorter than the 31 s
        # after which one that has waited for zeo starts over (FACTS).
        startsecs=5,
        stopwaitsecs=stack.stop_seconds,
        environment=_settings(
            agent(stack, instance),
            stack.zeo,
            stack.eggs,
            stack.frontend.max_body,
            bool(stack.lane(CALLBACKS)),
        ),
    )


def _haproxy(stack: Stack) -> Program:
    return Program(
        name="haproxy",
        comment="The load balancer. USR1: it stops listening and finishes what it is serving.",
        command=f"{stack.bin}/run-haproxy {stack.stack_file}",
        priority=300,
        stopsignal="USR1",
        stopwaitsecs=stack.stop_seconds,
    )


def _reload(stack: Stack, digest: str) -> Program:
    return Program(
        name="haproxy-reload",
        comment="Reloads HAProxy when its files have changed, without dropping a connection, and\n"
        "; then waits as `cat`. The digest changes with the files, so `update` starts it again.\n"
        "; After a new certificate: bin/supervisorctl restart haproxy-reload",
        command=f"{stack.bin}/reload-haproxy {stack.stack_file}",
        priority=400,
        startsecs=RELOAD_SECONDS,
        # Refused files stay refused.
        autorestart=False,
        environment=f'HAPROXY_DIGEST="{digest}"',
    )


def _guard(stack: Stack) -> Program:
    limit, comment = "", ""
    if stack.memory_limit:
        limit = f"--memory-limit {stack.memory_limit} "
        comment = f"\n; It also restarts one that uses more than {stack.memory_limit} of memory."
    agents = " ".join(f"{instance.name}={instance.agent}" for instance in stack.instances)
    return Program(
        name="guard",
        comment="Restarts an instance that hangs: every thread in one request for over "
        f"{stack.hung_after} s,\n; or no answer for {START_SECONDS} s.{comment}",
        # As long as a start may take, so that a start is not taken for a hang.
        command=f"{stack.bin}/guard-instances --patience {START_SECONDS} {limit}"
        f"{stack.bin}/supervisorctl {agents}",
        priority=500,
        events=GUARD_EVENT,
    )


def _settings(*values: object) -> str:
    """What a program was started with: ``supervisorctl update`` restarts it when that changes.

    zope.conf and zeo.conf are other recipes' files; supervisord sees only its own. Without
    this, HAProxy would be sent to ports and threads that the running instances do not have.
    """
    digest = hashlib.sha256(repr(values).encode()).hexdigest()[:16]
    return f'STACK_DIGEST="{digest}"'
