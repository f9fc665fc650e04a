"""Which of the files that a buildout extends stay as they are, and which it has to say itself."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from zc.buildout import configparser

from zopestack.adopt.original import Original, Place

#: Options of [buildout] that name files to extend.
EXTENDS = ("extends", "optional-extends")


class Extends:
    """The files of a buildout.

    A file that has to do with a section which changes is not extended any more: what else it says
    is written anew. Of files elsewhere (URLs) all are kept, or none.

    :param changed: the sections that change.
    """

    def __init__(self, original: Original, changed: Collection[str]) -> None:
        self._original = original
        self._main = str(original.path)
        self._graph = dict(_graph(self._main))
        used = {
            source
            for name in changed
            for sources in original.sources(name).values()
            for source in sources
        }
        self._changed = used | {self._main}
        self._remote = not any("://" in source for source in used)
        self._all = self._below(self._main)
        self._still = {each for entry in self._paths() for each in self._below(entry)}

    def entries(self) -> list[str]:
        """What to extend, in this order: relative to the directory of the buildout, or a URL."""
        return list(dict.fromkeys(self._entries(self._main)))

    def left(self) -> Iterator[tuple[str, Place]]:
        """The files that are not extended any more, and where they are named."""
        for file in sorted(self._all):
            for each in self._graph.get(file, ()):
                if each not in self._still:
                    remote = "://" in each
                    shown = each if remote else os.path.relpath(each, self._original.directory)
                    yield shown, self._original.at(file, "buildout", "extends")

    def keeps(self, name: str, option: str) -> bool:
        """Whether an option comes from one of these, as it is."""
        return all(map(self._says, self._original.sources(name)[option]))

    def _says(self, source: str) -> bool:
        """Whether a file is still read; defaults of buildout and of its user are."""
        return source in self._still or ("://" not in source and source not in self._all)

    def _paths(self) -> Iterator[str]:
        for entry in self.entries():
            remote = "://" in entry
            yield entry if remote else os.path.normpath(self._original.directory / entry)

    def _entries(self, file: str) -> Iterator[str]:
        for each in self._graph.get(file, ()):
            if self._kept(each):
                yield each if "://" in each else os.path.relpath(each, self._original.directory)
            else:
                yield from self._entries(each)

    def _kept(self, file: str) -> bool:
        if "://" in file:
            return self._remote
        return all(each not in self._changed for each in self._below(file)) and all(
            self._remote for each in self._below(file) if "://" in each
        )

    def _below(self, file: str) -> set[str]:
        """A file and all that it extends; of files elsewhere, all that have been read."""
        if "://" in file:
            names = self._original.names
            every = (s for name in names for s in self._original.sources(name).values())
            return {file} | {each for found in every for each in found if "://" in each}
        return {file}.union(*map(self._below, self._graph[file]))


def _graph(file: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A local file and all below it, each with the files that it names."""
    named = _extended(file)
    yield file, named
    for each in named:
        if "://" not in each:
            yield from _graph(each)


def _extended(file: str) -> tuple[str, ...]:
    """The files that a local file names, absolute, or URLs."""
    found: list[str] = []
    with suppress(OSError):
        with open(file, encoding="utf-8") as opened:
            own = configparser.parse(opened, file).get("buildout", {})
        for option in EXTENDS:
            for each in own.get(option, "").split():
                path = each if "://" in each else os.path.normpath(Path(file).parent / each)
                if "://" in each or os.path.exists(path):  # noqa: PTH110
                    found.append(path)
    return tuple(found)
