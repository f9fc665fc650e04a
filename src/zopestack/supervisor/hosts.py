"""``supervisorctl hosts``: one command on every host, one host after the other.

It uses the ``ssh`` of whoever types it. Nothing of the stack listens for it.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from zopestack.features.host_lines import Host
from zopestack.features.unknown_name import nearest
from zopestack.model import Stack
from zopestack.supervisor import clocks
from zopestack.supervisor.stopped import Stopped

#: Never ask for a password, which nobody may be there to type; give up a host that does not answer,
#: also where it stops to do so while the command runs (ssh_config(5)).
SSH = (
    *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
)

#: The exit status of ssh where it has not reached the other host (ssh(1), "EXIT STATUS").
UNREACHED = 255

#: Seconds for a host to say whether its supervisord runs.
PATIENCE = 60

#: The command that only concerns hosts with instances.
ROLL = "roll"


def run(stack: Stack, words: Sequence[str], first: str, say: Callable[[str], None]) -> None:
    """Run a command of supervisorctl on every host, in the order of ``hosts``.

    :param words: the command.
    :param first: the host to begin with; empty for the first one.
    :param say: called with each line of output, which begins with the host.
    :raises Stopped: before anything is done, where a host cannot be reached, its supervisord does
        not run, or the clocks differ; and at the first host where the command fails.
    """
    hosts = _chosen(stack, words[0], first)
    _check(stack, hosts)
    for number, host in enumerate(hosts):
        status, said = _call(stack, host, words, say)
        if status:
            done = ", ".join(each.name for each in hosts[:number]) or "no host"
            why = f"ssh: {said}" if status == UNREACHED else f"exit status {status}"
            again = shlex.join(["bin/supervisorctl", "hosts", "--from", host.name, *words])
            raise Stopped(
                f"{host.name}: `{shlex.join(words)}` failed ({why}). It is done on {done}. Once "
                f"that is mended, go on with\n  {again}"
            )
    say(f"{shlex.join(words)}: done on {', '.join(each.name for each in hosts)}")


def _chosen(stack: Stack, command: str, first: str) -> list[Host]:
    if not stack.hosts.hosts:
        raise Stopped("there is one host only: [stack] has no hosts")
    hosts = [each for each in stack.hosts.hosts if each.instances or command != ROLL]
    names = [each.name for each in hosts]
    if first and first not in names:
        raise Stopped(f"{first}: no such host; {nearest(first, names)}")
    return hosts[names.index(first) :] if first else hosts


def _check(stack: Stack, hosts: Sequence[Host]) -> None:
    """Check that the command can be run everywhere, before it is run anywhere."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        found = list(pool.map(partial(_objection, stack), hosts))
    if wrong := [f"{host.name}: {why}" for host, why in zip(hosts, found, strict=True) if why]:
        raise Stopped("nothing was done.\n  " + "\n  ".join(wrong))
    if ahead := clocks.differing(stack):
        raise Stopped(
            f"nothing was done: the clocks differ, {clocks.described(ahead)}. Set them by NTP, "
            "with chrony or systemd-timesyncd."
        )


def _objection(stack: Stack, host: Host) -> str:
    """Why a command cannot be run on a host; empty where it can."""
    try:
        done = subprocess.run(
            _command(stack, host, ["pid"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE} s"
    except OSError as why:
        return str(why)
    said = done.stdout.strip().splitlines() or [""]
    if done.returncode == UNREACHED:
        return f"ssh {host.address}: {said[-1]}"
    if done.returncode or not said[-1].isdigit():
        return f"{stack.bin}/supervisorctl pid: {said[-1]}"
    return ""


def _call(
    stack: Stack, host: Host, words: Sequence[str], say: Callable[[str], None]
) -> tuple[int, str]:
    """Exit status and last line of a command on one host."""
    last = ""
    with subprocess.Popen(
        _command(stack, host, words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as running:
        for line in running.stdout or ():
            last = line.rstrip()
            say(f"{host.name}: {last}")
    return running.returncode, last


def _command(stack: Stack, host: Host, words: Sequence[str]) -> list[str]:
    command = [f"{stack.bin}/supervisorctl", *words]
    # The shell of the other host reads its words.
    return command if host == stack.hosts.here else [*SSH, host.address, shlex.join(command)]
