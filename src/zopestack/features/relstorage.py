"""A relational database, as RelStorage is told of it: its options under their own names.

They are those of ``[relstorage]``, or of ``rel-storage`` in ``[instance]`` as
plone.recipe.zope2instance takes it. The names and values are checked by RelStorage itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Options = tuple[tuple[str, str], ...]

#: Options of any database are named with a ``-``, those of one kind are not, but for these
#: (RelStorage 4.3, ``component.xml``).
GENERIC = ("name", "revert_when_stale")
SPECIFIC = ("data-dir",)

#: How plone.recipe.zope2instance names options of the section ``<pragmas>`` of SQLite.
PRAGMA = "pragmas-"

#: What it makes a dsn of, where there is none.
PARTS_OF_DSN = ("dbname", "user", "host", "password")

#: The option that names the kind of database, the kind that needs no server, and the one taken
#: where none is named, as plone.recipe.zope2instance does.
TYPE, SQLITE, DEFAULT = "type", "sqlite3", "postgresql"

#: The kind that only its own tools back up.
ORACLE = "oracle"

#: What RelStorage takes for yes (ZConfig, ``asBoolean``).
TRUE = ("true", "yes", "on")

#: Options that are directories; a relative one is below the buildout's.
DIRECTORIES = ("blob-dir", "cache-local-dir", "data-dir")


@dataclass(frozen=True)
class Relstorage:
    """What RelStorage is told.

    :param kind: of the database: ``postgresql``, ``mysql``, ``oracle`` or ``sqlite3``.
    :param generic: options of any database.
    :param specific: options of this kind.
    :param pragmas: of SQLite.
    """

    kind: str
    generic: Options
    specific: Options
    pragmas: Options

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Relstorage:
        """What the options mean.

        :param given: with the defaults.
        """
        options = dict(given)
        kind = options.pop(TYPE, DEFAULT)
        if kind == DEFAULT and "dsn" not in options and {*PARTS_OF_DSN} <= options.keys():
            parts = [(name, options.pop(name)) for name in PARTS_OF_DSN]
            options["dsn"] = " ".join(f"{name}={_quoted(text)}" for name, text in parts)
        found: dict[str, list[tuple[str, str]]] = {"generic": [], "specific": [], "pragmas": []}
        for name, text in sorted(options.items()):
            called, where = _placed(name)
            found[where].append((called, text))
        return cls(kind, **{where: tuple(pairs) for where, pairs in found.items()})

    @property
    def keep_history(self) -> bool:
        """Whether old revisions are kept, as RelStorage does where nobody says."""
        return dict(self.generic).get("keep-history", "true").lower() in TRUE

    @property
    def shared_blobs(self) -> Path | None:
        """The directory of the blobs; None where they are in the database."""
        options = dict(self.generic)
        shared = options["shared-blob-dir"].lower() in TRUE
        return Path(options["blob-dir"]) if shared else None

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories that have to be there."""
        pairs = (*self.generic, *self.specific)
        return tuple(text for name, text in pairs if name in DIRECTORIES)


def _placed(name: str) -> tuple[str, str]:
    if name.startswith(PRAGMA):
        return name.removeprefix(PRAGMA), "pragmas"
    generic = name in GENERIC or ("-" in name and name not in SPECIFIC)
    return name, "generic" if generic else "specific"


def _quoted(text: str) -> str:
    r"""A value in a connection string (PostgreSQL's manual, "Connection Strings").

    >>> print(_quoted("it's"))
    'it\'s'
    """
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
