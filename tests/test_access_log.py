"""Whether an instance writes an access log of its own, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from zopestack.model import Address, Balancer, Instance, Stack
from zopestack.parts import parts

STACK = Stack(
    directory=Path("/site"),
    bin=Path("/site/bin"),
    parts=Path("/site/parts"),
    var=Path("/site/var"),
    instances=(Instance("instance1", Address("127.0.0.1", 8081), 1),),
    zeo=Address("127.0.0.1", 8100),
    balancer=Balancer(Address("*", 80), Address("127.0.0.1", 8404), Path("/usr/sbin/haproxy")),
    user="admin",
    eggs=("Zope",),
)


def options(own: dict[str, str]) -> dict[str, str]:
    made = parts(STACK, {"instance": own})["instance1"]
    return {key: value for key, value in made.items() if key.startswith("access-log")}


@pytest.mark.parametrize("own", [{}, {"access-log": "disable"}, {"access-log": " Disable "}])
def test_none_by_default_and_nothing_that_its_null_handler_would_refuse(own):
    assert options(own) == {"access-log": own.get("access-log", "disable")}


def test_a_file_that_the_user_names_is_rotated():
    made = options({"access-log": "/logs/access.log"})
    assert made["access-log"] == "/logs/access.log"
    assert made["access-log-handler"].endswith("RotatingFileHandler")
    assert "maxBytes" in made["access-log-kwargs"]


def test_the_users_own_handler_wins():
    own = {"access-log": "a.log", "access-log-handler": "FileHandler", "access-log-kwargs": "{}"}
    assert options(own) == own
