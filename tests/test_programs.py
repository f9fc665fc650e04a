from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests import describe
from zopestack.model import INSTANCE_STOP_SECONDS
from zopestack.programs import Program, programs


@pytest.fixture
def made(home: Path) -> tuple[Program, ...]:
    options = {"instances": "3", "user": "root", "haproxy": "haproxy"}
    describe.program(home / "haproxy", "HAProxy version 2.8.0")
    return programs(describe.read(home, options), "digest")


def test_storage_starts_first_and_the_balancer_last(made: tuple[Program, ...]) -> None:
    assert [program.name for program in made] == [
        "zeo",
        "instance1",
        "instance2",
        "instance3",
        "haproxy",
    ]
    priorities = [program.priority for program in made]
    assert priorities == sorted(priorities)
    assert priorities[0] < priorities[1]
    assert priorities[-2] < priorities[-1]


def test_instances_run_as_console_and_stop_in_order(made: tuple[Program, ...], home: Path) -> None:
    """fg leaves a child that outlives its parent, and on TERM requests are lost (FACTS)."""
    instance = made[2]
    assert instance.command == f"{home}/bin/instance2 console"
    assert instance.stopsignal == "INT"
    assert instance.stopwaitsecs == INSTANCE_STOP_SECONDS


def test_zeo_sets_up_the_database_first(made: tuple[Program, ...], home: Path) -> None:
    words = shlex.split(made[0].command)
    assert words[1:3] == ["-m", "zopestack.database"]
    assert words[3:] == [
        str(home / "var/filestorage/Data.fs"),
        "root",
        str(home / "var/admin-password"),
        str(home / "parts/zeo/bin/runzeo"),
    ]


def test_a_new_haproxy_cfg_is_a_change_of_its_program(
    made: tuple[Program, ...], home: Path
) -> None:
    stack = describe.read(home, {"instances": "3", "haproxy": "haproxy"})
    before, after = programs(stack, "one")[-1], programs(stack, "two")[-1]
    assert before != after
    assert before.command == after.command == made[-1].command
