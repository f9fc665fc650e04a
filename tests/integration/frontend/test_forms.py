"""What a form may take: Zope's own limits are those of [stack]."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from zExceptions import BadRequest
from Zope2.Startup import handlers
from Zope2.Startup.options import ZopeWSGIOptions
from ZPublisher import HTTPRequest
from ZPublisher.HTTPResponse import HTTPResponse

from tests.support import describe
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import Response
from zopestack.agent import forms
from zopestack.buildout.parts import parts

LIMITS = ("FORM_MEMORY_LIMIT", "FORM_DISK_LIMIT", "FORM_PART_LIMIT", "FORM_MEMFILE_LIMIT")

ENCODED = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door() as running:
        yield running


def posted(door: Door, fields: int, kind: str) -> Response:
    if kind == ENCODED:
        body = urlencode([(f"f{n}", "x") for n in range(fields)]).encode()
    else:
        part = '--b\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\nx\r\n'
        body = ("".join(part.format(n=n) for n in range(fields)) + "--b--\r\n").encode()
    return door.get("/sized?bytes=1", {"Content-Type": kind}, "POST", body=body)


@pytest.mark.parametrize("kind", [ENCODED, "multipart/form-data; boundary=b"])
def test_a_form_of_many_fields_passes_and_one_of_too_many_does_not(door: Door, kind: str) -> None:
    assert posted(door, 2000, kind).status == 200
    assert posted(door, 10_001, kind).status == 400


def zope_conf(home: Path, own: str = "", **options: str) -> Any:
    """zope.conf's section for forms, as Zope reads it."""
    texts = {name.replace("_", "-"): text for name, text in options.items()}
    found = describe.described(home, texts, {"instance": {"zope-conf-additional": own}})
    lines = parts(found.stack, found.overrides)["instance1"]["zope-conf-additional"]
    file = home / "zope.conf"
    file.write_text(f"instancehome {home}\n{lines}\n")
    read_conf = ZopeWSGIOptions(str(file))
    read_conf()
    return read_conf.configroot.dos_protection


def test_one_limit_on_both_sides(home: Path) -> None:
    limits = zope_conf(home, max_body_size="3GB", form_memory_limit="5MB", form_part_limit="7")
    assert limits.form_disk_limit == 3 << 30
    assert limits.form_memory_limit == 5 << 20
    assert limits.form_part_limit == 7


def test_own_lines_for_zope_conf_stay(home: Path) -> None:
    assert zope_conf(home, "enable-xmlrpc on").form_part_limit == 10_000
    own = zope_conf(home, "<DOS_protection>\n  form-part-limit 99\n</DOS_protection>")
    assert (own.form_part_limit, own.form_memory_limit) == (99, 1 << 20)


def test_a_long_text_passes_and_a_longer_one_does_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*LIMITS, "parse_qsl"):
        monkeypatch.setattr(HTTPRequest, name, getattr(HTTPRequest, name))
    handlers.dos_protection(zope_conf(home, form_memory_limit="3MB", form_part_limit="5"))
    forms.install()
    forms.install()
    assert len(read(b"a=" + b"x" * (2 << 20))["a"]) == 2 << 20
    with pytest.raises(BadRequest, match="too much memory"):
        read(b"a=" + b"x" * (4 << 20))
    assert len(read(b"a=&b=&c=&d=&e=")) == 5
    with pytest.raises(BadRequest, match="more than 5 fields"):
        read(b"a&" * (1 << 8))


def read(body: bytes) -> dict[str, str]:
    """The fields of a form, as Zope reads it."""
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": ENCODED,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "a",
        "SERVER_PORT": "80",
    }
    request = HTTPRequest.HTTPRequest(io.BytesIO(body), environ, HTTPResponse())
    request.processInputs()
    return dict(request.form)
