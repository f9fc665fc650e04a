"""What the recipes of the parts refuse, found before buildout uninstalls anything.

Buildout removes a part whose options have changed, and then installs it again. A recipe that
refuses an option only then leaves the user without the part. So each part is first installed
elsewhere, and Zope's and ZEO's own readers look at what was made.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack.buildout.elsewhere import Elsewhere, Options
from zopestack.buildout.inspection import said
from zopestack.buildout.parts import agent, parts
from zopestack.config.errors import setting
from zopestack.config.overrides import UNKNOWN_TO_RECIPE
from zopestack.config.read import Configuration
from zopestack.features.instances import Instance
from zopestack.features.option import SUPERVISOR
from zopestack.features.storage import Storage
from zopestack.features.unknown_name import nearest
from zopestack.model import Stack
from zopestack.render.files import database

#: Timeout in seconds for an instance's interpreter to inspect its files: it imports Zope.
PATIENCE = 120


def rehearse(buildout: Any, described: Configuration) -> None:
    """Install elsewhere each part that buildout will install.

    Of instances with the same options, one stands for all.

    :param buildout: with every part initialized.
    :raises UserError: for what a recipe, Zope or ZEO refuses, and for what no recipe reads.
    """
    overrides = described.overrides
    kinds: dict[str, str] = {}
    for instance in described.stack.instances:
        kinds.setdefault(json.dumps(overrides[instance.name], sort_keys=True), instance.name)
    unread: dict[str, None] = {}
    server = ("zeo",) if described.stack.storage.serves else ()
    for part in _removed(buildout, (*server, SUPERVISOR, *kinds.values())):
        options = dict(buildout[part])
        objection, read = _trial(buildout, described.stack, part, options)
        if objection:
            blamed = _blamed(buildout, described, part, options) or overrides[part]
            lines = [_written(described, part, option) for option in blamed]
            where = "\n".join(lines) or f"[{part}]"
            raise UserError(f"{where}\n  is not accepted: {part} could not run: {objection}.")
        for option in overrides[part].keys() - read - UNKNOWN_TO_RECIPE:
            if not _referenced(buildout, option):
                hint = f"{options['recipe']} does not read it; {nearest(option, read)}"
                unread[f"{_written(described, part, option)}\n  is not accepted: {hint}"] = None
    if unread:
        raise UserError("\n".join(sorted(unread)))


def _removed(buildout: Any, names: Sequence[str]) -> list[str]:
    """The parts that buildout will remove and install again, or has not installed yet."""
    # What buildout itself will do, and compares then.
    buildout._compute_part_signatures(names)
    installed, _ = buildout._read_installed_part_options()
    changed = []
    for part in names:
        before = dict(installed.get(part, {}))
        made = before.pop("__buildout_installed__", "").splitlines()
        if before != dict(buildout[part]) or not all(map(os.path.lexists, made)):
            changed.append(part)
    return changed


def _written(described: Configuration, part: str, option: str) -> str:
    place = described.written[part, option]
    return setting(place, option, described.overrides[part][option])


def _referenced(buildout: Any, option: str) -> bool:
    """Whether another option refers to this one, by ``${section:option}``."""
    reference = re.compile(rf"\$\{{[^}}:]*:{re.escape(option)}\}}")
    return any(
        reference.search(str(text)) for raw in buildout._raw.values() for text in raw.values()
    )


def _blamed(
    buildout: Any, described: Configuration, part: str, options: Mapping[str, str]
) -> list[str]:
    """The user's options without one of which the part would run."""
    own = described.overrides[part]
    if len(own) == 1:
        return list(own)
    found = []
    for option in own:
        fewer = {name: text for name, text in own.items() if name != option}
        default = parts(described.stack, {**described.overrides, part: fewer})[part]
        left = {name: text for name, text in options.items() if name != option}
        changed = {**left, option: default[option]} if option in default else left
        if not _trial(buildout, described.stack, part, changed)[0]:
            found.append(option)
    return found


def _trial(
    buildout: Any, stack: Stack, part: str, options: Mapping[str, str]
) -> tuple[str, Iterable[str]]:
    """What is wrong with a part, or nothing, and the options that its recipe has read."""
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        elsewhere = Elsewhere(buildout, Path(os.path.realpath(directory)))
        for path, text in database(stack).items():
            elsewhere.write(path, text, stack.var)
        try:
            used = elsewhere.install(part, options)
        # A recipe is a program: it can fail with anything.
        except Exception as why:
            objection = f"{options['recipe']} says: {said(why)}"
            return _in_place(objection, elsewhere), ()
        instances = {each.name: each for each in stack.instances}
        place = elsewhere.place(stack.parts / part)
        if part == "zeo":
            objection = _zeo_objection(place / "etc/zeo.conf", stack.storage)
        elif part in instances and not _same(place, stack.parts / part, elsewhere.home):
            objection = _inspected(stack, instances[part], elsewhere, used)
        else:
            objection = ""
        return _in_place(objection, elsewhere), used.read


def _in_place(objection: str, elsewhere: Elsewhere) -> str:
    """An objection about a file that is not made, as one about the file that it would become."""
    return objection.replace(str(elsewhere.home), "").rstrip(".")


def _same(made: Path, installed: Path, home: Path) -> bool:
    """Whether all that was made is in place already, so that it has been inspected before."""
    for file in filter(Path.is_file, made.rglob("*")):
        there = installed / file.relative_to(made)
        if not there.is_file() or file.read_bytes().replace(bytes(home), b"") != there.read_bytes():
            return False
    return True


def _zeo_objection(path: Path, given: Storage) -> str:
    """What is wrong with ZEO's configuration; its recipe has imported ZEO already."""
    import ZConfig
    import ZEO

    try:
        schema = ZConfig.loadSchema(str(Path(ZEO.__file__).with_name("schema.xml")))
        with _importable(path.with_name(".eggs")):
            configuration, _ = ZConfig.loadConfig(schema, str(path))
    except Exception as why:
        return f"ZEO does not accept {path}: {said(why)}"
    listens, address = "{}:{}".format(*configuration.zeo.address.address), str(given.zeo_address)
    if listens != address:
        return f"{path} listens on {listens}, but instances ask {address}"
    if bool(given.ssl) != bool(configuration.zeo.ssl):
        return f"{path} has {'no ' * bool(given.ssl)}<ssl>, unlike the instances"
    return ""


@contextmanager
def _importable(eggs: Path) -> Iterator[None]:
    """Have Python find what ZEO's part imports, such as the function for the password of its key.

    :param eggs: the file in which plone.recipe.zeoserver lists where that is.
    """
    before = list(sys.path)
    if eggs.is_file():
        sys.path += eggs.read_text(encoding="utf-8").splitlines()
    try:
        yield
    finally:
        sys.path[:] = before


def _inspected(stack: Stack, instance: Instance, elsewhere: Elsewhere, options: Options) -> str:
    """What an instance's own interpreter says of its files."""
    part = elsewhere.place(stack.parts / instance.name)
    own = options.get("wsgi", "on")
    asked = {
        "part": str(part),
        "wsgi_ini": str(part / "etc/wsgi.ini") if own.lower() in ("on", "true", "1") else own,
        "address": str(instance.address),
        "threads": instance.threads,
        "environment": agent(stack, instance).environment(),
    }
    done = subprocess.run(
        [part / "bin/interpreter", "-m", "zopestack.buildout.inspection"],
        cwd=elsewhere.home,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return done.stdout.strip()
