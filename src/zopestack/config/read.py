"""From the sections of a buildout to a Stack: every value is checked here, and only here.

A wrong value is a ``zc.buildout.UserError`` that names the section, the option, the value and
what is expected; buildout prints it and exits with 1.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zc.buildout import UserError

from zopestack.config import (
    discovered,
    hosts,
    lanes,
    listeners,
    names,
    overrides,
    programs,
    relstorage,
    zeo,
)
from zopestack.config.applied import Applied
from zopestack.config.errors import Place, Places, error, setting
from zopestack.config.overrides import Section
from zopestack.config.warnings import warn
from zopestack.features import parsers
from zopestack.features.balancer import Balancer
from zopestack.features.hosts import Hosts
from zopestack.features.instances import Instances
from zopestack.features.option import STACK, SUPERVISOR, Option, Refused, composed
from zopestack.features.proxies import Proxies
from zopestack.features.relstorage import ORACLE
from zopestack.features.sites import Sites
from zopestack.features.storage import Kind
from zopestack.features.unknown_name import nearest
from zopestack.features.varnish import Varnish
from zopestack.haproxy import program
from zopestack.model import (
    FEATURES,
    OPTIONS,
    SUPERVISOR_FEATURES,
    SUPERVISOR_OPTIONS,
    Stack,
)
from zopestack.varnish import program as varnish

#: What buildout itself keeps in a section; ``=> other`` is the second.
BUILDOUT_OPTIONS = frozenset({"recipe", "<part-dependencies>"})


@dataclass(frozen=True)
class Buildout:
    """The buildout's own directories, absolute."""

    directory: Path
    bin: Path
    parts: Path


@dataclass(frozen=True)
class Configuration:
    """What a buildout describes.

    :param overrides: the user's own options of each part.
    :param written: where each of these is written, by part and option.
    :param named: the sections that options of [stack] name.
    """

    stack: Stack
    overrides: Mapping[str, Mapping[str, str]]
    written: Places
    named: names.Named = ()


@dataclass(frozen=True)
class _Given:
    """The texts of the options that are read from one section.

    :param name: of the section.
    :param options: what may stand in it, by name.
    """

    name: str
    section: Section
    options: Mapping[str, Option]
    places: Places

    def text(self, option: str) -> str:
        return self.section.get(option, self.options[option].default).strip()

    def written(self, option: str) -> tuple[str, str]:
        """Section and text of an option."""
        return self.name, self.text(option)

    def values(self) -> dict[str, Any]:
        """Every option's value.

        :raises UserError: for the first that cannot be used.
        """
        found = {}
        for option in self.options.values():
            try:
                found[option.name] = option.parse(self.text(option.name))
            except ValueError as expected:
                raise self.refusal(option.name, expected) from None
        return found

    def refusal(self, option: str, expected: object) -> UserError:
        place = self.places.get((self.name, option), Place(self.name))
        text = "..." if self.options[option].secret else self.text(option)
        return error(place, option, text, expected)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Report what a feature refuses as an error of the user's."""
        try:
            yield
        except Refused as why:
            raise self.refusal(why.option, why.expected) from None


def read(
    name: str,
    section: Section,
    sections: Mapping[str, Section],
    where: Buildout,
    places: Places = MappingProxyType({}),
) -> Configuration:
    """What a buildout describes.

    :param name: what the [stack] section is called.
    :param section: its options.
    :param sections: the user's own, by the names that :func:`overrides.own` gives them.
    :param places: of the options of all these that are written elsewhere.
    :raises UserError: on the first value that cannot be used.
    """
    given = {
        STACK: _Given(name, section, OPTIONS, places),
        SUPERVISOR: _Given(SUPERVISOR, sections.get(SUPERVISOR, {}), SUPERVISOR_OPTIONS, places),
    }
    _check_names(name, section, places)
    values = given[STACK].values()
    if name in {extra.name for extra in values[overrides.EXTRA]}:
        raise given[STACK].refusal(overrides.EXTRA, "a name that nothing else has")
    if name == values[overrides.COMMON_SECTION]:
        raise given[STACK].refusal(
            overrides.COMMON_SECTION, f"another section than [{name}] itself"
        )
    _check_directories(where)
    with given[STACK].refusing():
        spread = composed(Hosts, values).resolved(where.directory)
        discovered.check(values)
        values = hosts.values(spread, values)
        numbers = composed(Instances, values).resolved(where.directory)
        features = _composed(FEATURES, values, where)
        features["storage"] = hosts.storage(spread, features["storage"])
        reached = relstorage.read(features, sections, where.directory)
        hosts.check_databases(spread, reached)
        if spread.here.balancer:
            features["balancer"] = _with_program(features["balancer"])
        features["varnish"] = _with_varnish(features["varnish"])
        features["varnish"].check_beside(values, spread.several)
        # Of no part.
        sections = {
            each: options
            for each, options in sections.items()
            if not relstorage.SECTIONS.fullmatch(each)
        }
        features["volto"].check_sites(site.root for site in features["sites"].shown)
        groups = features["groups"]
        named = names.named(numbers, groups)
        extras = (extra.name for extra in values[overrides.EXTRA])
        called = (name, numbers.instance_section, *extras)
        asked = _asked_for(features["sites"], features["proxies"])
        groups.check_beside(called, values["methods"], asked)
        found = lanes.lanes(numbers, groups, lanes.Given(name, values, sections, places))
        every = hosts.every_name(spread, numbers, found)
        overrides.check(every, groups.names, sections, places)
        layouts = [
            Applied.of(made, found, groups.names, sections, places)
            for made in hosts.layouts(spread, numbers, found)
        ]
        here = layouts[0]
        outside = discovered.instances(features["discovery"], here.instances[0])
    with given[SUPERVISOR].refusing():
        features |= _composed(SUPERVISOR_FEATURES, given[SUPERVISOR].values(), where)
        stack = Stack(
            directory=where.directory,
            bin=where.bin,
            parts=where.parts,
            account=_account(),
            instances=() if hosts.none_here(spread, values) else here.instances,
            lanes=discovered.with_them(features["discovery"], hosts.whole(spread, found)),
            relstorages=reached,
            elsewhere=(*(one for each in layouts[1:] for one in each.instances), *outside),
            **features,
        )
        taken = names.of_programs(stack)
        programs.check(stack, taken, os.getuid() == 0)
    own = here.merged
    known = {(part, x): here.written(part, x) for part, options in own.items() for x in options}
    with given[STACK].refusing():
        names.check(named, taken)
        features["volto"].check_programs([each.name for each in features["own"].programs])
        _check_var(stack)
        _check_backups(stack)
        zeo.check(stack, own, known)
        listeners.check(lambda each: given[each.section].written(each.option), stack)
    warn(stack, sections, places)
    return Configuration(stack, own, known, named)


def _composed(
    features: Mapping[str, Any], values: Mapping[str, Any], where: Buildout
) -> dict[str, Any]:
    return {
        field: composed(feature, values).resolved(where.directory)
        for field, feature in features.items()
    }


def _check_names(name: str, section: Section, places: Places) -> None:
    unknown = [
        f"{setting(places.get((name, word), name), word, section[word])}\n"
        "  is not accepted: there is no such option; "
        f"{nearest(word, OPTIONS, 'see docs/reference/options.rst')}"
        for word in section
        if word not in OPTIONS and word not in BUILDOUT_OPTIONS
    ]
    if unknown:
        raise UserError("\n".join(unknown))


def _check_directories(where: Buildout) -> None:
    for option, directory in (
        ("directory", where.directory),
        ("bin-directory", where.bin),
        ("parts-directory", where.parts),
    ):
        try:
            parsers.path(str(directory))
        except ValueError as expected:
            raise error("buildout", option, str(directory), expected) from None


def _asked_for(sites: Sites, proxies: Proxies) -> Collection[str]:
    """The hosts that clients may ask for; none where it may be any."""
    anything = any(site.host == "*" for site in sites.shown) or proxies.believes_headers
    return () if anything else {site.host.partition(":")[0] for site in sites.shown}


def _account() -> str:
    """Who builds, by name; by number where the machine has no name that every file takes."""
    with suppress(KeyError):
        name = pwd.getpwuid(os.getuid()).pw_name
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
            return name
    return str(os.getuid())


def _with_program(balancer: Balancer) -> Balancer:
    """The same with a HAProxy that this machine has."""
    try:
        found = parsers.path(str(program.find(balancer.haproxy)))
    except (program.Unusable, ValueError) as why:
        raise Refused("haproxy", why) from None
    return replace(balancer, haproxy=found)


def _with_varnish(given: Varnish) -> Varnish:
    """The same with a Varnish that this machine has, where one is wanted."""
    if not given.in_front:
        return given
    try:
        found = parsers.path(str(varnish.find(given.varnishd)))
    except (varnish.Unusable, ValueError) as why:
        raise Refused("varnishd", why) from None
    return replace(given, varnishd=found)


def _check_var(stack: Stack) -> None:
    if Path(os.path.realpath(stack.var)).is_relative_to(os.path.realpath(stack.parts)):
        raise Refused("var", f"a directory outside {stack.parts}, which bin/buildout empties")


def _not_here(stack: Stack) -> Iterator[tuple[str, str]]:
    """Jobs that are done elsewhere, and by whom."""
    if stack.storage.storage == Kind.EXTERNAL:
        yield from ((job, f"storage = {Kind.EXTERNAL}") for job in ("backup", "pack"))
    if ORACLE in {each.kind for each in stack.relstorages}:
        yield "backup", f"a database in {ORACLE}"


def _check_backups(stack: Stack) -> None:
    for option, why in _not_here(stack):
        if getattr(stack.backups, option):
            raise Refused(option, f"nothing with {why}, whose tools do that")
    if not stack.backups.backup:
        return
    directory = Path(os.path.realpath(stack.backups.backup_directory))
    if directory.is_relative_to(os.path.realpath(stack.parts)):
        raise Refused(
            "backup-directory",
            f"a directory outside {stack.parts}, which bin/buildout empties",
        )
    if directory.is_relative_to(os.path.realpath(stack.var)):
        raise Refused(
            "backup-directory",
            f"a directory outside {stack.var}, with which the backups would be lost",
        )
