"""From the strings of a buildout to a Stack: every value is checked here, and only here.

A wrong value is a ``zc.buildout.UserError`` that names the section, the option, the
value and what would be accepted; buildout prints it and exits with 1.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack import cpus, haproxy, values
from zopestack.frontend import settings as frontend_settings
from zopestack.model import CALLBACKS, VISITORS, Address, Balancer, Instance, Stack
from zopestack.nearest import nearest
from zopestack.options import OPTIONS

logger = logging.getLogger(__name__)

Section = Mapping[str, str]

#: What buildout itself keeps in a section; ``=> other`` is the second.
BUILDOUT_OPTIONS = frozenset({"recipe", "<part-dependencies>"})

#: Sections whose options are added to those of a part made here.
OVERRIDE = re.compile(r"instance\d*|zeo|supervisor")

#: Options of these that follow from the Stack, and what to do instead.
DERIVED = {
    "blob-storage": "change [stack] var",
    "control-script": "delete this line: supervisord starts bin/instanceN",
    "file-storage": "change [stack] var",
    "http-address": "change [stack] base-port",
    "recipe": "delete this line: zopestack makes this part",
    "shared-blob": "delete this line: instances share ZEO's blob directory",
    "user": "change [stack] user",
    "var": "change [stack] var",
    "zeo-address": "change [stack] zeo-address",
    "zeo-client": "delete this line: every instance is a client of ZEO",
    "zserver-threads": "call it threads, its name since Zope 4",
}

#: Characters of a wrong value that an error message shows.
SHOWN = 80

#: The longest path of a unix socket is 107 bytes (unix(7)); HAProxy first binds it
#: under a temporary name some 20 longer (its manual, "bind").
MAX_SOCKET_PATH = 87

#: Where the agents listen if nothing else is said, above ``base-port``: far enough for any
#: number of instances.
AGENT_PORT_OFFSET = 1000

#: Past this many, threads of one process spend their time on the interpreter lock
#: (FACTS, "The claim the project starts from").
RECOMMENDED_THREADS = 2


@dataclass(frozen=True)
class Directories:
    """The buildout's own directories, absolute."""

    buildout: Path
    bin: Path
    parts: Path


def error(section: str, option: str, value: str, remedy: object) -> UserError:
    """The one form of every complaint about a value."""
    return UserError(f"{_setting(section, option, value)}\n  is not accepted; it takes {remedy}.")


def _setting(section: str, option: str, value: str) -> str:
    shown = value if value.isprintable() else repr(value)
    return f"[{section}] {option} = {shown[:SHOWN]}{'...' if len(shown) > SHOWN else ''}"


def read(name: str, section: Section, sections: Mapping[str, Section], where: Directories) -> Stack:
    """The Stack that a buildout describes.

    :param name: what the [stack] section is called.
    :param section: its options.
    :param sections: the user's sections that match :data:`OVERRIDE`.
    :raises UserError: on the first value that cannot be accepted.
    """
    given = _parse(name, section)
    _check_directories(where)
    base = where.buildout
    stack = Stack(
        directory=base,
        bin=where.bin,
        parts=where.parts,
        var=_var(name, where, given["var"]),
        instances=_instances(name, given),
        zeo=given["zeo-address"],
        balancer=Balancer(
            http=given["http-address"],
            stats=given["stats-address"],
            executable=_haproxy(name, base, given["haproxy"]),
        ),
        user=given["user"],
        eggs=given["eggs"],
        stop_grace=given["stop-grace"],
        hung_after=given["hung-after"],
        warm_up=given["warm-up"],
        memory_limit=given["memory-limit"],
        templates=_templates(name, base, given["templates"]),
        frontend=frontend_settings.read(given, base, base / given["var"], partial(error, name)),
    )
    _check_overrides(stack, sections)
    _check_eggs(sections)
    stack = _apply_threads(stack, sections)
    _check_listeners(name, section, stack)
    _check_sockets(name, section, stack)
    _warn_threads(stack)
    return stack


def overrides(instance: str, sections: Mapping[str, Section]) -> dict[str, str]:
    """What a user sets for one instance: ``[instance]``, then ``[instanceN]`` over it."""
    return {**sections.get("instance", {}), **sections.get(instance, {})}


def _parse(name: str, section: Section) -> dict[str, Any]:
    for word in section:
        if word not in OPTIONS and word not in BUILDOUT_OPTIONS:
            raise UserError(
                f"{_setting(name, word, section[word])}\n"
                f"  is not accepted: there is no such option; {nearest(word, OPTIONS)}"
            )
    given = {}
    for option in OPTIONS.values():
        text = section.get(option.name, option.default).strip()
        try:
            given[option.name] = option.parse(text)
        except ValueError as remedy:
            raise error(name, option.name, text, remedy) from None
    return given


def _check_directories(where: Directories) -> None:
    for option, directory in (
        ("directory", where.buildout),
        ("bin-directory", where.bin),
        ("parts-directory", where.parts),
    ):
        try:
            values.path(str(directory))
        except ValueError as remedy:
            raise error("buildout", option, str(directory), remedy) from None


def _instances(name: str, given: Mapping[str, Any]) -> tuple[Instance, ...]:
    ordinary = given["instances"] or min(cpus.usable(), values.MAX_INSTANCES)
    count = ordinary + given["callback-instances"]
    first = given["base-port"]
    agent = given["agent-base-port"] or first + AGENT_PORT_OFFSET
    _check_last_port(name, "base-port", first, count, 0)
    if given["agent-base-port"]:
        _check_last_port(name, "agent-base-port", agent, count, 0)
    else:
        _check_last_port(name, "base-port", first, count, AGENT_PORT_OFFSET)
    return tuple(
        Instance(
            f"instance{i + 1}",
            Address("127.0.0.1", first + i),
            Address("127.0.0.1", agent + i),
            given["threads"],
            lane=VISITORS if i < ordinary else CALLBACKS,
        )
        for i in range(count)
    )


def _check_last_port(name: str, option: str, first: int, count: int, above: int) -> None:
    highest = values.MAX_PORT - count + 1 - above
    if first > highest:
        agents = f", with their agents {above} above" if above else ""
        raise error(
            name,
            option,
            str(first),
            f"at most {highest} with {count} instances{agents}, "
            f"since the last port is {values.MAX_PORT}",
        )


def _haproxy(name: str, base: Path, given: Path | None) -> Path:
    try:
        found = haproxy.find(base / given if given else None)
        return values.path(str(found))
    except (haproxy.Unusable, ValueError) as why:
        raise error(name, "haproxy", str(given or "auto"), why) from None


def _templates(name: str, base: Path, given: Path | None) -> Path | None:
    if given is None:
        return None
    directory = base / given
    # Path.is_dir raises for a name that is too long.
    if not os.path.isdir(directory):  # noqa: PTH112
        raise error(name, "templates", str(given), f"a directory; {directory} is none")
    return directory


def _var(name: str, where: Directories, given: Path) -> Path:
    var = where.buildout / given
    if Path(os.path.realpath(var)).is_relative_to(os.path.realpath(where.parts)):
        remedy = f"a directory outside {where.parts}, which bin/buildout empties"
        raise error(name, "var", str(given), remedy)
    existing = next(path for path in (var, *var.parents) if os.path.lexists(path))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        remedy = f"a directory you can write to; {existing} is not one"
        raise error(name, "var", str(given), remedy)
    return var


def _check_overrides(stack: Stack, sections: Mapping[str, Section]) -> None:
    names = [instance.name for instance in stack.instances]
    for section, options in sections.items():
        if re.fullmatch(r"instance\d+", section) and section not in names:
            raise UserError(
                f"[{section}]: there is no such instance; instances = {len(names)} makes "
                f"{names[0]} to {names[-1]}. Delete the section or raise instances."
            )
        for option in options:
            if option in DERIVED:
                raise UserError(
                    f"{_setting(section, option, options[option])}\n"
                    f"  follows from [stack] and cannot be set here; {DERIVED[option]}."
                )


def _check_eggs(sections: Mapping[str, Section]) -> None:
    for section, options in sections.items():
        for line in options.get("eggs", "").splitlines():
            try:
                values.requirement(line.strip() or "Zope")
            except ValueError as remedy:
                raise error(section, "eggs", options["eggs"], f"{remedy}, one a line") from None


def _apply_threads(stack: Stack, sections: Mapping[str, Section]) -> Stack:
    changed = []
    for instance in stack.instances:
        text = overrides(instance.name, sections).get("threads")
        if text is not None:
            section = instance.name if "threads" in sections.get(instance.name, {}) else "instance"
            try:
                instance = replace(instance, threads=values.threads(text.strip()))
            except ValueError as remedy:
                raise error(section, "threads", text, remedy) from None
        changed.append(instance)
    return replace(stack, instances=tuple(changed))


def _check_listeners(name: str, section: Section, stack: Stack) -> None:
    def setting(option: str) -> str:
        return f"{option} = {section.get(option, OPTIONS[option].default).strip()}"

    for one, other in combinations(stack.listeners(), 2):
        if one.address.collides(other.address):
            raise UserError(
                f"[{name}] {setting(one.option)} and {setting(other.option)} collide:\n"
                f"  {one.process} and {other.process} would both listen on port "
                f"{one.address.port}. Move one of them."
            )


def _check_sockets(name: str, section: Section, stack: Stack) -> None:
    for socket in stack.sockets:
        if len(str(socket).encode()) > MAX_SOCKET_PATH:
            raise error(
                name,
                "var",
                section.get("var", OPTIONS["var"].default),
                f"a shorter path: the unix socket {socket} is longer than the "
                f"{MAX_SOCKET_PATH} bytes the system allows",
            )


def _warn_threads(stack: Stack) -> None:
    for instance in stack.instances:
        if instance.threads > RECOMMENDED_THREADS:
            logger.warning(
                "%s has %d threads: more than %d fight for one interpreter lock and slow "
                "each other down; more instances are faster.",
                instance.name,
                instance.threads,
                RECOMMENDED_THREADS,
            )
