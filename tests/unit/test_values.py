from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zopestack import values
from zopestack.address import Address


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.instances, "1", 1),
        (values.instances, "256", 256),
        (values.instances, "04", 4),
        (values.instances, "auto", None),
        (values.threads, "64", 64),
        (values.switch_interval, "", None),
        (values.switch_interval, "0.1ms", 0.0001),
        (values.switch_interval, "0.25ms", 0.00025),
        (values.switch_interval, "1000ms", 1.0),
        (values.nbthread, "64", 64),
        (values.port, "65535", 65535),
        (values.address, "65535", Address("127.0.0.1", 65535)),
        (values.address, "*:1", Address("*", 1)),
        (values.address, "[::]:80", Address("::", 80)),
        (values.loopback_address, "127.8.9.10:1", Address("127.8.9.10", 1)),
        (values.loopback_address, "[::1]:1", Address("::1", 1)),
        (values.loopback_address, "[::ffff:127.0.0.1]:1", Address("127.0.0.1", 1)),
        (values.path, "var/zope-6.3_x+y@z", Path("var/zope-6.3_x+y@z")),
        (values.path, "/srv/bücher", Path("/srv/bücher")),
        (values.user, "o.brien_2@example-1", "o.brien_2@example-1"),
        (values.eggs, "Zope", ("Zope",)),
        (values.eggs, "Plone[test]>=6.1,<7\n  my.package", ("Plone[test]>=6.1,<7", "my.package")),
        (values.executable, "auto", None),
        (values.executable, "/opt/haproxy", Path("/opt/haproxy")),
        (values.optional_path, "", None),
        (values.optional_path, "mine", Path("mine")),
    ],
    # The same for every worker: a function's repr has an address.
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_accepted(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/zope")
    assert values.path("~/var") == Path("/home/zope/var")


@pytest.mark.parametrize("character", "\n\r\t '\"`%$#;\\{}<>|&*?!(),:\0\x7f\u00a0\u2028\ud800")
def test_no_path_holds_what_a_file_cannot(character: str) -> None:
    with pytest.raises(ValueError, match="a path without") as refused:
        values.path(f"a{character}b")
    assert repr(character) in str(refused.value)
