"""All logs as one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from zopestack.supervisor import logs
from zopestack.supervisor.stopped import Stopped


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    (tmp_path / "instance1.log").write_text(
        "2026-11-27 10:00:00,500 ERROR broken\nTraceback\n2026-11-27 10:00:03,000 INFO later\n"
    )
    (tmp_path / "instance1.log.1").write_text("2026-11-27 10:00:01,000 rotated\n")
    (tmp_path / "zeo.log").write_text("2026-11-27T10:00:01 (1) listening\n")
    (tmp_path / "access.log").write_text('x - - [27/Nov/2026:09:00:02 +0000] "GET / HTTP/1.1"\n')
    (tmp_path / "haproxy.out.log").write_text("[NOTICE] hello\n[NOTICE] again\n")
    old = datetime(2026, 11, 27, 8, tzinfo=UTC).timestamp()
    os.utime(tmp_path / "haproxy.out.log", (old, old))
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def shown(directory: Path, *names: str, count: int = 20) -> list[str]:
    said: list[str] = []
    logs.show(directory, names, count, False, said.append)
    return [" ".join(line.split()) for line in said]


ALL = [
    "haproxy.out | [NOTICE] hello",
    "haproxy.out | [NOTICE] again",
    "instance1 | 2026-11-27 10:00:00,500 ERROR broken",
    "instance1 | Traceback",
    "zeo | 2026-11-27T10:00:01 (1) listening",
    'access | x - - [27/Nov/2026:09:00:02 +0000] "GET / HTTP/1.1"',
    "instance1 | 2026-11-27 10:00:03,000 INFO later",
]


def test_they_are_in_the_order_of_time(made: Path) -> None:
    assert shown(made) == ALL
    assert shown(made, count=2) == ALL[-2:]
    assert shown(made, count=0) == []


def test_those_of_some_programs(made: Path) -> None:
    assert shown(made, "haproxy", "zeo") == [ALL[0], ALL[1], ALL[4]]


def test_a_program_without_a_log(made: Path) -> None:
    with pytest.raises(Stopped, match=r"instanec1 has no log in .*; did you mean instance1\?"):
        logs.check(made, ["zeo", "instanec1"])


def test_what_is_written_later_follows_also_into_a_new_file(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, added = made / "instance1.log", made / "instance2.log"
    said: list[str] = []

    def write() -> None:
        with log.open("a") as file:
            file.write("2026-11-27 10:00:04,000 half a")

    def complete() -> None:
        with log.open("a") as file:
            file.write(" line\n")
        added.write_text("2026-11-27 10:00:05,000 another log\n")

    def rotate() -> None:
        log.rename(made / "instance1.log.2")
        log.write_text("2026-11-27 10:00:06,000 in a new file\n")

    steps: list[Callable[[], None]] = [write, complete, rotate]

    def sleep(seconds: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr(logs.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        logs.show(made, (), 1, True, said.append)
    assert [line.split(",000 ")[1] for line in said] == [
        "INFO later",
        "half a line",
        "another log",
        "in a new file",
    ]


def test_a_log_is_read_at_its_end_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "END", 100)
    lines = [f"2026-11-27 10:00:{number:02},000 line {number}\n" for number in range(20)]
    (tmp_path / "a.log").write_text("".join(lines))
    assert shown(tmp_path)[-1] == "a | 2026-11-27 10:00:19,000 line 19"
    assert 1 <= len(shown(tmp_path)) <= 3
