"""Whether supervisord accepts the user's own programs, before anything is put in place."""

from __future__ import annotations

import re
import tempfile
from io import StringIO
from pathlib import Path

from zc.buildout import UserError

from zopestack.config.errors import error
from zopestack.features.option import SUPERVISOR
from zopestack.model import Stack
from zopestack.render.files import operated

#: What supervisord's messages begin and end with (supervisor 4.3, ``options.py``): of a format that
#: cannot be expanded every variable of the environment, then the section.
MESSAGE = re.compile(
    r"(?P<said>.*?)(?: Available names: .*)? in section '(?P<section>[^']*)' \(file: .*\)",
    re.DOTALL,
)


def check(stack: Stack) -> None:
    """Have supervisord's own parser read supervisord.conf, where it has programs of the user's.

    :raises UserError: for the first section that it refuses, with its reason.
    :raises TemplateProblem: for a template that is missing or broken.
    """
    if not stack.own.all:
        return
    objection = _objection(stack)
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


def _objection(stack: Stack) -> str:
    from supervisor.options import ServerOptions

    text = operated(stack, {})[stack.supervisord_conf]
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        # The directory of the logs may not be there yet.
        Path(directory, stack.logs.name).mkdir()
        try:
            ServerOptions().read_config(StringIO(text.replace(str(stack.var), directory)))
        except ValueError as why:
            return str(why).replace(directory, str(stack.var))
    return ""
