"""Volto in front of Plone: what is accepted; where requests go is tested with HAProxy."""

from __future__ import annotations

from pathlib import Path

from tests.support import describe
from zopestack.model import Stack


def read(home: Path, **options: str) -> Stack:
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return describe.read(home, {"instances": "1", "sites": "* = /Plone", **named})


def test_another_machine_may_have_a_server_on_any_port(home: Path) -> None:
    stack = read(home, volto_address="192.0.2.1:8080", http_address="*:8080")
    assert [str(each.address) for each in stack.volto.volto_address] == ["192.0.2.1:8080"]


def test_an_address_may_be_that_of_a_program(home: Path) -> None:
    given = {"volto-address": "3000 left [::1]:3000\n 127.0.0.1:3001\tright", "sites": "* = /Plone"}
    own = {"supervisor": {"programs": "10 left node\n20 right node"}}
    stack = describe.read(home, given, own)
    assert [(each.name, str(each.address), each.program) for each in stack.volto.volto_address] == [
        ("left", "127.0.0.1:3000", "left"),
        ("volto2", "[::1]:3000", ""),
        ("right", "127.0.0.1:3001", "right"),
    ]


def test_a_server_is_one_more_for_haproxy_to_connect_to(home: Path) -> None:
    several = read(home, volto_address="3000 3001").descriptors - read(home).descriptors
    assert several == 2 * 2


def test_what_asks_whether_the_stack_serves_does_not_ask_volto(home: Path) -> None:
    assert read(home).volto.path_of_plone == "/"
    assert read(home, volto_address="3000").volto.path_of_plone == "/++api++"
