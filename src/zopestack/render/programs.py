"""The processes of a Stack, as supervisord is told about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from zopestack.features.instances import Instance
from zopestack.features.memory import LOADER, LOADERS
from zopestack.model import Stack
from zopestack.render.own_programs import own_programs
from zopestack.render.program import Program

#: Seconds that ``haproxy-reload`` gets to check HAProxy's files. supervisord waits as long, so
#: ``supervisorctl restart haproxy-reload`` fails where HAProxy refuses them.
RELOAD_SECONDS = 3

#: Seconds that ``haproxy-reload`` gets to finish a reload when it is stopped: longer than it waits
#: for the new worker. If it were killed before, the next HAProxy would start with an old state.
RELOAD_STOP_SECONDS = 15

#: How often ZEO and HAProxy are started again, without which there is no site: for ever.
#: supervisord waits one second longer before each try (its ``process.py``, ``backoff``).
FOR_EVER = 1_000_000_000

#: The priority of the instances. What has a lower one is there before them, and after them.
INSTANCES = 200

#: The event that wakes the guard: once a minute (supervisor's manual, "TICK_60 Event Type").
GUARD_EVENT = "TICK_60"


def programs(stack: Stack, digests: Mapping[str, str]) -> tuple[Program, ...]:
    """Every process, in the order supervisord starts them.

    :param digests: by program, or by its part, of what it is started with.
    """
    every = (
        *((_zeo(stack),) if stack.storage.serves else ()),
        *_loader(stack),
        *(_instance(stack, instance) for instance in stack.instances),
        *((_access_log(stack), _haproxy(stack), _reload(stack)) if stack.balances else ()),
        *_varnish(stack),
        *_schedule(stack),
        *_metrics(stack),
        *((_guard(stack),) if stack.instances else ()),
    )
    first = _python(stack, stack.pattern)
    made = (
        replace(each, python=each.python or first, digest=digests.get(each.part or each.name, ""))
        for each in every
    )
    return tuple(sorted([*made, *own_programs(stack, digests)], key=lambda each: each.priority))


def _python(stack: Stack, instance: Instance) -> str:
    return f"{stack.parts}/{instance.name}/bin/interpreter"


def _zeo(stack: Stack) -> Program:
    files = (stack.database, *map(stack.database_of, stack.databases.databases))
    return Program(
        name="zeo",
        comment="The database server. An empty database is set up once, before it listens.\n"
        "; INT: it ignores TERM, which a shutdown of the machine sends to every process at once.",
        # The interpreter that has the instances' own eggs.
        command=f"{_python(stack, stack.pattern)} "
        f"-m zopestack.supervisor.database {stack.zope.user} {stack.password_file} "
        f"{' '.join(map(str, files))} -- "
        f"{stack.bin}/run-zeo{_only(stack)} -C {stack.parts}/zeo/etc/zeo.conf",
        priority=100,
        startretries=FOR_EVER,
        stopsignal="INT",
        stopwaitsecs=stack.timings.stop,
    )


def _only(stack: Stack) -> str:
    """Whom ZEO answers, where it is not on loopback."""
    given = ",".join(stack.hosts.answered(stack.storage.zeo_address))
    return f" --only {given}" if given else ""


def _loader(stack: Stack) -> tuple[Program, ...]:
    if not stack.memory.share_memory:
        return ()
    part = stack.parts / LOADER
    return tuple(
        Program(
            name=name,
            comment="Loads Zope once. Each instance is a fork of it, which goes on without it."
            if name == LOADER
            else f"`roll` loads changed code with it while {LOADER} runs, and the other way round.",
            command=f"{part}/bin/interpreter -m zopestack.loader.main {stack.loader_socket(name)} "
            f"{stack.forks_socket} {part}/etc/zope.conf {part}/etc/wsgi.ini",
            python=f"{part}/bin/interpreter",
            part=LOADER,
            priority=150,
            autostart=name == LOADER,
            # It ends with 0 where Zope cannot be forked, and says why.
            autorestart="unexpected",
        )
        for name in LOADERS
    )


def _console(stack: Stack, instance: Instance) -> str:
    alone = f"{stack.bin}/{instance.name} console"
    if not stack.forked(instance):
        return alone
    wsgi = f"{stack.parts}/{instance.name}/etc/wsgi.ini"
    return f"{stack.fork_client} {stack.forks_socket} {stack.loader_seconds:g} {wsgi} {alone}"


def _instance(stack: Stack, instance: Instance) -> Program:
    waits = "zeo" if stack.storage.serves else "its database"
    return Program(
        name=instance.name,
        comment=f"A Zope with {instance.threads} thread(s) on {instance.address}; it waits for "
        f"{waits}.\n; A stop is a drain: requests get {stack.lifecycle.stop_grace} s to finish.",
        command=_console(stack, instance),
        python=_python(stack, instance),
        priority=INSTANCES,
        autostart=instance.autostart,
        # Longer than an instance that cannot start takes to end, shorter than the 31 s
        # after which one that has waited for zeo starts over
        # (docs/explanation/measured.rst, "Starting and stopping Zope").
        startsecs=5,
        stopwaitsecs=stack.stop_seconds,
    )


def _varnish(stack: Stack) -> tuple[Program, ...]:
    if not stack.varnish.in_front:
        return ()
    return (
        Program(
            name="varnish",
            comment="Keeps pages for visitors without a login. Without it, instances answer.\n"
            "; A stop is a drain: HAProxy sends it nothing more, and responses under way end.",
            command=f"{stack.bin}/run-varnish {stack.stack_file}",
            # After HAProxy, which does without: it stops before HAProxy does.
            priority=310,
            startretries=FOR_EVER,
            stopwaitsecs=stack.stop_seconds,
        ),
        Program(
            name="varnish-reload",
            comment="Has Varnish take up changed rules, without losing a page or a request, and\n"
            "; then waits as `cat`. The digest changes with them, so `update` starts it again.",
            command=f"{stack.bin}/reload-varnish {stack.stack_file}",
            priority=400,
            startsecs=RELOAD_SECONDS,
            # Refused rules stay refused.
            autorestart=False,
            stopwaitsecs=RELOAD_STOP_SECONDS,
        ),
    )


def _access_log(stack: Stack) -> Program:
    kept = f"{stack.rotation.log_size} {stack.rotation.log_files}"
    return Program(
        name="access-log",
        comment="Writes HAProxy's access log into its file. USR1: it ends when all is written.",
        command=f"{stack.bin}/write-access-log {stack.access_pipe} {stack.access_log} {kept}",
        # It stops after HAProxy, whose last lines are still to come.
        priority=290,
        stopsignal="USR1",
    )


def _haproxy(stack: Stack) -> Program:
    return Program(
        name="haproxy",
        comment="The load balancer. USR1: it stops listening and finishes what it is serving.\n"
        "; It ignores TERM, as zeo does.",
        command=f"{stack.bin}/run-haproxy {stack.stack_file}",
        priority=300,
        startretries=FOR_EVER,
        stopsignal="USR1",
        stopwaitsecs=stack.stop_seconds,
        # The master process may lose the signal while the worker already serves
        # (docs/explanation/measured.rst, "Signals that HAProxy loses"); it ends with its worker.
        stopasgroup=True,
    )


def _reload(stack: Stack) -> Program:
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
        stopwaitsecs=RELOAD_STOP_SECONDS,
    )


def _schedule(stack: Stack) -> tuple[Program, ...]:
    if not stack.backups.jobs:
        return ()
    return (
        Program(
            name="schedule",
            comment="Runs what is due at times of day, bin/backup and bin/pack, and is `sleep` "
            "otherwise.",
            command=f"{stack.bin}/run-schedule {stack.stack_file}",
            priority=450,
            # It ends and is started again for whatever it runs.
            startsecs=0,
            # A backup that is stopped removes its half.
            stopwaitsecs=stack.timings.stop,
        ),
    )


def _metrics(stack: Stack) -> tuple[Program, ...]:
    if not stack.metrics.metrics_address:
        return ()
    return (
        Program(
            name="metrics",
            comment="Gathers the figures of the whole stack for Prometheus, on "
            f"{stack.metrics.metrics_address}.",
            command=f"{stack.bin}/serve-metrics {stack.stack_file}",
            priority=460,
        ),
    )


def _guard(stack: Stack) -> Program:
    option, comment = "", ""
    if limit := stack.lifecycle.memory_limit:
        option = f"--memory-limit {limit} "
        comment = f"\n; It also restarts one that uses more than {limit} of memory."
    option += "".join(f"--mail {address} " for address in stack.lifecycle.guard_mail)
    hung = " or ".join(f"{each}" for each in sorted({x.durations.hung for x in stack.lanes}))
    agents = " ".join(f"{instance.name}={instance.agent}" for instance in stack.instances)
    return Program(
        name="guard",
        comment="Restarts an instance that hangs: every thread in one request for over "
        f"{hung} s,\n; or no answer for {stack.timings.start:g} s.{comment}",
        # As long as a start may take, so that a start is not taken for a hang.
        command=f"{stack.bin}/guard-instances --patience {stack.timings.start:g} {option}"
        f"{stack.bin}/supervisorctl {agents}",
        priority=500,
        events=GUARD_EVENT,
    )
