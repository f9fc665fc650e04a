from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.features.timings import Timings
from zopestack.model import Stack
from zopestack.render.program import Program
from zopestack.render.programs import programs
from zopestack.supervisor import reload


@pytest.fixture
def stack(home: Path) -> Stack:
    describe.program(home / "haproxy", "HAProxy version 2.8.0")
    options = {"instances": "3", "user": "root", "haproxy": "haproxy", "stop-grace": "5m"}
    return describe.read(home, options)


@pytest.fixture
def made(stack: Stack) -> dict[str, Program]:
    return {program.name: program for program in programs(stack, {})}


def test_storage_starts_first_and_the_balancer_after_the_instances(
    made: dict[str, Program],
) -> None:
    first = ["zeo", "instance1", "instance2", "instance3", "access-log", "haproxy"]
    assert list(made)[:6] == first
    priorities = [program.priority for program in made.values()]
    assert priorities == sorted(priorities)
    assert made["zeo"].priority < made["instance1"].priority < made["haproxy"].priority


def test_instances_run_as_console_and_get_their_grace(made: dict[str, Program], home: Path) -> None:
    """fg leaves a child that outlives its parent (docs/explanation/measured.rst)."""
    instance = made["instance2"]
    assert instance.command == f"{home}/bin/instance2 console"
    assert instance.stopsignal == "TERM"
    assert instance.stopwaitsecs > 300 + Timings.check_interval


def test_zeo_sets_up_the_database_first(made: dict[str, Program], home: Path) -> None:
    words = shlex.split(made["zeo"].command)
    assert words[1:3] == ["-m", "zopestack.supervisor.database"]
    assert words[3:] == [
        "root",
        str(home / "var/admin-password"),
        str(home / "var/filestorage/Data.fs"),
        "--",
        str(home / "bin/run-zeo"),
        "-C",
        str(home / "parts/zeo/etc/zeo.conf"),
    ]


def test_a_new_haproxy_cfg_changes_the_reload_and_nothing_else(stack: Stack) -> None:
    before, after = (programs(stack, {"haproxy-reload": each}) for each in ("one", "two"))
    changed = [one.name for one, other in zip(before, after, strict=True) if one != other]
    assert changed == ["haproxy-reload"]


def test_a_stop_waits_for_the_end_of_a_reload(made: dict[str, Program]) -> None:
    assert made["haproxy-reload"].stopwaitsecs > reload.TIMEOUT


def test_one_guard_watches_every_instance(made: dict[str, Program], home: Path) -> None:
    (guard,) = (program for program in made.values() if program.events)
    assert (guard.name, guard.section) == ("guard", "eventlistener")
    assert shlex.split(guard.command) == [
        f"{home}/bin/guard-instances",
        *("--patience", "180"),
        f"{home}/bin/supervisorctl",
        *(f"instance{i}=127.0.0.1:{9080 + i}" for i in (1, 2, 3)),
    ]


def test_a_memory_limit_is_watched_for_all(home: Path) -> None:
    stack = describe.read(home, {"instances": "2", "memory-limit": "500MB"})
    (guard,) = (program for program in programs(stack, {}) if program.events)
    words = shlex.split(guard.command)
    assert words[words.index("--memory-limit") + 1] == "500MB"
    assert "500MB" in guard.comment
