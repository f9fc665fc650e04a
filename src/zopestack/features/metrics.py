"""Where people and Prometheus find the figures of the whole stack, and Grafana Prometheus."""

from __future__ import annotations

from urllib.parse import urlsplit

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


def _server(text: str) -> str:
    """A URL without a secret: the file that it goes into may be read by every user."""
    accepted = "a URL like http://127.0.0.1:9090, without a name or password"
    try:
        found = urlsplit(text)
        # Reading the port checks it.
        plain = found.hostname and found.port != 0 and "@" not in found.netloc
    except ValueError:
        raise ValueError(accepted) from None
    if not plain or found.scheme not in ("http", "https") or found.query or found.fragment:
        raise ValueError(accepted)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(accepted)
    return text


@feature
class Metrics(Feature):
    """The program that gathers, which runs where it has an address."""

    metrics_address: Address | None = option(
        _one_network,
        "",
        "Where Prometheus finds the figures of the whole stack, and a browser on this machine its "
        "status page, such as ``127.0.0.1:9404``; a port alone is one of loopback. By default each "
        "process answers for itself. See :doc:`/howto/monitor`.",
    )
    prometheus_url: str = option(
        _server,
        "http://127.0.0.1:9090",
        "Where Grafana finds the Prometheus that scrapes this stack. See :doc:`/howto/monitor`.",
    )
