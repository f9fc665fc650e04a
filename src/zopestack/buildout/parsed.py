"""Whether supervisord accepts the user's own programs, before anything is put in place."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from zc.buildout import UserError

from zopestack.config.errors import error
from zopestack.features.option import SUPERVISOR
from zopestack.model import Stack
from zopestack.render.files import operated
from zopestack.render.own_programs import own_programs

#: What supervisord's messages begin and end with (supervisor 4.3, ``options.py``): of a format that
#: cannot be expanded every variable of the environment, then the section.
MESSAGE = re.compile(
    r"(?P<said>.*?)(?: Available names: .*)? in section '(?P<section>[^']*)' \(file: .*\)",
    re.DOTALL,
)

#: What begins a section.
SECTION = re.compile(r"^\[([^]]+)\]", re.MULTILINE)


def check(stack: Stack) -> None:
    """Have supervisord's own parser read supervisord.conf, where ``[supervisor]`` adds to it.

    :raises UserError: for the first section that it refuses, with its reason, or that a template of
        the user's leaves out.
    :raises TemplateProblem: for a template that is missing or broken.
    """
    if not stack.own.all and not stack.control.port:
        return
    text = operated(stack, {})[stack.supervisord_conf]
    if left_out := sorted({*_sections(stack)} - {*SECTION.findall(text)}):
        raise UserError(
            f"[stack] templates = {stack.directories.templates}\n  leaves out of supervisord.conf "
            f"[{left_out[0]}]. Take it over from the packaged supervisord.conf.j2."
        )
    objection = _objection(stack, text)
    if not objection:
        return
    found = MESSAGE.fullmatch(objection)
    said, section = (found["said"], found["section"]) if found else (objection, "")
    name = section.partition(":")[2]
    for option, named in (
        ("programs", stack.own.programs),
        ("eventlisteners", stack.own.eventlisteners),
    ):
        if name in {each.name for each in named}:
            raise error(SUPERVISOR, option, name, f"what supervisord takes. It says: {said}")
    raise UserError(f"supervisord does not accept {stack.supervisord_conf}: {objection}")


def _sections(stack: Stack) -> Iterator[str]:
    """What supervisord.conf needs for ``[supervisor]``."""
    yield from (f"{each.section}:{each.name}" for each in own_programs(stack, {}))
    yield from (f"group:{each.name}" for each in stack.own.groups)
    if stack.control.port:
        yield "inet_http_server"


def _objection(stack: Stack, text: str) -> str:
    from supervisor.options import ServerOptions

    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        # The directory of the logs may not be there yet.
        Path(directory, stack.logs.name).mkdir()
        try:
            ServerOptions().read_config(StringIO(text.replace(str(stack.var), directory)))
        except ValueError as why:
            return str(why).replace(directory, str(stack.var))
    return ""
