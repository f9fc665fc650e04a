"""Proxies in front of HAProxy, and what is believed of what they say about a client."""

from __future__ import annotations

from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import networks, switch

#: Trusted proxies one behind the other: a CDN, a balancer, a local proxy, and one to spare.
MOST_PROXIES = 4


@feature
class Proxies(Feature):
    """Who may speak for clients, and how."""

    trusted_proxies: tuple[str, ...] = option(
        networks, "", "Networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed."
    )
    proxy_protocol: bool = option(
        switch, "off", "Whether the trusted proxies speak the PROXY protocol."
    )

    def check(self) -> None:
        """Check that the PROXY protocol is accepted from known proxies only.

        :raises Refused: where anybody could speak it.
        """
        if self.proxy_protocol and not self.trusted_proxies:
            raise Refused(
                "proxy-protocol",
                "trusted-proxies to be set: otherwise anybody could claim any address",
            )

    @property
    def believes_headers(self) -> bool:
        """Whether proxies tell the client's address in ``X-Forwarded-*``.

        A proxy that speaks the PROXY protocol has told the address by that, and passes on
        headers as the client sent them.
        """
        return bool(self.trusted_proxies) and not self.proxy_protocol

    @property
    def hops(self) -> range:
        """Places in ``X-Forwarded-For``, from its end, where another proxy may stand."""
        return range(2, MOST_PROXIES + 1)

    @property
    def counted_at(self) -> str:
        """When HAProxy counts a client's connection: at once, unless its address is only known
        from the line of the PROXY protocol.
        """
        return "session" if self.proxy_protocol else "connection"
