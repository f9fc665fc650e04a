"""A fresh copy of this checkout, as a newcomer has it after `git clone`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.harness import CHECKOUT, Site

#: Seconds for everything from nothing to a running Plone, several times over.
PATIENCE = 500.0


class Checkout(Site):
    """The checkout's own buildout.cfg on free ports, and its scripts.

    The home directory is an empty one; only what pip and uv have downloaded before is used
    again.
    """

    def __init__(self, **options: object) -> None:
        super().__init__("", **options)
        for name in _tracked():
            copy = self.directory / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, copy)
        home = self.directory / "home"
        home.mkdir()
        caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self.environment |= {"HOME": str(home), "XDG_CACHE_HOME": caches}
        self.options.pop("instances")
        self.configure("", **options)

    def configure(self, sections: str = "", **options: object) -> None:
        """Edit buildout.cfg as a user does: change the lines that are there, add the others."""
        self.options |= {name.replace("_", "-"): value for name, value in options.items()}
        text = (CHECKOUT / "buildout.cfg").read_text(encoding="utf-8")
        for name, value in self.options.items():
            line = f"{name} = {value}"
            text, replaced = re.subn(rf"^{name} = .*$", line, text, flags=re.MULTILINE)
            if not replaced:
                text = text.replace("[stack]\n", f"[stack]\n{line}\n")
        (self.directory / "buildout.cfg").write_text(f"{text}\n{sections}\n", encoding="utf-8")

    def script(
        self, name: str, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of scripts/.

        :param environment: variables over those of the tests, such as ``PYTHON``.
        """
        before: Mapping[str, str] = self.environment
        self.environment = {**before, **environment}
        try:
            return self.run(f"scripts/{name}", *arguments, check=check, timeout=PATIENCE)
        finally:
            self.environment = dict(before)


def _tracked() -> list[str]:
    """What a clone of this working tree would hold, not yet committed files included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).exists()]
