"""What ``supervisorctl update`` applies: it restarts a program whose section has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zopestack.model import Stack
from zopestack.parts import parts
from zopestack.programs import Program, programs
from zopestack.settings import Directories, Section, read

HERE = Path("/srv/site")


def stack(section: Section, sections: dict[str, Section] | None = None) -> Stack:
    where = Directories(buildout=HERE, bin=HERE / "bin", parts=HERE / "parts")
    return read("stack", section, sections or {}, where)


def sections(of: Stack) -> dict[str, Program]:
    """Each program by name, without its comment, which supervisord does not read."""
    return {program.name: replace(program, comment="") for program in programs(of, "digest")}


@pytest.mark.parametrize(
    ("option", "value", "restarted"),
    [
        ("threads", "2", {"instance1", "instance2"}),
        ("base-port", "7081", {"instance1", "instance2", "guard"}),
        ("warm-up", "/", {"instance1", "instance2"}),
        ("eggs", "Zope\nProducts.PythonScripts", {"instance1", "instance2"}),
        ("zeo-address", "127.0.0.1:9100", {"zeo", "instance1", "instance2"}),
        ("switch-interval", "50ms", {"instance1", "instance2"}),
        ("timeout-http-request", "5s", {"instance1", "instance2"}),
        ("stop-grace", "5s", {"instance1", "instance2", "haproxy"}),
        ("instances", "4", {"guard"}),
        ("memory-limit", "1GB", {"guard"}),
        ("nbthread", "2", set()),
        ("stats-address", "127.0.0.1:9404", set()),
    ],
)
def test_a_changed_option_restarts_what_was_started_with_it(
    option: str, value: str, restarted: set[str]
) -> None:
    before = sections(stack({"instances": "2"}))
    after = sections(stack({"instances": "2", option: value}))
    assert {name for name in before if before[name] != after[name]} == restarted


@pytest.mark.parametrize(("option", "value"), [("threads", "2"), ("switch-interval", "1ms")])
def test_an_option_of_one_instance_restarts_that_instance(option: str, value: str) -> None:
    before = sections(stack({"instances": "2"}))
    after = sections(stack({"instances": "2"}, {"instance2": {option: value}}))
    assert {name for name in before if before[name] != after[name]} == {"instance2"}


def test_eggs_of_an_instance_keep_the_package_that_sets_up_the_database() -> None:
    own: dict[str, Section] = {"instance": {"eggs": "Zope\nmy.site"}}
    made = parts(stack({"instances": "1"}, own), own)
    assert made["instance1"]["eggs"].split() == ["Zope", "my.site", "zopestack"]
