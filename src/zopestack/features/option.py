"""What an option is, and what a feature is: options, their values, checks between them.

A feature is a frozen dataclass. Each of its fields is one option, named as the option is, with
``_`` for ``-``; parser, default and help stand beside it and nowhere else::

    @feature
    class Queue(Feature):
        queue_limit: int = option(count, "1000", "Requests that may wait for a thread.")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

#: Where a field keeps its option.
METADATA = "option"

#: The sections that options are read from: that of the stack, whatever its name, and one more.
STACK = "stack"
SUPERVISOR = "supervisor"

Class = TypeVar("Class")


@dataclass(frozen=True)
class Option:
    """One option.

    :param parse: from its text to its value; a ValueError says what is expected.
    :param default: the text that applies where the section does not set it.
    :param help: one sentence for the reference and the comments in buildout.cfg.
    :param per_instance: whether ``[instance]`` and ``[instanceN]`` may set it, too.
    :param per_group: whether the section of a group of instances may set it, too.
    :param secret: whether its value must not be shown.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str
    per_instance: bool = False
    per_group: bool = False
    secret: bool = False


class Refused(Exception):
    """An option has a value that cannot be used.

    :param option: its name.
    :param expected: what is expected instead, as the end of an error message.
    """

    def __init__(self, option: str, expected: object) -> None:
        super().__init__(f"{option}: expected {expected}")
        self.option = option
        self.expected = expected


class Feature:
    """The base of every feature.

    :cvar section: the section that its options are read from.
    """

    section: ClassVar[str] = STACK

    def resolved(self, base: Path) -> Self:
        """The feature with absolute paths, checked.

        :param base: the directory that relative paths start from.
        :raises Refused: where options contradict each other, or name what does not exist.
        """
        found: Self = _anchored(self, base)
        found.check()
        return found

    def check(self) -> None:
        """Check the options against each other.

        :raises Refused: for the first that cannot be used.
        """


def option(
    parse: Callable[[str], Any],
    default: str,
    help: str,  # noqa: A002
    per_instance: bool = False,
    per_group: bool = False,
    secret: bool = False,
) -> Any:
    """A field of a feature; see :class:`Option`, whose name follows from the field's."""
    return field(
        metadata={METADATA: (parse, default, help, per_instance, per_group, secret)},
        repr=not secret,
    )


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(option,))
def feature(cls: type[Class]) -> type[Class]:
    """Make a class a feature's frozen value."""
    return dataclass(frozen=True, kw_only=True)(cls)


def options(cls: type) -> tuple[Option, ...]:
    """The options of a feature, in the order of its fields."""
    return tuple(
        Option(each.name.replace("_", "-"), *each.metadata[METADATA])
        for each in fields(cls)
        if METADATA in each.metadata
    )


def composed(cls: type[Class], values: Mapping[str, Any]) -> Class:
    """A feature from parsed values, by the name of their options."""
    return cls(**{each.name.replace("-", "_"): values[each.name] for each in options(cls)})


def defaults(cls: type[Class]) -> Class:
    """A feature of which nothing is set."""
    return composed(cls, {each.name: each.parse(each.default) for each in options(cls)})


def _anchored(value: Any, base: Path) -> Any:
    if isinstance(value, Path):
        return base / value
    if is_dataclass(value) and not isinstance(value, type):
        found = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        return replace(value, **{name: _anchored(each, base) for name, each in found.items()})
    return value
