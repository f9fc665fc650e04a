"""Whether a buildout that has been composed is one that bin/buildout accepts."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from zc.buildout import UserError

from zopestack.adopt.original import Original, Unreadable
from zopestack.buildout import references
from zopestack.buildout import sections as section_reader
from zopestack.config.errors import Place
from zopestack.config.read import Buildout, read

STACK = "stack"

Section = Mapping[str, str]


def objection(original: Original, sections: Mapping[str, Section]) -> str:
    """What is wrong with the options of [stack] and of the sections of its parts; the first only.

    :param original: whose directory it will be in.
    """
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        file = Path(directory) / "stack.cfg"
        file.write_text(written(_absolute(sections, original.directory)), encoding="utf-8")
        try:
            made = Original(file, original.directory)
        except Unreadable as why:
            return str(why)
    before = logging.root.manager.disable
    # Warnings are for who runs bin/buildout.
    logging.disable(logging.WARNING)
    try:
        _read(made)
    except UserError as why:
        return " ".join(str(why).split()).rstrip(".")
    finally:
        logging.disable(before)
    return ""


def _read(made: Original) -> None:
    """Read it as the recipe does."""
    options = made.buildout[STACK]
    given = dict(options)
    references.set_defaults(options)
    own, places = section_reader.read(made.buildout, STACK, given)
    where = Buildout(
        directory=made.directory,
        bin=Path(made.value("buildout", "bin-directory")),
        parts=Path(made.value("buildout", "parts-directory")),
    )
    # Without the name of a file that is not there any more.
    shown = {key: Place(place.section) for key, place in places.items()}
    read(STACK, given, own, where, shown)


def written(sections: Mapping[str, Section]) -> str:
    """The text of a buildout."""
    blocks = []
    for name, section in sections.items():
        lines = [f"[{name}]"]
        for option, text in section.items():
            sign = "<=" if option == "<" else f"{option} ="
            values = [line for line in text.split("\n") if line.strip()]
            if len(values) == 1:
                lines.append(f"{sign} {values[0].strip()}")
            else:
                lines += [sign, *(f"    {line}" for line in values)]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _absolute(sections: Mapping[str, Section], directory: Path) -> dict[str, Section]:
    own = dict(sections["buildout"])
    extended = own.get("extends", "").split()
    if extended:
        paths = (each if "://" in each else str(directory / each) for each in extended)
        own["extends"] = "\n".join(paths)
    return {**sections, "buildout": own}
