"""A relational database, as RelStorage is told of it: its options under their own names.

They are those of ``[relstorage]``, or of ``rel-storage`` in ``[instance]`` as
plone.recipe.zope2instance takes it. The names and values are checked by RelStorage itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zopestack.features import dsn

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

#: Of each kind of database, the options that say which one it is: none is a secret.
PLACE = {
    SQLITE: ("data-dir",),
    "mysql": ("host", "unix_socket", "port", "db", "read_default_file", "read_default_group"),
    "oracle": ("dsn", "user"),
}


@dataclass(frozen=True)
class Relstorage:
    """What RelStorage is told.

    :param name: of the database in zope.conf.
    :param kind: of the database: ``postgresql``, ``mysql``, ``oracle`` or ``sqlite3``.
    :param generic: options of any database.
    :param specific: options of this kind.
    :param pragmas: of SQLite.
    """

    name: str
    kind: str
    generic: Options
    specific: Options
    pragmas: Options

    @classmethod
    def of(cls, name: str, given: Mapping[str, str]) -> Relstorage:
        """What the options mean.

        :param given: with the defaults.
        """
        options = dict(given)
        kind = options.pop(TYPE, DEFAULT)
        if kind == DEFAULT and "dsn" not in options and {*PARTS_OF_DSN} <= options.keys():
            options["dsn"] = dsn.written({part: options.pop(part) for part in PARTS_OF_DSN})
        found: dict[str, list[tuple[str, str]]] = {"generic": [], "specific": [], "pragmas": []}
        for option, text in sorted(options.items()):
            called, where = _placed(option)
            found[where].append((called, text))
        return cls(name, kind, **{where: tuple(pairs) for where, pairs in found.items()})

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

    @property
    def place(self) -> str:
        """Which database it is, in words without a secret: the same for the same database, unless
        its address is written in two ways.
        """
        options = dict(self.specific)
        if self.kind == DEFAULT:
            told = dsn.place(options.get("dsn", ""))
        else:
            told = {name: options[name] for name in PLACE.get(self.kind, ()) if name in options}
        return " ".join([self.kind, *(f"{name}={text}" for name, text in told.items())])


def _placed(name: str) -> tuple[str, str]:
    if name.startswith(PRAGMA):
        return name.removeprefix(PRAGMA), "pragmas"
    return name, "generic" if is_generic(name) else "specific"


def is_generic(name: str) -> bool:
    """Whether it is an option of any kind of database."""
    return name in GENERIC or ("-" in name and name not in SPECIFIC and not name.startswith(PRAGMA))
