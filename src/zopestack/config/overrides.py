"""The user's ``[instance]``, ``[instanceN]``, ``[zeo]`` and ``[supervisor]``.

Their options are merged here, once. A few are part of the Stack; the others go to the recipes of
the parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from zc.buildout import UserError

from zopestack.config.errors import error, setting
from zopestack.features.instances import Instance, Instances
from zopestack.features.option import options
from zopestack.features.zope import requirement

Section = Mapping[str, str]

#: Sections whose options are added to those of a part made here.
OVERRIDE = re.compile(r"instance\d*|zeo|supervisor")

#: Those of one instance.
ONE_INSTANCE = re.compile(r"instance\d+")

#: Options of [stack] that an instance may have a value of its own for, under the same name.
OF_AN_INSTANCE = {each.name: each.parse for each in options(Instances) if each.per_instance}

#: Options that follow from the Stack, and what to do instead.
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


def merged(
    instances: tuple[Instance, ...], sections: Mapping[str, Section]
) -> dict[str, dict[str, str]]:
    """What a user sets for each part: for an instance ``[instance]``, then ``[instanceN]``.

    :raises UserError: on the first section or option that cannot be used.
    """
    _check(instances, sections)
    _check_eggs(sections)
    common = sections.get("instance", {})
    parts = {part: dict(sections.get(part, {})) for part in ("zeo", "supervisor")}
    return parts | {
        instance.name: {**common, **sections.get(instance.name, {})} for instance in instances
    }


def applied(
    instances: tuple[Instance, ...],
    merged: Mapping[str, Section],
    sections: Mapping[str, Section],
) -> tuple[Instance, ...]:
    """The instances with what the sections say of them.

    :param merged: what :func:`merged` has returned.
    :raises UserError: on the first value that cannot be used.
    """
    return tuple(_applied(each, merged[each.name], sections) for each in instances)


def _check(instances: tuple[Instance, ...], sections: Mapping[str, Section]) -> None:
    names = [instance.name for instance in instances]
    for section, given in sections.items():
        if ONE_INSTANCE.fullmatch(section) and section not in names:
            raise UserError(
                f"[{section}]: there is no such instance; instances = {len(names)} makes "
                f"{names[0]} to {names[-1]}. Delete the section or raise instances."
            )
        for option in given:
            if option in DERIVED:
                raise UserError(
                    f"{setting(section, option, given[option])}\n"
                    f"  follows from [stack] and cannot be set here; {DERIVED[option]}."
                )


def _check_eggs(sections: Mapping[str, Section]) -> None:
    for section, given in sections.items():
        for line in given.get("eggs", "").splitlines():
            try:
                requirement(line.strip() or "Zope")
            except ValueError as expected:
                why = f"{expected}. Write one a line"
                raise error(section, "eggs", given["eggs"], why) from None


def _applied(instance: Instance, own: Section, sections: Mapping[str, Section]) -> Instance:
    changed = {}
    for option, parse in OF_AN_INSTANCE.items():
        if option not in own:
            continue
        try:
            changed[option.replace("-", "_")] = parse(own[option].strip())
        except ValueError as expected:
            section = instance.name if option in sections.get(instance.name, {}) else "instance"
            raise error(section, option, own[option], expected) from None
    return replace(instance, **changed)
