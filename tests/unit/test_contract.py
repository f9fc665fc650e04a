from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import describe
from zopestack.model import Stack
from zopestack.render import contract
from zopestack.render.files import render


@pytest.fixture
def stack(home: Path) -> Stack:
    return describe.read(home, {"instances": "2"})


@pytest.fixture
def text(stack: Stack) -> str:
    return render(stack)[stack.haproxy_conf]


def test_the_packaged_template_leaves_nothing_out(stack: Stack, text: str) -> None:
    assert contract.missing(stack, text) == ""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("option httpchk GET /health", "option tcp-check", "`option httpchk GET /health`"),
        ("    http-check disable-on-404", "    #http-check disable-on-404", "disable-on-404"),
        ("default-server check", "default-server", "`check` for instance1"),
        ("server instance2", "server other", "`server instance2 127.0.0.1:8082`"),
        ("port 9082", "", "`port 9082` for instance2"),
    ],
    ids=["no check", "commented out", "check not asked for", "an instance", "its agent"],
)
def test_what_is_left_out_is_named(stack: Stack, text: str, old: str, new: str, says: str) -> None:
    assert old in text
    assert says in contract.missing(stack, text.replace(old, new))


def test_an_instance_may_ask_for_its_own_check(stack: Stack, text: str) -> None:
    own = text.replace("default-server check", "default-server").replace(" port 9", " check port 9")
    assert contract.missing(stack, own) == ""
