"""The figures that Prometheus gets, for commands that look for some of them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from zopestack.figure import INSTANCE

#: Values by the text of one label.
Values = Mapping[str, float]


class Figures:
    """All figures of one moment.

    :param text: in Prometheus's format.
    """

    def __init__(self, text: bytes) -> None:
        families = text_string_to_metric_families(text.decode())
        self._samples = [sample for family in families for sample in family.samples]

    def by(self, name: str, label: str = INSTANCE, **where: str) -> Values:
        """The values of a figure, added up by one label.

        :param where: other labels that a value must have.
        """
        found: dict[str, float] = {}
        for sample in self._samples:
            labels = sample.labels
            if sample.name == name and where.items() <= labels.items() and label in labels:
                found[labels[label]] = found.get(labels[label], 0) + sample.value
        return found
