"""What measures where each design ends, with few of everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.system.scale import balancer, client, storage


def test_haproxy_with_many_instances(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balancer, "IDLE", 3.0)
    monkeypatch.setattr(balancer, "REQUESTS", 20)
    monkeypatch.setattr(balancer, "LANE", 2)
    balancer.measure(3, tmp_path)
    said = capsys.readouterr().out
    assert re.search(r"^3 instances: .* [1-9]\d* checks/s, .* CPU a request$", said)


@pytest.mark.parametrize("server", [storage.zeo, storage.postgresql])
def test_a_storage_with_some_clients(
    server: storage.Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "SECONDS", 1.0)
    with server() as running:
        client.create(running.kind, running.address)
        found = storage.figures(running, number=2, writers=1)
    assert found.rate > 0
    assert found.server > 0
    assert found.connections >= 2
    assert storage.line(running.kind, 2, 1, [found]).startswith(f"{running.kind}, 2 clients, 1 wr")
