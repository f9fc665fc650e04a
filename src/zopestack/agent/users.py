"""Note who sends a request, for the log of those that take long."""

from __future__ import annotations

from threading import get_ident
from typing import Any

from AccessControl.users import nobody
from Acquisition import aq_base
from zope.component import provideHandler
from ZPublisher.interfaces import IPubAfterTraversal

from zopestack.agent.meter import USER, Meter


def note(meter: Meter) -> None:
    """Note the user of every request in its environ, as soon as Zope knows.

    This is done in the request's own thread: a user may be an object of its database connection,
    which no other thread may touch.
    """

    def noted(event: Any) -> None:
        user = aq_base(event.request.other.get("AUTHENTICATED_USER"))
        running = meter.running.get(get_ident())
        if running and user is not None and user is not nobody:
            running[1][USER] = user.getUserName()

    provideHandler(noted, [IPubAfterTraversal])
