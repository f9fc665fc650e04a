"""The buildout recipe: hands a Stack to buildout as ordinary parts.

Everything that can be wrong is found in ``__init__``, before buildout has uninstalled
or written anything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack import files, haproxy, provision, rendering, settings, sites, tls
from zopestack.model import Stack
from zopestack.parts import FILES, distributions, parts

logger = logging.getLogger(__name__)


class Recipe:
    """``recipe = zopestack``: from ``[stack]`` to all parts of the deployment."""

    def __init__(self, buildout: Any, name: str, options: Any) -> None:
        own = buildout["buildout"]
        where = settings.Directories(
            buildout=Path(own["directory"]),
            bin=Path(own["bin-directory"]),
            parts=Path(own["parts-directory"]),
        )
        sections = _user_sections(buildout)
        self.stack = settings.read(name, dict(options), sections, where)
        self.rendered = _checked(self.stack, name)
        made = parts(self.stack, sections)
        provision.install(distributions(made), own)
        for part, part_options in made.items():
            # The user's section has been read into the part's options.
            buildout._raw.pop(part, None)
            buildout[part] = part_options
        buildout[FILES].recipe.stack = self

    def install(self) -> tuple[str, ...]:
        """Nothing: every file belongs to a part of its own."""
        return ()

    update = install


class Files:
    """``recipe = zopestack:files``: the generated configuration, a part of its own.

    Its options never change, so buildout updates it in place and never has a moment
    without a configuration; removing ``[stack]`` removes the files.
    """

    stack: Recipe

    def __init__(self, buildout: Any, name: str, options: Any) -> None:
        pass

    def install(self) -> list[str]:
        """Write what changed; the paths of all generated files."""
        stack = self.stack.stack
        for directory in (stack.logs, stack.blobs, stack.database.parent):
            directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        files.create_password(stack.password_file)
        for path, text in self.stack.rendered.items():
            files.write(path, text)
        _warn_of_missing_sites(stack)
        return [str(path) for path in self.stack.rendered]

    update = install


def _warn_of_missing_sites(stack: Stack) -> None:
    try:
        for site in sites.missing(stack.door.sites, stack.instances[0].address):
            logger.warning(
                "sites: %s%s shows %s, which is not in the database: it answers 404.",
                site.host,
                site.path,
                site.root or "/",
            )
    except OSError:
        # Nothing runs yet, so nobody knows.
        pass


def _checked(stack: Stack, name: str) -> Mapping[Path, str]:
    try:
        rendered = rendering.render(stack)
    except rendering.TemplateProblem as why:
        raise UserError(f"[{name}] templates = {stack.templates or ''}\n  {why}") from None
    try:
        tls.prepare(stack.door)
    except tls.Unusable as why:
        raise settings.error(name, "tls-certificate", "self-signed", why) from None
    complaint = haproxy.complaint(stack.balancer.executable, rendered, stack.haproxy_conf)
    if complaint:
        raise UserError(
            f"[{name}] HAProxy does not accept the configuration; nothing was changed. "
            f"It says:\n{complaint}"
        )
    return rendered


def _user_sections(buildout: Any) -> dict[str, dict[str, str]]:
    """The user's sections that add to a part made here.

    Read without buildout's ``buildout[name]``, which would make a section of that name
    final, or a part of its own if it has a recipe.
    """
    return {
        name: dict(buildout._raw[name])
        for name in list(buildout)
        if name.startswith("instance") or name in ("zeo", "supervisor")
    }
