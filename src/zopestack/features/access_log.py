"""HAProxy's line for every request."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import switch

#: One line a request (HAProxy's manual, "Custom log format"). What a visitor cannot write comes
#: first: the server, the status, milliseconds in the queue, to the response's headers, and in all;
#: how it ended ("Session state at disconnection"), and the request's id. Then, from the eighth
#: field on, what most programs for logs expect, and the host.
FORMAT = (
    "%s status=%ST queue=%Tw response=%Tr total=%Ta %tsc id=%ID "
    "%[src] - - [%T] %{+Q}r %ST %B %{+Q}hrl host=%[var(txn.host)]"
)


@feature
class AccessLog(Feature):
    """Whether every request is logged."""

    access_log: bool = option(
        switch, "on", "Whether HAProxy writes a line for every request to ``var/log/access.log``."
    )

    @property
    def format(self) -> str:
        """The line, as HAProxy's ``log-format``."""
        return FORMAT
