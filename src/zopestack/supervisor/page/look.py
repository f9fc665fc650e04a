"""One look at the stack: the agents, supervisord and HAProxy, asked at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zopestack.features.instances import Instance
from zopestack.haproxy.runtime import Runtime, backends, servers
from zopestack.model import Stack
from zopestack.supervisor.client import Process, Supervisor
from zopestack.supervisor.overview import InstanceRow, row
from zopestack.supervisor.page.told import Told, reading
from zopestack.supervisor.questions import PATIENCE, Question, all_at_once

#: Who is asked beside the instances, none of which can be called so.
HAPROXY, SUPERVISORD = "haproxy", "supervisord"

#: What an agent is asked.
PATH = "/now"

#: The state of an instance of which neither supervisord nor its agent tells anything.
SILENT = "unknown: neither supervisord nor its agent answers"


@dataclass(frozen=True)
class Seen:
    """What a look has found.

    :param when: seconds since the epoch.
    :param at: ``time.monotonic``.
    :param rows: one for each instance, in their order.
    :param told: by instance, what its agent has told; those that have not are left out.
    :param backends: HAProxy's statistics of each lane; None where HAProxy does not answer.
    :param supervised: whether supervisord answers.
    """

    stack: Stack
    when: float
    at: float
    rows: tuple[InstanceRow, ...]
    told: Mapping[str, Told]
    backends: Mapping[str, Mapping[str, str]] | None
    supervised: bool


def look(stack: Stack) -> Seen:
    """Look once; takes up to ``questions.PATIENCE`` seconds."""
    questions = {
        each.name: Question(each.agent, PATH, reading(each.name)) for each in stack.instances
    }
    asked: dict[str, Callable[[], Any]] = {name: each.ask for name, each in questions.items()}
    asked[SUPERVISORD] = Supervisor(stack.supervisor_socket, PATIENCE).processes
    asked[HAPROXY] = Runtime(stack.haproxy_socket).statistics
    answers = all_at_once(asked, questions)
    processes, statistics = answers.pop(SUPERVISORD), answers.pop(HAPROXY)
    balanced = servers(statistics or ())
    checks = {name: f"{server.check} {server.status}" for name, server in balanced.items()}
    rows, told = [], {}
    for each in stack.instances:
        report = answers[each.name]
        process = _assumed(each, report) if processes is None else processes.get(each.name)
        # Else another process answers on its port.
        if report and process and process.pid:
            told[each.name] = report
        rows.append(row(stack, each, process, told.get(each.name), checks.get(each.server, "")))
    return Seen(
        stack,
        time.time(),
        time.monotonic(),
        tuple(rows),
        told,
        None if statistics is None else backends(statistics),
        processes is not None,
    )


def _assumed(instance: Instance, told: Told | None) -> Process:
    """What supervisord would say of an instance if it answered, by what the agent tells."""
    if told is None:
        return Process(instance.name, SILENT, 0, 0, "")
    return Process(instance.name, "RUNNING", told.pid, int(time.time() - told.uptime), "")
