"""Names that a user gives to sections and programs, and what is called that already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from zopestack.config.overrides import ALIASES, COMMON_SECTION, EXTRA, GROUPS, OVERRIDE
from zopestack.features.groups import Groups
from zopestack.features.instances import COMMON, Instances
from zopestack.features.option import Refused, defaults
from zopestack.features.programs import Programs
from zopestack.model import Stack
from zopestack.render.programs import programs

#: Sections of buildout's own, and what supervisorctl calls every program.
OTHERS = ("all", "buildout", "versions")

#: Options of [stack] and the sections that they name.
Named = tuple[tuple[str, str], ...]


def named(numbers: Instances, groups: Groups) -> Named:
    """What a user names in [stack].

    :raises Refused: for the first section that is read as another one.
    """
    found = (*_extras(numbers), *((GROUPS, name) for name in groups.names))
    if numbers.instance_section != COMMON:
        found += ((COMMON_SECTION, numbers.instance_section),)
    check(found, [name for _, name in found if has_meaning(name)])
    return found


def has_meaning(section: str) -> bool:
    """Whether a section is read as that of something of a stack or of buildout."""
    return bool(OVERRIDE.fullmatch(section)) or section in (*ALIASES, *OTHERS)


def _extras(numbers: Instances) -> Iterator[tuple[str, str]]:
    yield from ((EXTRA, each.name) for each in numbers.extra_instances)


def of_programs(stack: Stack) -> frozenset[str]:
    """What programs of a stack are called, without those that a user names."""
    own = replace(stack, instances=stack.balanced_here, own=defaults(Programs))
    return frozenset(each.name for each in programs(own, {})) | {*OTHERS}


def check(given: Iterable[tuple[str, str]], taken: Collection[str]) -> None:
    """Check what a user names against what is there.

    :param given: options and names.
    :raises Refused: for the first that is taken.
    """
    for option, name in given:
        if name in taken:
            raise _refused(option, name)


def _refused(option: str, name: str) -> Refused:
    return Refused(option, f"a name that nothing else has, not {name}")
