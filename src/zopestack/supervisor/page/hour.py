"""The last hour, as equally spaced samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

#: Seconds between two samples.
INTERVAL = 15

#: Samples of an hour.
LENGTH = 3600 // INTERVAL

#: Digits that are told of a value; a curve shows fewer.
DIGITS = 3

Values = Mapping[str, float | None]


class Curves:
    """The last samples of some values, each four bytes; a value that is missing is a gap."""

    def __init__(self) -> None:
        self._curves: dict[str, array[float]] = {}
        self._length = 0

    def add(self, values: Values) -> None:
        """Add a sample; a value that it does not have, and will not have again, is forgotten."""
        for name in self._curves.keys() - values.keys():
            del self._curves[name]
        for name, value in values.items():
            curve = self._curves.setdefault(name, array("f", [math.nan] * self._length))
            curve.append(math.nan if value is None else value)
            del curve[:-LENGTH]
        self._length = min(self._length + 1, LENGTH)

    def told(self) -> dict[str, list[float | None]]:
        """The curves by their names, the oldest sample first; None is a gap."""
        return {name: [_rounded(value) for value in curve] for name, curve in self._curves.items()}


class Hour:
    """The curves of the stack, and those of each instance.

    :ivar ended: when the last sample was taken, in seconds since the epoch; 0 for none.
    """

    def __init__(self) -> None:
        self.ended = 0.0
        self._stack = Curves()
        self._instances: dict[str, Curves] = {}

    def add(self, when: float, stack: Values, instances: Mapping[str, Values]) -> None:
        """Add a sample; instances that it does not have are forgotten."""
        self.ended = when
        self._stack.add(stack)
        kept = {name: self._instances.get(name) or Curves() for name in instances}
        for name, values in instances.items():
            kept[name].add(values)
        self._instances = kept

    def told(self) -> dict[str, Any]:
        """Everything, for JSON; a curve ends at ``ended``."""
        return {
            "ended": self.ended,
            "interval": INTERVAL,
            "length": LENGTH,
            "stack": self._stack.told(),
            "instances": {name: curves.told() for name, curves in self._instances.items()},
        }


def _rounded(value: float) -> float | None:
    """A number of few digits: what four bytes hold has eight, and JSON would have seventeen."""
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")
