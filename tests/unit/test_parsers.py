from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zopestack.features import parsers
from zopestack.features.address import Address
from zopestack.model import OPTIONS


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (OPTIONS["instances"].parse, "1", 1),
        (OPTIONS["instances"].parse, "256", 256),
        (OPTIONS["instances"].parse, "04", 4),
        (OPTIONS["instances"].parse, "auto", None),
        (OPTIONS["threads"].parse, "64", 64),
        (OPTIONS["switch-interval"].parse, "", None),
        (OPTIONS["switch-interval"].parse, "0.1ms", 0.0001),
        (OPTIONS["switch-interval"].parse, "0.25ms", 0.00025),
        (OPTIONS["switch-interval"].parse, "1000ms", 1.0),
        (OPTIONS["nbthread"].parse, "64", 64),
        (parsers.port, "65535", 65535),
        (parsers.address, "65535", Address("127.0.0.1", 65535)),
        (parsers.address, "*:1", Address("*", 1)),
        (parsers.address, "[::]:80", Address("::", 80)),
        (parsers.loopback_address, "127.8.9.10:1", Address("127.8.9.10", 1)),
        (parsers.loopback_address, "[::1]:1", Address("::1", 1)),
        (parsers.loopback_address, "[::ffff:127.0.0.1]:1", Address("127.0.0.1", 1)),
        (parsers.path, "var/zope-6.3_x+y@z", Path("var/zope-6.3_x+y@z")),
        (parsers.path, "/srv/bücher", Path("/srv/bücher")),
        (OPTIONS["user"].parse, "o.brien_2@example-1", "o.brien_2@example-1"),
        (OPTIONS["eggs"].parse, "Zope", ("Zope",)),
        (
            OPTIONS["eggs"].parse,
            "Plone[test]>=6.1,<7\n  my.package",
            ("Plone[test]>=6.1,<7", "my.package"),
        ),
        (OPTIONS["haproxy"].parse, "auto", None),
        (OPTIONS["haproxy"].parse, "/opt/haproxy", Path("/opt/haproxy")),
        (parsers.optional_path, "", None),
        (parsers.optional_path, "mine", Path("mine")),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_accepted(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/zope")
    assert parsers.path("~/var") == Path("/home/zope/var")


@pytest.mark.parametrize(
    "character", "\n\r\t '\"`%$#;\\{}<>|&*?!(),:\0\x7f\u00a0\u2028\ud800", ids=ascii
)
def test_no_path_holds_what_a_file_cannot(character: str) -> None:
    with pytest.raises(ValueError, match="a path without") as refused:
        parsers.path(f"a{character}b")
    assert repr(character) in str(refused.value)
