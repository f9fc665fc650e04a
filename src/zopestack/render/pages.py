"""The pages of HAProxy's own answers: one for each status, as HTML and as JSON.

HAProxy looks a page up in a map, because only a map lets one status have two forms. A line of
the map holds a page up to the request's number, another one the rest (:func:`entries`), and
haproxy.cfg puts them together (:func:`answer`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zopestack.model import Stack
from zopestack.render.maps import Entry

#: Stands for the request's number in a page.
REQUEST_ID = "@request-id@"

#: The header that marks an answer that becomes a page: HAProxy sets it on its own pages, and the
#: agent on what an instance refuses without Zope. Clients never see it.
MARK = "Zopestack-Refused"

#: Bytes of one page. HAProxy needs a page with its headers in one buffer, of which 15360 bytes
#: are usable (its manual, "tune.bufsize", "tune.maxrewrite").
LONGEST = 12288


@dataclass(frozen=True)
class Refusal:
    """What a person is told about a status, without the words of the trade.

    :param title: what has happened.
    :param text: what to do about it.
    :param configurable: whether HAProxy knows the status in ``http-error`` (its manual); the
        others are for rules of our own.
    """

    status: int
    title: str
    text: str
    configurable: bool = True


SAVED = "If you were saving something, look whether it was saved before you send it again."

#: Not 401: while HAProxy 2.6 and 2.8 look up a page, they overwrite the WWW-Authenticate header of
#: ``http-request auth``.
REFUSALS = (
    Refusal(
        400,
        "This request is not valid",
        "The address, or something else that was sent, has an error. Check the address. If you "
        "followed a link, tell whoever made it.",
    ),
    Refusal(
        403,
        "You may not see this page",
        "It is open to certain networks only. If yours should be one of them, ask the people who "
        "run this site.",
    ),
    Refusal(
        404,
        "This page does not exist",
        "Check the address. If you followed a link, tell whoever made it.",
    ),
    Refusal(
        405,
        "This site does not accept this kind of request",
        "Go back and try another way.",
    ),
    Refusal(
        408,
        "The request took too long to arrive",
        "Your connection may be slow. Try again.",
    ),
    Refusal(410, "This page no longer exists", "It was removed for good."),
    Refusal(
        413,
        "This is too large",
        "You have sent more than this site accepts at once. Send a smaller file, or fewer files.",
    ),
    Refusal(
        414,
        "This address is too long",
        "Check the address. If you followed a link, tell whoever made it.",
        configurable=False,
    ),
    Refusal(
        421,
        "There is no site of this name here",
        "Check the address. If you followed a link, tell whoever made it.",
        configurable=False,
    ),
    Refusal(
        429,
        "Too many requests",
        "Too much has come from your network in a short time. Wait a moment, then try again.",
    ),
    Refusal(
        431,
        "Your browser sends too much with each request",
        "Delete the cookies of this site, then try again.",
        configurable=False,
    ),
    Refusal(
        500,
        "Something went wrong",
        f"This site could not deal with the request. {SAVED}",
    ),
    Refusal(
        501,
        "This site does not accept this kind of request",
        "Go back and try another way.",
    ),
    Refusal(
        502,
        "The answer was lost",
        f"The server stopped before it had answered. {SAVED}",
    ),
    Refusal(
        503,
        "This site will be back in a moment",
        "It cannot answer right now. What you have already saved is safe.",
    ),
    Refusal(
        504,
        "The answer takes too long",
        f"The server has not answered in time. {SAVED}",
    ),
)

#: Statuses of what an instance refuses without Zope (the errors of waitress and of the agent).
FROM_AN_INSTANCE = (400, 403, 408, 413, 429, 500, 501, 502, 503, 504)


def answer(stack: Stack, status: int) -> str:
    """The page of a status, as arguments of ``http-error`` and ``http-request return``."""
    head, tail = (
        f"%[str({status}),concat(,txn.form{end}),map_str({stack.pages_map.name})]"
        for end in ("", ",_")
    )
    headers = {MARK: "1", **_headers(stack, status)}
    words = [f'hdr {name} "{value}"' for name, value in headers.items()]
    return " ".join(
        ['content-type "text/html; charset=utf-8"', f'lf-string "{head}%[unique-id]{tail}"', *words]
    )


def entries(refusal: Refusal, html: str, json: str) -> Iterator[Entry]:
    """The lines of the map for one status.

    :param html: the page, with :data:`REQUEST_ID` in it at most once.
    :param json: the same for a program.
    :raises ValueError: for a page that HAProxy cannot send.
    """
    for form, page in (("", html), ("json", json)):
        # A line break would end the entry, and HAProxy ignores spaces around a value.
        line = " ".join(page.split("\n")).strip()
        line = line.replace(f" {REQUEST_ID}", f"&#32;{REQUEST_ID}")
        line = line.replace(f"{REQUEST_ID} ", f"{REQUEST_ID}&#32;")
        if len(line.encode()) > LONGEST:
            raise ValueError(f"expected a page of at most {LONGEST} bytes for {refusal.status}")
        if REQUEST_ID not in line:
            line += f"<!--{REQUEST_ID}-->"
        parts = line.split(REQUEST_ID)
        if len(parts) > 2:
            raise ValueError(f"expected request_id once in the page for {refusal.status}")
        for end, part in zip(("", "_"), parts, strict=True):
            yield Entry(f"{refusal.status}{form}{end}", part)


def _headers(stack: Stack, status: int) -> dict[str, str]:
    # What follows such a request may be a part of it.
    closing = {"Connection": "close"}
    return {
        400: closing,
        408: closing,
        413: closing,
        405: {"Allow": ", ".join(stack.limits.methods)},
        429: {"Retry-After": f"{stack.timings.rate_period:.0f}"},
        503: {"Retry-After": f"{stack.timings.retry_unavailable:.0f}"},
    }.get(status, {})
