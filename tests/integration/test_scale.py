"""What measures where each design ends, with few of everything."""

from __future__ import annotations

import io
import re

import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.system.scale import balancer, curves, storage


def test_haproxy_with_many_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "IDLE", 3.0)
    monkeypatch.setattr(balancer, "REQUESTS", 20)
    monkeypatch.setattr(balancer, "LANE", 2)
    found = [*balancer.measured([2, 3])]
    assert re.search(r"^3 instances: .* [1-9]\d* checks/s, .* CPU a request$", str(found[1]))
    assert drawn(curves.haproxy(found)) > 5


def test_storages_with_some_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "SECONDS", 1.0)
    monkeypatch.setattr(storage, "ROUNDS", 1)
    found = [*storage.measured([1, 2])]
    assert len(found) == 6
    for rounds in found:
        (one,) = rounds
        assert one.rate > 0
        assert one.server > 0
        assert one.connections >= one.number
        assert storage.line(rounds).startswith(
            f"{one.storage}, {one.number} clients, {one.writers} writing: "
        )
    assert drawn(curves.storages(found)) > 5


def drawn(figure: Figure) -> int:
    """Colours of a picture: a blank one has one."""
    png = io.BytesIO()
    figure.savefig(png)
    return len(Image.open(png).convert("RGB").getcolors(1 << 24) or ())
