"""The buildout recipe: hands a Stack to buildout as ordinary parts.

Everything that can be wrong is found in ``__init__``, before buildout has uninstalled or written
anything.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from zc.buildout import UserError, configparser
from zc.recipe.egg import Eggs

from zopestack import files
from zopestack.buildout import (
    bare_script,
    certificates,
    digests,
    lookups,
    macros,
    packages,
    parsed,
    references,
    rehearsal,
    relational,
    sections,
    servers,
    stand_in,
    trial,
    whereabouts,
)
from zopestack.buildout.missing_sites import missing
from zopestack.buildout.parts import FILES, distributions, parts
from zopestack.buildout.parts import names as part_names
from zopestack.config import names, overrides, read
from zopestack.config.errors import error
from zopestack.config.lanes import check_sections
from zopestack.copying import known
from zopestack.features.certificates import Unusable
from zopestack.features.databases import MAIN
from zopestack.features.memory import LOADER
from zopestack.features.option import Refused
from zopestack.haproxy import alive, launcher
from zopestack.haproxy.program import NO_STATE
from zopestack.loader import client
from zopestack.render.files import TemplateProblem, balancer, database, operated, storages, varnish
from zopestack.supervisor.owner import Owner

logger = logging.getLogger(__name__)


class Recipe:
    """``recipe = zopestack``: from ``[stack]`` to all parts of the deployment.

    Installed after its parts, whose files decide which programs ``supervisorctl update``
    restarts.
    """

    def __init__(self, buildout: Any, name: str, options: Any) -> None:
        own = buildout["buildout"]
        where = read.Buildout(
            directory=Path(own["directory"]),
            bin=Path(own["bin-directory"]),
            parts=Path(own["parts-directory"]),
        )
        if FILES in buildout:
            raise UserError(
                f"[{name}] recipe = zopestack\n  makes a second stack in this buildout; "
                "give it a buildout.cfg and a directory of its own."
            )
        _check_record(own, where)
        given = dict(options)
        references.set_defaults(options)
        own_sections, places = sections.read(buildout, name, given)
        described = read.read(name, given, own_sections, where, places)
        self.stack = described.stack
        used = {name, *overrides.own(list(buildout), given).values()}
        every = {each: buildout._raw[each] for each in buildout}
        check_sections(self.stack.groups, every, used)
        references.set_paths(options, self.stack)
        if self.stack.memory.share_memory and LOADER in buildout:
            raise error(name, "share-memory", "on", f"no section [{LOADER}]: it is a part now")
        try:
            self.certificates = certificates.material(self.stack)
            trial.check(self.stack, self.certificates, name, given)
            parsed.check(self.stack)
        except Unusable as why:
            raise error(name, "tls-certificate", "self-signed", why) from None
        except TemplateProblem as why:
            raise UserError(f"[{name}] templates = {given['templates']}\n  {why}") from None
        _check_names(described, name, given)
        self._own()
        was_relational = any(map(known.relational, known.found(self.stack.storages)))
        self.parts = parts(self.stack, described.overrides, was_relational)
        packages.install(distributions(self.parts), own)
        lookups.hasten()
        macros.settle(buildout, self.parts)
        first = self.stack.pattern.name
        stand_in.of_parts(buildout, options[overrides.COMMON_SECTION], first)
        for part, part_options in self.parts.items():
            # The user's section has been read into the part's options.
            buildout._raw[part] = part_options
            buildout._data.pop(part, None)
        for part in self.parts:
            # Those that it refers to come before it.
            buildout[part]
        found = _find_distributions(buildout, self.parts)
        self.distributions = {part: sorted(map(str, each)) for part, each in found.items()}
        locations = {dist.location for dist in found[first]}
        relational.check(self.stack, locations)
        servers.check(self.stack, locations, name, given)
        rehearsal.rehearse(buildout, described)

    def install(self) -> tuple[str, ...]:
        """Write every generated file that changed; the directory belongs to a part of its own."""
        stack = self.stack
        with _writing():
            made = (stack.logs, stack.blobs, stack.database.parent, stack.temporary)
            blobs = map(stack.blobs_of, stack.databases.databases)
            relational = (Path(path) for each in stack.relstorages for path in each.directories)
            shared = stack.directories.shared.values()
            for directory in (*made, *blobs, *relational, *shared):
                directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            files.create_password(stack.password_file)
            if not stack.lock.exists():
                files.write(stack.lock, "", mode=0o600)
            if not stack.server_state.exists():
                files.write(stack.server_state, NO_STATE, mode=0o600)
            certificates.put(self.certificates)
            if stack.balances:
                launcher.put(stack.haproxy, stack.balancer.executable)
            if stack.memory.share_memory:
                bare_script.put(stack.fork_client, client)
            if stack.hosts.moves_address:
                bare_script.put(stack.balancer_alive, alive)
            rendered = {**balancer(stack), **varnish(stack)} if stack.balances else {}
            reached = database(stack)
            known = digests.digests(stack, self.parts, self.distributions, rendered, reached)
            for path, text in {**rendered, **reached, **operated(stack, known)}.items():
                files.write(path, text, mode=0o600 if path in stack.private else 0o644)
            gone = () if stack.balances else filter(Path.exists, stack.balancer_files)
            for path in ({*stack.configuration.glob("database*.conf")} - reached.keys()) | {*gone}:
                path.unlink()
            self._describe_databases()
        for site in missing(stack):
            logger.warning(
                "sites: %s%s shows %s, which is not in the database: it answers 404.",
                site.host,
                site.path,
                site.root or "/",
            )
        return ()

    update = install

    def _describe_databases(self) -> None:
        """Keep where the databases are, for when they are to be elsewhere."""
        own = self.parts[self.stack.pattern.name]
        text = storages(self.stack, whereabouts.databases(self.stack, own))
        if before := known.note(self.stack.storages, text):
            logger.warning(
                "storage: the main database is %s now; it was %s. bin/copy-storage copies it.",
                known.places(text)[MAIN],
                before.places[MAIN],
            )

    def _own(self) -> None:
        """Build while nobody else starts, stops or rolls, until this process ends."""
        if self.stack.var.is_dir():
            with _writing():
                owner = Owner(self.stack.lock, "bin/buildout", logger.warning)
                atexit.register(owner.__enter__().__exit__)


class Files:
    """``recipe = zopestack:files``: the directory of the generated files, a part of its own.

    Its options never change, so an edit leaves the files in place; removing ``[stack]`` removes
    them. A new version of zopestack makes buildout remove the directory, too, and install this
    part again: then the old files come back at once, because the stack runs with them, and
    supervisorctl needs them, until [stack] is installed or where another part fails before.
    """

    def __init__(self, buildout: Any, name: str, options: Any) -> None:
        self.directory = Path(buildout["buildout"]["parts-directory"]) / name
        self.old = {
            path: (path.read_bytes(), path.stat().st_mode)
            for path in self.directory.rglob("*")
            if path.is_file()
        }

    def install(self) -> list[str]:
        """Return the directory, for buildout to remove with the part."""
        with _writing():
            self.directory.mkdir(parents=True, exist_ok=True)
            for path, (content, mode) in self.old.items():
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    # With a secret in it, nobody else may read it meanwhile.
                    path.touch(mode)
                    path.write_bytes(content)
                    path.chmod(mode)
        return [str(self.directory)]

    update = install


@contextmanager
def _writing() -> Iterator[None]:
    """Report a file that cannot be written as an error of the user's."""
    try:
        yield
    except OSError as why:
        raise UserError(f"A file of the stack cannot be written: {why}") from None


def _find_distributions(buildout: Any, made: Iterable[str]) -> dict[str, list[Any]]:
    """Find, or fetch, every distribution now: while a part is installed it would be too
    late, what was there before is gone by then. Buildout keeps the result for the parts.

    :returns: by part, each of setuptools' distributions.
    """
    found = {}
    for part in made:
        options = dict(buildout[part])
        if "eggs" in options:
            try:
                _, working_set = Eggs(buildout, part, options).working_set()
            except UserError as why:
                raise UserError(
                    f"[{part}] eggs = {' '.join(options['eggs'].split())}\n  {why}\n"
                    "  Check the names, their pins under [versions], and the network."
                ) from None
            found[part] = list(working_set)
    return found


def _check_names(described: read.Configuration, name: str, options: Mapping[str, str]) -> None:
    """Check that no section of the user's is called as a part or a script.

    :raises UserError: for the first that is.
    """
    try:
        names.check(described.named, part_names(described.stack, described.overrides))
    except Refused as why:
        raise error(name, why.option, options[why.option], why.expected) from None


def _check_record(own: Mapping[str, str], where: read.Buildout) -> None:
    """Check that what buildout has noted as installed is here.

    In a directory that is a copy it is the original's, and buildout would uninstall that.

    :raises UserError: where it is another directory's.
    """
    record = Path(own["installed"])
    text = record.read_text(encoding="utf-8", errors="replace") if record.is_file() else ""
    known = configparser.parse(StringIO(text), str(record)).get(FILES, {})
    place = Path(known.get("__buildout_installed__", "").strip() or where.parts)
    if (
        not place.is_relative_to(where.directory)
        and place.is_dir()
        and place != where.parts / FILES
    ):
        raise UserError(
            f"This directory is a copy: {record} lists files in {place.parent}, which "
            f"bin/buildout would delete there.\n  Delete {record} and run bin/buildout again."
        )
