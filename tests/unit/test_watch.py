"""What ``supervisorctl stack --watch`` shows on terminals of every size."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from zopestack.supervisor.overview import InstanceRow, Overview
from zopestack.supervisor.watch import Seen, picture


def row(number: int, busy: int = 0, healthy: bool = True, threads: int = 2) -> InstanceRow:
    return InstanceRow(
        f"instance{number}",
        "",
        "serving" if healthy else "storage unreachable: main, and a reason that is longer",
        healthy,
        pid=number,
        uptime=100.0,
        memory=64 << 20,
        private=20 << 20,
        busy=busy,
        threads=threads,
        in_flight=busy,
        queue=0,
        requests=100 * number,
        switch_interval=0.005,
        check="L7OK UP",
    )


def shown(rows: list[InstanceRow], width: int, height: int, later: int = 0) -> list[str]:
    before = Seen(Overview(tuple(rows), ()), 0.0)
    moved = tuple(
        InstanceRow(**{**vars(each), "requests": (each.requests or 0) + later}) for each in rows
    )
    file = StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=False)
    console.print(picture(Seen(Overview(moved, ()), 2.0), before, width, height))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_forty_instances_fit_and_those_that_need_a_look_come_first() -> None:
    rows = [row(number, busy=number % 3) for number in range(1, 40)]
    rows.append(row(40, healthy=False))
    lines = shown(rows, 80, 24, later=20)
    assert len(lines) < 24
    assert all(len(line) <= 80 for line in lines)
    heading = "instance state threads in flight queue req/s memory"
    assert " ".join(lines[0].split()) == heading
    assert lines[1].startswith("instance40")
    assert "storage unreachable" in lines[1]
    assert "●●" in lines[2]
    assert "10.0" in lines[2]
    assert lines[-1].startswith("19 more not shown; 39 of 40 serve, 400.0 req/s, 2560 MB")


@pytest.mark.parametrize(("width", "height"), [(20, 24), (80, 2), (1, 1)])
def test_a_tiny_terminal_is_no_error(width: int, height: int) -> None:
    lines = shown([row(1), row(2, healthy=False)], width, height)
    assert lines
    assert all(len(line) <= width for line in lines)


def test_many_threads_are_a_number() -> None:
    assert "3/8" in shown([row(1, busy=3, threads=8)], 80, 24)[1]


def test_what_was_restarted_has_no_rate_yet() -> None:
    one = row(1)
    again = InstanceRow(**{**vars(one), "pid": 99, "requests": 0})
    now, before = Seen(Overview((again,), ()), 2.0), Seen(Overview((one,), ()), 0.0)
    file = StringIO()
    Console(file=file, width=80, force_terminal=False).print(picture(now, before, 80, 24))
    assert file.getvalue().splitlines()[1].split()[-3:] == ["-", "64", "MB"]
