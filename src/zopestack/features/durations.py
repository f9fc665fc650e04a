"""How long one request may take, and who ends it."""

from __future__ import annotations

from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import optional_seconds, seconds

#: Exports and catalog rebuilds take minutes.
USUAL = 600

#: Seconds that a request gets to end by itself after it was interrupted, before HAProxy gives it up
#: or the guard takes it for hung.
MARGIN = 60


@feature
class Durations(Feature):
    """Times in seconds; None for what follows from the others."""

    request_timeout: int | None = option(
        optional_seconds,
        "",
        "How long a request may take, or continue after a commit; then it is interrupted, its "
        "changes are undone, and the client gets 504. By default 10 minutes, or less where "
        "``timeout-server`` or ``hung-after`` is shorter.",
        per_group=True,
    )
    timeout_server: int | None = option(
        optional_seconds,
        "",
        "How long HAProxy waits for Zope to answer a request; then the client gets 504. By "
        "default a minute longer than ``request-timeout``.",
        per_group=True,
    )
    hung_after: int | None = option(
        optional_seconds,
        "",
        "An instance hangs when all its threads have been in one request for longer; it gets no "
        "more requests and is restarted. By default a minute longer than ``request-timeout``.",
        per_group=True,
    )
    long_request: int = option(
        seconds,
        "10s",
        "A request that takes longer is logged with its user, its id and what its thread does, "
        "again each time its age has doubled, and when it ends.",
        per_group=True,
    )
    hard_stop_after: int | None = option(
        optional_seconds,
        "",
        "How long, after a reload, the previous HAProxy may finish what it is serving; by default "
        "an hour, or ``timeout-server`` or ``stop-grace`` if that is longer.",
    )

    @property
    def request(self) -> int:
        """Seconds until a request is interrupted."""
        others = [each for each in (self.timeout_server, self.hung_after) if each]
        return self.request_timeout or min([USUAL, *others])

    @property
    def server(self) -> int:
        """Seconds until HAProxy gives up an answer."""
        return self.timeout_server or self.request + MARGIN

    @property
    def hung(self) -> int:
        """Seconds until a busy thread counts as stuck."""
        return self.hung_after or self.request + MARGIN

    def check(self) -> None:
        """Check that a request is interrupted before anything else ends it, and that a reload cuts
        no request that Zope still has time for.

        :raises Refused: where it could not be.
        """
        for name, given in (("timeout-server", self.server), ("hung-after", self.hung)):
            if given < self.request:
                raise Refused(
                    name,
                    f"at least the {self.request} seconds of request-timeout, so that a request "
                    "is interrupted first",
                )
        if self.hard_stop_after is not None and self.hard_stop_after < self.server:
            raise Refused(
                "hard-stop-after",
                f"at least timeout-server, {self.server}s: otherwise a reload would cut requests "
                "that Zope still answers",
            )
