"""Debian's Munin for one stack: its node, what asks it, and what draws.

Its node reads its plugins from one directory of the machine, and its other programs refuse to run
as root. So this needs root: the node sees the plugins of this stack in that place, in a mount
namespace of its own, and the others run as the user of Debian's package.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.support.harness import Site, until
from zopestack.supervisor.munin.cli import prefix

#: Where Debian has what is no command.
PROGRAMS = Path("/usr/share/munin")

USER = "munin"

#: What the node mounts over the machine's, before it starts.
START = """\
mount --bind "$1" /etc/munin/plugins && mount --bind "$2" /etc/munin/plugin-conf.d &&
exec munin-node --config "$3"
"""

#: Where its pages come from.
TEMPLATES, STATIC = Path("/etc/munin/templates"), Path("/etc/munin/static")

HOST = "mysite"

#: Seconds between two values; Munin's own are 300.
RATE = 10

#: The plugin, which says of each graph that it has a value as often, and that so many are kept.
OFTEN = """\
#!/bin/sh
if [ "$1" = config ]; then
    {plugin} config | sed 's/^multigraph .*/&\\nupdate_rate {rate}\\ngraph_data_size custom 1000/'
    exit
fi
exec {plugin} "$@"
"""


class Munin:
    """Runs a node until the end of the block, with the plugin installed.

    :param directory: for all of its files.
    """

    def __init__(self, directory: Path, site: Site) -> None:
        self.directory, self.site = directory, site
        self.port = site.ports.spare + 3
        self.plugins, self.configuration = directory / "plugins", directory / "plugin-conf.d"
        self.pictures = directory / "html"
        for name in ("plugins", "html", "db", "log", "run"):
            (directory / name).mkdir()
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, USER)
            path.chmod(0o755)
        given = ("--plugins", self.plugins, "--configuration", self.configuration)
        self.installed = site.run("bin/munin-plugin", "install", *given).stdout
        (directory / "node.conf").write_text(
            f"log_file {directory}/log/node.log\npid_file {directory}/run/node.pid\n"
            "background 0\nsetsid 0\nuser root\ngroup root\n"
            f"allow ^127\\.0\\.0\\.1$\nhost 127.0.0.1\nport {self.port}\nhost_name {HOST}\n"
        )
        (directory / "munin.conf").write_text(
            f"dbdir {directory}/db\nhtmldir {self.pictures}\nlogdir {directory}/log\n"
            f"rundir {directory}/run\ntmpldir {TEMPLATES}\nstaticdir {STATIC}\n"
            f"[{HOST}]\naddress 127.0.0.1\nport {self.port}\nuse_node_name yes\n"
        )
        link = self.plugins / prefix(site.stack)
        link.unlink()
        link.write_text(OFTEN.format(plugin=site.stack.bin / "munin-plugin", rate=RATE))
        link.chmod(0o755)

    def __enter__(self) -> Self:
        where = (self.plugins, self.configuration, self.directory / "node.conf")
        self.node = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", START, "munin-node", *where],
            env=self.site.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        log = self.directory / "log/node.log"
        until("munin-node", lambda: log.exists() and "Binding to TCP port" in log.read_text())
        return self

    def __exit__(self, *_: Any) -> None:
        self.node.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.node.wait(10)
        self.node.kill()
        self.node.wait()

    def update(self) -> None:
        """Ask the node once."""
        self._run("munin-update", "--nofork")

    def graph(self, name: str, since: int, to: int) -> bytes:
        """One of the stack's graphs, as a picture.

        :param since: seconds since the epoch, as ``to``.
        """
        graph = f"/{HOST}/{HOST}/{prefix(self.site.stack)}_{name}-pinpoint={since},{to}.png"
        # What munin-html leaves for munin-graph: the graphs to draw.
        (self.directory / "db/graphs").write_text(f"{graph}\n")
        self._run("munin-graph")
        return (self.pictures / graph.lstrip("/")).read_bytes()

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = ["runuser", "-u", USER, "--", PROGRAMS / program]
        command += ["--config", self.directory / "munin.conf", *arguments]
        done = subprocess.run(
            command, env=self.site.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
