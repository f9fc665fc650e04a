"""What supervisord is told to run, line by line: by its recipe, or by a file that a part makes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from configparser import Error
from contextlib import suppress
from dataclasses import dataclass

from zopestack.adopt import recipes, supervisord_conf
from zopestack.adopt.original import Original, Place
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

#: What a part makes that names programs, as :data:`recipes.MADE` has it.
SUPERVISORD = "supervisord"

#: The options whose lines these are.
FORMS = {"programs": PROGRAM, "eventlisteners": LISTENER}


@dataclass(frozen=True)
class Line:
    """One line.

    :param option: ``programs`` or ``eventlisteners``.
    :param text: in the form of the recipe; empty for a program of a file that has none.
    :param command: the last name of what it runs.
    :param idle: whether supervisord makes it and does not start it.
    """

    option: str
    text: str
    name: str
    command: str
    place: Place
    idle: bool = False


def lines(original: Original, section: str) -> Iterator[Line]:
    """The programs and event listeners of a section, and those of a ``supervisord.conf`` that is
    made from a template; references are as they are written.
    """
    yield from _templated(original)
    if original.recipe(section) != SUPERVISOR:
        return
    options = original.options(section)
    for option, form in FORMS.items():
        place = original.place(section, option)
        for text in options.get(option, "").splitlines():
            if line := _line(option, text, form, place):
                yield line


def _line(option: str, text: str, form: re.Pattern[str], place: Place) -> Line | None:
    found = form.match(text)
    if not found:
        return None
    given = (found.groupdict().get("options") or "").replace(" ", "").lower()
    command = found["command"].rpartition("/")[2]
    return Line(option, text.strip(), found["name"], command, place, "autostart=false" in given)


def _templated(original: Original) -> Iterator[Line]:
    for part in original.parts:
        if recipes.made(original, part) == SUPERVISORD:
            place = original.place(part)
            # What supervisord could not read has no programs.
            with suppress(Error):
                for name, text in supervisord_conf.programs(recipes.template(original, part)):
                    line = _line("programs", text, PROGRAM, place)
                    yield line or Line("programs", "", name, name, place)


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
