"""Numbers that many threads add up, and the text that Prometheus reads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from zopestack.agent.metrics.exposition import Exposition
from zopestack.agent.metrics.times import BOUNDS, Times
from zopestack.figure import Figure, Values

SIZE = Figure("size", "gauge", 'What "size" is:\n a \\ number.', ("name",))

#: What database, job and program names may hold.
NAMES = ['a "quoted" one', "two\nlines", "back\\slash", "ünicode \u2028", "x" * 10_000, "{}=,", ""]


def test_any_label_is_one_that_prometheus_reads_back() -> None:
    def source() -> Iterator[tuple[Figure, Values]]:
        yield SIZE, {(name,): number for number, name in enumerate(NAMES)}

    text = Exposition("instance1", [source]).text().decode()
    (family,) = text_string_to_metric_families(text)
    assert (family.name, family.type) == ("zopestack_size", "gauge")
    assert {each.labels["name"]: each.value for each in family.samples} == {
        name: number for number, name in enumerate(NAMES)
    }
    assert {each.labels["instance_name"] for each in family.samples} == {"instance1"}


def test_a_figure_without_values_is_not_shown() -> None:
    assert Exposition("instance1", [lambda: [(SIZE, {})]]).text() == b""


@pytest.fixture
def eager() -> Iterator[None]:
    """Have the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager")
def test_no_addition_is_lost_among_threads() -> None:
    times = Times()
    threads = [
        threading.Thread(target=lambda: [times.add(("safe", "200"), 0.5) for _ in range(20_000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (found,) = times.distributions().values()
    assert dict(found.buckets)["0.5"] == dict(found.buckets)["+Inf"] == 8 * 20_000
    assert found.total == 8 * 20_000 * 0.5


def test_a_duration_counts_in_the_first_bucket_that_holds_it() -> None:
    times = Times()
    for seconds in (*BOUNDS, BOUNDS[-1] + 1):
        times.add((), seconds)
    (found,) = times.distributions().values()
    assert [number for _, number in found.buckets] == list(range(1, len(BOUNDS) + 2))
    assert [bound for bound, _ in found.buckets][-1] == "+Inf"
