"""superlance's httpok, patient with an instance that is just starting.

httpok tries again while the connection is refused, but its own connection class loses
the error's number (superlance 2.0, timeoutconn), so it would restart whatever is starting
when the minute turns. The standard library's class keeps it.
"""

from __future__ import annotations

import http.client

from superlance import httpok


def main() -> None:
    """Run httpok with its own command line."""
    httpok.HTTPOk.connclass = http.client.HTTPConnection
    httpok.main()
