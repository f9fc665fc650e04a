"""Sites whose object is not in the database."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from zopestack.features.sites import Site
from zopestack.model import Stack
from zopestack.probe import probe

#: Timeout in seconds for an instance to say whether a site exists.
TIMEOUT = 10


def missing(stack: Stack) -> Iterator[Site]:
    """The sites whose object the first instance does not find; none while it does not run."""
    for site in stack.sites.shown if stack.instances else ():
        try:
            answer = probe(stack.instances[0].address, site.root or "/", "HEAD", TIMEOUT)
        except OSError:
            return
        if answer.status == HTTPStatus.NOT_FOUND:
            yield site
