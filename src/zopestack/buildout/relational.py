"""Whether RelStorage knows the options it is given, and each database lets it in.

Both are asked before buildout uninstalls anything. A database that does not answer at all may do so
later: that is a warning.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from zc.buildout import UserError

from zopestack import stack_file
from zopestack.backups import needed
from zopestack.buildout import connection
from zopestack.config.relstorage import SECTION, section_of
from zopestack.features.option import STACK
from zopestack.features.relstorage import SQLITE, TYPE, Relstorage
from zopestack.features.unknown_name import nearest
from zopestack.model import Stack
from zopestack.render.files import database

logger = logging.getLogger(__name__)

#: Timeout in seconds: longer than a driver waits for a server that does not answer.
PATIENCE = 120


def check(stack: Stack, locations: Iterable[str]) -> None:
    """Check what the stack says of its relational databases.

    :param locations: of the distributions that the instances import.
    :raises UserError: for an option that RelStorage does not have, and where a database refuses.
    """
    where = list(locations)
    for each in stack.relstorages:
        _check_names(each, where)
    if stack.relstorages and stack.backups.backup:
        _check_backups(stack, where)
    texts = database(stack)
    files = {each.name: stack.database_conf_of(each.name) for each in stack.relstorages}
    asked = {each.name: texts[files[each.name]] for each in stack.relstorages if not _new(each)}
    # Again when something has changed only.
    if any(not _written(files[name], text) for name, text in asked.items()):
        _check_connections(asked, where)


def _written(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text("utf-8") == text


def _new(given: Relstorage) -> bool:
    """Whether it is a file that a connection would make."""
    return given.kind == SQLITE and not all(map(os.path.isdir, given.directories))


def _check_names(given: Relstorage, locations: list[str]) -> None:
    for location in locations:
        component = Path(location) / "relstorage" / "component.xml"
        if component.is_file():
            break
    else:
        raise UserError(f"[{SECTION}]\n  is not accepted: no distribution has RelStorage.")
    # A file of the distribution, whose code is run anyway.
    described = ElementTree.parse(component)  # noqa: S314
    section = section_of(given.name)
    types = {each.get("name", ""): each for each in described.iter("sectiontype")}
    kinds = [n for n, each in types.items() if each.get("implements") == "relstorage.adapter"]
    if given.kind not in kinds:
        raise UserError(
            f"[{section}] {TYPE} = {given.kind}\n  is not accepted: expected {', '.join(kinds)}."
        )
    for options, of in ((given.generic, SECTION), (given.specific, given.kind)):
        known = list(_keys(types[of]))
        for name, _ in options:
            if name not in known:
                raise UserError(
                    f"[{section}] {name}\n  is not accepted: RelStorage has no such option for "
                    f"{given.kind}; {nearest(name, [*_keys(types[SECTION]), *known])}"
                )


def _keys(kind: ElementTree.Element) -> Iterator[str]:
    yield from (each.get("name", "") for each in kind.iter("key"))


def _check_backups(stack: Stack, locations: list[str]) -> None:
    status, said = _run(needed.__name__, stack_file.dumps(stack), locations)
    if status:
        raise UserError(f"[{STACK}] backup\n  cannot be done: {said}.")


def _check_connections(texts: Mapping[str, str], locations: list[str]) -> None:
    status, said = _run(connection.__name__, json.dumps(texts), locations)
    if status:
        # A bug, or a driver that cannot be imported.
        raise UserError(f"[{SECTION}]\n  is not accepted: {said}.")
    for name, (state, why) in json.loads(said).items():
        if state == connection.REFUSED:
            raise UserError(f"[{section_of(name)}]\n  is not accepted: {why}.")
        logger.warning("[%s]: the database does not answer: %s", section_of(name), why)


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
