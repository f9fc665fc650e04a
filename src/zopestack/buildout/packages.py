"""Install what a buildout is missing in one go, before it would fetch one at a time.

``bin/buildout`` resolves and downloads distributions singly: 68 s for Zope and ZEO, where
uv installs the same pins in 2 s and buildout then finds them (FACTS, "Provisioning").
Where uv is not in the environment, nothing happens and buildout does it all itself.
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

logger = logging.getLogger(__name__)


def install(requirements: Iterable[str], buildout: Mapping[str, str]) -> None:
    """Install the missing requirements at the pinned versions, into this environment.

    A distribution that is there in another version is left to buildout, which puts the
    pinned one into its eggs directory: running instances keep the files they started with.
    So is one that the user develops, whose name may be anybody's on PyPI.

    :param buildout: the options of the [buildout] section.
    :raises UserError: where uv fails, or where it may not try; buildout would, too, after
        minutes, which it spends on the index even offline.
    """
    uv = Path(sys.prefix) / "bin" / "uv"
    missing = _missing(requirements, buildout)
    if missing and buildout.get("offline") == "true":
        raise UserError(
            f"Not installed: {', '.join(missing)}; and buildout is offline (-o).\n"
            "  Check the names under eggs, or run bin/buildout once with a network."
        )
    if not missing or not uv.exists():
        return
    logger.info("Installing %s with uv.", ", ".join(missing))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        pins = easy_install.default_versions() or {}
        constraints.writelines(f"{name}=={pin}\n" for name, pin in pins.items() if pin[0].isdigit())
        constraints.flush()
        command = [str(uv), "pip", "install", "--system-certs", "--python", sys.executable]
        command += ["-c", constraints.name, *_sources(buildout)]
        done = subprocess.run([*command, *missing], check=False)
    if done.returncode:
        raise UserError(
            f"uv could not install {', '.join(missing)}; what it said stands above.\n"
            "  Check the names under eggs and their pins under [versions], and the network."
        )
    importlib.invalidate_caches()
    # Buildout has a pkg_resources of its own, which is what its recipes use.
    easy_install.pkg_resources.working_set.__init__()


def _sources(buildout: Mapping[str, str]) -> Iterator[str]:
    """Where the user has buildout look for distributions, in uv's words."""
    for link in buildout.get("find-links", "").split():
        yield f"--find-links={link}"
    if index := buildout.get("index"):
        yield f"--index-url={index}"


def _missing(requirements: Iterable[str], buildout: Mapping[str, str]) -> list[str]:
    eggs = map(str, Path(buildout["eggs-directory"]).glob("*.egg"))
    path = [buildout["develop-eggs-directory"], *eggs, *sys.path]
    known = set(map(canonicalize_name, easy_install.pkg_resources.Environment(path)))
    return [text for text in requirements if canonicalize_name(Requirement(text).name) not in known]
