"""Install what a buildout is missing in one go, before it would fetch one at a time.

``bin/buildout`` resolves and downloads distributions singly: 68 s for Zope and ZEO, where
uv installs the same pins in 2 s and buildout then finds them (FACTS, "Provisioning").
Where uv is not in the environment, nothing happens and buildout does it all itself.
"""

from __future__ import annotations

import importlib
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pkg_resources
from zc.buildout import UserError, easy_install

logger = logging.getLogger(__name__)


def install(requirements: Iterable[str], buildout: Mapping[str, str]) -> None:
    """Install the missing requirements at the pinned versions, into this environment.

    A distribution that is there in another version is left to buildout, which puts the
    pinned one into its eggs directory: running instances keep the files they started with.

    :param buildout: the options of the [buildout] section.
    :raises UserError: where uv fails; buildout would, too, after minutes.
    """
    uv = Path(sys.prefix) / "bin" / "uv"
    missing = [name for name in requirements if not _present(name)]
    if not missing or buildout.get("offline") == "true" or not uv.exists():
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
    pkg_resources.working_set.__init__()


def _sources(buildout: Mapping[str, str]) -> Iterator[str]:
    """Where the user has buildout look for distributions, in uv's words."""
    for link in buildout.get("find-links", "").split():
        yield f"--find-links={link}"
    if index := buildout.get("index"):
        yield f"--index-url={index}"


def _present(requirement: str) -> bool:
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
