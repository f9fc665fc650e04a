"""From a Stack to the text of its configuration files: same Stack, same bytes.

Templates loop and print; the Stack and ``programs`` hold what they print.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from zopestack import __file__ as package_file
from zopestack import stack_file
from zopestack.features import discovery, volto
from zopestack.features.databases import MAIN
from zopestack.features.instances import VISITORS
from zopestack.features.relstorage import Relstorage
from zopestack.features.varnish import TRIES
from zopestack.model import Stack
from zopestack.render import dashboard, lanes, maps, pages
from zopestack.render.alerts import alerts
from zopestack.render.programs import programs
from zopestack.render.units import units
from zopestack.render.varnish import NEARLY, VIRTUAL_ROOT

#: First line of every generated file.
GENERATED = "Made by bin/buildout from [stack] in buildout.cfg. Edit that; changes here are lost."


@dataclass(frozen=True)
class Described:
    """Where a database is.

    :param place: the same in words, without a secret.
    :param lines: of ZConfig, for a storage that is not relational.
    """

    name: str
    place: str
    lines: tuple[str, ...] = ()
    relstorage: Relstorage | None = None


class TemplateProblem(Exception):
    """A template that is missing or cannot be rendered; the message says where and why."""


def balancer(stack: Stack) -> dict[Path, str]:
    """Every file that HAProxy is given: where it goes and its text.

    :raises TemplateProblem: for a template that is missing or broken.
    """
    environment = _environment(stack.directories.templates)
    return {
        path: _render(
            environment,
            f"{path.name}.j2",
            stack=stack,
            lanes=lanes,
            volto=volto,
            discovery=discovery,
            maps=maps,
            pages=pages,
            request_id=pages.REQUEST_ID,
        )
        for path in stack.balancer_files
    }


def varnish(stack: Stack) -> dict[Path, str]:
    """Varnish's rules: where they go and their text; none without Varnish.

    :raises TemplateProblem: for a template that is missing or broken.
    """
    if not stack.varnish.in_front:
        return {}
    path = stack.varnish_vcl
    environment = _environment(stack.directories.templates)
    text = _render(
        environment,
        f"{path.name}.j2",
        stack=stack,
        virtual_root=VIRTUAL_ROOT,
        given=stack.lane(VISITORS),
        tries=TRIES,
        too_long=NEARLY * stack.durations.server,
    )
    return {path: text}


def operated(stack: Stack, digests: Mapping[str, str]) -> dict[Path, str]:
    """supervisord's configuration, systemd's units, what Prometheus, Grafana and a browser are
    given, and the Stack itself for the operator commands.

    :param digests: by program, a word that changes with what the program is started with.
    :raises TemplateProblem: for a template that is missing or broken.
    """
    path = stack.supervisord_conf
    environment = _environment(stack.directories.templates)
    made = programs(stack, digests)
    return {
        path: _render(environment, f"{path.name}.j2", stack=stack, programs=made),
        **{
            where: _render(environment, f"{stack.system_unit.name}.j2", stack=stack, unit=unit)
            for where, unit in units(stack, made).items()
        },
        **{
            where: _render(
                environment,
                f"{where.name}.j2",
                stack=stack,
                alerts=tuple(alerts(stack)),
                dashboard=dashboard,
            )
            for where in stack.monitoring_files
        },
        **keepalived(stack),
        stack.stack_file: stack_file.dumps(stack),
    }


def keepalived(stack: Stack) -> dict[Path, str]:
    """keepalived's configuration: where it goes and its text; nothing without an address to move.

    :raises TemplateProblem: for a template that is missing or broken.
    """
    if not stack.hosts.moves_address:
        return {}
    path, environment = stack.keepalived_conf, _environment(stack.directories.templates)
    return {path: _render(environment, f"{path.name}.j2", stack=stack)}


def database(stack: Stack) -> dict[Path, str]:
    """How instances reach each relational database: where it goes and its text.

    :raises TemplateProblem: for a template that is missing or broken.
    """
    environment = _environment(stack.directories.templates)
    name = f"{stack.database_conf.name}.j2"
    return {
        stack.database_conf_of(each.name): _render(
            environment, name, stack=stack, relstorage=each, main=each.name == MAIN
        )
        for each in stack.relstorages
    }


def storages(stack: Stack, databases: Sequence[Described]) -> str:
    """Where each database is, as bin/copy-storage reads it.

    :raises TemplateProblem: for a template that is missing or broken.
    """
    environment = _environment(stack.directories.templates)
    return _render(environment, "storages.conf.j2", databases=databases)


def render(stack: Stack, digests: Mapping[str, str] | None = None) -> dict[Path, str]:
    """Every generated file: where it goes and its text; see :func:`operated`."""
    made = {**balancer(stack), **varnish(stack)} if stack.balances else {}
    return {**made, **database(stack), **operated(stack, digests or {})}


def packaged_templates() -> Path:
    """Where the templates are: inside the installed package, or beside src in a checkout."""
    package = Path(package_file).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent.parent / "templates"


def _environment(own: Path | None) -> jinja2.Environment:
    # Jinja would not notice a template that is new in the first of two directories.
    return _reading(own, packaged_templates()) if own else _packaged()


@cache
def _packaged() -> jinja2.Environment:
    """Compile the packaged templates once: that costs more than to render them."""
    return _reading(packaged_templates())


def _reading(*directories: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directories),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Most of it is not HTML.
        autoescape=False,
    )
    environment.filters["time"] = _time
    environment.filters["zconfig"] = _zconfig
    # Such a text is also one of YAML.
    environment.filters["quoted"] = json.dumps
    return environment


def _time(seconds: float) -> str:
    """A time as HAProxy writes it (its manual, "Time format")."""
    return f"{seconds:g}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _zconfig(text: str) -> str:
    """A value in a file of ZConfig (its manual, "Textual Substitution")."""
    return text.replace("$", "$$")


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
