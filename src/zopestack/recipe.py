"""The buildout recipe: hands a Stack to buildout as ordinary parts.

Everything that can be wrong is found in ``__init__``, before buildout has uninstalled
or written anything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError
from zc.recipe.egg import Eggs

from zopestack import files, haproxy, invariants, overrides, provision, rendering, settings
from zopestack.frontend import extras, sites, tls
from zopestack.haproxy import NO_STATE
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
        if FILES in buildout:
            raise UserError(
                f"[{name}] recipe = zopestack\n  makes a second stack in this buildout; "
                "give it a buildout.cfg and a directory of its own."
            )
        sections = _user_sections(buildout)
        self.stack = settings.read(name, dict(options), sections, where)
        try:
            self.certificates = tls.material(self.stack.frontend)
        except tls.Unusable as why:
            raise settings.error(name, "tls-certificate", "self-signed", why) from None
        self.rendered = _checked(self.stack, self.certificates, name, options)
        made = parts(self.stack, sections)
        provision.install(distributions(made), own)
        for part, part_options in made.items():
            # The user's section has been read into the part's options.
            buildout._raw.pop(part, None)
            buildout._data.pop(part, None)
            buildout[part] = part_options
        buildout[FILES].recipe.stack = self
        _find_distributions(buildout, made)

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
        """Write what changed; the directory of all generated files."""
        stack = self.stack.stack
        try:
            for directory in (stack.logs, stack.blobs, stack.database.parent):
                directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            files.create_password(stack.password_file)
            if not stack.server_state.exists():
                files.write(stack.server_state, NO_STATE, mode=0o600)
            tls.put(self.stack.certificates)
            for path, text in self.stack.rendered.items():
                files.write(path, text)
        except OSError as why:
            raise UserError(f"A file of the stack cannot be written: {why}") from None
        _warn_of_missing_sites(stack)
        return [str(stack.configuration)]

    update = install


def _warn_of_missing_sites(stack: Stack) -> None:
    try:
        for site in sites.missing(stack.frontend.sites, stack.instances[0].address):
            logger.warning(
                "sites: %s%s shows %s, which is not in the database: it answers 404.",
                site.host,
                site.path,
                site.root or "/",
            )
    except OSError:
        # Nothing runs yet, so nobody knows.
        pass


def _checked(
    stack: Stack, certificates: Mapping[Path, str | Path], name: str, options: Mapping[str, str]
) -> Mapping[Path, str]:
    where = f"[{name}] templates = {options.get('templates', '')}\n "
    try:
        rendered = rendering.render(stack)
    except rendering.TemplateProblem as why:
        raise UserError(f"{where} {why}") from None
    haproxy_cfg = rendered[stack.haproxy_conf]
    if missing := invariants.missing(stack, haproxy_cfg):
        raise UserError(f"{where} leaves out of haproxy.cfg {missing}.")
    named = {**rendered, **certificates, stack.server_state: NO_STATE}
    verdict = haproxy.check(stack.balancer.executable, named, stack.haproxy_conf)
    said, blamed = extras.blame(stack.frontend, haproxy_cfg, verdict.said)
    if not verdict.accepted:
        if blamed:
            where = f"[{name}] {blamed} = {options[blamed]}\n "
        raise UserError(
            f"{where} makes a haproxy.cfg that HAProxy does not accept; nothing was changed. "
            f"It says:\n{said}"
        )
    if said:
        logger.warning("HAProxy accepts the configuration and says:\n%s", said)
    return rendered


def _find_distributions(buildout: Any, made: Iterable[str]) -> None:
    """Find, or fetch, every distribution now: while a part is installed it would be too
    late, what was there before is gone by then. Buildout keeps the result for the parts.
    """
    for part in made:
        options = dict(buildout[part])
        if "eggs" in options:
            try:
                Eggs(buildout, part, options).working_set()
            except UserError as why:
                raise UserError(
                    f"[{part}] eggs = {' '.join(options['eggs'].split())}\n  {why}\n"
                    "  Check the names, their pins under [versions], and the network."
                ) from None


def _user_sections(buildout: Any) -> dict[str, dict[str, str]]:
    """The user's sections that add to a part made here.

    Read without buildout's ``buildout[name]``, which would make a section of that name
    final, or a part of its own if it has a recipe.
    """
    return {
        name: _options(buildout, name)
        for name in list(buildout)
        if overrides.OVERRIDE.fullmatch(name)
    }


def _options(buildout: Any, name: str) -> dict[str, str]:
    """A section with what it takes from others by ``<=``. References (``${...}``) are left
    to the part, where ``${:name}`` means the part's own, but for what is read here.
    """
    section = buildout.Options(buildout, name, buildout._raw[name])
    section._raw = section._do_extend_raw(name, section._raw, [])
    known = ("eggs", *overrides.OF_AN_INSTANCE)
    read = {option: section[option] for option in known if option in section}
    return {**section._raw, **read}
