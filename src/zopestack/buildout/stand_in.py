"""Sections of buildout that find in another one what they have not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from zc.buildout.buildout import Options

from zopestack.buildout import macros
from zopestack.config import overrides

#: A reference to an instance, and its name.
TO_INSTANCE = re.compile(rf"\$\{{({overrides.ONE_INSTANCE.pattern}):")


class StandIn(Options):  # type: ignore[misc]
    """A section of buildout that has the options of a part, too.

    :param part: the name of the part.
    """

    def __init__(self, buildout: Any, section: str, data: dict[str, str], part: str) -> None:
        super().__init__(buildout, section, data)
        self.part = part

    def get(self, option: str, default: Any = None, seen: Any = None) -> Any:
        """Find an option, as buildout does for a reference."""
        found = super().get(option, None, seen)
        return self.buildout[self.part].get(option, default, seen) if found is None else found


def before_parts(buildout: Any, common: str, stack: str, own: Iterable[str]) -> None:
    """Have sections find what the user has written for an instance, before there is one: in its
    own section, or that of all instances, or [stack].

    :param common: the section of what all instances have in common.
    :param stack: the section that is called [stack].
    :param own: the user's sections that add to a part.
    """
    texts = [text for name in own for text in macros.merged(buildout, name).values()]
    instances = {name for text in texts for name in TO_INSTANCE.findall(text)}
    _put(buildout, {**dict.fromkeys(instances, common), common: stack})


def of_parts(buildout: Any, common: str, first: str) -> None:
    """Have the sections that are no parts find the options of one.

    :param common: the section of what all instances have in common.
    :param first: the part of the first instance.
    """
    for name in set(buildout._data) - set(buildout._raw):
        del buildout._data[name]
    buildout._raw.setdefault(common, {})
    _put(buildout, {**overrides.ALIASES, common: first})


def _put(buildout: Any, found_in: dict[str, str]) -> None:
    for name, other in found_in.items():
        raw = macros.merged(buildout, name) if name in buildout._raw else {}
        buildout._data[name] = StandIn(buildout, name, raw, other)
