"""Run every check, and say what they have found."""

from __future__ import annotations

# Each registers its checks.
from zopestack.supervisor.doctor import database, machine, pins, service, settings  # noqa: F401
from zopestack.supervisor.doctor.finding import CHECKS, Finding, Severity
from zopestack.supervisor.doctor.look import Look


def findings(look: Look, releases: bool = False) -> list[Finding]:
    """What is wrong, the worst first.

    :param releases: whether to ask the index of packages, too.
    :raises Stopped: where it cannot be asked.
    """
    checks = [*CHECKS, *([pins.releases] if releases else [])]
    found = [finding for each in checks for finding in each(look)]
    return sorted(found, key=lambda each: -each.severity)


def report(found: list[Finding]) -> str:
    """The findings as text, or that there are none."""
    lines = [f"{each.severity.name.lower()}: {each.evidence}\n  -> {each.remedy}" for each in found]
    return "\n".join([*lines, f"{len(CHECKS)} checks, {len(found)} findings"])


def status(found: list[Finding]) -> int:
    """The exit status: the worst severity."""
    return max((each.severity for each in found), default=Severity.ADVICE)
