"""The generated supervisord.conf and what it runs beside Zope, with a real supervisord.

    with Supervised(instances=2) as stack:
        stack.start()
        assert stack.supervisorctl("status").returncode == 0

There is no buildout and no Zope, so it starts in a second or two: the scripts that buildout would
put into ``bin`` start the modules of this checkout, an instance is
``tests.support.bare_instance`` or nothing at all, and ``zeo`` is a process that waits.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from tests.support import describe
from tests.support.deployment import Deployment
from tests.support.logged import logged
from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from zopestack import files
from zopestack.buildout import digests, parts
from zopestack.features.option import SUPERVISOR
from zopestack.features.timings import Timings
from zopestack.haproxy import launcher
from zopestack.haproxy import program as haproxy
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.files import balancer, render, varnish
from zopestack.supervisor.client import Process, Supervisor
from zopestack.supervisor.seen import seen

CHECKOUT = Path(__file__).parents[2]

#: A program that does nothing until supervisord ends.
IDLE = ("/bin/cat",)


class Supervised(Deployment):
    """One supervisord with the programs of a stack.

    :param idle: whether the instances do nothing at all, or the names of those that do not.
    :param timings: shorter ones, for a test that would wait.
    :param sections: of its groups, and [supervisor].
    :param options: of [stack], with ``_`` for ``-``.
    """

    def __init__(
        self,
        idle: bool | Collection[str] = False,
        timings: Timings | None = None,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        **options: object,
    ) -> None:
        super().__init__()
        self.sections = sections or {}
        self.timings = timings or Timings()
        self.set(**options)
        self.idle = idle
        self.configure()

    def configure(self, **options: object) -> None:
        """Write every file anew: the options so far with these over them."""
        self.set(**options)
        texts = {name: str(value) for name, value in self.options.items()}
        found = describe.described(self.directory, texts, self.sections)
        self.stack: Stack = replace(found.stack, timings=self.timings)
        made = parts.parts(self.stack, found.overrides)
        # Part of what the instances are started with.
        self._scripts(made[SUPERVISOR]["initialization"])
        known = digests.digests(
            self.stack, made, {}, {**balancer(self.stack), **varnish(self.stack)}
        )
        for path, text in render(self.stack, known).items():
            files.write(path, text, mode=0o600 if path in self.stack.private else 0o644)
        launcher.put(self.stack.haproxy, self.stack.balancer.executable)
        for directory in (self.stack.logs, self.stack.temporary):
            directory.mkdir(parents=True, exist_ok=True)
        if not self.stack.server_state.exists():
            files.write(self.stack.server_state, haproxy.NO_STATE)

    def _scripts(self, initialization: str) -> None:
        stack = self.stack
        python = [sys.executable, "-m"]
        scripts: dict[Path, tuple[str | Path, ...]] = {
            stack.parts / "instance1/bin/interpreter": IDLE,
            stack.bin / "guard-instances": (*python, "zopestack.supervisor.guard", "$@"),
            stack.bin / "reload-haproxy": (*python, "zopestack.supervisor.reload", "$@"),
            stack.bin / "write-access-log": (*python, "zopestack.haproxy.log_writer", "$@"),
            stack.bin / "serve-metrics": (*python, "zopestack.supervisor.scrapes", "$@"),
            stack.bin / "run-haproxy": (*python, "zopestack.haproxy.run", "$@"),
            stack.bin / "reload-varnish": (*python, "zopestack.supervisor.reload_varnish", "$@"),
            stack.bin / "run-varnish": (*python, "zopestack.varnish.run", "$@"),
        }
        for name in ("supervisord", "supervisorctl"):
            script = (
                f"import sys\nsys.argv[0] = {str(stack.bin / name)!r}\n{initialization}\n"
                f"from supervisor.{name} import main\nmain()"
            )
            scripts[stack.bin / name] = (sys.executable, "-c", script, "$@")
        for instance in stack.instances:
            told = parts.agent(stack, instance).environment()
            bare = ("env", *map("=".join, told.items()), *python, "tests.support.bare_instance")
            idle = self.idle if isinstance(self.idle, bool) else instance.name in self.idle
            scripts[stack.bin / instance.name] = IDLE if idle else bare
        for path, command in scripts.items():
            words = ['"$@"' if word == "$@" else shlex.quote(str(word)) for word in command]
            text = f"#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {' '.join(words)}\n"
            files.write(path, text, mode=0o755)

    def start(self) -> None:
        """Start supervisord and wait until it regards every program as started."""
        self.launch()
        self.wait_running()

    def launch(self) -> None:
        """Start supervisord."""
        subprocess.run([self.stack.bin / "supervisord"], env=self.environment, check=True)

    def wait_running(self) -> None:
        """Wait until every program runs."""
        until("every program to run", self.states, lambda states: {*states.values()} == {"RUNNING"})

    def processes_by_name(self) -> dict[str, Process]:
        """supervisord's view of the programs."""
        return Supervisor(self.stack.supervisor_socket).processes()

    def states(self) -> dict[str, str]:
        """supervisord's word for each program: RUNNING, STARTING, BACKOFF ..."""
        return {name: process.state for name, process in self.processes_by_name().items()}

    def pids(self) -> dict[str, int]:
        """The process of each program; 0 for one that does not run."""
        return {name: process.pid for name, process in self.processes_by_name().items()}

    def supervisorctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``bin/supervisorctl``; its output, stderr with stdout."""
        return subprocess.run(
            [self.stack.bin / "supervisorctl", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def popen(self, *arguments: str) -> Started[str]:
        """Run ``bin/supervisorctl`` beside the test; its output, stderr with stdout, is a pipe."""
        return Started(
            [self.stack.bin / "supervisorctl", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def up(self, first: str = "") -> subprocess.CompletedProcess[str]:
        """Do what scripts/up does with a supervisord; its output, stderr with stdout.

        :param first: Python that is run before.
        """
        text = (
            "import sys, pathlib\n"
            "from zopestack import stack_file\n"
            "from zopestack.supervisor import daemon, up\n"
            f"{first}\n"
            "try:\n"
            f"    up.start(stack_file.load(pathlib.Path({str(self.stack.stack_file)!r})))\n"
            "except daemon.Deaf as why:\n"
            "    sys.exit(str(why))\n"
        )
        return subprocess.run(
            [sys.executable, "-c", text],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def wait_serving(self) -> None:
        """Wait until every program runs, and HAProxy sends requests to every instance."""
        runtime = Runtime(self.stack.haproxy_socket)
        self.wait_running()
        until(
            "the end of a reload",
            lambda: psutil.Process(self.pids()["haproxy-reload"]).name(),
            "cat".__eq__,
        )
        until(
            "HAProxy to send to all",
            runtime.servers,
            lambda known: (
                len(known) == len(self.stack.instances) and all(s.up for s in known.values())
            ),
        )
        if self.stack.several_balancers:
            until("Varnish to send to all", lambda: all(s.up for s in seen(self.stack).values()))

    def log(self, name: str) -> str:
        """What a program has said."""
        return logged(self.stack, f"{name}.out.log")
