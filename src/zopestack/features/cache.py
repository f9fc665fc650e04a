"""HAProxy's own cache."""

from __future__ import annotations

import re

from zopestack.features.option import Feature, feature, option

#: HAProxy takes at most 4095 MB for a cache (its manual, "total-max-size").
MAX_CACHE = 4095


def _megabytes(text: str) -> int:
    """Megabytes, or 0 for ``off``."""
    if text == "off":
        return 0
    found = re.fullmatch(r"([1-9][0-9]{0,3})MB", text)
    if not found or int(found[1]) > MAX_CACHE:
        raise ValueError(f"a size from 1MB to {MAX_CACHE}MB, or off")
    return int(found[1])


@feature
class Cache(Feature):
    """Responses that HAProxy keeps.

    :ivar static_cache: megabytes; 0 for none.
    """

    static_cache: int = option(
        _megabytes,
        "off",
        "Memory of HAProxy's cache for responses that may be cached, such as ``64MB``.",
    )
