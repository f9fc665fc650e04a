"""Gathers the figures of the whole stack for Prometheus: ``metrics`` in supervisord.

At each scrape it asks the agents, HAProxy's exporter, HAProxy's runtime API, supervisord and
Varnish, all at once. Who does not answer in time, or answers with anything else, is told as not
answering and does not hold up the others. The Stack is read each time, too: no restart when
instances come or go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from zopestack.figure import INSTANCE, Figure, Values
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.supervisor import varnish_figures
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.questions import PATIENCE, Garbage, Question, all_at_once

ANSWERS = Figure(
    "answers", "gauge", "1 if a process of the stack has told its figures, else 0.", ("process",)
)
STATE = Figure(
    "program_state",
    "gauge",
    "1 for the state in which supervisord has a program.",
    ("program", "state"),
)
STARTED = Figure(
    "program_started_seconds",
    "gauge",
    "When a program was started last, in seconds since the epoch.",
    ("program",),
)
LENT = Figure(
    "slots_lent",
    "gauge",
    "Requests that HAProxy gives to an instance now beyond its threads, because clients hold slots "
    "without a thread; below 0 while requests run whose clients have gone.",
    (INSTANCE,),
)
EXPIRES = Figure(
    "certificate_expires_seconds",
    "gauge",
    "When a certificate ends that HAProxy serves with, in seconds since the epoch.",
    ("file",),
)

DISK = ("directory",)
DISK_FREE = Figure(
    "disk_free_bytes", "gauge", "Bytes of the disk of a directory that are free.", DISK
)
DISK_SIZE = Figure("disk_size_bytes", "gauge", "Bytes of the disk of a directory.", DISK)

MEMORY_AVAILABLE = Figure(
    "memory_available_bytes",
    "gauge",
    "Bytes of memory that the machine can still give to programs (proc(5), ``MemAvailable``).",
)
MEMORY_SIZE = Figure("memory_size_bytes", "gauge", "Bytes of memory of the machine.")

PATH = "/metrics"

#: Who is asked beside the instances, none of which can be called so.
HAPROXY, SUPERVISORD, RUNTIME = "haproxy", "supervisord", "haproxy's runtime API"
VARNISH = "varnish"


def _parsed(body: bytes, belongs: Callable[[Metric], bool]) -> list[Metric]:
    """Figures as Prometheus reads them.

    Somebody else's would be there twice, which makes a scrape invalid.

    :raises Garbage: where there are none, or somebody else's.
    """
    try:
        found = list(text_string_to_metric_families(body.decode()))
    # Whatever the parser runs into: the text may be anything.
    except Exception as why:
        raise Garbage(repr(why)) from why
    if not found or not all(map(belongs, found)):
        raise Garbage("figures of something else")
    return found


def _instances(name: str) -> Callable[[bytes], list[Metric]]:
    """Reads what the agent of an instance says."""
    return lambda body: _parsed(
        body, lambda found: all(each.labels.get(INSTANCE) == name for each in found.samples)
    )


def _haproxys(body: bytes) -> bytes:
    """Reads what HAProxy says; as it is, because the parser changes names of counters."""
    _parsed(body, lambda found: found.name.startswith(f"{HAPROXY}_"))
    return body


@dataclass(frozen=True)
class Gathered(Collector):
    """The figures of a stack but for HAProxy's own, as prometheus_client collects them.

    :param answers: by process, what it has told; None where it has not.
    :param runtime: what HAProxy's runtime API has told.
    :param machine: what the machine has told.
    """

    answers: Mapping[str, Any]
    runtime: Iterable[tuple[Figure, Values]]
    machine: Iterable[tuple[Figure, Values]]

    def collect(self) -> Iterator[Metric]:
        """The figures of all, each name once."""
        yield ANSWERS.family(
            {(name,): float(answer is not None) for name, answer in self.answers.items()}
        )
        for told in (*self._by_name(SUPERVISORD, VARNISH), self.runtime, self.machine):
            yield from (figure.family(values) for figure, values in told)
        found: dict[str, Metric] = {}
        for name, families in self.answers.items():
            for family in families or () if name not in (HAPROXY, SUPERVISORD, VARNISH) else ():
                first = found.setdefault(family.name, family)
                if first is not family:
                    first.samples += family.samples
        yield from found.values()

    def _by_name(self, *names: str) -> Iterator[Iterable[tuple[Figure, Values]]]:
        yield from (self.answers.get(name) or () for name in names)


def gathered(stack: Stack) -> bytes:
    """The figures of a stack in Prometheus's text format; takes up to :data:`PATIENCE` seconds."""
    questions = {
        each.name: Question(each.agent, PATH, _instances(each.name)) for each in stack.instances
    }
    if stack.balances:
        questions[HAPROXY] = Question(stack.balancer.stats_address, PATH, _haproxys)
    asked: dict[str, Callable[[], Any]] = {name: each.ask for name, each in questions.items()}
    asked[SUPERVISORD] = lambda: list(_programs(stack))
    if stack.balances:
        asked[RUNTIME] = lambda: list(_balancer(stack))
    if stack.varnish.in_front:
        asked[VARNISH] = lambda: list(varnish_figures.told(stack))
    answers = all_at_once(asked, questions)
    runtime = answers.pop(RUNTIME, None) or ()
    machine = [*_disks(stack), *_memory()]
    return generate_latest(Gathered(answers, runtime, machine)) + (answers.get(HAPROXY) or b"")


def _programs(stack: Stack) -> Iterator[tuple[Figure, Values]]:
    processes = Supervisor(stack.supervisor_socket, PATIENCE).processes()
    yield STATE, {(name, each.state): 1 for name, each in processes.items()}
    yield STARTED, {(name,): each.started for name, each in processes.items() if each.started}


def _balancer(stack: Stack) -> Iterator[tuple[Figure, Values]]:
    runtime = Runtime(stack.haproxy_socket)
    threads = {each.server: each.maxconn for each in stack.balanced}
    yield (
        LENT,
        {
            (name,): server.limit - threads[name]
            for name, server in runtime.servers().items()
            if name in threads
        },
    )
    if stack.certificate:
        yield EXPIRES, {(name,): end for name, end in runtime.certificates().items()}


def _disks(stack: Stack) -> Iterator[tuple[Figure, Values]]:
    directories = (stack.var, stack.logs, stack.backups.backup_directory)
    # That of the backups is made by the first one.
    used = {(str(each),): disk_usage(each) for each in directories if each.exists()}
    yield DISK_FREE, {name: each.free for name, each in used.items()}
    yield DISK_SIZE, {name: each.total for name, each in used.items()}


def _memory() -> Iterator[tuple[Figure, Values]]:
    told = Path("/proc/meminfo").read_text(encoding="ascii")
    kilobytes = dict(re.findall(r"^(\w+): +(\d+) kB$", told, re.MULTILINE))
    for figure, name in ((MEMORY_AVAILABLE, "MemAvailable"), (MEMORY_SIZE, "MemTotal")):
        if name in kilobytes:
            yield figure, {(): int(kilobytes[name]) << 10}
