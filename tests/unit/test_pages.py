"""A page as two entries of a map, which HAProxy puts together around the request's number."""

from __future__ import annotations

import pytest

from zopestack.render.pages import LONGEST, REFUSALS, REQUEST_ID, entries

FIRST = REFUSALS[0]


def together(html: str) -> str:
    """What HAProxy makes of a page: it ignores spaces around a value."""
    head, tail, *_ = (entry.value.strip() for entry in entries(FIRST, html, "{}"))
    return f"{head}7{tail}"


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        (f"<p>{REQUEST_ID}</p>\n", "<p>7</p>"),
        (f"<p>Number {REQUEST_ID} of\nus", "<p>Number&#32;7&#32;of us"),
        ("<p>Back soon\n", "<p>Back soon<!--7-->"),
        (f"<p>Für {REQUEST_ID}", "<p>Für&#32;7"),
    ],
)
def test_a_page_comes_out_as_it_went_in(html: str, shown: str) -> None:
    assert together(html) == shown


@pytest.mark.parametrize(
    ("html", "says"),
    [
        (f"{REQUEST_ID} {REQUEST_ID}", "request_id once in the page for 400"),
        ("x" * (LONGEST + 1), "at most 12288 bytes for 400"),
        ("ä" * (LONGEST // 2 + 1), "at most 12288 bytes for 400"),
    ],
)
def test_a_page_that_haproxy_cannot_send_is_refused(html: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        list(entries(FIRST, html, "{}"))
