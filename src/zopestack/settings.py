"""From the strings of a buildout to a Stack: every value is checked on this way, and only here.

A wrong value is a ``zc.buildout.UserError`` that names the section, the option, the
value and what would be accepted; buildout prints it and exits with 1. ``values`` has the
parsers, ``overrides`` the user's own sections, ``sockets`` what depends on all addresses.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack import cpus, haproxy, overrides, sockets, values
from zopestack.address import Address
from zopestack.complaints import error as error
from zopestack.complaints import setting
from zopestack.frontend import settings as frontend_settings
from zopestack.model import CALLBACKS, VISITORS, Balancer, Instance, Stack
from zopestack.nearest import nearest
from zopestack.options import OPTIONS
from zopestack.overrides import Section as Section

#: What buildout itself keeps in a section; ``=> other`` is the second.
BUILDOUT_OPTIONS = frozenset({"recipe", "<part-dependencies>"})

#: Where the agents listen if nothing else is said, above ``base-port``: far enough for any
#: number of instances.
AGENT_PORT_OFFSET = 1000


@dataclass(frozen=True)
class Directories:
    """The buildout's own directories, absolute."""

    buildout: Path
    bin: Path
    parts: Path


def read(name: str, section: Section, sections: Mapping[str, Section], where: Directories) -> Stack:
    """The Stack that a buildout describes.

    :param name: what the [stack] section is called.
    :param section: its options.
    :param sections: the user's sections that match :data:`overrides.OVERRIDE`.
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
            nbthread=given["nbthread"],
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
    stack = overrides.apply(stack, sections)
    sockets.check(name, section, stack)
    return stack


def _parse(name: str, section: Section) -> dict[str, Any]:
    for word in section:
        if word not in OPTIONS and word not in BUILDOUT_OPTIONS:
            raise UserError(
                f"{setting(name, word, section[word])}\n  is not accepted: there is no such "
                f"option; {nearest(word, OPTIONS, 'in the table in README.rst')}"
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
    sockets.check_last_port(name, "base-port", first, count, 0)
    if given["agent-base-port"]:
        sockets.check_last_port(name, "agent-base-port", agent, count, 0)
    else:
        sockets.check_last_port(name, "base-port", first, count, AGENT_PORT_OFFSET)
    return tuple(
        Instance(
            f"instance{i + 1}",
            Address("127.0.0.1", first + i),
            Address("127.0.0.1", agent + i),
            given["threads"],
            lane=VISITORS if i < ordinary else CALLBACKS,
            switch_interval=given["switch-interval"],
        )
        for i in range(count)
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
