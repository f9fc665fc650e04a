"""The user's own programs, as supervisord is told about them."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.features.program_lines import OwnProgram
from zopestack.model import Stack
from zopestack.render.program import Program


def own_programs(stack: Stack, digests: Mapping[str, str]) -> tuple[Program, ...]:
    """Programs and event listeners from ``[supervisor]``, in the order of their lines."""
    return tuple(_program(stack, each, digests.get(each.name, "")) for each in stack.own.all)


def _program(stack: Stack, own: OwnProgram, digest: str) -> Program:
    return Program(
        name=own.name,
        comment=f"Your own, from [supervisor] {'eventlisteners' if own.events else 'programs'}.",
        command=f"{command(stack, own)} {own.arguments}".rstrip(),
        directory=_directory(stack, own),
        group=stack.own.group(own.name),
        priority=own.priority,
        autostart=own.autostart,
        autorestart=own.autorestart,
        startsecs=own.startsecs,
        startretries=own.startretries,
        stopsignal=own.stopsignal,
        stopwaitsecs=own.stopwaitsecs,
        stopasgroup=own.stopasgroup,
        exitcodes=own.exitcodes,
        events=own.events,
        further={**_logs(stack, own), **dict(own.further), **_user(own)}
        | {"environment": _environment(stack, own, digest)},
    )


def command(stack: Stack, own: OwnProgram) -> str:
    """What is run: a path from the buildout's directory on, unless it is looked up in PATH."""
    relative = "/" in own.command and own.command[0] not in "/%"
    return str(stack.directory / own.command) if relative else own.command


def _directory(stack: Stack, own: OwnProgram) -> str:
    """Where it runs: where its command is, as that recipe has it."""
    if own.directory:
        return str(stack.directory / own.directory)
    whole = command(stack, own)
    return whole.rpartition("/")[0] or "/" if "/" in whole else str(stack.directory)


def _user(own: OwnProgram) -> dict[str, str]:
    return {"user": own.user} if own.user else {}


def _environment(stack: Stack, own: OwnProgram, digest: str) -> str:
    # The user's own values come last, and win.
    made = [f'TMPDIR="{stack.temporary}"', f'STACK_DIGEST="{digest}"']
    given = [text for name, text in own.further if name == "environment"]
    return ",".join([*made, *given])


def _logs(stack: Stack, own: OwnProgram) -> dict[str, str]:
    """Where its output goes: to the logs of the stack, with their size, unless the user says
    otherwise. An event listener's standard output is its protocol.
    """
    kinds = {"stdout": "out", "stderr": "err"}
    if own.redirect:
        del kinds["stderr"]
    if own.events:
        kinds = {"stderr": "out"}
    lines = {"redirect_stderr": "true"} if own.redirect else {}
    if own.events:
        lines["stdout_logfile"] = "NONE"
    for stream, suffix in kinds.items():
        lines |= {
            f"{stream}_logfile": str(stack.logs / f"{own.name}.{suffix}.log"),
            f"{stream}_logfile_maxbytes": str(stack.rotation.log_size),
            f"{stream}_logfile_backups": str(stack.rotation.log_files),
        }
    return lines
