"""Whether RelStorage knows the options it is given, and the database lets it in.

Both are asked before buildout uninstalls anything. A database that does not answer at all may do so
later: that is a warning.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from zc.buildout import UserError

from zopestack import stack_file
from zopestack.backups import needed
from zopestack.buildout import connection
from zopestack.config.relstorage import SECTION
from zopestack.features.option import STACK
from zopestack.features.relstorage import SQLITE, TYPE, Relstorage
from zopestack.features.unknown_name import nearest
from zopestack.model import Stack
from zopestack.render.files import database

logger = logging.getLogger(__name__)

#: Timeout in seconds: longer than a driver waits for a server that does not answer.
PATIENCE = 120


def check(stack: Stack, locations: Iterable[str]) -> None:
    """Check what the stack says of a relational database, if it has one.

    :param locations: of the distributions that the instances import.
    :raises UserError: for an option that RelStorage does not have, and where the database refuses.
    """
    if not stack.relstorage:
        return
    where = list(locations)
    _check_names(stack.relstorage, where)
    if stack.backups.backup:
        _check_backups(stack, where)
    (text,) = database(stack).values()
    new = not all(map(os.path.isdir, stack.relstorage.directories))
    if new and stack.relstorage.kind == SQLITE:
        # It would make the file.
        return
    # Asked again when something has changed only.
    if not stack.database_conf.is_file() or stack.database_conf.read_text("utf-8") != text:
        _check_connection(text, where)


def _check_names(given: Relstorage, locations: list[str]) -> None:
    for location in locations:
        component = Path(location) / "relstorage" / "component.xml"
        if component.is_file():
            break
    else:
        raise UserError(f"[{SECTION}]\n  is not accepted: no distribution has RelStorage.")
    # A file of the distribution, whose code is run anyway.
    described = ElementTree.parse(component)  # noqa: S314
    types = {each.get("name", ""): each for each in described.iter("sectiontype")}
    kinds = [n for n, each in types.items() if each.get("implements") == "relstorage.adapter"]
    if given.kind not in kinds:
        raise UserError(
            f"[{SECTION}] {TYPE} = {given.kind}\n  is not accepted: expected {', '.join(kinds)}."
        )
    for options, of in ((given.generic, SECTION), (given.specific, given.kind)):
        known = list(_keys(types[of]))
        for name, _ in options:
            if name not in known:
                raise UserError(
                    f"[{SECTION}] {name}\n  is not accepted: RelStorage has no such option for "
                    f"{given.kind}; {nearest(name, [*_keys(types[SECTION]), *known])}"
                )


def _keys(kind: ElementTree.Element) -> Iterator[str]:
    yield from (each.get("name", "") for each in kind.iter("key"))


def _check_backups(stack: Stack, locations: list[str]) -> None:
    status, said = _run(needed.__name__, stack_file.dumps(stack), locations)
    if status:
        raise UserError(f"[{STACK}] backup\n  cannot be done: {said}.")


def _check_connection(text: str, locations: list[str]) -> None:
    status, said = _run(connection.__name__, text, locations)
    if status == connection.NO_ANSWER:
        logger.warning("[%s]: the database does not answer: %s", SECTION, said)
    elif status:
        raise UserError(f"[{SECTION}]\n  is not accepted: {said}.")


def _run(module: str, text: str, locations: list[str]) -> tuple[int, str]:
    """Run a module with the instances' eggs; its exit status, and the last line that it says."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*locations, *sys.path])},
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # Drivers log there, too.
    said = (done.stdout.strip() or done.stderr.strip()).splitlines() or [""]
    return done.returncode, said[-1]
