"""Where the challenges of a certificate authority are answered (RFC 8555, 8.3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zopestack.features import parsers
from zopestack.features.address import Address
from zopestack.features.option import Feature, Refused, feature, option


@dataclass(frozen=True)
class Challenge:
    """A webroot directory, or the address where certbot answers itself."""

    directory: Path | None = None
    address: Address | None = None


def _challenge(text: str) -> Challenge | None:
    """A port on loopback or a directory, or nothing."""
    if not text:
        return None
    if text.isdigit():
        return Challenge(address=Address("127.0.0.1", parsers.port(text)))
    return Challenge(directory=parsers.path(text))


@feature
class Acme(Feature):
    """Certificates of an authority such as Let's Encrypt."""

    acme_challenge: Challenge | None = option(
        _challenge,
        "",
        "The webroot directory, or the port, where certbot answers its challenges.",
    )

    @property
    def directory(self) -> Path | None:
        """The webroot, if there is one."""
        return self.acme_challenge.directory if self.acme_challenge else None

    @property
    def address(self) -> Address | None:
        """Where certbot answers itself, if it does."""
        return self.acme_challenge.address if self.acme_challenge else None

    def check(self) -> None:
        """Check that the webroot is a directory.

        :raises Refused: where it is not.
        """
        # Path.is_dir raises for a name that is too long.
        if self.directory and not os.path.isdir(self.directory):  # noqa: PTH112
            raise Refused(
                "acme-challenge", f"a directory or a port, but {self.directory} is not a directory"
            )
