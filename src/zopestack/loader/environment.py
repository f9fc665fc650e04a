"""The environment that ``bin/instanceN`` gives a Zope that is started alone
(plone.recipe.zope2instance 9.1, ``ctl``)."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def settle(zope_conf: str) -> None:
    """Give this process the variables of zope.conf from its start: execute it anew, unless it has
    them.

    Packages look at variables while they are imported, and some are imported to read zope.conf.
    """
    from Zope2.Startup.options import ZopeWSGIOptions

    before = dict(os.environ)
    add(Path(zope_conf))
    # Without what the import of a package may set, which need not be the same the next time.
    wanted = dict(os.environ)
    wanted.update(ZopeWSGIOptions(configfile=zope_conf)().configroot.environment)
    if wanted != before:
        os.execve(sys.executable, sys.orig_argv, wanted)


def add(configuration: Path) -> None:
    """Add what ``bin/instanceN`` adds, and what the files ``.env`` have.

    :param configuration: a file of the instance's in ``parts/NAME/etc``.
    """
    os.environ["ZEO_TMP"] = tempfile.gettempdir()
    os.environ["INSTANCE_HOME"] = str(configuration.parents[1])
    try:
        from dotenv import load_dotenv
    except ImportError:
        return
    home = configuration.parents[3]
    load_dotenv(home / ".env")
    if name := os.environ.get("PLONE_ENV"):
        load_dotenv(home / f".env.{name}")
