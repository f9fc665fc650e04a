"""HAProxy's complaint about a line of the user's own names that line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.test_recipe import buildout, configure, snapshot
from tests.support import describe


def refused(home: Path, options: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A buildout that fails, and leaves nothing behind."""
    configure(home, {"https-address": "8443", "tls-certificate": "self-signed", **options})
    before = snapshot(home)
    done = buildout(home)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert {name for name in snapshot(home) if name not in before} <= {".installed.cfg"}
    assert not (home / "var").exists()
    return done


@pytest.mark.parametrize("option", ["frontend-extra", "backend-extra"])
def test_the_users_own_file_and_line_are_named(home: Path, option: str) -> None:
    (home / "mine.cfg").write_text("# mine\nhttp-request set-header X-A a\nhttp-request nonsense\n")
    said = refused(home, {option: "mine.cfg"}).stderr
    assert f"[stack] {option} = mine.cfg" in said
    assert f"{home}/mine.cfg, line 3" in said
    assert "nonsense" in said
    assert "templates =" not in said


def test_a_template_of_ones_own_is_still_blamed_for_its_own(home: Path) -> None:
    (home / "mine.cfg").write_text("http-request set-header X-A a\n")
    describe.template(home, "own", "haproxy.cfg.j2", "mode http\n", "mode gopher\n")
    said = refused(home, {"frontend-extra": "mine.cfg", "templates": "own"}).stderr
    assert "[stack] templates = own" in said
    assert "frontend-extra" not in said
