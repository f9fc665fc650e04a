"""From a Stack to the text of its configuration files: same Stack, same bytes.

Templates loop and print; what they print is decided here and in ``programs``.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from zopestack import __file__ as package_file
from zopestack import store
from zopestack.frontend import maps
from zopestack.model import CHECK_INTERVAL, VISITORS, Stack
from zopestack.programs import programs

#: First line of every generated file.
GENERATED = "Made by bin/buildout from [stack] in buildout.cfg. Edit that; changes here are lost."


#: HAProxy needs two file descriptors a connection and does not start where the system
#: grants fewer; most grant at least 20000.
MOST_CONNECTIONS = 8000


class TemplateProblem(Exception):
    """A template that is missing or cannot be rendered; the message says where and why."""


@dataclass(frozen=True)
class Limits:
    """Figures of haproxy.cfg that follow from the size of the Stack.

    :param connections: visitors connected at once. Each busy thread may have many visitors
        waiting; 2000 is HAProxy's own default for a small machine.
    :param check_interval: seconds between two health checks.
    :param look: milliseconds between two looks whether requests wait: as many as leave, of
        100 ms, the time to ask an agent. A look costs 0.15 ms of CPU.
    :param hurry: the same while an instance is given no requests.
    :param lent_look: the same at an instance that lends slots while nobody waits.
    :param lent: slots one instance lends at most; more than one client may hold.
    :param preferred: requests of one client in progress up to which a login goes first.
    :param share: requests of one client in progress up to which they wait like anybody's.
        Browsers open 6 connections.
    :param upload_share: bytes of bodies that one client may be sending to one instance, beside
        one of any size.
    :param h2_streams: requests at once on one connection of HTTP/2; 100 is HAProxy's own default.
    :param cached: bytes of the largest response that HAProxy's cache holds.
    """

    connections: int
    check_interval: int
    preferred: int
    share: int
    upload_share: int
    h2_streams: int
    look: int = 80
    hurry: int = 10
    lent_look: int = 25
    lent: int = 80
    cached: int = 262144


def limits(stack: Stack) -> Limits:
    """The limits for this Stack."""
    frontend = stack.frontend
    threads = sum(instance.threads for instance in stack.lane(VISITORS))
    return Limits(
        connections=min(max(2000, 200 * stack.threads), MOST_CONNECTIONS),
        check_interval=CHECK_INTERVAL,
        preferred=max(1, threads // 2),
        share=max(6, 2 * threads),
        h2_streams=max(1, min(100, (frontend.concurrent_requests_per_address or 200) // 2)),
        upload_share=frontend.concurrent_uploads_per_address // len(stack.lane(VISITORS)),
    )


def render(stack: Stack) -> dict[Path, str]:
    """Every generated file: where it goes and its text.

    :raises TemplateProblem: for a template that is missing or broken.
    """
    environment = _environment(stack.templates)

    def rendered(path: Path) -> str:
        return _render(environment, f"{path.name}.j2", stack=stack, limits=limits(stack), maps=maps)

    balancing = {path: rendered(path) for path in stack.balancer_files}
    supervisord = _render(
        environment,
        f"{stack.supervisord_conf.name}.j2",
        stack=stack,
        programs=programs(stack, digest(balancing)),
    )
    return {
        **balancing,
        stack.supervisord_conf: supervisord,
        stack.stack_file: store.dumps(stack),
    }


def digest(texts: Mapping[Path, str]) -> str:
    """A word that changes with any of these files."""
    every = "".join(f"{path}\0{text}\0" for path, text in texts.items())
    return hashlib.sha256(every.encode()).hexdigest()[:16]


def packaged_templates() -> Path:
    """Where the templates are: inside the installed package, or beside src in a checkout."""
    package = Path(package_file).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent.parent / "templates"


def _environment(own: Path | None) -> jinja2.Environment:
    directories = [own, packaged_templates()] if own else [packaged_templates()]
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(directories),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Nothing here is HTML.
        autoescape=False,
    )


def _render(environment: jinja2.Environment, name: str, **values: object) -> str:
    try:
        return environment.get_template(name).render(generated=GENERATED, **values)
    except jinja2.TemplateSyntaxError as wrong:
        # Jinja's lexer passes the file as the name.
        file = wrong.filename or wrong.name
        raise TemplateProblem(f"{file}, line {wrong.lineno}: {wrong.message}") from None
    # A template is a program: it can fail with anything.
    except Exception as wrong:
        kind = "" if isinstance(wrong, jinja2.TemplateError) else f"{type(wrong).__name__}: "
        raise TemplateProblem(f"{_where(wrong) or name}: {kind}{wrong}") from None


def _where(wrong: Exception) -> str:
    """File and line of the template that failed; Jinja puts both into the traceback."""
    frames = traceback.extract_tb(wrong.__traceback__)
    places = [frame for frame in frames if frame.filename.endswith(".j2")]
    return f"{places[-1].filename}, line {places[-1].lineno}" if places else ""
