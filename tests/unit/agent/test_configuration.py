from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zopestack.agent.configuration import Configuration

PORTS = st.integers(1, 65535)
SECONDS = st.integers(1, 86400).map(float)


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
        body_timeout=SECONDS,
        conflicts=st.just("/var/conflicts.lock"),
        switch_interval=st.none() | st.integers(1, 10000).map(lambda number: number / 10000),
        drained=st.sampled_from(["", "/var/instance1/drained"]),
        haproxy=st.sampled_from(["", "/var/haproxy.sock"]),
        server=st.sampled_from(["", "zope/instance1"]),
        warm_up=st.lists(st.from_regex(r"/[a-z]{0,8}", fullmatch=True), max_size=3).map(tuple),
    )
)
def test_what_the_recipe_writes_is_what_the_agent_reads(configuration: Configuration) -> None:
    written = configuration.environment()
    assert Configuration.read({"HOME": "/", **written}) == configuration


def test_an_instance_that_zopestack_did_not_make_is_told_apart() -> None:
    with pytest.raises(KeyError, match="ZOPESTACK_NAME"):
        Configuration.read({})
