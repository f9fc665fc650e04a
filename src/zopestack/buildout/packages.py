"""Install all missing distributions at once, because buildout fetches them one at a time.

``bin/buildout`` resolves and downloads each distribution by itself: 68 s for Zope and ZEO. uv
installs the same pins in 2 s, and buildout then finds them (docs/explanation/measured.rst,
"Provisioning"). Without uv in the environment, nothing happens here and buildout fetches them.
"""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from zc.buildout import UserError, easy_install

from zopestack.buildout.uv import environment

logger = logging.getLogger(__name__)


def install(requirements: Iterable[str], buildout: Mapping[str, str]) -> None:
    """Install missing requirements at their pinned versions into this environment.

    Two kinds are left to buildout. One is a distribution that is installed in another version:
    buildout puts the pinned one into its eggs directory, so that running instances keep their
    files. The other is one that the user develops, because an unrelated project may have its
    name on PyPI.

    :param buildout: the options of the [buildout] section.
    :raises UserError: if uv fails, or if buildout is offline; buildout would fail too, but only
        after minutes, because it queries the index even when offline.
    """
    uv = Path(sys.prefix) / "bin" / "uv"
    missing = _missing(requirements, buildout)
    if missing and buildout.get("offline") == "true":
        raise UserError(
            f"Not installed, and buildout is offline (-o): {', '.join(missing)}.\n"
            "  Check the names under eggs, or run bin/buildout once with a network."
        )
    if not missing or not uv.exists():
        return
    logger.info("Installing %s with uv.", ", ".join(missing))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        pins = easy_install.default_versions() or {}
        constraints.writelines(
            f"{name}=={pin}\n" for name, pin in pins.items() if pin[:1].isdigit()
        )
        constraints.flush()
        command = [str(uv), "pip", "install", "--system-certs", "--python", sys.executable]
        command += ["-c", constraints.name, *_sources(buildout)]
        done = subprocess.run([*command, *missing], env=environment(sys.executable), check=False)
    if done.returncode:
        raise UserError(
            f"uv could not install {', '.join(missing)}; see its output above.\n"
            "  Check the names under eggs and their pins under [versions], and the network."
        )
    importlib.invalidate_caches()
    # Refresh buildout's own copy of pkg_resources, which its recipes use.
    easy_install.pkg_resources.working_set.__init__()


def _sources(buildout: Mapping[str, str]) -> Iterator[str]:
    """Yield uv's options for the places where buildout looks for distributions."""
    for link in buildout.get("find-links", "").split():
        yield f"--find-links={link}"
    if index := buildout.get("index"):
        yield f"--index-url={index}"


def _missing(requirements: Iterable[str], buildout: Mapping[str, str]) -> list[str]:
    eggs = map(str, Path(buildout["eggs-directory"]).glob("*.egg"))
    path = [buildout["develop-eggs-directory"], *eggs, *sys.path]
    known = set(map(canonicalize_name, easy_install.pkg_resources.Environment(path)))
    return [text for text in requirements if canonicalize_name(Requirement(text).name) not in known]
