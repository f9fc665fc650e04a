"""What a process tells Prometheus, as numbers."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.fetch import fetch
from tests.support.polling import until
from zopestack.features.address import Address


def listening(address: Address) -> None:
    """Wait until it tells; supervisord regards a program as started before it listens."""

    def tells() -> bool:
        try:
            return fetch(address, "/metrics").status == 200
        except OSError:
            return False

    until("figures", tells)


def text(address: Address) -> str:
    """Its figures as text."""
    answer = fetch(address, "/metrics")
    assert answer.status == 200
    return answer.text


def samples(address: Address) -> list[Sample]:
    """Every value of every figure."""
    families = text_string_to_metric_families(text(address))
    return [sample for family in families for sample in family.samples]


def total(address: Address, figure: str, **labels: str) -> float:
    """The sum of all values of a figure that have these labels; at least one has."""
    found = [
        each.value
        for each in samples(address)
        if each.name == figure and labels.items() <= each.labels.items()
    ]
    assert found, (figure, labels)
    return sum(found)
