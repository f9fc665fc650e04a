"""The user's ``[instance]``, ``[instanceN]``, ``[zeo]``, ``[supervisor]``, and those of extra
instances and of groups.

Their options are merged here, once. A few are part of the Stack; the others go to the recipes of
the parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from zc.buildout import UserError

from zopestack.config import programs
from zopestack.config.errors import Place, Places, error, setting
from zopestack.features import parsers
from zopestack.features.instances import (
    COMMON,
    NUMBERED,
    VISITORS,
    Instance,
    Instances,
    group_size,
)
from zopestack.features.lanes import Lane
from zopestack.features.memory import LOADER, alone
from zopestack.features.option import SUPERVISOR, options
from zopestack.features.zope import requirement
from zopestack.model import OPTIONS, SUPERVISOR_OPTIONS

Section = Mapping[str, str]

#: Sections whose options are added to those of a part made here, beside those of extra instances
#: and of groups; and those of the databases.
OVERRIDE = re.compile(r"instance\d*|zeo|supervisor|relstorage(-.+)?")

#: What a section of :data:`OVERRIDE` may be called instead: as in the documentation of its recipe.
ALIASES = {"zeoserver": "zeo"}

#: The option of [stack] that names the section of what all instances have in common.
COMMON_SECTION = "instance-section"

#: Those of one instance.
ONE_INSTANCE = re.compile(r"instance\d+")

#: Options of [stack] that an instance may have a value of its own for, under the same name.
OF_AN_INSTANCE = {each.name: each.parse for each in options(Instances) if each.per_instance}

#: The option of [stack] that names extra instances.
EXTRA = "extra-instances"

#: Options of an extra instance that say where it and its agent listen, with its fields for them.
ADDRESSES = {
    "http-address": ("address", parsers.address),
    "agent-address": ("agent", parsers.loopback_address),
}

#: The option of [stack] that names groups of instances.
GROUPS = "groups"

#: How many instances a group has.
SIZE = "instances"

#: Options that the section of a group may have beside those of its instances.
OF_A_GROUP = {SIZE: group_size} | {
    each.name: each.parse for each in OPTIONS.values() if each.per_group
}

#: The option of [instance] that says what a section [relstorage] says. Its values are secret, so it
#: is not handed on.
RELSTORAGE = "rel-storage"

#: Options of an instance that its recipe does not know, or not from here.
UNKNOWN_TO_RECIPE = {*OF_AN_INSTANCE, "agent-address", RELSTORAGE}

#: Options that follow from the Stack, and what to do instead.
DERIVED = {
    "agent-address": "change [stack] agent-base-port",
    "blob-storage": "change [stack] var, or, with storage = external, [stack] blob-storage",
    "control-script": "delete this line: supervisord starts bin/instanceN",
    "file-storage": "change [stack] var",
    "http-address": "change [stack] base-port",
    "recipe": "delete this line: zopestack makes this part",
    "shared-blob": "delete this line: instances share the blob directory of ZEO of this stack; "
    "with storage = external, change [stack] shared-blob",
    "user": "change [stack] user",
    "var": "change [stack] var",
    "zeo-address": "change [stack] zeo-address",
    "zeo-client": "delete this line: every instance is a client of ZEO",
    "zope-conf": "write what has no option under zope-conf-additional",
    "zserver-threads": "call it threads, its name since Zope 4",
}

#: What to do instead of options that only ZServer had, or that need zdaemon: the recipe of an
#: instance reads them and writes them nowhere.
LOG_SIZE = "change event-log-kwargs or access-log-kwargs, as of Python's logging"
ZDAEMON = "delete this line: supervisord runs the process"
ZSERVER = "delete this line: HAProxy is the server, and Zope has HTTP only since version 4"
NO_PASSWORDS = "ZEO has no passwords since version 5. Set [stack] zeo-certificate"
USELESS = {
    **dict.fromkeys(("zeo-password", "zeo-realm", "zeo-username"), NO_PASSWORDS),
    **dict.fromkeys(("access-log-custom", "event-log-custom", "mailinglogger"), LOG_SIZE),
    **dict.fromkeys(("access-log-max-size", "access-log-old-files"), LOG_SIZE),
    **dict.fromkeys(("event-log-max-size", "event-log-old-files"), LOG_SIZE),
    **dict.fromkeys(("effective-user", "lock-file", "pid-file", "zopectl-umask"), ZDAEMON),
    **dict.fromkeys(("ftp-address", "icp-address", "ip-address", "port-base"), ZSERVER),
    **dict.fromkeys(("http-force-connection-close", "http-header-max-length"), ZSERVER),
    **dict.fromkeys(("webdav-address", "webdav-force-connection-close"), ZSERVER),
    "deprecation-warnings": "set PYTHONWARNINGS under environment-vars",
    "enable-product-installation": "delete this line: Zope has no such setting since version 4",
}


def own(names: Iterable[str], stack: Section) -> dict[str, str]:
    """The sections whose options are added to those of a part made here: what each is called, by
    the name that it has in :data:`OVERRIDE`, among the extra instances or among the groups.

    :param names: of all sections.
    :param stack: the options of [stack]; those that name sections are checked elsewhere.
    :raises UserError: where one section is there under two names.
    """
    common = stack.get(COMMON_SECTION, COMMON).strip()
    lines = (*stack.get(EXTRA, "").splitlines(), *stack.get(GROUPS, "").splitlines())
    named = {word for line in lines for word in line.replace("=", " = ").split()[:1]}
    aliases = {**ALIASES, COMMON: "", common: COMMON}
    found: dict[str, str] = {}
    for name in names:
        known = OVERRIDE.fullmatch(name) or name in named
        role = aliases.get(name, name if known else "")
        if role in found:
            raise UserError(
                f"[{name}] and [{found[role]}]\n  are one section: keep one of them, with the "
                "options of both."
            )
        if role:
            found[role] = name
    return found


def chains(instances: tuple[Instance, ...], lanes: tuple[Lane, ...]) -> dict[str, tuple[str, ...]]:
    """By part, the sections that it takes options from; the first one that has an option counts."""
    groups = {lane.name: (lane.group,) for lane in lanes if lane.group}
    return {
        "zeo": ("zeo",),
        "supervisor": ("supervisor",),
        # What the instances have in common is what Zope is loaded with for all.
        LOADER: (COMMON,),
    } | {each.name: (each.name, *groups.get(each.lane, ()), COMMON) for each in instances}


def merged(
    chains: Mapping[str, Sequence[str]],
    groups: Collection[str],
    sections: Mapping[str, Section],
) -> dict[str, dict[str, str]]:
    """What a user sets for each part.

    :param chains: what :func:`chains` has returned.
    :param groups: names of groups, whose sections have options that are for no part.
    """

    def options(section: str) -> dict[str, str]:
        left: Collection[str] = OF_A_GROUP if section in groups else ()
        if section == SUPERVISOR:
            left = SUPERVISOR_OPTIONS
        return {name: x for name, x in sections.get(section, {}).items() if name not in left}

    return {
        part: {name: x for each in reversed(chain) for name, x in options(each).items()}
        for part, chain in chains.items()
    }


def applied(
    instances: tuple[Instance, ...],
    merged: Mapping[str, Section],
    placed: Callable[[str, str], Place],
) -> tuple[Instance, ...]:
    """The instances with what the sections say of them.

    :param merged: what :func:`merged` has returned.
    :param placed: where the user has written an option of a part.
    :raises UserError: on the first value that cannot be used.
    """
    return tuple(
        replace(
            _applied(each, merged[each.name], placed),
            alone=alone(merged[LOADER], merged[each.name]),
        )
        for each in instances
    )


def written(
    option: str, chain: Sequence[str], sections: Mapping[str, Section], places: Places
) -> Place:
    """Where the user has written an option.

    :param chain: the sections that it may be in; the first one that has it counts.
    """
    section = next((each for each in chain if option in sections.get(each, {})), chain[-1])
    return places.get((section, option), Place(section))


def check(
    instances: tuple[Instance, ...],
    groups: Collection[str],
    sections: Mapping[str, Section],
    places: Places,
) -> None:
    """Check what does not depend on any value.

    :param groups: names of groups.
    :raises UserError: with every option that has to go, or for the first section or egg that
        cannot be used.
    """
    _check_options(instances, groups, sections, places)
    _check_eggs(sections, places)


def _check_options(
    instances: tuple[Instance, ...],
    groups: Collection[str],
    sections: Mapping[str, Section],
    places: Places,
) -> None:
    names = [instance.name for instance in instances if instance.balanced]
    ordinary = len([instance for instance in instances if instance.lane == VISITORS])
    others = f", with {len(names) - ordinary} for callbacks and groups," * (len(names) > ordinary)
    for section in sections:
        if ONE_INSTANCE.fullmatch(section) and section not in names:
            raise UserError(
                f"[{section}]: there is no such instance; instances = {ordinary}{others} makes "
                f"{names[0]} to {names[-1]}. Delete the section or raise instances."
            )
    extras = {instance.name for instance in instances if not instance.balanced}
    # One message for all; sections may take a line from the same third one.
    leftovers = {
        f"{setting(written(option, (section,), sections, places), option, given[option])}\n"
        f"  {remedy}.": None
        for section, given in sections.items()
        for option in given
        if (remedy := _remedy(section, option, extras, groups))
    }
    if leftovers:
        raise UserError("\n".join(leftovers))


def _remedy(section: str, option: str, extras: Collection[str], groups: Collection[str]) -> str:
    """What to do instead of an option; nothing for one that can stay."""
    if section in groups and option == "recipe":
        return f"is not accepted: [{section}] is a group of instances. Call one of them otherwise"
    if section in extras and option in ADDRESSES:
        return ""
    if section == SUPERVISOR:
        remedy = programs.DERIVED.get(option, "")
        return f"is not read here; {remedy}" if remedy else ""
    if option in DERIVED:
        return f"follows from [stack] and cannot be set here; {DERIVED[option]}"
    if option in USELESS and (NUMBERED.fullmatch(section) or section in {*extras, *groups}):
        return f"has no effect; {USELESS[option]}"
    return ""


def _check_eggs(sections: Mapping[str, Section], places: Places) -> None:
    for section, given in sections.items():
        for line in given.get("eggs", "").splitlines():
            try:
                requirement(line.strip() or "Zope")
            except ValueError as expected:
                why = f"{expected}. Write one a line"
                place = written("eggs", (section,), sections, places)
                raise error(place, "eggs", given["eggs"], why) from None


def _applied(instance: Instance, own: Section, placed: Callable[[str, str], Place]) -> Instance:
    read = {name: (name.replace("-", "_"), parse) for name, parse in OF_AN_INSTANCE.items()}
    if not instance.balanced:
        read |= ADDRESSES
    changed = {}
    for option, (field, parse) in read.items():
        if option not in own:
            continue
        try:
            changed[field] = parse(own[option].strip())
        except ValueError as expected:
            raise error(placed(instance.name, option), option, own[option], expected) from None
    return replace(instance, **changed)
