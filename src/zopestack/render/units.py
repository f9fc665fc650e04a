"""The systemd units of a Stack: one for the machine, one for a user's own services."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from zopestack.model import Stack
from zopestack.render.program import Program

#: Seconds beyond those of the programs, in which supervisord itself ends.
MARGIN = 15

#: File descriptors that systemd allows (systemd.exec(5), "DefaultLimitNOFILE"). Not fewer, so that
#: ``max-connections`` can be raised while the stack runs.
USUAL_DESCRIPTORS = 524288

#: The first port that every user may listen on (ip(7), ``ip_unprivileged_port_start``).
UNPRIVILEGED = 1024


@dataclass(frozen=True)
class Unit:
    """One unit.

    :param account: the user of the processes; empty for a user's own service.
    :param stop: seconds from SIGTERM to a kill.
    :param descriptors: hard limit of file descriptors of a process.
    :param privileged: whether the stack listens on a port that only root may use.
    :param target: what starts it.
    """

    account: str
    stop: int
    descriptors: int
    privileged: bool
    target: str


def units(stack: Stack, programs: Iterable[Program]) -> dict[Path, Unit]:
    """Both units, by their files."""
    # supervisord stops one program after the other (its ``supervisord.py``,
    # ``ordered_stop_groups_phase_1``).
    stop = ceil(sum(program.stopwaitsecs for program in programs)) + MARGIN
    descriptors = max(USUAL_DESCRIPTORS, stack.descriptors)
    privileged = any(each.address.port < UNPRIVILEGED for each in stack.listeners())

    def unit(account: str, target: str) -> Unit:
        return Unit(account, stop, descriptors, privileged, target)

    return {
        stack.system_unit: unit(stack.account, "multi-user.target"),
        stack.user_unit: unit("", "default.target"),
    }
