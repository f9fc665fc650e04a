"""The processes of a Stack, as supervisord is told about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from zopestack.model import INSTANCE_STOP_SECONDS, STOP_SECONDS, Stack


@dataclass(frozen=True)
class Program:
    """One ``[program:...]`` of supervisord (its manual, "program section").

    :param comment: what the process is for, in the file.
    :param priority: lower starts first and stops last.
    :param startsecs: seconds after which it counts as started.
    :param stopwaitsecs: seconds from the stop signal to a kill.
    :param environment: added to its environment, as supervisord writes it.
    """

    name: str
    comment: str
    command: str
    priority: int
    startsecs: int
    stopsignal: str
    stopwaitsecs: int
    environment: str = ""


def programs(stack: Stack, haproxy_digest: str) -> tuple[Program, ...]:
    """Every process, in the order supervisord starts them.

    :param haproxy_digest: stands in HAProxy's environment, so that ``supervisorctl update``
        sees a new haproxy.cfg as a change of that program.
    """
    return (_zeo(stack), *_instances(stack), _haproxy(stack, haproxy_digest))


def _zeo(stack: Stack) -> Program:
    return Program(
        name="zeo",
        comment="The database server. An empty database is set up once, before it listens.",
        # The interpreter that has the instances' own eggs.
        command=f"{stack.parts}/{stack.instances[0].name}/bin/interpreter -m zopestack.database "
        f"{stack.database} {stack.user} {stack.password_file} {stack.parts}/zeo/bin/runzeo",
        priority=100,
        startsecs=2,
        stopsignal="TERM",
        stopwaitsecs=STOP_SECONDS,
        environment=_settings(stack.zeo),
    )


def _instances(stack: Stack) -> tuple[Program, ...]:
    return tuple(
        Program(
            name=instance.name,
            comment=f"A Zope with {instance.threads} thread(s) on {instance.address}. "
            "It waits for zeo, however long that takes.",
            command=f"{stack.bin}/{instance.name} console",
            priority=200,
            startsecs=5,
            # On SIGTERM Zope drops what it is serving; on SIGINT it finishes (FACTS).
            stopsignal="INT",
            stopwaitsecs=INSTANCE_STOP_SECONDS,
            environment=_settings(instance, stack.zeo, stack.eggs),
        )
        for instance in stack.instances
    )


def _settings(*values: object) -> str:
    """What a program was started with: ``supervisorctl update`` restarts it when that changes.

    zope.conf and zeo.conf are other recipes' files; supervisord sees only its own. Without
    this, HAProxy would be sent to ports and threads that the running instances do not have.
    """
    digest = hashlib.sha256(repr(values).encode()).hexdigest()[:16]
    return f'STACK_DIGEST="{digest}"'


def _haproxy(stack: Stack, digest: str) -> Program:
    return Program(
        name="haproxy",
        comment="The load balancer. USR1: it stops listening and finishes what it is serving.",
        command=f"{stack.balancer.executable} -W -db -f {stack.haproxy_conf}",
        priority=300,
        startsecs=1,
        stopsignal="USR1",
        stopwaitsecs=STOP_SECONDS,
        environment=f'HAPROXY_CFG_DIGEST="{digest}"',
    )
