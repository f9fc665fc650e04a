"""Mark what an instance refuses without Zope, so that HAProxy shows its own page instead.

waitress answers in plain text, with words for programmers. HAProxy has a page for every status
and replaces a marked response by it (``templates/haproxy-pages.cfg.j2``).
"""

from __future__ import annotations

from waitress.task import ErrorTask

#: The header that HAProxy looks for, ``MARK`` in ``zopestack.render.pages``.
MARK = "Zopestack-Refused"


def headers(body: bytes) -> list[tuple[str, str]]:
    """The headers of a refusal whose body is plain text, its mark included."""
    return [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), (MARK, "1")]


class MarkedErrorTask(ErrorTask):  # type: ignore[misc]
    """A response to a request that waitress or the agent refuses, or in which Zope's WSGI fails."""

    def execute(self) -> None:
        """Send the error."""
        self.response_headers.append((MARK, "1"))
        super().execute()
