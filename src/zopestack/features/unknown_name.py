"""The end of an error message about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Known words that are listed; of more, those most like the unknown one.
LISTED = 8
SHOWN = 3


def nearest(word: str, known: Iterable[str], where: str = "") -> str:
    """The known word most like ``word``; where none is, some of them.

    :param where: what has them all, for a list too long to show.
    """
    known = sorted(known)
    if close := difflib.get_close_matches(word, known, n=1, cutoff=0.4):
        return f"did you mean {close[0]}?"
    if len(known) <= LISTED:
        return f"known are {', '.join(known)}"
    some = difflib.get_close_matches(word, known, n=SHOWN, cutoff=0)
    rest = f"known are {', '.join(some)} and {len(known) - len(some)} more"
    return f"{rest}, {where}" if where else rest
