"""A figure for Prometheus: what it is called, what it means, and its values.

Of no room, because the agent in each Zope and the program that gathers both have some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

#: What the names of all figures begin with.
PREFIX = "zopestack_"

FAMILIES: dict[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}

#: The label that tells instances apart. ``instance`` is Prometheus's own, an address.
INSTANCE = "instance_name"


@dataclass(frozen=True)
class Distribution:
    """The value of a histogram.

    :param buckets: upper bounds as text, each with how many values are at most that.
    :param total: the sum of the values.
    """

    buckets: tuple[tuple[str, float], ...]
    total: float


@dataclass(frozen=True)
class Figure:
    """One figure.

    :param name: without what :attr:`shown` adds.
    :param kind: ``counter``, ``gauge`` or ``histogram``.
    :param meaning: a sentence, with the unit.
    :param labels: what tells its values apart, beside the instance.
    """

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Its name at ``/metrics``."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"

    def family(self, values: Values) -> Metric:
        """The figure with its values, as prometheus_client takes it."""
        made = FAMILIES[self.kind](PREFIX + self.name, self.meaning, labels=self.labels)
        for labels, value in values.items():
            if isinstance(value, Distribution):
                made.add_metric(labels, value.buckets, value.total)
            else:
                made.add_metric(labels, value)
        return made  # type: ignore[no-any-return]


#: By its labels.
Values = Mapping[tuple[str, ...], float | Distribution]
