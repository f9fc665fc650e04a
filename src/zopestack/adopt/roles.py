"""Which sections are the instances for visitors, the other instances, ZEO and supervisord."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zopestack.adopt import programs, recipes
from zopestack.adopt.original import Original
from zopestack.config.overrides import ADDRESSES, DERIVED, USELESS

#: Options that may differ between instances that are alike: they follow from [stack], or nothing
#: reads them.
OWN = {*DERIVED, *USELESS, *ADDRESSES} - {"zserver-threads"}

#: Stands for the name of the section in buildout, and for a number where only that differs.
ITSELF = "${:_buildout_section_name_}"
NUMBER = "#"


@dataclass(frozen=True)
class Roles:
    """The sections that become a stack.

    :param balanced: the instances for visitors, in the order of ``parts``.
    :param extras: the other instances, and whether each is started by a person only.
    :param zeo: empty where there is none.
    :param supervisor: empty where there is none.
    :param why: of each instance, what makes it one for visitors or not.
    """

    balanced: tuple[str, ...]
    extras: dict[str, bool]
    zeo: str
    supervisor: str
    why: dict[str, str]

    @property
    def members(self) -> tuple[str, ...]:
        """All instances."""
        return (*self.balanced, *self.extras)


def find(original: Original) -> Roles:
    """Which section is what, by recipes, by what balances, and by what supervisord starts."""
    instances = [name for name in original.parts if original.recipe(name) == recipes.INSTANCE]
    instances = [name for name in instances if not _is_base(original, name)]
    supervisor = next(
        (name for name in original.parts if original.recipe(name) == recipes.SUPERVISOR), ""
    )
    zeo = next((name for name in original.parts if original.recipe(name) in recipes.ZEO), "")
    lines = [line for line in programs.lines(original, supervisor) if line.option == "programs"]
    idle = {line.name for line in lines if line.idle}
    balanced, why = _balanced(original, instances, idle)
    started = {line.name for line in lines} | {line.command for line in lines}
    extras = {
        name: name in idle or bool(lines and name not in started)
        for name in instances
        if name not in balanced
    }
    return Roles(tuple(balanced), extras, zeo, supervisor, why)


def normalized(original: Original, name: str) -> dict[str, str]:
    """The options of an instance, with its own name replaced where it stands in a value."""
    own = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    return {
        option: own.sub(lambda _: ITSELF, text) for option, text in original.options(name).items()
    }


def _is_base(original: Original, name: str) -> bool:
    """Whether a section only holds what others take: it is no part by its name."""
    return name not in original.value("buildout", "parts").split()


def _balanced(
    original: Original, instances: Sequence[str], idle: set[str]
) -> tuple[list[str], dict[str, str]]:
    for part in original.parts:
        if recipes.balances(original, part):
            text = recipes.text(original, part)
            ports = original.resolved(text, part)
            named = [each for each in instances if _names(original, each, text, ports)]
            if named:
                why = dict.fromkeys(instances, f"[{part}] does not name it")
                return named, why | dict.fromkeys(named, f"[{part}] names it")
    return _alike(original, instances, idle)


def _names(original: Original, instance: str, text: str, resolved: str) -> bool:
    port = original.value(instance, "http-address").rpartition(":")[2]
    named = re.search(rf"(?<![\w-]){re.escape(instance)}(?![\w-])", text)
    return bool(named or (port and re.search(rf":{re.escape(port)}(?!\d)", resolved)))


def _alike(
    original: Original, instances: Sequence[str], idle: set[str]
) -> tuple[list[str], dict[str, str]]:
    """The largest group of instances that differ in nothing but their addresses and names."""
    kinds = {name: _kind(original, name) for name in instances}
    started = [name for name in instances if name not in idle] or list(instances)
    if not started:
        return [], {}
    (kind, _), *_ = Counter(kinds[name] for name in started).most_common(1)
    group = [name for name in started if kinds[name] == kind]
    stems = {_stem(name) for name in group if _stem(name) != name}
    balanced = [name for name in started if name in group or _numbered(name, stems)]
    why = {}
    for name in instances:
        differs = sorted({option for option, _ in set(kinds[name]) ^ set(kind)})
        why[name] = f"it differs from [{group[0]}] in {', '.join(differs)}"
        if name in balanced:
            why[name] = "it differs from the others in its address only"
        if name not in started:
            why[name] = "supervisord does not start it"
        elif name in balanced and name not in group:
            why[name] = "it has a number as the others have"
    return balanced, why


def _kind(original: Original, name: str) -> tuple[tuple[str, str], ...]:
    found = {
        option: re.sub(r"\d+", NUMBER, text) if re.search(r"\s", text.strip()) else text.strip()
        for option, text in normalized(original, name).items()
        if option not in OWN and text.strip()
    }
    return tuple(sorted(found.items()))


def _stem(name: str) -> str:
    return name.rstrip("0123456789")


def _numbered(name: str, stems: set[str]) -> bool:
    return _stem(name) != name and _stem(name) in stems
