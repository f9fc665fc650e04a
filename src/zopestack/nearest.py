"""The end of an error message about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like ``word``, or all of them where none is."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
