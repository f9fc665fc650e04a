"""What uv has to be told on this machine: it does not read pip's settings, and needs a cache.

Nothing but the standard library, since scripts/bootstrap.py uses it before anything is installed.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

#: Settings of pip (``pip config list``) and the variables of uv and of its connections that mean
#: the same (uv's manual, "Environment variables"), with what separates several values.
SETTINGS = {
    "index-url": (("UV_DEFAULT_INDEX",), " "),
    "extra-index-url": (("UV_EXTRA_INDEX_URL",), " "),
    "find-links": (("UV_FIND_LINKS",), ","),
    "timeout": (("UV_HTTP_TIMEOUT",), " "),
    "trusted-host": (("UV_INSECURE_HOST",), " "),
    "proxy": (("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"), " "),
    "cert": (("SSL_CERT_FILE",), " "),
    "client-cert": (("SSL_CLIENT_CERT",), " "),
}

#: Where pip's settings come from, the strongest last (its manual, "Precedence / Override order").
STRENGTH = ("global", "install", ":env:")


def environment(python: str, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment in which uv goes where pip would.

    :param python: an interpreter with pip; without one, pip's settings are left out.
    :param own: the variables so far, which win.
    """
    done = subprocess.run(
        [python, "-m", "pip", "config", "list"],
        env=dict(own),
        capture_output=True,
        text=True,
        check=False,
    )
    # pip takes a release from any index; uv by default only from the first that has the package.
    made = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if not done.returncode:
        made |= of_pip(done.stdout)
    if not _cacheable(own):
        made["UV_NO_CACHE"] = "1"
    return {**made, **own}


def of_pip(listed: str) -> dict[str, str]:
    """uv's variables for what ``pip config list`` has printed: ``section.name='value'`` lines."""
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        name, equals, text = line.partition("=")
        section, _, setting = name.rpartition(".")
        if not equals or setting not in SETTINGS or section not in STRENGTH:
            continue
        strength = STRENGTH.index(section)
        if strength >= found.get(setting, (0, ""))[0]:
            found[setting] = strength, str(ast.literal_eval(text))
    return {
        variable: between.join(filter(_usable, value.split()))
        for setting, (_, value) in found.items()
        for variables, between in [SETTINGS[setting]]
        for variable in variables
    }


def _usable(value: str) -> bool:
    """Whether a value is no directory that is missing: pip ignores one, uv fails."""
    path = value.removeprefix("file://")
    return not path.startswith("/") or Path(path).exists()


def _cacheable(own: Mapping[str, str]) -> bool:
    """Whether uv's cache can be written: not with a home that is missing or read-only."""
    home = own.get("HOME")
    caches = own.get("XDG_CACHE_HOME") or (home and f"{home}/.cache")
    cache = own.get("UV_CACHE_DIR") or (caches and f"{caches}/uv")
    if not cache:
        return False
    place = Path(cache).absolute()
    existing = next(each for each in (place, *place.parents) if os.path.lexists(each))
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
