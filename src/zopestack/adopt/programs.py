"""What collective.recipe.supervisor is told to run, line by line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from zopestack.adopt.original import Original
from zopestack.adopt.recipes import SUPERVISOR
from zopestack.config.overrides import ALIASES
from zopestack.config.programs import WATCHERS
from zopestack.model import OPTIONS

#: A line of ``programs``: priority, name, options of supervisord, command (its README).
PROGRAM = re.compile(r"\s*\d+\s+(?P<name>\S+)\s+(\((?P<options>[^)]*)\)\s+)?(?P<command>\S+)")

#: A line of ``eventlisteners``: name, options, events, command.
LISTENER = re.compile(r"\s*(?P<name>\S+)\s+(\([^)]*\)\s+)?\S+\s+(?P<command>\S+)")

#: What runs ZEO and HAProxy, by the names that people give them.
SERVERS = ("haproxy", "runzeo", "zeo", *ALIASES)

#: The options whose lines these are.
FORMS = {"programs": PROGRAM, "eventlisteners": LISTENER}


@dataclass(frozen=True)
class Line:
    """One line.

    :param option: ``programs`` or ``eventlisteners``.
    :param command: the last name of what it runs.
    :param idle: whether supervisord makes it and does not start it.
    """

    option: str
    text: str
    name: str
    command: str
    idle: bool = False


def lines(original: Original, section: str) -> Iterator[Line]:
    """The programs and event listeners of a section; references are as they are written."""
    if original.recipe(section) != SUPERVISOR:
        return
    options = original.options(section)
    for option, form in FORMS.items():
        for text in options.get(option, "").splitlines():
            if found := form.match(text):
                given = (found.groupdict().get("options") or "").replace(" ", "").lower()
                command = found["command"].rpartition("/")[2]
                idle = "autostart=false" in given
                yield Line(option, text.strip(), found["name"], command, idle)


def memory_limit(original: Original, section: str, balanced: Collection[str]) -> str:
    """What memmon lets an instance for visitors use; empty where that is not one size for all."""
    sizes = set()
    for line in lines(original, section):
        if line.command == "memmon":
            text = original.resolved(line.text, section)
            own = dict(re.findall(r"-p\s+(?:\w+:)?([\w-]+)=(\w+)", text))
            sizes |= {own[name] for name in balanced if name in own}
            sizes |= set(re.findall(r"-a\s+(\w+)", text))
    with suppress(ValueError):
        return str(OPTIONS["memory-limit"].parse(sizes.pop())) if len(sizes) == 1 else ""
    return ""


def replaced(line: Line, known: Collection[str]) -> str:
    """What a stack has instead; empty where it has nothing.

    :param known: instances, the database server, and parts that do not stay.
    """
    if line.option == "eventlisteners":
        watched = re.findall(r"-p\s+(?:\w+:)?([\w-]+)", line.text)
        if line.command in WATCHERS and all(name in known for name in watched):
            return "the guard watches the instances; option memory-limit of [stack]"
    elif not {line.name, line.command}.isdisjoint({*known, *SERVERS}):
        return "supervisord runs it anyway"
    return ""
