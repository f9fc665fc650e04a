"""Where the files of a stack are."""

from __future__ import annotations

import os
from pathlib import Path

from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import optional_path, path


@feature
class Directories(Feature):
    """Directories that a user chooses; the buildout's own are the Stack's."""

    templates: Path | None = option(
        optional_path,
        "",
        "A directory whose files replace the packaged templates of the same name.",
    )
    var: Path = option(path, "var", "Where the database, logs, sockets and the password live.")

    @property
    def shared(self) -> dict[str, Path]:
        """What add-ons would keep in the directory of one instance: the environment variable that
        names a directory, and the one that all instances have instead
        (docs/explanation/second-instance.rst).
        """
        return {
            "TUS_TMP_FILE_DIR": self.var / "tus-uploads",
            "COLLECTIVE_EXPORTIMPORT_CENTRAL_DIRECTORY": self.var / "exportimport",
        }

    def check(self) -> None:
        """Check that templates are a directory and that var can be written to.

        :raises Refused: where they are not.
        """
        # Path.is_dir raises for a name that is too long.
        if self.templates and not os.path.isdir(self.templates):  # noqa: PTH112
            raise Refused("templates", f"a directory, but {self.templates} is not one")
        check_writable("var", self.var)


def check_writable(option: str, directory: Path) -> None:
    """Check that a directory can be written to, or made.

    :param option: that names it.
    :raises Refused: where it cannot.
    """
    existing = next(each for each in (directory, *directory.parents) if os.path.lexists(each))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise Refused(option, f"a directory you can write to, but {existing} is not one")
