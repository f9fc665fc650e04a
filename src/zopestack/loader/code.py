"""What a loader has loaded, so that a roll loads it anew only where that has changed.

The loader notes it beside its socket; ``zopestack.supervisor.loaders`` compares it with the files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zopestack.contents import state

#: Added to the path of the socket, a file with the state of each place that code has come from.
NOTE = ".code"

#: What a process has mapped from a file (proc(5), ``/proc/pid/maps``).
MAPPED = re.compile(r"(?<= )/.*$", re.MULTILINE)


def states(places: Iterable[str | Path], known: Iterable[str] = ()) -> dict[str, str]:
    """The state of each of these places.

    :param known: places that are left out, with all that is in them.
    """
    found: list[str] = []
    for place in sorted({str(Path(each).resolve()) for each in places}):
        if not any(f"{place}/".startswith(f"{each}/") for each in (*known, *found)):
            found.append(place)
    return {place: state(Path(place)) for place in found}


def before(zope_conf: str) -> dict[str, str]:
    """What Zope is about to be loaded from."""
    return states([*sys.path, Path(zope_conf).parent])


def beside() -> set[str]:
    """Where packages and libraries that are loaded are, beside what ``sys.path`` has."""
    packages = [getattr(each, "__path__", ()) for each in list(sys.modules.values())]
    found = set(MAPPED.findall(Path("/proc/self/maps").read_text(encoding="utf-8")))
    for each in packages:
        # What a module calls so may be anything.
        with suppress(Exception):
            found.update(map(str, each))
    return found


def forget(socket: str) -> None:
    """Have nothing be known of what the loader with this socket has loaded."""
    Path(f"{socket}{NOTE}").unlink(missing_ok=True)


def note(socket: str, known: dict[str, str]) -> None:
    """Write down what is loaded.

    :param known: what :func:`before` has returned before it was.
    """
    every = {**known, **states(beside(), known)}
    Path(f"{socket}{NOTE}").write_text(json.dumps(every), encoding="utf-8")
