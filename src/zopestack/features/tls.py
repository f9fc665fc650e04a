"""https: where it is served, with which certificate."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from zopestack.features import certificates
from zopestack.features.address import Address, bindings
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import optional_addresses, path, switch

#: What stands for a certificate that zopestack makes itself.
SELF_SIGNED = "self-signed"

SECONDS_PER_DAY = 86400


@dataclass(frozen=True)
class Certificate:
    """Where a certificate comes from.

    :param path: what the user has named; None for one that zopestack makes.
    :param certbot: whether the path is one of certbot's directories.
    """

    path: Path | None = None
    certbot: bool = False

    def __str__(self) -> str:
        return str(self.path or SELF_SIGNED)


def _certificate(text: str) -> Certificate | None:
    """A file or directory, :data:`SELF_SIGNED`, or nothing."""
    if not text:
        return None
    return Certificate() if text == SELF_SIGNED else Certificate(path(text))


def _days(text: str) -> int:
    """Seconds of a number of days, or 0 for ``off``."""
    if text == "off":
        return 0
    found = re.fullmatch(r"([1-9][0-9]{0,3})d", text)
    if not found:
        raise ValueError("a number of days like 365d, or off")
    return int(found[1]) * SECONDS_PER_DAY


@feature
class Tls(Feature):
    """https.

    :ivar hsts: seconds; the option alone. See :attr:`hsts_seconds`.
    """

    https_address: tuple[Address, ...] = option(
        optional_addresses,
        "",
        "Addresses where the site is served over https, such as ``*:443``; http redirects to "
        "the first.",
    )
    tls_certificate: Certificate | None = option(
        _certificate,
        "",
        "PEM file with certificate, chain and key, or a directory of such files; "
        "``self-signed`` makes one for trying out.",
    )
    http_redirect: bool = option(
        switch, "on", "With ``https-address``: whether http redirects to https."
    )
    hsts: int = option(
        _days,
        "730d",
        "For how long browsers that used https must use nothing else; ``off`` for no such "
        "header. Never sent with a self-signed certificate.",
    )

    def resolved(self, base: Path) -> Self:
        """The same with absolute paths, and with certbot's directories recognised."""
        found = super().resolved(base)
        given = found.tls_certificate
        if given and given.path and certificates.is_certbot(given.path):
            return replace(found, tls_certificate=replace(given, certbot=True))
        return found

    def check(self) -> None:
        """Check that address and certificate come together, and that HAProxy can load it.

        :raises Refused: where not.
        """
        if not self.https_address and self.tls_certificate is not None:
            raise Refused("tls-certificate", "https-address to be set, such as *:443")
        if self.https_address and self.tls_certificate is None:
            raise Refused("https-address", f"tls-certificate to be set: a path, or {SELF_SIGNED}")
        if self.tls_certificate and self.tls_certificate.path:
            try:
                certificates.check(self.tls_certificate.path)
            except certificates.Unusable as why:
                raise Refused("tls-certificate", why) from None

    @property
    def bindings(self) -> tuple[str, ...]:
        """The sockets for https."""
        return bindings(self.https_address)

    @property
    def self_signed(self) -> bool:
        """Whether zopestack makes the certificate, for trying out."""
        return self.tls_certificate is not None and self.tls_certificate.path is None

    @property
    def https_only(self) -> bool:
        """Whether http redirects to https."""
        return bool(self.https_address) and self.http_redirect

    @property
    def https_suffix(self) -> str:
        """What follows the host name in URLs over https."""
        port = self.https_address[0].port if self.https_address else 443
        return "" if port == 443 else f":{port}"

    @property
    def hsts_seconds(self) -> int:
        """For how long browsers must use https only; 0 for no such header."""
        return 0 if not self.https_address or self.self_signed else self.hsts

    @property
    def hsts_days(self) -> int:
        """The same in days."""
        return self.hsts_seconds // SECONDS_PER_DAY
