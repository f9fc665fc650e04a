"""Which sections of the user's own are those of a stack, whatever they are called."""

from __future__ import annotations

import pytest
from zc.buildout import UserError

from zopestack.config import overrides


@pytest.mark.parametrize(
    ("names", "stack", "found"),
    [
        ("instance zeo", {}, {"instance": "instance", "zeo": "zeo"}),
        ("zeoserver", {}, {"zeo": "zeoserver"}),
        ("base instance2", {"instance-section": "base"}, {"instance": "base", "instance2": ""}),
        ("base", {"instance-section": " base\n"}, {"instance": "base"}),
        ("base", {}, {}),
        # A section of the user's own then.
        ("base instance", {"instance-section": "base"}, {"instance": "base"}),
        ("worker", {"extra-instances": "worker manual"}, {"worker": "worker"}),
    ],
)
def test_the_section_of_a_role(names: str, stack: dict[str, str], found: dict[str, str]) -> None:
    expected = {role: name or role for role, name in found.items()}
    assert overrides.own(names.split(), stack) == expected


def test_two_names_of_one_section_are_refused() -> None:
    with pytest.raises(UserError, match=r"\[zeoserver\] and \[zeo\]\n  are one section"):
        overrides.own(["zeo", "zeoserver"], {})
