"""superlance's httpok, patient with an instance that is just starting.

httpok means to try again while a connection is refused, but its own connection class
loses the error's number, and a connection that was refused cannot be used again
(superlance 2.0, timeoutconn and httpok.runforever): it would restart whatever is starting
when the minute turns.
"""

from __future__ import annotations

import http.client

from superlance import httpok


class Connection(http.client.HTTPConnection):
    """A connection that can be tried again after it was refused."""

    def connect(self) -> None:
        """Connect, or be as new."""
        try:
            super().connect()
        except OSError:
            self.close()
            raise


def main() -> None:
    """Run httpok with its own command line."""
    httpok.HTTPOk.connclass = Connection
    httpok.main()
