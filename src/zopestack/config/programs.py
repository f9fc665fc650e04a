"""The user's own programs beside those of the stack, and what ``[supervisor]`` does not take.

Both in the words of collective.recipe.supervisor 2.0, from which people come.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import PurePath

from zopestack.features.instances import NUMBERED
from zopestack.features.option import Refused
from zopestack.features.program_lines import OwnProgram
from zopestack.model import Stack

#: Options of that recipe that follow from the Stack, and what to do instead.
SOCKET = (
    "delete this line: bin/supervisorctl uses a unix socket in [stack] var, which only you open"
)
PLACES = "change [stack] var: its directory log has every log"
TEMPLATE = "write it into a supervisord.conf.j2 of your own ([stack] templates)"
DERIVED = {
    "childlogdir": PLACES,
    "chmod": SOCKET,
    "chown": SOCKET,
    "env-path": "write (environment=PATH=...) into the line of the program",
    "file": SOCKET,
    "http-socket": SOCKET,
    "include": "write each program as a line of programs",
    "logfile": PLACES,
    "logfile-backups": "change [stack] log-files",
    "logfile-maxbytes": "change [stack] log-size",
    "loglevel": TEMPLATE,
    "nocleanup": "delete this line: no log is deleted at a start",
    "nodaemon": "delete this line, and start bin/supervisord -n",
    "pidfile": PLACES,
    "recipe": "delete this line: zopestack makes this part",
    "sections": "delete this line: supervisord.conf has every section",
    "serverurl": SOCKET,
    "supervisord-conf": "delete this line: bin/supervisorctl finds its file",
    "supervisord-directory": "write the directory into the line of the program",
    "supervisord-environment": "write (environment=NAME=value) into the line of the program, and "
    "environment-vars under [instance]",
    "supervisord-user": "delete this line: start bin/supervisord as that user",
    "umask": TEMPLATE,
}

#: superlance's listeners that restart what they watch, and what does so without losing a request.
WATCHERS = {
    "memmon": "[stack] memory-limit = 800MB",
    "httpok": "the guard, which the stack has anyway",
}

#: How they are told what to watch: everything, or a program or group by its name.
WATCHED = re.compile(
    r"(?<!\S)(?:(?P<all>-a|--any)"
    r"|(?:-[pg]|--program|--group)(?:=|\s*)(?:[^\s=:]+:)?(?P<name>[^\s=]+))"
)


def check(stack: Stack, taken: Collection[str], account_is_root: bool) -> None:
    """Check the user's own programs against those of the stack.

    :param taken: what these are called.
    :param account_is_root: whether supervisord may run a program as any user.
    :raises Refused: for the first that cannot be.
    """
    made = {*taken, *(each.name for each in stack.instances)}
    for option, named in (
        ("programs", stack.own.programs),
        ("eventlisteners", stack.own.eventlisteners),
        ("groups", stack.own.groups),
    ):
        for each in named:
            if each.name in made or NUMBERED.fullmatch(each.name):
                raise Refused(
                    option,
                    f"a name that nothing else has, not {each.name}. If it is the one that "
                    "zopestack makes, delete its line",
                )
    for each in stack.own.programs:
        if each.user and each.user != stack.account and not account_is_root:
            raise Refused(
                "programs",
                f"no user {each.user} for {each.name}: supervisord runs as {stack.account}, and "
                "only root can start a program as somebody else",
            )
    for listener in stack.own.eventlisteners:
        if watched := next(_watched(listener, made), ""):
            raise Refused(
                "eventlisteners",
                f"{listener.name} to watch programs of your own only: for {watched}, use "
                f"{WATCHERS[PurePath(listener.command).name]}. It drains an instance, and restarts "
                "it while the others serve",
            )


def _watched(listener: OwnProgram, made: Collection[str]) -> Iterator[str]:
    """What of the stack a listener would restart."""
    if PurePath(listener.command).name in WATCHERS:
        for found in WATCHED.finditer(listener.arguments):
            if found["all"]:
                yield "what zopestack makes"
            elif found["name"] in made:
                yield found["name"]
