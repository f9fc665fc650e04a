"""One address at which Prometheus finds the figures of the whole stack."""

from __future__ import annotations

from zopestack.features.address import Address
from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import address


def _one_network(text: str) -> Address | None:
    """An address that is not every network; None stands for none."""
    if not text:
        return None
    found = address(text)
    if found.wildcard:
        raise ValueError(
            "one address of this machine, like 127.0.0.1:9404 or 192.0.2.1:9404, since it has no "
            "password"
        )
    return found


@feature
class Metrics(Feature):
    """The program that gathers, which runs where it has an address."""

    metrics_address: Address | None = option(
        _one_network,
        "",
        "Where Prometheus finds the figures of the whole stack, such as ``127.0.0.1:9404``; a port "
        "alone is one of loopback. By default each process answers for itself. See "
        ":doc:`/howto/monitor`.",
    )
