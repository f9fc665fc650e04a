"""Programs beside Zope, as [supervisor] names them, with a real supervisord: redis, memcached, a
search server and a front end for Node, each the program itself.
"""

from __future__ import annotations

import base64
import getpass
import socket
import sys
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support import front_end
from tests.support.fetch import Response, fetch
from tests.support.polling import PATIENCE, until
from tests.support.supervised import Supervised
from zopestack.features.address import Address
from zopestack.features.timings import Timings
from zopestack.supervisor import readiness, started
from zopestack.supervisor.before import Before
from zopestack.supervisor.client import Supervisor

OWN = ("caches:redis", "caches:memcached", "search", "front-end")

#: Sets up the database of the search server once, and becomes it.
SEARCH = """\
#!/bin/sh
test -e db || groonga -n db shutdown
exec groonga -s --protocol http --bind-address 127.0.0.1 -p $1 db
"""


@dataclass(frozen=True)
class Beside:
    """The stack, and the ports of its programs."""

    stack: Supervised
    redis: int
    memcached: int
    search: int
    front_end: int
    control: int

    def section(self, **changed: str) -> dict[str, str]:
        """The options of [supervisor]; in their place others, and other lines of programs."""
        options = {
            "groups": "20 caches redis,memcached",
            "port": str(self.control),
            "user": "operator",
            "password": "%secret;#1",
        }
        lines = self.lines | {"more": ""}
        given = {name: changed.pop(name, text) for name, text in lines.items()}
        return {"programs": "\n".join(given.values()), **options, **changed}

    @property
    def lines(self) -> dict[str, str]:
        """The line of each program."""
        return {
            "redis": f"50 redis redis-server [--port {self.redis} --save ''] {self.home} true",
            "memcached": f"60 memcached /usr/bin/memcached [-l 127.0.0.1 -p {self.memcached} "
            f"-u {getpass.getuser()}]",
            "search": f"70 search (startsecs=0) ./search [{self.search}] {self.home} true",
            "front_end": f"250 front-end (environment=PORT='{self.front_end}') node "
            f"[{front_end.SERVER}] {self.home} true",
            "once": "10 once (autorestart=false startsecs=0) "
            f"sh [-c 'echo ran >>once'] {self.home}",
            "by_hand": "400 by-hand (autostart=false) sleep [1000]",
        }

    @property
    def home(self) -> Path:
        return self.stack.directory

    def asked(self, port: int, path: str) -> Response:
        return fetch(Address("127.0.0.1", port), path)

    def update(self, **changed: str) -> tuple[str, set[str]]:
        """Edit and apply; what is said, and which programs have another process."""
        before = self.stack.pids()
        self.stack.sections = {"supervisor": self.section(**changed)}
        self.stack.configure()
        done = self.stack.supervisorctl("update")
        assert done.returncode == 0, done.stdout
        after = self.stack.pids()
        return done.stdout, {name for name in after if after[name] != before.get(name)}

    def ready(self) -> None:
        """Wait until all of them run, and the instance."""
        until(
            "every program to run",
            self.stack.states,
            lambda states: {states[name] for name in (*OWN, "instance1")} == {"RUNNING"},
        )

    def refused(self) -> str:
        """Why scripts/up fails."""
        with pytest.raises(readiness.NotReady) as why:
            readiness.wait_ready(self.stack.stack, PATIENCE, print)
        return str(why.value)


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    with Supervised(timings=Timings(stop=1, check_interval=0.2), instances=1) as stack:
        first = stack.ports.spare
        found = Beside(stack, *range(first, first + 5))
        front_end.build(stack.directory)
        (stack.directory / "search").write_text(SEARCH, encoding="utf-8")
        (stack.directory / "search").chmod(0o755)
        stack.sections = {"supervisor": found.section()}
        stack.configure()
        stack.launch()
        yield found


def says(port: int, line: bytes) -> bytes:
    """What a server answers to a line."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(line + b"\r\n")
        return connection.recv(1000)


def test_each_runs_and_serves(beside: Beside) -> None:
    beside.ready()
    assert says(beside.redis, b"PING") == b"+PONG\r\n"
    assert says(beside.memcached, b"version").startswith(b"VERSION ")
    assert "Rendered for /news" in beside.asked(beside.front_end, "/news").text
    assert beside.asked(beside.front_end, "/health").status == 200
    made = "/d/table_create?name=Pages&flags=TABLE_PAT_KEY&key_type=ShortText"
    assert beside.asked(beside.search, made).text.endswith("true]")
    states = beside.stack.states()
    assert {states[name] for name in OWN} == {"RUNNING"}
    assert states["by-hand"] == "STOPPED"


def test_what_sets_up_something_has_ended_and_is_not_missed(beside: Beside) -> None:
    until("its end", lambda: beside.stack.states()["once"], "EXITED".__eq__)
    assert beside.stack.up().returncode == 0
    assert (beside.home / "once").read_text("utf-8") == "ran\n"
    beside.ready()


def test_stack_shows_memory_and_cpu(beside: Beside) -> None:
    said = beside.stack.supervisorctl("stack").stdout
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line}
    assert lines["program"] == ["program", "state", "pid", "uptime", "memory", "cpu"]
    assert [name for name in lines if name in OWN] == [*OWN]
    for name in OWN:
        state, pid, _, memory, unit, cpu = lines[name][1:]
        assert (state, pid, unit) == ("running", str(beside.stack.pids()[name]), "MB")
        assert 0 < int(memory) <= psutil.Process(int(pid)).memory_info().rss >> 20
        assert cpu.endswith("%")
    assert lines["by-hand"][1:] == ["stopped", "-", "-", "-", "-"]
    assert lines["once"][1] == "exited"


def test_memory_and_cpu_are_those_of_all_that_a_program_has_started(beside: Beside) -> None:
    busy = "while true; do true; done & sleep 1000"
    beside.update(more=f"400 busy (stopasgroup=true) sh [-c '{busy}']")

    def cpu() -> float:
        said = beside.stack.supervisorctl("stack").stdout.splitlines()
        (line,) = (line for line in said if line.startswith("busy "))
        return float(line.split()[-1].removesuffix("%"))

    # The shell and its sleep use none.
    assert until("CPU of a child", cpu, lambda found: found > 1)
    beside.update()
    assert "busy" not in beside.stack.pids()


def test_an_edit_restarts_the_program_that_it_concerns(beside: Beside) -> None:
    said, changed = beside.update(front_end=beside.lines["front_end"].replace("250", "251"))
    assert changed == {"front-end"}
    assert "front-end: updated" in said
    assert beside.update()[1] == {"front-end"}
    assert beside.update() == ("nothing has changed\n", set())
    # A file that it is started with.
    server = beside.home / front_end.SERVER
    server.write_text(server.read_text("utf-8") + "// changed\n", "utf-8")
    assert beside.update()[1] == {"front-end"}
    beside.ready()
    # A group as a whole.
    assert beside.update(groups="30 caches redis,memcached")[1] == {*OWN[:2]}
    assert beside.update()[1] == {*OWN[:2]}


def test_an_edit_is_applied_in_the_order_of_priorities(beside: Beside) -> None:
    beside.stack.set(threads=2)
    front_end_later = beside.lines["front_end"].replace("250", "251")
    said, changed = beside.update(groups="30 caches redis,memcached", front_end=front_end_later)
    assert {"instance1", "front-end", *OWN[:2]} <= changed
    steps = [
        said.index(step)
        for step in ("caches: updated", "instance1: draining", "front-end: updated")
    ]
    assert steps == sorted(steps)
    beside.update()
    beside.ready()


def test_one_that_runs_by_hand_runs_after_an_edit_too(beside: Beside) -> None:
    beside.stack.supervisorctl("start", "by-hand")
    changed = beside.update(by_hand="400 by-hand (autostart=false) sleep [2000]")[1]
    assert changed == {"by-hand"}
    until("it to run", lambda: beside.stack.states()["by-hand"], "RUNNING".__eq__)
    beside.stack.supervisorctl("stop", "by-hand")
    beside.update()
    assert beside.stack.states()["by-hand"] == "STOPPED"


def test_they_are_operated_as_the_others(beside: Beside) -> None:
    before = beside.stack.pids()
    done = beside.stack.supervisorctl("restart", "caches:*")
    assert "caches:redis: started" in done.stdout
    beside.ready()
    after = beside.stack.pids()
    assert {name for name in after if after[name] != before[name]} == {*OWN[:2]}
    beside.stack.supervisorctl("stop", "all")
    assert not any(beside.stack.pids().values())
    said = beside.stack.supervisorctl("start", "all").stdout
    for name in (*OWN, "once"):
        assert f"{name}: started" in said
    beside.ready()
    assert beside.stack.states()["by-hand"] == "STOPPED"


def test_an_interrupted_command_starts_them_again(beside: Beside) -> None:
    """After one that was killed, the next one does."""
    before = Before.look(beside.stack.stack, "restart all")
    before.save()
    beside.stack.supervisorctl("stop", "caches:redis")
    before.save()
    said = beside.stack.supervisorctl("start", "once").stdout
    assert "caches:redis: starting again" in said
    beside.ready()
    assert says(beside.redis, b"PING") == b"+PONG\r\n"


def test_one_that_cannot_start_is_named_with_the_reason(beside: Beside) -> None:
    beside.update(more="300 typo /usr/bin/redis-serer")
    why = beside.refused()
    assert "typo: supervisord gave up starting it (can't find command" in why
    script = "sh [-c 'echo no such index >&2; exit 3']"
    beside.update(more=f"300 typo (autorestart=false startsecs=0) {script}")
    why = beside.refused()
    assert "typo: has ended with exit status 3" in why
    assert "no such index" in why
    beside.update()
    beside.ready()


def test_memmon_restarts_one_that_uses_too_much(beside: Beside) -> None:
    memmon = Path(sys.executable).parent / "memmon"
    before = beside.stack.pids()
    beside.update(eventlisteners=f"Memmon TICK_5 {memmon} [-p front-end=1MB]")
    until("another process", beside.stack.pids, lambda now: now["front-end"] != before["front-end"])
    assert beside.stack.pids()["instance1"] == before["instance1"]
    beside.update()
    beside.ready()
    assert "Memmon" not in beside.stack.pids()


def rpc(beside: Beside, password: str) -> str:
    """supervisord's state, asked over TCP."""
    login = base64.b64encode(f"operator:{password}".encode()).decode()
    proxy = xmlrpc.client.ServerProxy(
        f"http://127.0.0.1:{beside.control}", headers=[("Authorization", f"Basic {login}")]
    )
    return str(proxy.supervisor.getState()["statename"])  # type: ignore[index]


def test_supervisord_asks_for_the_password_on_its_port(beside: Beside) -> None:
    assert rpc(beside, "%secret;#1") == "RUNNING"
    for wrong in ("", "secret", "%%secret;#1"):
        with pytest.raises(xmlrpc.client.ProtocolError) as refused:
            rpc(beside, wrong)
        assert refused.value.errcode == 401
    made = beside.stack.stack
    for path in (made.supervisord_conf, made.stack_file):
        assert path.stat().st_mode & 0o777 == 0o600
        assert "secret" in path.read_text("utf-8")
    readable = {
        path
        for path in beside.home.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 and "node_modules" not in path.parts
    }
    assert not [path for path in readable if b"%secret" in path.read_bytes()]
    assert not [each for each in beside.stack.processes() if "secret" in " ".join(each.cmdline())]


def test_the_port_outlives_the_deletion_of_the_socket(beside: Beside) -> None:
    beside.stack.stack.supervisor_socket.unlink()
    until("the socket", beside.stack.stack.supervisor_socket.exists)
    assert rpc(beside, "%secret;#1") == "RUNNING"
    assert beside.stack.supervisorctl("status", "front-end").returncode == 0


def test_update_says_that_the_port_needs_a_new_supervisord(beside: Beside) -> None:
    says_so = "bin/supervisorctl reload stops everything and starts it again"
    assert says_so not in beside.update()[0]
    assert says_so in beside.update(password="another")[0]
    assert says_so in beside.update(port="", user="", password="")[0]
    beside.stack.supervisorctl("reload")
    until("supervisord again", Supervisor(beside.stack.stack.supervisor_socket).running)
    beside.ready()
    with pytest.raises(OSError, match="refused"):
        rpc(beside, "%secret;#1")
    said, changed = beside.update()
    assert says_so in said
    assert not changed


def test_orphans_end_in_order(beside: Beside) -> None:
    """supervisord is killed: what has started before the instances ends after them."""
    pid = beside.stack.pids()["caches:redis"]
    until("redis to be noted", lambda: started.read(beside.stack.stack.started).get(pid))
    psutil.Process(supervisord(beside)).kill()
    said = beside.stack.up().stdout
    steps = [line for line in said.splitlines() if line.startswith("* stopping ")]
    assert "front-end" in steps[0]
    assert "instance1" in steps[0]
    # An idle zeo ends with supervisord.
    second = {*steps[1].removeprefix("* stopping ").split(", ")}
    assert second - {"zeo"} == {"memcached", "redis", "search"}
    beside.ready()
    assert says(beside.redis, b"PING") == b"+PONG\r\n"


def supervisord(beside: Beside) -> int:
    return int((beside.stack.stack.var / "supervisord.pid").read_text("ascii"))


def test_a_shutdown_stops_them_by_priority(beside: Beside) -> None:
    """Last."""
    log = beside.stack.stack.logs / "supervisord.log"
    seen = log.stat().st_size
    beside.stack.supervisorctl("shutdown")
    until("the end", lambda: not beside.stack.processes())
    said = log.read_text("utf-8")[seen:]
    stopped = [line.split()[4] for line in said.splitlines() if " stopped: " in line]
    for earlier, later in (
        ("front-end", "instance1"),
        ("instance1", "zeo"),
        ("zeo", "search"),
        ("search", "redis"),
    ):
        assert stopped.index(earlier) < stopped.index(later), stopped
