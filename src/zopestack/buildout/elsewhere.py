"""A part installed in a directory of its own, where nobody sees it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack import files

#: Options that name a file or directory which a recipe makes.
MADE = (
    *("access-log", "blob-storage", "client-home", "event-log", "file-storage", "import-directory"),
    *("lock-file", "pid-file", "socket-name", "template-cache", "var", "z2-log", "zeo-log"),
)

#: The same, from the directory of the buildout on; the recipe does not make their parents.
MADE_ALONE = ("locales", "resources")

#: Options whose lines may name files in the directory of the option ``var``.
LINES = ("storage-wrapper", "zeo-conf-additional", "zope-conf-additional")

#: Where zc.recipe.egg keeps, in the buildout, the distributions that it has found.
FOUND = "_zc_recipe_egg_working_set_cache"


class Options(dict[str, str]):
    """The options of a part, which note those that its recipe reads."""

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The same as of a dictionary."""
        self.read.add(name)
        return super().get(name, default)


class Elsewhere:
    """A buildout that makes everything below another directory.

    :param home: stands for the root of the file system.
    """

    def __init__(self, buildout: Any, home: Path) -> None:
        self.home = home
        self._buildout = buildout
        self._written: dict[str, str] = {}
        own = dict(buildout["buildout"])
        self._directory = Path(own["directory"])
        moved = {name: f"{home}{own[name]}" for name in ("bin-directory", "parts-directory")}
        for directory in moved.values():
            Path(directory).mkdir(parents=True)
        # Relative paths would start at the buildout's own directory.
        self._own = {**own, **moved, "relative-paths": "false"}
        setattr(self, FOUND, getattr(buildout, FOUND, {}))

    def __getitem__(self, name: str) -> Any:
        return self._own if name == "buildout" else self._buildout[name]

    def install(self, part: str, given: Mapping[str, str]) -> Options:
        """Install a part with these options, and return them with what its recipe has read.

        :raises UserError: where a file that they name could not be made in its own place.
        :raises Exception: whatever the recipe raises.
        """
        options = Options({name: self._moved(name, text) for name, text in given.items()})
        options.pop("relative-paths", None)
        moved = dict(self._written)
        if var := given.get("var"):
            moved[f"{var}/"] = f"{self.home}{var}/"
        for name in LINES:
            for path, there in moved.items() if name in given else ():
                options[name] = dict(options)[name].replace(path, there)
        with _quiet():
            type(self._buildout[part].recipe)(self, part, options).install()
        return options

    def write(self, path: Path, text: str, var: Path) -> None:
        """Write a file that a part includes, which names files in ``var``."""
        self.place(var).mkdir(parents=True, exist_ok=True)
        files.write(self.place(path), text.replace(f"{var}/", f"{self.home}{var}/"), mode=0o600)
        self._written[str(path)] = str(self.place(path))

    def place(self, path: Path) -> Path:
        """Where a path of the buildout is here."""
        return Path(f"{self.home}{path}")

    def _moved(self, name: str, text: str) -> str:
        alone = name in MADE_ALONE and text.strip()
        path = self._directory / text.strip() if alone else Path(text)
        if not alone and not (name in MADE and path.is_absolute()):
            return text
        existing = next(each for each in (path, *path.parents) if os.path.lexists(each))
        if not os.access(existing, os.W_OK):
            raise UserError(f"{name} = {text}: {existing} is not yours to write to")
        if not alone or existing in (path, path.parent):
            self.place(path.parent).mkdir(parents=True, exist_ok=True)
        return str(self.place(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines of what is made, which will be said when it is made in its place."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(before)
