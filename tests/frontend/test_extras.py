"""A user's own lines for HAProxy, at the right places."""

from __future__ import annotations

from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.frontend.harness import Door


def test_lines_of_ones_own_for_both_ends(tmp_path: Path) -> None:
    front, back = tmp_path / "front", tmp_path / "back"
    front.write_text("http-request deny deny_status 403 if { path_beg /closed }\n")
    back.write_text("http-request set-header X-Back yes\n")
    with Door(frontend_extra=front, backend_extra=back, sites="* = /Plone") as door:
        assert door.get("/closed/x").status == 403
        assert door.get("/open").json()["headers"]["x-back"] == "yes"


def test_a_file_that_is_not_there_is_an_error() -> None:
    door = Door(frontend_extra="nowhere")
    try:
        with pytest.raises(UserError, match=r"\[stack\] frontend-extra = nowhere"):
            door.read()
    finally:
        door.ports.release()
