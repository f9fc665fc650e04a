"""Who reaches Zope's management interface."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import networks


@feature
class Admin(Feature):
    """The networks of administrators; empty for all."""

    admin_networks: tuple[str, ...] = option(
        networks,
        "",
        "The only networks that reach Zope's management interface, and what only Manager may "
        "call; empty for all.",
    )
