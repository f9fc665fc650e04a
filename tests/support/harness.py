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
from tests.support.logged import logged
from tests.support.polling import PATIENCE as PATIENCE
from tests.support.polling import until as until
from zopestack.features.address import Address
from zopestack.features.storage import Kind
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.supervisor import readiness as waiting
from zopestack_bench.deployment import COMMANDS as COMMANDS
from zopestack_bench.deployment import Buildout

CHECKOUT = Path(__file__).parents[2]


class Site(Deployment, Buildout):
    """A buildout with a [stack] on free ports, and its processes.

    Its methods raise ``zopestack_bench.Broken`` where a command fails.

    :param sections: further sections of buildout.cfg, such as ``"[instance]\\nthreads = 2"``.
    :param options: of [stack], with ``_`` for ``-``: ``instances=4, base_port=9000``.
    """

    patience = PATIENCE

    def __init__(self, sections: str = "", **options: object) -> None:
        super().__init__()
        self.configure(sections, **options)

    # Provisioning.

    def configure(self, sections: str = "", **options: object) -> None:
        """Write buildout.cfg anew: the options so far with these over them."""
        self.sections = sections
        self.set(**options)
        given = dict(self.options)
        if given.get("storage") == Kind.RELSTORAGE:
            # There is no ZEO that could be anywhere.
            del given["zeo-address"]
        stack = "\n".join(f"{name} = {value}" for name, value in given.items())
        self.write(
            f"[buildout]\nextends = {CHECKOUT / 'versions.cfg'}\nparts = stack",
            f"[stack]\nrecipe = zopestack\n{stack}",
            sections,
        )

    def buildout(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildout, without what the user who runs the tests has set for all buildouts."""
        return super().buildout("-U", *arguments, check=check)

    # Running.

    def start(self) -> None:
        """Provision, start supervisord, and wait until everything serves."""
        self.buildout()
        self.launch(PATIENCE)

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

    def run_in_zope(self, text: str, instance: str = "instance1") -> str:
        """What a script says that runs in Zope, with the site's database."""
        file = self.directory / "script.py"
        file.write_text(text, encoding="utf-8")
        return self.run(self.stack.bin / instance, "run", file).stdout

    def states(self) -> dict[str, str]:
        """supervisord's word for each program: RUNNING, STARTING, BACKOFF ..."""
        return {name: p.state for name, p in self.supervised().items()}

    def pids(self) -> dict[str, int]:
        """The process supervisord has for each program; 0 for one that does not run."""
        return {name: p.pid for name, p in self.supervised().items()}

    def servers(self) -> dict[str, Server]:
        """HAProxy's view of the instances."""
        return Runtime(self.stack.haproxy_socket).servers()

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
        return logged(self.stack, name)

    def stop(self, patience: float = 30) -> None:
        """The same, with the time that an orderly end takes."""
        if self in self.live and (self.directory / "bin/supervisorctl").exists():
            self.supervisorctl("shutdown")
        super().stop(patience)

    # Visiting.

    @property
    def admin(self) -> tuple[str, str]:
        """Name and generated password of the initial administrator."""
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
        known["haproxy"] = stack.balancer.local_address
        known["stats"] = stack.balancer.stats_address
        known["zeo"] = stack.storage.zeo_address
        return known[at]
