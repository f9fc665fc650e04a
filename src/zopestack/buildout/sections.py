"""The user's sections that add to a part made here: what they say, and where it is written.

Read without buildout's ``buildout[name]``, which would make a section of that name final, or a
part of its own if it has a recipe.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zopestack.buildout import macros, stand_in
from zopestack.config import overrides, relstorage
from zopestack.config.errors import Place, Places, error
from zopestack.features.instances import COMMON
from zopestack.features.option import SUPERVISOR
from zopestack.features.unknown_name import nearest
from zopestack.model import SUPERVISOR_OPTIONS


def read(
    buildout: Any, name: str, stack: Mapping[str, str]
) -> tuple[dict[str, dict[str, str]], Places]:
    """The options of these sections, and where those of all, [stack] included, are written unless
    it is there and in the buildout's own file.

    :param name: what the [stack] section is called.
    :param stack: its options.
    :raises UserError: for a section that is missing, there twice, or takes from one that zopestack
        makes.
    """
    macros.check(buildout, stack)
    own = overrides.own(list(buildout), stack)
    common = overrides.COMMON_SECTION
    if common in stack and COMMON not in own and stack[common].strip() != COMMON:
        known = set(buildout) - {"buildout", "versions", name}
        expected = f"a section that is there ({nearest(stack[common], known)})"
        raise error(name, common, stack[common], expected)
    stand_in.before_parts(buildout, own.get(COMMON, COMMON), name, own.values())
    places = {}
    for role, section in {name: name, **own}.items():
        for option, place in _written(buildout, section).items():
            if place != Place(role):
                places[role, option] = place
    return {role: _options(buildout, section) for role, section in own.items()}, places


def _options(buildout: Any, name: str) -> dict[str, str]:
    """A section with what it takes from others by ``<=``. References (``${...}``) are left
    to the part, where ``${:name}`` means the part's own, but for what is read here.
    """
    raw = macros.merged(buildout, name)
    section = buildout.Options(buildout, name, raw)
    known = ["eggs", *overrides.OF_AN_INSTANCE, *overrides.OF_A_GROUP, *overrides.ADDRESSES]
    known += [overrides.RELSTORAGE]
    if name == SUPERVISOR:
        known += SUPERVISOR_OPTIONS
    if relstorage.SECTIONS.fullmatch(name) and "recipe" not in raw:
        known += raw
    # Not `in section`, which takes a reference to nowhere for an option that is not there.
    return {**raw, **{option: section[option] for option in known if option in raw}}


def _written(buildout: Any, name: str) -> dict[str, Place]:
    """Where the options of a section are written: in a section that it extends by ``<``, in a
    file that buildout.cfg extends, or simply there.
    """
    found: dict[str, Place] = {}
    section = buildout._annotated.get(name, {})
    for other in section["<"].value.splitlines() if "<" in section else ():
        found |= _written(buildout, other.strip())
    own = str(Path(buildout["buildout"]["directory"]) / "buildout.cfg")
    for option, key in section.items():
        # Not a file are the command line and buildout itself.
        elsewhere = key.source != own and Path(key.source).is_absolute()
        file = os.path.relpath(key.source, Path(own).parent) if elsewhere else ""
        found[option] = Place(name, file)
    return found
