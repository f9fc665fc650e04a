"""What keeps an instance from starting, or from being balanced, in the files that its recipe made.

The instance's own interpreter runs this, because the answers depend on its eggs:
``interpreter -m zopestack.buildout.inspection`` takes the keywords of :func:`objections` as JSON
from standard input and prints what is wrong. Nothing is started, opened or written.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree


def main() -> None:
    """Print the first objection, if any."""
    asked = json.load(sys.stdin)
    # A user's log, or what the eggs print, may go to standard output, too.
    with redirect_stdout(sys.stderr):
        found = next(objections(**asked), "")
    print(found)


def objections(
    part: str, wsgi_ini: str, address: str, threads: int, environment: dict[str, str]
) -> Iterator[str]:
    """What is wrong with an instance's files, one sentence each.

    :param part: the directory that its recipe has made.
    :param address: where it has to listen.
    :param environment: the variables that its agent needs.
    """
    yield from _zope_conf(Path(part) / "etc/zope.conf", environment)
    yield from _zcml(Path(part) / "etc")
    yield from _logging(Path(wsgi_ini))
    yield from _pipeline(Path(wsgi_ini))
    yield from _server(Path(wsgi_ini), address, threads)


def _zope_conf(path: Path, environment: dict[str, str]) -> Iterator[str]:
    from Zope2.Startup.handlers import handleWSGIConfig
    from Zope2.Startup.options import ZopeWSGIOptions

    try:
        found = ZopeWSGIOptions(configfile=str(path))()
        handleWSGIConfig(found.configroot, found.confighandlers)
    # A section of zope.conf is a program of whoever defines it.
    except Exception as why:
        yield f"Zope does not accept {path}: {said(why)}"
        return
    for name, value in environment.items():
        if found.configroot.environment.get(name) != value:
            yield f"{path} has to set {name} to {value} for the agent"


def _zcml(directory: Path) -> Iterator[str]:
    for path in sorted(directory.rglob("*.zcml")):
        try:
            # The user's own file.
            root = ElementTree.parse(path).getroot()  # noqa: S314
        except ElementTree.ParseError as why:
            yield f"{path} is not XML: {why}"
            continue
        for include in (root, *root.iterfind(".//{*}include")):
            package = include.get("package", "")
            if package and not package.startswith(".") and not _importable(package):
                yield f"{path} includes {package}, which none of the eggs has"


def _importable(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False


def _logging(path: Path) -> Iterator[str]:
    from Zope2.Startup.serve import setup_logging

    # In place of a log file, which is only to be found possible.
    setattr(logging.FileHandler, "_open", _no_file)  # noqa: B010
    try:
        setup_logging(str(path))
    # A handler is a class of anybody's.
    except Exception as why:
        yield f"a log of {path} cannot be set up: {said(why.__cause__ or why)}"


def _no_file(handler: logging.FileHandler) -> TextIO:
    directory = Path(handler.baseFilename).parent
    if not os.access(directory, os.W_OK):
        raise OSError(f"{directory} is not a directory to write to")
    return StringIO()


def _pipeline(path: Path) -> Iterator[str]:
    from paste.deploy import loadwsgi

    from zopestack.agent.filter import factory

    try:
        found = loadwsgi.loadcontext(loadwsgi.APP, f"config:{path}")
    except Exception as why:
        yield f"{path} names what cannot be loaded: {said(why)}"
        return
    if factory not in {context.object for context in _contexts(found)}:
        yield f"{path} leaves the agent out of its pipeline, egg:zopestack#agent"


def _contexts(context: Any) -> Iterator[Any]:
    """A context of PasteDeploy and everything below it."""
    yield context
    below = [getattr(context, name, None) for name in ("app_context", "filter_context")]
    for each in (*below, getattr(context, "next_context", None)):
        if each is not None:
            yield from _contexts(each)
    for each in getattr(context, "filter_contexts", ()):
        yield from _contexts(each)


def _server(path: Path, address: str, threads: int) -> Iterator[str]:
    from paste.deploy import loadwsgi

    try:
        server = loadwsgi.loadcontext(loadwsgi.SERVER, f"config:{path}").local_conf
    except Exception as why:
        yield f"{path} names a server that cannot be loaded: {said(why)}"
        return
    listen = server.get("listen") or server.get("fast-listen")
    listen = listen or f"{server.get('host', '')}:{server.get('port', '')}"
    if address not in listen.split():
        yield f"{path} listens on {listen}, but HAProxy asks {address}"
    if server.get("threads") != str(threads):
        yield (
            f"{path} has threads = {server.get('threads', '')}, but HAProxy sends {threads} "
            "requests at once"
        )


def said(why: BaseException) -> str:
    """An error in one line, with its kind unless it is made for people to read."""
    text = " ".join(str(why).split())
    plain = isinstance(why, ValueError) or type(why).__name__ == "UserError"
    return text if plain and " " in text else f"{type(why).__name__}: {text}"


if __name__ == "__main__":
    main()
