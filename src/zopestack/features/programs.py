"""The user's own programs and event listeners, which supervisord runs beside those of the stack."""

from __future__ import annotations

from typing import ClassVar

from zopestack.features import program_lines as lines
from zopestack.features.option import SUPERVISOR, Feature, Refused, feature, option
from zopestack.features.program_lines import Group, OwnProgram
from zopestack.features.zope import requirement


def _plugins(text: str) -> tuple[str, ...]:
    """Names of distributions, one a line or separated by spaces; there may be none."""
    return tuple(map(requirement, text.split()))


@feature
class Programs(Feature):
    """What ``[supervisor]`` adds to the programs of the stack."""

    section: ClassVar[str] = SUPERVISOR

    programs: tuple[OwnProgram, ...] = option(
        lines.programs,
        "",
        "Programs beside Zope, one a line: ``priority name (options) command [arguments] directory "
        "redirect_stderr user``. See :doc:`/howto/programs`.",
    )
    eventlisteners: tuple[OwnProgram, ...] = option(
        lines.listeners,
        "",
        "Event listeners of supervisord, one a line: ``name (options) events command "
        "[arguments]``.",
    )
    groups: tuple[Group, ...] = option(
        lines.groups,
        "",
        "Programs from ``programs`` that are operated together, as ``name:*``, one group a line: "
        "``priority name program,program``.",
    )
    plugins: tuple[str, ...] = option(
        _plugins,
        "",
        "Distributions whose scripts are made in ``bin``, such as ``superlance``.",
    )

    @property
    def all(self) -> tuple[OwnProgram, ...]:
        """Programs and event listeners."""
        return (*self.programs, *self.eventlisteners)

    def group(self, program: str) -> str:
        """What supervisord calls the group of a program: its own name where it is in none."""
        return next((each.name for each in self.groups if program in each.programs), program)

    def check(self) -> None:
        """Check that each name is there once, and that groups have what they name.

        :raises Refused: for the first that is not so.
        """
        taken: set[str] = set()
        for option_name, named in (
            ("programs", self.programs),
            ("eventlisteners", self.eventlisteners),
            ("groups", self.groups),
        ):
            for each in named:
                if each.name in taken:
                    raise Refused(option_name, f"each name once, not {each.name} again")
                taken.add(each.name)
        programs = {each.name for each in self.programs}
        grouped: set[str] = set()
        for group in self.groups:
            for name in group.programs:
                if name not in programs:
                    raise Refused(
                        "groups", f"names from programs in {group.name}, and {name} is none"
                    )
                if name in grouped:
                    raise Refused("groups", f"each program in one group, not {name} again")
                grouped.add(name)
