"""A real deployment in a directory of its own, for a test to look at and to hurt.

    with Site(instances=2) as site:
        site.start()
        assert site.get("/").status == 200
        site.configure(instances=4)
        site.buildout()
        site.supervisorctl("update")
        site.wait_ready()

It uses the distributions of the environment that runs the tests. However the test ends,
nothing of the site is left running.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import psutil

from tests.support.deployment import Deployment
from tests.support.fetch import Response, fetch
from tests.support.polling import PATIENCE as PATIENCE
from tests.support.polling import until as until
from zopestack import stack_file
from zopestack.features.address import Address
from zopestack.features.instances import LANES
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.supervisor import readiness as waiting
from zopestack.supervisor.client import Process, Supervisor

CHECKOUT = Path(__file__).parents[2]

#: The commands of the environment that runs the tests.
COMMANDS = Path(sys.executable).parent


class Site(Deployment):
    """A buildout with a [stack] on free ports, and its processes.

    :param sections: further sections of buildout.cfg, such as ``"[instance]\\nthreads = 2"``.
    :param options: of [stack], with ``_`` for ``-``: ``instances=4, base_port=9000``.
    """

    def __init__(self, sections: str = "", **options: object) -> None:
        super().__init__()
        self.configure(sections, **options)

    # Provisioning.

    def configure(self, sections: str = "", **options: object) -> None:
        """Write buildout.cfg anew: the options so far with these over them."""
        self.sections = sections
        self.set(**options)
        stack = "\n".join(f"{name} = {value}" for name, value in self.options.items())
        (self.directory / "buildout.cfg").write_text(
            f"[buildout]\nextends = {CHECKOUT / 'versions.cfg'}\nparts = stack\n\n"
            f"[stack]\nrecipe = zopestack\n{stack}\n\n{sections}\n",
            encoding="utf-8",
        )

    def buildout(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildout.

        :raises AssertionError: where it fails, unless ``check`` is false.
        """
        # -U: not with what the user who runs the tests has set for all buildouts.
        return self.run(COMMANDS / "buildout", "-U", *arguments, check=check)

    def run(
        self, *command: str | Path, check: bool = True, timeout: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the site's directory; its output, stderr with stdout.

        :raises AssertionError: where it fails, unless ``check`` is false.
        """
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check:
            said = f"{command} ended with {done.returncode}:\n{done.stdout}"
            assert done.returncode == 0, said
        return done

    @property
    def stack(self) -> Stack:
        """The Stack of the last buildout."""
        return stack_file.load(self.directory / "parts/stack-files/stack.json")

    # Running.

    def start(self) -> None:
        """Provision, start supervisord, and wait until everything serves."""
        self.buildout()
        self.run("bin/supervisord")
        self.wait_ready()

    def up(self) -> str:
        """What scripts/up does once its environment is there; what it says."""
        link = self.directory / "bin" / "buildout"
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(COMMANDS / "buildout")
        return self.run(sys.executable, "-m", "zopestack.supervisor.up").stdout

    def wait_ready(self, timeout: float = PATIENCE) -> None:
        """Wait until every process serves, the balancer sends to all instances included."""
        waiting.wait_ready(self.stack, timeout, print)

    def supervisorctl(
        self, *arguments: str, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run bin/supervisorctl."""
        return self.run("bin/supervisorctl", *arguments, check=check)

    def states(self) -> dict[str, str]:
        """supervisord's word for each program: RUNNING, STARTING, BACKOFF ..."""
        return {name: p.state for name, p in self._supervised().items()}

    def pids(self) -> dict[str, int]:
        """The process supervisord has for each program; 0 for one that does not run."""
        return {name: p.pid for name, p in self._supervised().items()}

    def _supervised(self) -> dict[str, Process]:
        return Supervisor(self.stack.supervisor_socket).processes()

    def servers(self) -> dict[str, Server]:
        """HAProxy's view of the instances."""
        return Runtime(self.stack.haproxy_socket).servers(*LANES)

    def listening(self) -> set[tuple[str, int]]:
        """Host and port of every TCP socket on which a process of the site listens."""
        return {
            (connection.laddr.ip, connection.laddr.port)
            for process in self.processes()
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }

    def log(self, name: str) -> str:
        """A file of var/log: ``log("instance1.out.log")``."""
        return (self.stack.logs / name).read_text(encoding="utf-8", errors="replace")

    def stop(self, patience: float = 30) -> None:
        """The same, with the time that an orderly end takes."""
        if self in self.live and (self.directory / "bin/supervisorctl").exists():
            self.supervisorctl("shutdown")
        super().stop(patience)

    # Visiting.

    @property
    def admin(self) -> tuple[str, str]:
        """Name and generated password of the first manager."""
        return self.stack.zope.user, self.stack.password_file.read_text(encoding="utf-8").strip()

    def get(self, path: str, at: str = "haproxy", login: tuple[str, str] | None = None) -> Response:
        """GET a page.

        :param at: ``haproxy``, or an instance to ask it directly.
        :param login: name and password, such as :attr:`admin`.
        """
        return self.request("GET", path, at=at, login=login)

    def post(
        self,
        path: str,
        fields: Mapping[str, str],
        at: str = "haproxy",
        login: tuple[str, str] | None = None,
    ) -> Response:
        """POST a form; parameters as for :meth:`get`."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, urlencode(fields), headers, at=at, login=login)

    def request(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        at: str = "haproxy",
        login: tuple[str, str] | None = None,
    ) -> Response:
        """One request on a connection of its own."""
        sent = dict(headers or {})
        if login:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        return fetch(self.address(at), path, method, body, sent)

    def address(self, at: str) -> Address:
        """Where ``haproxy``, its ``stats`` page, ``zeo`` or an instance is reached."""
        stack = self.stack
        known = {instance.name: instance.address for instance in stack.instances}
        known["haproxy"] = stack.balancer.http_address.reachable
        known["stats"] = stack.balancer.stats_address
        known["zeo"] = stack.storage.zeo_address
        return known[at]
