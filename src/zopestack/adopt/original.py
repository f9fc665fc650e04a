"""A buildout as buildout reads it, with all that it extends; nothing is run or made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zc.buildout import UserError, configparser
from zc.buildout.buildout import Buildout, Options

from zopestack.buildout import macros

#: A reference: the section, and the option.
REFERENCE = re.compile(r"\$\{([-\w. ]*):([-\w. ]+)\}")

#: Where a part is, as recipes say it in an option of their own.
LOCATION = "location"


class Unreadable(Exception):
    """Buildout itself could not read the file; the message says why."""


class _Begun(Exception):
    """Everything has been read, and nothing made."""


class _Options(Options):  # type: ignore[misc]
    """A section whose recipe is not loaded."""

    def _initialize(self) -> None:
        self._raw: dict[str, str] = self._do_extend_raw(self.name, self._raw, [])

    def get(self, option: str, default: Any = None, seen: Any = None) -> Any:
        found = super().get(option, None, seen)
        if found is None and option == LOCATION and "recipe" in self._raw:
            return str(Path(self.buildout["buildout"]["parts-directory"]) / self.name)
        return default if found is None else found


class _Buildout(Buildout):  # type: ignore[misc]
    Options = _Options

    def __init__(self, path: Path, directory: Path | None) -> None:
        given = [("buildout", "directory", str(directory))] if directory else []
        with suppress(_Begun):
            super().__init__(str(path), given)

    def _setup_logging(self) -> None:
        # What follows makes directories.
        raise _Begun


@dataclass(frozen=True)
class Place:
    """Where an option is written, or a section.

    :param file: relative to the directory of the buildout where it is below it; a URL as it is.
    :param line: from 1; 0 where it is not known.
    """

    section: str
    option: str
    file: str
    line: int = 0

    def __str__(self) -> str:
        what = f"[{self.section}] {self.option}".rstrip()
        return f"{what} ({self.file}:{self.line})" if self.line else f"{what} ({self.file})"


class Original:
    """What a buildout says.

    :param directory: the directory of the buildout, if it is not that of its file.
    :ivar buildout: zc.buildout's own.
    :raises Unreadable: where buildout would not read it.
    """

    def __init__(self, path: Path, directory: Path | None = None) -> None:
        self.path = path.absolute()
        try:
            self.buildout = _Buildout(self.path, directory)
        # A file that it extends may be missing, and anything can happen on the way to a URL.
        except (UserError, OSError, configparser.Error) as why:
            raise Unreadable(f"{path} cannot be read: {_said(why)}") from None
        except KeyError as missing:
            raise Unreadable(f"{path} cannot be read: no section [{missing.args[0]}]") from None
        self.directory = Path(self.buildout["buildout"]["directory"])
        #: The names of all sections.
        self.names: tuple[str, ...] = tuple(self.buildout._raw)

    def bases(self, name: str) -> tuple[str, ...]:
        """The sections that a section takes from by ``<=``, and those that these take from."""
        direct = macros.extended(self.buildout, name) if name in self.names else ()
        return tuple(dict.fromkeys(each for base in direct for each in (base, *self.bases(base))))

    def options(self, name: str) -> dict[str, str]:
        """A section with what it takes from others; references are as they are written.

        :raises Unreadable: where one of those is missing.
        """
        try:
            return macros.merged(self.buildout, name) if name in self.names else {}
        except UserError as why:
            raise Unreadable(f"[{name}] of {self.path} cannot be read: {_said(why)}") from None

    def written(self, name: str) -> dict[str, str]:
        """A section as it is written, ``<`` included."""
        return dict(self.buildout._raw[name])

    def recipe(self, name: str) -> str:
        """The distribution of a section's recipe; empty for a section that is no part."""
        return re.split(r"[:=<>\s]", self.options(name).get("recipe", "").strip())[0]

    def value(self, name: str, option: str) -> str:
        """An option with its references resolved as far as that is possible without recipes."""
        return self.resolved(self.options(name).get(option, ""), name).strip()

    def resolved(self, text: str, name: str) -> str:
        """A text of a section with its references resolved; those that only a recipe knows stay."""

        def found(reference: re.Match[str]) -> str:
            with suppress(UserError, KeyError):
                return str(self.buildout[reference[1] or name][reference[2]])
            return reference[0]

        return REFERENCE.sub(found, text)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts in the order they are named; those that are only referred to come last."""
        named = self.value("buildout", "parts").split()
        return tuple(name for name in reached(self, named) if self.recipe(name))

    def place(self, name: str, option: str = "") -> Place:
        """Where an option is written: in the section itself, or in one that it takes from."""
        for section in (name, *self.bases(name)):
            for key, found in self.buildout._annotated.get(section, {}).items():
                if option in ("", key) and Path(found.source).name != found.source:
                    return self.at(found.source, section, option)
        return Place(name, option, self._shown(str(self.path)))

    def sources(self, name: str) -> dict[str, tuple[str, ...]]:
        """Every file that has to do with an option of a section, the last one at the end."""
        return {
            option: tuple(_file(item.source) for item in key.history)
            for option, key in self.buildout._annotated.get(name, {}).items()
        }

    def at(self, source: str, section: str, option: str) -> Place:
        """Where a file writes an option."""
        with suppress(OSError, UnicodeDecodeError):
            lines = Path(source).read_text(encoding="utf-8").splitlines()
            line = _line(lines, section, option)
            return Place(section, option, self._shown(source), line)
        return Place(section, option, source)

    def _shown(self, source: str) -> str:
        path = Path(source)
        below = path.is_relative_to(self.directory)
        return str(path.relative_to(self.directory)) if below else source


def references(text: str) -> Iterator[str]:
    """The sections that a text refers to."""
    for found in REFERENCE.finditer(text):
        if found[1]:
            yield found[1]


def reached(original: Original, names: list[str]) -> dict[str, None]:
    """These sections and all that they refer to or take from, each once."""
    found: dict[str, None] = dict.fromkeys(name for name in names if name in original.names)
    waiting = list(found)
    while waiting:
        name = waiting.pop(0)
        texts = " ".join(original.options(name).values())
        for other in (*references(texts), *original.bases(name)):
            if other in original.names and other not in found and other != "buildout":
                found[other] = None
                waiting.append(other)
    return found


def _line(lines: list[str], section: str, option: str) -> int:
    """The last line that begins an option of a section, or the section; 0 where there is none."""
    found, inside = 0, False
    for number, line in enumerate(lines, 1):
        if header := configparser.section_header(line):
            inside = header["name"] == section
            if inside and not option:
                found = number
        start = configparser.option_start(line) if inside else None
        if start and start["name"].rstrip("+- ") == option:
            found = number
    return found


def _file(source: str) -> str:
    """A file as everybody else names it: buildout leaves ``..`` where it stands."""
    return source if "://" in source else os.path.normpath(source)


def _said(why: BaseException) -> str:
    # A UserError has its words as arguments.
    return " ".join(map(str, why.args)) if isinstance(why, UserError) else str(why)
