"""Which tests share a process, and so what they start."""

from __future__ import annotations

import pytest

from tests.conftest import FARMED, Groups, usual_haproxy

DOORS = f"{FARMED}test_holding.py::test_x"
RENDERING = "tests/integration/test_rendering.py"


@pytest.mark.parametrize(
    ("test", "group"),
    [
        (f"{RENDERING}::test_x[2]", RENDERING),
        (f"{RENDERING}::test_x[2.8.25-a]", f"{RENDERING}[2.8.25"),
        (f"{RENDERING}::test_x[2x1-nbthread4-2.8.25]", f"{RENDERING}[2x1-nbthread4-2.8.25"),
        (f"{DOORS}[2.8.25-a way]", f"{FARMED}2.8.25"),
        (f"{DOORS}[2x1-nbthread4-2.8.25-a way]", f"{FARMED}2.8.25"),
        (f"{FARMED}test_tls.py::test_x[2.8.25]", f"{FARMED}2.8.25"),
        (f"{DOORS}[127.0.0.1-a way]", f"{FARMED}{usual_haproxy()}"),
        (DOORS, f"{FARMED}{usual_haproxy()}"),
    ],
)
def test_the_group_of_a_test(test: str, group: str) -> None:
    assert Groups._split_scope(None, test) == group  # type: ignore[arg-type]
