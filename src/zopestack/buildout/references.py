"""What ``${section:option}`` finds of a stack, in whatever section of the user's own it stands.

``${stack:var}`` is an option of [stack] or its default. ``${stack:haproxy-conf}`` is a path of
the Stack. ``${instance:eggs}`` is an option of the section of all instances, or else of the first
one; ``${zeoserver:location}`` is one of the part ``zeo``. Buildout itself knows all other parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zopestack.features.option import options as feature_options
from zopestack.model import FEATURES, OPTIONS, Stack


def set_defaults(options: Any) -> None:
    """Have ``${stack:OPTION}`` find the default of each option that is not written."""
    for option in OPTIONS.values():
        if option.name not in options:
            options[option.name] = option.default


def set_paths(options: Any, stack: Stack) -> None:
    """Have ``${stack:NAME}`` find the paths of a Stack, those that options give included."""
    for name, path in paths(stack):
        options[name] = str(path)


def paths(stack: Stack) -> Iterator[tuple[str, Path]]:
    """Each path of a Stack, by its name in a reference."""
    for field, feature in FEATURES.items():
        for option in feature_options(feature):
            given = getattr(getattr(stack, field), option.name.replace("-", "_"))
            if isinstance(given, Path):
                yield option.name, given
    for field, _ in inspect.getmembers(Stack, lambda each: isinstance(each, property)):
        path, name = getattr(stack, field), field.replace("_", "-")
        if isinstance(path, Path) and name not in OPTIONS:
            yield name, path
