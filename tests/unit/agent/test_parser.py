from __future__ import annotations

import re
import sys

import pytest
from waitress.adjustments import Adjustments
from waitress.utilities import Error

from zopestack.agent.parser import PLAIN, Parser, check_host

REFUSED = ["[:::::]", "[:::::]:1", "[1.2.3.4]", "[::1", "::1]", "[]", "x[::1", "x:65536", "x:99999",
           "x:-1", "x:y", "x:" + "9" * 5000, "::", "x, [y", "\u2100", "x@[", "[v1]"]  # fmt: skip

PASSED = ["", "www.example.com", "www.example.com:", "x:80", "x:8080", "x:65535", "127.0.0.1:8080",
          "[::1]", "[::1]:80", "[::ffff:1.2.3.4]:65535", "x..y", "_x", "a b", "a/[b"]  # fmt: skip


def read(host: str, target: str = "/", more: str = "") -> Error | None:
    """What waitress has against a request."""
    parser = Parser(Adjustments())
    lines = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
    parser.received(lines.encode("latin-1", "replace"))
    assert parser.completed
    return parser.error


@pytest.mark.parametrize("host", REFUSED)
def test_a_host_that_cannot_stand_in_a_url_is_answered_with_400(host: str) -> None:
    with pytest.raises(ValueError):
        check_host(host)
    if host.isascii():
        assert read(host).code == 400


@pytest.mark.parametrize("host", PASSED)
def test_any_other_goes_on(host: str) -> None:
    assert read(host) is None


def test_so_is_a_target_or_length_that_python_cannot_read() -> None:
    for target in ("http://[:::::]:1/", "http://[/", "http://x]/"):
        assert read("x", target).code == 400
    digits = "9" * (sys.get_int_max_str_digits() + 1)
    assert read("x", more=f"Content-Length: {digits}\r\n").code == 400


def test_what_is_not_looked_at_closely_is_what_urllib_takes() -> None:
    """PLAIN only spares time; it lets nothing through."""
    hosts = {re.sub(r"[^A-Za-z0-9._-]", "", host) for host in (*REFUSED, *PASSED)}
    for host in (*hosts, "0", "-", ".", "..", "a" * 5000):
        for port in ("", ":", ":0", ":0000", ":9999"):
            assert PLAIN.fullmatch(host + port)
            check_host(host + port)
