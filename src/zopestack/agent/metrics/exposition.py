"""All figures of one process, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from zopestack.figure import INSTANCE, Figure, Values

#: Something that knows the values of some figures.
Source = Callable[[], Iterable[tuple[Figure, Values]]]


class Exposition:
    """All figures of one process, as prometheus_client collects them.

    :param instance: the name of the instance.
    :param further: what has collectors of prometheus_client's own.
    """

    def __init__(self, instance: str, sources: Iterable[Source], *further: Any) -> None:
        self.instance = instance
        self.sources = tuple(sources)
        self.further = further

    def collect(self) -> Iterator[Metric]:
        """Every figure that has a value, with the name of the instance."""
        families = [figure.family(values) for source in self.sources for figure, values in source()]
        for family in (*families, *(each for more in self.further for each in more.collect())):
            family.samples = [
                sample._replace(labels={INSTANCE: self.instance, **sample.labels})
                for sample in family.samples
            ]
            if family.samples:
                yield family

    def text(self) -> bytes:
        """The figures in Prometheus's text format, version 0.0.4."""
        return generate_latest(self)
