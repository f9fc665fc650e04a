"""One line of ``[supervisor]``: a program, an event listener or a group of the user's own.

The form of a line is that of collective.recipe.supervisor 2.0 (its README, "Supported options").
What that recipe ignores or cuts off is refused.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zopestack.features.parsers import path, whole_number
from zopestack.features.unknown_name import nearest

#: supervisord's own priority of what names none is its highest.
MAX_PRIORITY = 999

#: The priority of an event listener (supervisor's manual, "[eventlistener:x] Section Settings"):
#: it starts before the programs that it is told of, and stops after them.
LISTENER_PRIORITY = -1

#: What supervisord, the events it sends and a file's name all take.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")

PROGRAM = re.compile(
    r"(?P<priority>\S+)\s+(?P<name>\S+)(?:\s+\((?P<options>[^()]*)\))?"
    r"\s+(?P<command>[^\s\[\]()]+)(?:\s+\[(?P<arguments>[^\[\]]*)\])?"
    r"(?:\s+(?P<directory>(?!(?:true|false)(?:\s|$))[^\s\[\]()]+))?"
    r"(?:\s+(?P<redirect>true|false))?(?:\s+(?P<user>[^\s\[\]()]+))?"
)

PROGRAM_FORM = (
    "a line such as `10 name command`, or all of it: "
    "`10 name (startsecs=5) command [arguments] directory true user`"
)

LISTENER = re.compile(
    r"(?P<name>\S+)(?:\s+\((?P<options>[^()]*)\))?\s+(?P<events>[A-Za-z0-9_,]+)"
    r"\s+(?P<command>[^\s\[\]()]+)(?:\s+\[(?P<arguments>[^\[\]]*)\])?"
)

LISTENER_FORM = (
    "a line such as `name TICK_60 command`, or all of it: "
    "`name (startsecs=5) TICK_60,PROCESS_STATE command [arguments]`"
)

GROUP = re.compile(r"(?P<priority>\S+)\s+(?P<name>\S+)\s+(?P<programs>\S+)")

GROUP_FORM = "a line such as `10 name program,program`"

#: What ends a value in supervisord.conf.
COMMENT = re.compile(r"(?:^|\s)[;#]")

#: Options in parentheses that have a place of their own in the line, by supervisord's name.
IN_THE_LINE = {
    "command": "write it after the name",
    "directory": "write it after the [arguments]",
    "name": "write a line for each process",
    "numprocs": "write a line for each process",
    "priority": "write it as the first word",
    "process_name": "write a line for each process",
    "redirect_stderr": "write true or false after the directory",
    "uid": "write the user as the last word",
    "user": "write it as the last word",
}


@dataclass(frozen=True)
class OwnProgram:
    """One program or event listener of the user's.

    Fields named as an option of supervisord (its manual, "[program:x] Section Settings") have its
    meaning, unit and default.

    :param command: the program alone.
    :param arguments: as written.
    :param directory: where it runs; None for that of the command.
    :param redirect: whether its standard error goes where its output goes.
    :param user: whom it runs as; empty for whoever runs supervisord.
    :param events: of an event listener; empty for a program.
    :param further: other options of supervisord and their text.
    """

    name: str
    priority: int
    command: str
    arguments: str = ""
    directory: Path | None = None
    redirect: bool = False
    user: str = ""
    events: str = ""
    autostart: bool = True
    autorestart: str = "unexpected"
    startsecs: int = 1
    startretries: int = 3
    stopsignal: str = "TERM"
    stopwaitsecs: int = 10
    stopasgroup: bool = False
    exitcodes: tuple[int, ...] = (0,)
    further: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """Programs that are started, stopped and changed together, as ``name:program``."""

    name: str
    priority: int
    programs: tuple[str, ...]


def programs(text: str) -> tuple[OwnProgram, ...]:
    """Programs, one a line."""
    return tuple(map(_program, _lines(text)))


def _program(line: str) -> OwnProgram:
    found = _match(PROGRAM, line, PROGRAM_FORM)
    directory = found["directory"]
    try:
        return OwnProgram(
            **_named(found),
            priority=_priority(found["priority"]),
            directory=path(directory) if directory else None,
            redirect=found["redirect"] == "true",
            user=found["user"] or "",
        )
    except ValueError as expected:
        raise ValueError(f"{expected}; not {line}") from None


def listeners(text: str) -> tuple[OwnProgram, ...]:
    """Event listeners, one a line."""
    return tuple(map(_listener, _lines(text)))


def _listener(line: str) -> OwnProgram:
    found = _match(LISTENER, line, LISTENER_FORM)
    try:
        named = {"priority": LISTENER_PRIORITY, **_named(found)}
        return OwnProgram(**named, events=_events(found["events"]))
    except ValueError as expected:
        raise ValueError(f"{expected}; not {line}") from None


def _named(found: re.Match[str]) -> dict[str, Any]:
    """What programs and event listeners have in common."""
    name, command, arguments = found["name"], found["command"], found["arguments"] or ""
    _check_name(name)
    try:
        shlex.split(f"{command} {arguments}")
    except ValueError as why:
        raise ValueError(f"arguments as a shell takes them ({why})") from None
    return {
        "name": name,
        "command": command,
        "arguments": arguments.strip(),
        **_settings(found["options"] or "", "events" in found.groupdict()),
    }


def _events(text: str) -> str:
    from supervisor.events import EventTypes

    for name in text.split(","):
        if not hasattr(EventTypes, name.upper()):
            raise ValueError(f"events of supervisord such as TICK_60, and {name} is none")
    return text


def _settings(text: str, listener: bool) -> dict[str, Any]:
    """Fields of an :class:`OwnProgram` from the options in parentheses.

    :param listener: whether it is an event listener, whose line has no place for its priority.
    """
    # Not above: who runs a program need not load supervisord's parser.
    from supervisor import datatypes
    from supervisor.options import ProcessConfig

    parsers: dict[str, Callable[[str], Any]] = {
        "autostart": datatypes.boolean,
        "autorestart": _autorestart,
        "startsecs": datatypes.integer,
        "startretries": datatypes.integer,
        "stopsignal": _signal,
        "stopwaitsecs": datatypes.integer,
        "stopasgroup": datatypes.boolean,
        "exitcodes": lambda given: tuple(datatypes.list_of_exitcodes(given)),
    }
    if listener:
        parsers["priority"] = datatypes.integer
    known = {
        *ProcessConfig.req_param_names,
        *ProcessConfig.optional_param_names,
        # Of an event listener (supervisor 4.3, ``EventListenerPoolConfig``).
        *("buffer_size", "result_handler"),
    }
    fields: dict[str, Any] = {}
    further = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise ValueError(f"options such as (startsecs=5), one a word, and so not {word}")
        if name in IN_THE_LINE and name not in parsers:
            raise ValueError(f"no {name} in parentheses: {IN_THE_LINE[name]}")
        if name not in known:
            hint = nearest(name, known - IN_THE_LINE.keys(), "see supervisor's manual")
            raise ValueError(f"options of supervisord in parentheses, and {name} is none; {hint}")
        if name not in parsers:
            further[name] = value
            continue
        try:
            fields[name] = parsers[name](value)
        except ValueError as why:
            raise ValueError(f"a value of {name} that supervisord takes ({why})") from None
    return {**fields, "further": tuple(further.items())}


def _autorestart(text: str) -> str:
    from supervisor import datatypes

    datatypes.auto_restart(text)
    return text.lower()


def _signal(text: str) -> str:
    from supervisor import datatypes

    return signal.Signals(datatypes.signal_number(text)).name.removeprefix("SIG")


def groups(text: str) -> tuple[Group, ...]:
    """Groups, one a line."""
    return tuple(map(_group, _lines(text)))


def _group(line: str) -> Group:
    found = _match(GROUP, line, GROUP_FORM)
    try:
        _check_name(found["name"])
        priority = _priority(found["priority"])
    except ValueError as expected:
        raise ValueError(f"{expected}; not {line}") from None
    return Group(found["name"], priority, tuple(found["programs"].split(",")))


def _lines(text: str) -> Iterable[str]:
    for line in filter(None, map(str.strip, text.splitlines())):
        if not line.isprintable():
            raise ValueError(f"characters that can be printed; not {line!r}")
        if COMMENT.search(line):
            raise ValueError(
                "no word that begins with ; or #, since it begins a comment in supervisord.conf; "
                f"not {line}"
            )
        yield line


def _match(form: re.Pattern[str], line: str, expected: str) -> re.Match[str]:
    found = form.fullmatch(line)
    if not found:
        raise ValueError(f"{expected}; not {line}")
    return found


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError("a name of letters, digits and . _ -")


def _priority(text: str) -> int:
    try:
        return whole_number(text, 0, MAX_PRIORITY)
    except ValueError as accepted:
        raise ValueError(f"a priority first, {accepted}") from None
