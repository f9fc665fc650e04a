"""bin/adopt reads what its user has set for all buildouts; here, nothing."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDOUT_HOME", str(tmp_path / "none"))
