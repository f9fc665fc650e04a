"""What the status page is made from: checked answers, rates, an hour, and who may see it."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import describe
from zopestack.model import Stack
from zopestack.supervisor.overview import InstanceRow
from zopestack.supervisor.page import hour, rates, status, told
from zopestack.supervisor.page.answers import policy
from zopestack.supervisor.page.hour import Curves, Hour
from zopestack.supervisor.page.look import Seen
from zopestack.supervisor.page.told import Running, Told
from zopestack.supervisor.page.visitor import Visitor
from zopestack.supervisor.questions import Garbage

MB = 1 << 20

#: What an agent answers.
ANSWER: dict[str, Any] = {
    "instance": "instance1",
    "status": 200,
    "why": "serving",
    "pid": 7,
    "uptime": 3.5,
    "threads": 2,
    "busy": 1,
    "in_flight": 1,
    "queue": 0,
    "requests": 10,
    "switch_interval": 0.005,
    "seen": True,
    "running": [{"method": "GET", "path": "/x", "user": "", "id": "1", "seconds": 2.5}],
    "seconds": {"0.1": 5, "1.0": 9, "+Inf": 10},
    "failed": 1,
}


def agent(**changed: Any) -> Told:
    """What an agent tells, with these values in it."""
    return told.reading("instance1")(json.dumps({**ANSWER, **changed}).encode())


def test_the_answer_of_an_agent_is_read() -> None:
    found = agent(further="what a later version may add")
    assert found.running == (Running("GET", "/x", "", "1", 2.5),)
    assert (found.healthy, found.draining, found.failed) == (True, False, 1)
    assert agent(status=404).draining


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"null",
        b"[" * 100_000,
        json.dumps({**ANSWER, "instance": "instance2"}).encode(),
        json.dumps({**ANSWER, "instance": ["instance1"]}).encode(),
        json.dumps({key: value for key, value in ANSWER.items() if key != "failed"}).encode(),
        *(
            json.dumps({**ANSWER, **changed}).encode()
            for changed in (
                {"busy": "1"},
                {"busy": True},
                {"busy": -1},
                {"busy": None},
                {"busy": float("nan")},
                {"uptime": float("inf")},
                {"requests": 10**400},
                {"why": {"a": 1}},
                {"running": {"a": 1}},
                {"running": [{"method": "GET"}]},
                {"running": 3},
                {"seconds": {"nan": 1}},
                {"seconds": {"many": 1}},
                {"seconds": [1]},
            )
        ),
        json.dumps(ANSWER).replace("3.5", "1e999").encode(),
    ],
    ids=lambda body: body[-60:].decode("latin-1"),
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(Garbage):
        told.reading("instance1")(body)


def test_a_text_is_cut() -> None:
    found = agent(running=[{**ANSWER["running"][0], "path": "/" * 10_000}])
    assert len(found.running[0].path) == told.LONGEST


@pytest.fixture
def stack(home: Path) -> Stack:
    return describe.read(home, {"instances": "1", "threads": "2"})


def seen(stack: Stack, at: float, of: Told | None, lane: dict[str, str] | None = None) -> Seen:
    """A look at a time."""
    row = InstanceRow("instance1", "", "serving", healthy=of is not None, memory=9 * MB, busy=1)
    answers = {"instance1": of} if of else {}
    return Seen(stack, 0.0, at, (row,), answers, lane and {"zope": lane}, True)


BEFORE = {"req_tot": "100", "hrsp_5xx": "1", "qcur": "0"}
AFTER = {"req_tot": "150", "hrsp_5xx": "6", "qcur": "4"}


def test_rates_are_what_has_grown_in_a_second(stack: Stack) -> None:
    then = seen(stack, 5.0, agent(), BEFORE)
    now = seen(stack, 15.0, agent(requests=30, failed=3), AFTER)
    assert rates.of_instance("instance1", then, now) == rates.Rates(2.0, 0.2)
    assert rates.of_stack(then, now) == rates.Rates(5.0, 0.5)


def test_where_varnish_gives_requests_the_agents_count_them(home: Path) -> None:
    """HAProxy does not see them at the instances."""
    stack = describe.read(home, {"instances": "1", "threads": "2", "varnish": "balancer"})
    then, silent = seen(stack, 5.0, agent(), BEFORE), seen(stack, 15.0, None, AFTER)
    now = seen(stack, 15.0, agent(requests=30, failed=3), AFTER)
    assert rates.of_stack(then, now) == rates.Rates(2.0, 0.2)
    assert rates.of_stack(then, silent) == rates.Rates()


def test_who_begins_anew_is_counted_from_zero(stack: Stack) -> None:
    """An instance that was restarted, and a HAProxy that was reloaded."""
    then = seen(stack, 5.0, agent(), AFTER)
    now = seen(stack, 15.0, agent(pid=8, requests=20, failed=0), BEFORE)
    assert rates.of_instance("instance1", then, now) == rates.Rates(2.0, 0.0)
    assert rates.of_stack(then, now) == rates.Rates(10.0, 0.1)


def test_what_nobody_has_told_is_unknown(stack: Stack) -> None:
    silent, well = seen(stack, 5.0, None), seen(stack, 15.0, agent(), AFTER)
    for then, now in ((silent, well), (well, silent), (well, well)):
        assert rates.of_instance("instance1", then, now) == rates.Rates()
        assert rates.of_stack(then, now) == rates.Rates()
        assert rates.time_of(rates.HALF, then, now) is None
    assert status.status(silent, silent)["total"]["queue"] is None


@pytest.mark.parametrize(
    ("share", "grown", "expected"),
    [
        (0.5, {"0.1": 100, "1.0": 100, "+Inf": 100}, 0.05),
        (0.95, {"0.1": 0, "1.0": 100, "+Inf": 100}, 0.1 + 0.9 * 0.95),
        (0.5, {"0.1": 40, "1.0": 60, "+Inf": 60}, 0.075),
        # Nobody knows how long.
        (0.5, {"0.1": 0, "1.0": 0, "+Inf": 9}, 1.0),
        (0.5, {"0.1": 0, "1.0": 0, "+Inf": 0}, None),
        (0.5, {}, None),
        # No histogram: not what an agent tells, and no reason to fail.
        (0.5, {"0.1": 50, "1.0": 0, "+Inf": 20}, 0.1 * 10 / 50),
    ],
)
def test_the_time_of_a_share_of_requests(
    stack: Stack, share: float, grown: dict[str, int], expected: float | None
) -> None:
    then = seen(stack, 5.0, agent(seconds=dict.fromkeys(grown, 7)))
    now = seen(stack, 15.0, agent(seconds={bound: 7 + n for bound, n in grown.items()}))
    found = rates.time_of(share, then, now)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_page_gets_no_more_threads_than_there_are_and_few_requests(stack: Stack) -> None:
    long = {**ANSWER["running"][0], "seconds": 5.0}
    of = agent(
        running=[{**long, "seconds": 50.0 + n} for n in range(99)] + [{**long, "seconds": 0.1}]
    )
    found = status.status(seen(stack, 0.0, of), seen(stack, 1.0, of))
    assert len(found["instances"][0]["running"]) == 2
    assert [each["seconds"] for each in found["slowest"]] == [148.0 - n for n in range(20)]


def test_a_sample_has_every_curve_that_the_page_draws(stack: Stack) -> None:
    look = seen(stack, 0.0, agent(), AFTER)
    whole, instances = status.sample(look, look)
    script = (describe.TEMPLATES / "status-script.js.j2").read_text("utf-8")
    drawn = re.findall(r"^  \[\[([^]]+)\],", script, re.MULTILINE)
    names = {name.strip(' "') for each in drawn for name in each.split(",")}
    assert len(drawn) == 6
    assert names <= whole.keys()
    assert "busy" in instances["instance1"]


def test_an_hour_keeps_its_length_and_its_gaps() -> None:
    curves = Curves()
    for number in range(hour.LENGTH + 5):
        curves.add({"a": None if number % 2 else number, "b": 1.0})
    kept = curves.told()["a"]
    assert len(kept) == hour.LENGTH == 240
    assert kept[-2:] == [None, 244]
    curves.add({"a": 1 / 3, "c": 2.0})
    found = curves.told()
    assert found.keys() == {"a", "c"}
    # What comes later ends with the others.
    assert (found["c"][-2:], len(found["c"])) == ([None, 2.0], hour.LENGTH)
    assert found["a"][-1] == 0.333


def test_an_hour_of_many_instances_is_small() -> None:
    """Less than 1 kB for a curve, so that 256 instances take less than one of them."""
    kept = Hour()
    for number in range(2 * hour.LENGTH):
        each = {"busy": 1, "requests": number + 0.123456, "memory": 1234.5678}
        kept.add(number, {"requests": 1.0}, {f"instance{n}": each for n in range(40)})
    lines = [curve for of in kept._instances.values() for curve in of._curves.values()]
    assert len(lines) == 120
    assert all(curve.itemsize * len(curve) < 1000 for curve in lines)
    assert len(json.dumps(kept.told(), separators=(",", ":"))) < 250_000
    kept.add(1.0, {}, {"instance1": each})
    assert kept.told()["instances"].keys() == {"instance1"}


@pytest.mark.parametrize(
    ("address", "asked", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1:9404", 0),
        # Through ssh -L, which may give another port.
        ("127.0.0.1", "127.0.0.1", "localhost:9999", 0),
        ("127.0.0.1", "127.0.0.1", "LOCALHOST", 0),
        ("::1", "::1", "[::1]:9404", 0),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1:9404", 0),
        ("127.0.0.1", "127.0.0.1", f"{socket.gethostname()}:9404", 0),
        ("192.0.2.7", "192.0.2.1", "192.0.2.1:9404", 403),
        ("192.0.2.7", "192.0.2.1", "localhost", 403),
        ("2001:db8::7", "2001:db8::1", "[2001:db8::1]", 403),
        ("127.0.0.1", "127.0.0.1", "evil.example", 421),
        ("127.0.0.1", "127.0.0.1", "evil.example:9404", 421),
        ("127.0.0.1", "127.0.0.1", "localhost.evil.example", 421),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1.evil.example", 421),
        ("127.0.0.1", "127.0.0.1", "evil.example@127.0.0.1", 421),
        ("127.0.0.1", "127.0.0.1", "[evil.example]", 421),
        ("127.0.0.1", "127.0.0.1", "", 421),
        ("127.0.0.1", "127.0.0.1", "::1", 421),
    ],
)
def test_who_may_see_it(address: str, asked: str, host: str, expected: int) -> None:
    refused = Visitor(address, asked, [host]).refused()
    assert (refused[0] if refused else 0) == expected


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"]])
def test_one_host_is_expected(hosts: list[str]) -> None:
    refused = Visitor("127.0.0.1", "127.0.0.1", hosts).refused()
    assert refused
    assert refused[0] == 421


def test_the_policy_allows_what_is_in_the_page_and_nothing_else() -> None:
    found = policy("<style>a</style><script>b</script>")
    # printf b | openssl dgst -sha256 -binary | base64
    assert "script-src 'sha256-PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0='" in found
    assert found.count("sha256-") == 2
    assert "unsafe" not in found
    assert "script-src 'none'" in policy("<p onclick='x'>")


def test_an_instance_that_is_not_balanced_is_no_thread_of_visitors(home: Path) -> None:
    stack = describe.read(home, {"instances": "1", "threads": "2", "extra-instances": "worker"})
    rows = tuple(
        InstanceRow(each.name, "", "serving", healthy=True, busy=1) for each in stack.instances
    )
    look = replace(seen(stack, 0.0, None), rows=rows)
    total = status.status(look, look)["total"]
    assert len(rows) == 2
    assert (total["busy"], total["threads"]) == (1, 2)
