"""The database server."""

from __future__ import annotations

from zopestack.features.address import Address
from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import loopback_address


@feature
class Storage(Feature):
    """ZEO."""

    zeo_address: Address = option(
        loopback_address,
        # Above the ports of 256 instances; 8100, the default of Zope's recipes, is not.
        "127.0.0.1:8400",
        "Where the database server listens.",
    )
