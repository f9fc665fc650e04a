"""From ``groups`` and the sections of the groups to the lanes of a Stack."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from zc.buildout import UserError

from zopestack.config.errors import Place, Places, error, setting
from zopestack.config.overrides import OF_A_GROUP, SIZE, Section
from zopestack.features.durations import Durations
from zopestack.features.groups import Groups
from zopestack.features.instances import CALLBACKS, VISITORS, Instances
from zopestack.features.lanes import Lane, of_a_group
from zopestack.features.option import Refused, composed, options
from zopestack.features.queue import Queue


@dataclass(frozen=True)
class Given:
    """What a user has given.

    :param stack: the name of [stack].
    :param values: its options, parsed.
    :param sections: by name, the others that concern it.
    :param places: of all these that are written elsewhere.
    """

    stack: str
    values: Mapping[str, Any]
    sections: Mapping[str, Section]
    places: Places


def lanes(numbers: Instances, groups: Groups, given: Given) -> tuple[Lane, ...]:
    """The lanes, in the order of their instances.

    :raises UserError: for the first option of a group that cannot be used.
    """
    queue, durations = composed(Queue, given.values), composed(Durations, given.values)
    found = [Lane(VISITORS, numbers.ordinary, queue, durations)]
    if numbers.callback_instances:
        # No more callers can be waiting than there are threads.
        unlimited = replace(queue, queue_limit=0)
        found.append(Lane(CALLBACKS, numbers.callback_instances, unlimited, durations))
    found += [_of_a_group(name, given) for name in groups.names]
    return tuple(found)


def check_sections(groups: Groups, sections: Mapping[str, Section], read: Collection[str]) -> None:
    """Check that no section is meant for a group which is not there.

    :param sections: of the whole buildout, as they are written.
    :param read: those that belong to something else here.
    :raises UserError: for the first with a number of instances, unless another section names it.
    """
    for section, own in sections.items():
        if section in read or SIZE not in own or "recipe" in own:
            continue
        meant = difflib.get_close_matches(section, groups.names, n=1)
        if not meant and _named(section, sections):
            continue
        hint = f"add {section} = /path to [stack] groups, or delete the section."
        if meant:
            hint = f"did you mean {meant[0]}?"
        raise UserError(
            f"{setting(section, SIZE, own[SIZE])}\n  is not accepted: there is no group "
            f"{section}; {hint}"
        )


def _named(section: str, sections: Mapping[str, Section]) -> bool:
    """Whether a section is used by another: ``${section:option}``, ``<= section``, or by a recipe
    that is given its name.
    """
    word = re.compile(rf"(?<![\w.-]){re.escape(section)}(?![\w.-])")
    return any(
        word.search(text)
        for name, own in sections.items()
        for text in own.values()
        if name != section
    )


def _of_a_group(name: str, given: Given) -> Lane:
    section = given.sections.get(name, {})
    own = {}
    for option, parse in OF_A_GROUP.items():
        if option in section:
            try:
                own[option] = parse(section[option].strip())
            except ValueError as expected:
                raise _error(name, option, given, expected) from None
    values = {**given.values, **own}
    durations = composed(Durations, values)
    try:
        durations.check()
    except Refused as why:
        if why.option in section:
            raise _error(name, why.option, given, why.expected) from None
        changed = next(each.name for each in options(Durations) if each.name in section)
        inherited = f"{why.option}, which it takes from [{given.stack}], to be {why.expected}"
        raise _error(name, changed, given, inherited) from None
    return Lane(of_a_group(name), own.get(SIZE, 1), composed(Queue, values), durations, name)


def _error(name: str, option: str, given: Given, expected: object) -> UserError:
    place = given.places.get((name, option), Place(name))
    return error(place, option, given.sections[name][option], expected)
