"""A user's own lines for HAProxy, at the right places."""

from __future__ import annotations

from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from tests.support.farm import Farm


def test_lines_of_ones_own_for_both_ends(tmp_path: Path, farm: Farm) -> None:
    front, back = tmp_path / "front", tmp_path / "back"
    front.write_text("http-request deny deny_status 403 if { path_beg /closed }\n")
    back.write_text("http-request set-header X-Back yes\n")
    with farm.door(frontend_extra=front, backend_extra=back, sites="* = /Plone") as door:
        assert door.get("/closed/x").status == 403
        assert door.handed() == 0
        assert door.reach("/open").headers["x-back"] == "yes"


def test_lines_of_ones_own_for_every_response(tmp_path: Path, farm: Farm) -> None:
    """HAProxy's own rules for responses, which most responses leave at once, come after them."""
    front = tmp_path / "front"
    front.write_text(
        "http-response set-header X-Own yes\nhttp-after-response set-header X-After yes\n"
    )
    with farm.door(instances=1, frontend_extra=front) as door:
        served, refused = door.get("/"), door.get("/../")
        assert served.status == 200
        assert served.headers["x-own"] == "yes"
        assert refused.status == 400
        assert refused.headers["x-after"] == served.headers["x-after"] == "yes"
        assert refused.headers["cache-control"] == "no-store"


def test_a_file_that_is_not_there_is_an_error(home: Path) -> None:
    with pytest.raises(UserError, match=r"\[stack\] frontend-extra = nowhere"):
        describe.read(home, {"frontend-extra": "nowhere"})
