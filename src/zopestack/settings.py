"""From the strings of a buildout to a Stack: every value is checked here, and only here.

A wrong value is a ``zc.buildout.UserError`` that names the section, the option, the
value and what would be accepted; buildout prints it and exits with 1.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack import cpus, door_settings, haproxy, values
from zopestack.model import CALLBACKS, VISITORS, Address, Balancer, Instance, Stack
from zopestack.options import OPTIONS

logger = logging.getLogger(__name__)

Section = Mapping[str, str]

#: What buildout itself keeps in a section.
BUILDOUT_OPTIONS = frozenset({"recipe"})

#: Options of an instance that follow from the Stack, and what to change instead.
DERIVED = {
    "blob-storage": "[stack] var",
    "http-address": "[stack] base-port",
    "recipe": "nothing: zopestack makes the instances, delete this line",
    "shared-blob": "nothing: instances share ZEO's blob directory",
    "user": "[stack] user",
    "var": "[stack] var",
    "zeo-address": "[stack] zeo-address",
    "zeo-client": "nothing: every instance is a client of ZEO",
    "zserver-threads": "threads, its name since Zope 4",
}

#: The longest path of a unix socket is 107 bytes (unix(7)); HAProxy first binds it
#: under a temporary name some 20 longer (its manual, "bind").
MAX_SOCKET_PATH = 87

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
    shown = value if len(value) <= 80 and "\n" not in value else repr(value)
    return UserError(f"[{section}] {option} = {shown}\n  is not accepted; it takes {remedy}.")


def read(name: str, section: Section, sections: Mapping[str, Section], where: Directories) -> Stack:
    """The Stack that a buildout describes.

    :param name: what the [stack] section is called.
    :param section: its options.
    :param sections: every section of the buildout that may override an instance's options:
        ``instance`` and ``instance1``, ``instance2`` ...
    :raises UserError: on the first value that cannot be accepted.
    """
    given = _parse(name, section)
    _check_directory(where.buildout)
    base = where.buildout
    stack = Stack(
        directory=base,
        bin=where.bin,
        parts=where.parts,
        var=base / given["var"],
        instances=_instances(name, given),
        zeo=given["zeo-address"],
        balancer=Balancer(
            http=given["http-address"],
            stats=given["stats-address"],
            executable=_haproxy(name, base, given["haproxy"]),
        ),
        user=given["user"],
        eggs=given["eggs"],
        templates=_templates(name, base, given["templates"]),
        door=door_settings.read(given, base, base / given["var"], partial(error, name)),
    )
    _check_overrides(stack, sections)
    stack = _apply_threads(stack, sections)
    _check_listeners(name, stack)
    _check_sockets(name, stack)
    _warn_threads(stack)
    return stack


def overrides(instance: str, sections: Mapping[str, Section]) -> dict[str, str]:
    """What a user sets for one instance: ``[instance]``, then ``[instanceN]`` over it."""
    return {**sections.get("instance", {}), **sections.get(instance, {})}


def nearest(word: str, known: Iterable[str]) -> str:
    """The known words, the one most like ``word`` first: the end of an error message."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"


def _parse(name: str, section: Section) -> dict[str, Any]:
    for word in section:
        if word not in OPTIONS and word not in BUILDOUT_OPTIONS:
            raise UserError(f"[{name}] {word}: no such option; {nearest(word, OPTIONS)}")
    given = {}
    for option in OPTIONS.values():
        text = section.get(option.name, option.default).strip()
        try:
            given[option.name] = option.parse(text)
        except ValueError as remedy:
            raise error(name, option.name, text, remedy) from None
    return given


def _check_directory(directory: Path) -> None:
    try:
        values.path(str(directory))
    except ValueError as remedy:
        raise error("buildout", "directory", str(directory), remedy) from None


def _instances(name: str, given: Mapping[str, Any]) -> tuple[Instance, ...]:
    ordinary = given["instances"] or cpus.usable()
    count = ordinary + given["callback-instances"]
    first = given["base-port"]
    if first + count - 1 > values.MAX_PORT:
        raise error(
            name,
            "base-port",
            str(first),
            f"at most {values.MAX_PORT - count + 1} with {count} instances, "
            f"since the last port is {values.MAX_PORT}",
        )
    return tuple(
        Instance(
            f"instance{i + 1}",
            Address("127.0.0.1", first + i),
            given["threads"],
            lane=VISITORS if i < ordinary else CALLBACKS,
        )
        for i in range(count)
    )


def _haproxy(name: str, base: Path, given: Path | None) -> Path:
    try:
        return haproxy.find(base / given if given else None)
    except haproxy.Unusable as why:
        raise error(name, "haproxy", str(given or "auto"), why) from None


def _templates(name: str, base: Path, given: Path | None) -> Path | None:
    if given is None:
        return None
    directory = base / given
    if not directory.is_dir():
        raise error(name, "templates", str(given), f"a directory; {directory} is none")
    return directory


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
                    f"[{section}] {option} follows from [stack] and cannot be set here; "
                    f"change {DERIVED[option]}."
                )


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


def _check_listeners(name: str, stack: Stack) -> None:
    for one, other in combinations(stack.listeners(), 2):
        if one.address.collides(other.address):
            raise UserError(
                f"[{name}] {one.option} and {other.option} collide: {one.process} and "
                f"{other.process} would both listen on port {one.address.port}. Move one of them."
            )


def _check_sockets(name: str, stack: Stack) -> None:
    for socket in stack.sockets:
        if len(str(socket).encode()) > MAX_SOCKET_PATH:
            raise error(
                name,
                "var",
                str(stack.var),
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
