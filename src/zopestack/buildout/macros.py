"""Sections that take options from others by ``<=``, which buildout calls macros."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from zc.buildout import UserError

from zopestack.config import overrides
from zopestack.features.instances import COMMON


def extended(buildout: Any, name: str) -> tuple[str, ...]:
    """The sections that a section takes from by ``<=``."""
    lines = buildout._raw[name].get("<", "").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def merged(buildout: Any, name: str) -> dict[str, str]:
    """A section with what it takes from others, references as they are written."""
    section = buildout.Options(buildout, name, buildout._raw[name])
    return dict(section._do_extend_raw(name, section._raw, []))


def check(buildout: Any, stack: Mapping[str, str]) -> None:
    """Check that no section takes from one that zopestack makes: its options are known too late.

    :param stack: the options of [stack].
    :raises UserError: with what to write instead.
    """
    own = overrides.own(list(buildout), stack)
    common = stack.get(overrides.COMMON_SECTION, COMMON).strip()
    for name in buildout:
        for other in extended(buildout, name):
            made = overrides.OVERRIDE.fullmatch(overrides.ALIASES.get(other, other))
            if other in buildout._raw or not made or other == COMMON:
                continue
            remedy = f"write out the options that it needs, such as ${{{other}:eggs}}"
            if name in own.values():
                remedy = f"delete this line: [{name}] takes the options of [{common}] anyway"
            elif overrides.ONE_INSTANCE.fullmatch(other):
                remedy = (
                    f"write <= {common}; if [{name}] is an instance, delete this line and name it "
                    f"under {overrides.EXTRA} in [stack]"
                )
            raise UserError(
                f"[{name}] <= {other}\n  is not accepted: zopestack makes [{other}]; {remedy}."
            )


def settle(buildout: Any, made: Collection[str]) -> None:
    """Have each section take from others, by ``<=``, what the user has written there, and not
    what is about to be made of it.

    :param made: the names of the parts.
    """
    for name in buildout:
        if set(made).intersection(extended(buildout, name)):
            buildout._raw[name] = merged(buildout, name)
