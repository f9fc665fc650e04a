from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zopestack.agent.configuration import Configuration

PORTS = st.integers(1, 65535)
SECONDS = st.integers(1, 86400).map(float)

CONFIGURATION = Configuration(
    name="instance1",
    host="127.0.0.1",
    port=9081,
    http_host="127.0.0.1",
    http_port=8081,
    threads=1,
    stop_grace=60,
    drain_delay=2,
    hung_after=60,
    stuck_after=60,
    request_timeout=60,
    long_request=10,
    body_timeout=60,
    conflicts="/var/conflicts.lock",
)


@given(
    st.builds(
        Configuration,
        name=st.from_regex(r"instance[1-9]", fullmatch=True),
        host=st.sampled_from(["127.0.0.1", "::1"]),
        port=PORTS,
        http_host=st.just("127.0.0.1"),
        http_port=PORTS,
        threads=st.integers(1, 64),
        stop_grace=SECONDS,
        drain_delay=SECONDS,
        hung_after=SECONDS,
        stuck_after=SECONDS,
        request_timeout=SECONDS,
        long_request=SECONDS,
        body_timeout=SECONDS,
        conflicts=st.just("/var/conflicts.lock"),
        switch_interval=st.none() | st.integers(1, 10000).map(lambda number: number / 10000),
        drained=st.sampled_from(["", "/var/instance1/drained"]),
        stacks=st.sampled_from(["", "/var/instance1/stacks"]),
        jobs=st.sampled_from(["", "/var/jobs.json"]),
        haproxy=st.sampled_from(["", "/var/haproxy.sock"]),
        server=st.sampled_from(["", "zope/instance1"]),
        warmed=st.lists(st.from_regex(r"/[a-z]{0,8}", fullmatch=True), max_size=3).map(tuple),
        warm_up=st.lists(st.from_regex(r"/[a-z]{0,8}", fullmatch=True), max_size=3).map(tuple),
    )
)
def test_what_the_recipe_writes_is_what_the_agent_reads(configuration: Configuration) -> None:
    written = configuration.environment()
    assert Configuration.read({"HOME": "/", **written}) == configuration


@pytest.mark.parametrize(
    ("warmed", "cold"),
    [
        ((), ("/", "/a", "/b")),
        (("/", "/a", "/b"), ("/",)),
        # The loader could not fetch it, so the fork is not ready before it can.
        (("/", "/b"), ("/", "/a")),
    ],
)
def test_a_fork_fetches_the_first_page_and_those_that_the_loader_could_not(
    warmed: tuple[str, ...], cold: tuple[str, ...]
) -> None:
    own = replace(CONFIGURATION, warm_up=("/", "/a", "/b"), warmed=warmed)
    assert own.cold == cold


def test_without_a_warm_up_nothing_is_cold() -> None:
    assert CONFIGURATION.cold == ()


def test_an_instance_that_zopestack_did_not_make_is_told_apart() -> None:
    with pytest.raises(KeyError, match="ZOPESTACK_NAME"):
        Configuration.read({})
