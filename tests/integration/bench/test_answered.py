"""What is measured answers; the rest of tune is tested on a real site in test_tune."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.bench.conftest import KnownServer
from zopestack_bench import Broken, rounds
from zopestack_bench.rounds import Track
from zopestack_bench.workloads import Workload


def test_pages_that_answer_with_an_error_are_left_out_and_named(
    serve: Callable[..., KnownServer], answer: Callable[..., Track]
) -> None:
    server, said = serve(fails_every=3), list[str]()
    workload = Workload("site", ("/a", "/b", "/c", "/a"), "")
    track = answer({"1x1": server})
    kept = rounds.answered(track.farm, track.layouts["1x1"], workload, said.append)
    # Each page is asked for once, and what is replayed keeps its order and its repetitions.
    assert server.asked == 3
    assert kept.paths == ("/a", "/b", "/a")
    assert said[-1] == "left out, an error without a login: 1 pages, such as /c"


def test_where_no_page_answers_there_is_nothing_to_measure(
    serve: Callable[..., KnownServer], answer: Callable[..., Track]
) -> None:
    with pytest.raises(Broken, match="no page can be read without a login, /a for one"):
        track = answer({"1x1": serve(fails_every=1)})
        rounds.answered(track.farm, track.layouts["1x1"], Workload("site", ("/a", "/b"), ""), print)
