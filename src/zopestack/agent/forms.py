"""Limit the number of fields of a URL-encoded form, as Zope limits those of a multipart form.

Zope limits such a form only in bytes. 1 MB of two-byte fields takes 160 MB of memory and seconds of
CPU, while one field of 16 MB takes 31 MB (docs/explanation/measured.rst, "Forms").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zExceptions import BadRequest
from ZPublisher import HTTPRequest


def install() -> None:
    """Count the fields of every form. Calling it again has no effect."""
    parse = HTTPRequest.parse_qsl
    if not getattr(parse, "counts_fields", False):
        HTTPRequest.parse_qsl = counted(parse)


def counted(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``urllib.parse.parse_qsl`` to refuse more fields than Zope's ``form-part-limit``."""

    def parse_counted(text: str, **options: Any) -> Any:
        if text.count("&") >= HTTPRequest.FORM_PART_LIMIT:
            raise BadRequest(f"the form has more than {HTTPRequest.FORM_PART_LIMIT} fields")
        return parse(text, **options)

    parse_counted.counts_fields = True  # type: ignore[attr-defined]
    return parse_counted
