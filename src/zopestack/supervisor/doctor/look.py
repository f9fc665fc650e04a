"""What the checks look at: the stack, what runs of it, and the machine; each asked for once."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import psutil
from packaging.utils import canonicalize_name

from zopestack.features import cpus
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.supervisor import clocks, group
from zopestack.supervisor.client import ANSWER, Process, Supervisor
from zopestack.supervisor.figures import Figures
from zopestack.supervisor.gather import gathered
from zopestack.supervisor.stopped import Stopped
from zopestack.varnish.statistics import Statistics, statistics

#: Timeout in seconds for a program to say what it is. To start one takes long on a busy machine.
TIMEOUT = 60

#: Prints name and version of what is installed for an instance, but not of what is developed: an
#: unrelated project may have its name in an index.
INSTALLED = """
import json
from importlib.metadata import distributions
from pathlib import Path
places = {"site-packages", "dist-packages"}
print(json.dumps({
    each.metadata["Name"]: each.version
    for each in distributions()
    if (where := Path(each.locate_file(""))).name in places or where.suffix == ".egg"
    if not each.read_text("direct_url.json")
}))
"""

#: Bytes of the structure that adjtimex(2) fills, more than any machine has, and what it returns
#: where nothing keeps the clock right.
TIMEX_BYTES = 1024
TIME_ERROR = 5


@dataclass(frozen=True)
class Disk:
    """A file system, in bytes.

    :param device: its number.
    """

    device: int
    total: int
    free: int


class Look:
    """One look at a stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @cached_property
    def processes(self) -> dict[str, Process]:
        """What supervisord knows, by supervisorctl's names; empty where it does not answer."""
        try:
            return Supervisor(self.stack.supervisor_socket, ANSWER).processes()
        except OSError:
            return {}

    @cached_property
    def pids(self) -> dict[str, tuple[int, ...]]:
        """The processes of each program that runs."""
        return {name: group.members(each.pid) for name, each in self.processes.items() if each.pid}

    @cached_property
    def memory(self) -> dict[str, int]:
        """Bytes of each program that runs; what forks share is divided among them."""
        return {name: sum(map(group.share, pids)) for name, pids in self.pids.items()}

    @cached_property
    def statistics(self) -> list[dict[str, str]]:
        """HAProxy's, a row for each frontend, backend and server; empty where it is silent."""
        try:
            return Runtime(self.stack.haproxy_socket).statistics()
        except OSError:
            return []

    @cached_property
    def varnish(self) -> Statistics | None:
        """What Varnish has counted; None where it does not run."""
        if not self.stack.varnish.in_front:
            return None
        try:
            return statistics(self.stack)
        except OSError:
            return None

    @cached_property
    def figures(self) -> Figures:
        """What Prometheus would be told."""
        return Figures(gathered(self.stack))

    @cached_property
    def haproxy_status(self) -> str:
        """What HAProxy says of its branch, such as "will stop receiving fixes around Q2 2027."."""
        told = subprocess.run(
            [self.stack.balancer.executable, "-v"],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        ).stdout
        found = re.search(r"^Status: (.*)$", told, re.MULTILINE)
        return found[1] if found else ""

    @cached_property
    def today(self) -> date:
        """The day on which it looks."""
        return date.today()

    @cached_property
    def python(self) -> tuple[int, int]:
        """The version of Python, which is that of the whole buildout."""
        return sys.version_info[:2]

    @cached_property
    def distributions(self) -> dict[str, str]:
        """The version of each package that the first instance has.

        :raises Stopped: where its interpreter cannot tell, or bin/buildout has not made it.
        """
        interpreter = self.stack.parts / self.stack.pattern.name / "bin" / "interpreter"
        # Not the exceptions' own texts, which have all of INSTALLED.
        unknown = f"cannot tell what is installed: {interpreter}"
        try:
            done = subprocess.run(
                [interpreter, "-c", INSTALLED], capture_output=True, check=False, timeout=TIMEOUT
            )
        except OSError as why:
            raise Stopped(f"{unknown}: {why.strerror}") from None
        except subprocess.TimeoutExpired:
            raise Stopped(f"{unknown} has not ended within {TIMEOUT} s") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [""]
            raise Stopped(f"{unknown} ended with {done.returncode}: {said[-1]}")
        found = json.loads(done.stdout)
        return {canonicalize_name(name): version for name, version in found.items()}

    @cached_property
    def cores(self) -> int:
        """Cores that may be used."""
        return cpus.usable()

    @cached_property
    def available(self) -> int:
        """Bytes of memory that the machine can still give."""
        return int(psutil.virtual_memory().available)

    @cached_property
    def clock_kept(self) -> bool:
        """Whether something keeps the machine's clock right (adjtimex(2))."""
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
        return bool(state != TIME_ERROR)

    @cached_property
    def clocks_ahead(self) -> dict[str, float]:
        """The hosts whose clocks differ from the machine's, and by how many seconds."""
        return clocks.differing(self.stack)

    def disk(self, path: Path) -> Disk:
        """The file system of a directory, or of where it will be."""
        existing = next(each for each in (path, *path.parents) if each.exists())
        usage = shutil.disk_usage(existing)
        return Disk(existing.stat().st_dev, usage.total, usage.free)
