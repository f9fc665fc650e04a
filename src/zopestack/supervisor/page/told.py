"""What the agent of an instance tells of this moment (``zopestack.agent.now``).

Another program may answer in its place, so every value is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cattrs import BaseValidationError, Converter

from zopestack.supervisor.health import DRAINING, Report
from zopestack.supervisor.questions import Garbage

#: Numbers from here on are no figures of an instance; JavaScript has them whole up to here (ECMA
#: 262, ``Number.MAX_SAFE_INTEGER``).
LARGEST = 2**53

#: Characters of a text that are kept, such as of a path.
LONGEST = 300


@dataclass(frozen=True)
class Running:
    """A request that runs; an empty text stands for what nobody knows.

    :param id: by which logs know it.
    :param seconds: since a thread began with it.
    """

    method: str
    path: str
    user: str
    id: str
    seconds: float


@dataclass(frozen=True)
class Told(Report):
    """The report of an instance, its requests, and what it has counted since its start.

    :param running: its requests, the oldest first.
    :param seconds: by upper bound as text, how many requests took a thread at most so many seconds.
    :param failed: requests that were answered with a status of 500 or above.
    """

    running: tuple[Running, ...]
    seconds: dict[str, int]
    failed: int

    @property
    def draining(self) -> bool:
        """Whether it finishes what it has, and gets no more."""
        return self.status == DRAINING


def reading(name: str) -> Callable[[bytes], Told]:
    """Return what reads the answer of an instance's agent.

    :raises Garbage: by that, where it is not one, or that of another instance.
    """

    def read(body: bytes) -> Told:
        try:
            given = json.loads(body)
            if given["instance"] != name:
                raise Garbage(f"the answer of {given['instance']!r}")
            told = _converter.structure(given, Told)
            if not all(float(bound) > 0 for bound in told.seconds):
                raise Garbage(f"bounds {list(told.seconds)}")
        except (BaseValidationError, ValueError, TypeError, LookupError, RecursionError) as why:
            raise Garbage(repr(why)) from why
        return told

    return read


def _number(kind: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        # A bool is an int for isinstance, and NaN is not at least 0.
        if type(value) not in (int, float) or not 0 <= value < LARGEST:
            raise ValueError(f"expected a number from 0, got {value!r}")
        return kind(value)

    return read


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r}")
    return value[:LONGEST]


def _truth(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, got {value!r}")
    return value


_converter = Converter()
_converter.register_structure_hook(int, _number(int))
_converter.register_structure_hook(bool, _truth)
_converter.register_structure_hook(float, _number(float))
_converter.register_structure_hook(str, _text)
