"""A buildout with a [stack] in a directory of its own: build it, start it, stop it.

The benchmark's farm and the deployments of the tests are both one of these.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from zopestack import stack_file
from zopestack.model import Stack
from zopestack.supervisor import daemon
from zopestack.supervisor.client import Process, Supervisor
from zopestack.supervisor.readiness import NotReady, wait_ready
from zopestack_bench import Broken
from zopestack_bench.probe import until

#: The commands of the environment that runs this.
COMMANDS = Path(sys.executable).parent


class Buildout:
    """A buildout and its processes.

    :ivar environment: of what is run in it; None for this process's own.
    :ivar patience: seconds that a command in it may take; None for any time.
    """

    directory: Path
    environment: Mapping[str, str] | None = None
    patience: float | None = None

    @property
    def stack(self) -> Stack:
        """The Stack of the last buildout."""
        return stack_file.load(self.directory / "parts/stack-files/stack.json")

    def write(self, *sections: str) -> None:
        """Write buildout.cfg."""
        self.directory.mkdir(parents=True, exist_ok=True)
        text = "\n\n".join(sections) + "\n"
        (self.directory / "buildout.cfg").write_text(text, encoding="utf-8")

    def run(
        self, *command: str | Path, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the directory; its output, stderr with stdout.

        :raises Broken: where it fails, unless ``check`` is false.
        """
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout or self.patience,
            check=False,
        )
        if check and done.returncode:
            words = " ".join(map(str, command))
            raise Broken(
                f"{words} in {self.directory} ended with {done.returncode}:\n{done.stdout}"
            )
        return done

    def buildout(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildout.

        :raises Broken: where it fails, unless ``check`` is false.
        """
        return self.run(COMMANDS / "buildout", *arguments, check=check)

    def launch(self, timeout: float, say: Callable[[str], None] = print) -> None:
        """Start supervisord, and wait until everything serves.

        :raises Broken: where it does not within so many seconds.
        """
        self.run("bin/supervisord")
        try:
            wait_ready(self.stack, timeout, say)
        except NotReady as why:
            raise Broken(str(why)) from None

    def stop(self) -> None:
        """Stop every process; the directory stays."""
        supervisor = Supervisor(self.directory / "var" / "supervisor.sock")
        if supervisor.running():
            supervisor.rpc.shutdown()
            # It says at once that it no longer runs, and ends when its programs have ended.
            until("supervisord to end", lambda: daemon.pid(supervisor.path) is None)

    def supervised(self) -> dict[str, Process]:
        """supervisord's view of each program by name."""
        return Supervisor(self.stack.supervisor_socket).processes()

    def pid(self, program: str) -> int:
        """The process of a program; 0 for one that does not run."""
        return self.supervised()[program].pid
