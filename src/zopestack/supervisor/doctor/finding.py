"""What a check finds, and the list of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from zopestack.supervisor.doctor.look import Look


class Severity(IntEnum):
    """How bad it is; the number is the exit status, as monitoring plugins have it (Monitoring
    Plugins Development Guidelines, "Plugin Return Codes").

    ADVICE: it works, and something else would be better. WARNING: it will go wrong. ERROR: it
    goes wrong now.
    """

    ADVICE = 0
    WARNING = 1
    ERROR = 2


#: Requests or commits after which a share of them says something.
ENOUGH = 100


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    :param evidence: what was seen, with its figures.
    :param remedy: the option to change, or what to do.
    """

    severity: Severity
    evidence: str
    remedy: str


Check = Callable[[Look], Iterator[Finding]]

#: Every check, in the order of the modules that hold them (``zopestack.supervisor.doctor.run``).
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its docstring says in one line what it looks for."""
    CHECKS.append(function)
    return function
