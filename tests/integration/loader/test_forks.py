"""A real loader, real clients and real forks; only Zope is left out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.polling import PATIENCE, until
from zopestack.loader import client, forks
from zopestack.loader.forks import Forks
from zopestack.supervisor import group

ALONE = ("/bin/sh", "-c", "echo alone")

#: A fork that says that it runs, and waits.
WAIT = "import time; print('runs', flush=True)\nwhile True: time.sleep(60)"

#: One that says which signal it gets, and ends with TERM.
HEAR = """
import signal, sys
def hear(number, _):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(7)
for each in ("TERM", "INT", "USR1", "USR2", "HUP"):
    signal.signal(getattr(signal, "SIG" + each), hear)
print("runs", flush=True)
while True:
    signal.pause()
"""

#: One that no signal reaches and that holds the interpreter's lock.
DEAF = """
import signal, re
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
print("runs", flush=True)
re.match("(a*)*b", "a" * 64)
"""


class Loader:
    """One in a directory of its own."""

    def __init__(self, home: Path) -> None:
        self.socket = home / "loader.sock"
        self.process: subprocess.Popen[str] | None = None
        self.clients: list[subprocess.Popen[str]] = []
        self._forked: set[int] = set()

    def start(self, code: str) -> None:
        """Start it, and wait for its socket."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.loader", self.socket, code],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        until("the socket", self.socket.exists)

    @property
    def forks(self) -> list[psutil.Process]:
        """Those that run, or are not buried yet."""
        assert self.process
        return psutil.Process(self.process.pid).children()

    def client(self, command: tuple[str, ...] = ALONE, **options: object) -> subprocess.Popen[str]:
        """Ask for a fork."""
        words = [sys.executable, "-I", "-S", client.__file__, self.socket, "60", "wsgi.ini"]
        self.clients.append(
            subprocess.Popen(
                [*words, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **options,  # type: ignore[call-overload]
            )
        )
        return self.clients[-1]

    def running(self) -> tuple[subprocess.Popen[str], psutil.Process]:
        """A client, and its fork, which has said that it runs."""
        asked = self.client()
        assert asked.stdout
        assert asked.stdout.readline() == "runs\n"
        # It may be faster than the answer to its client.
        _, fork = until("the fork", lambda: group.members(asked.pid), lambda found: found[1:])
        self._forked.add(fork)
        return asked, psutil.Process(fork)

    def stop(self) -> None:
        """End everything."""
        processes = [each for each in (self.process, *self.clients) if each]
        # Forks as well, which hold pipes open that are waited for.
        every = {pid for each in processes for pid in group.members(each.pid)}
        for pid in every | self._forked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.communicate(timeout=PATIENCE)


@pytest.fixture
def loader(home: Path) -> Iterator[Loader]:
    made = Loader(home)
    yield made
    made.stop()


def said(process: subprocess.Popen[str], given: str = "") -> str:
    return process.communicate(given, timeout=PATIENCE)[0]


def soon(seconds: float = PATIENCE) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_fork_has_what_its_client_was_started_with(loader: Loader, home: Path) -> None:
    loader.start(
        "import json, os, sys; print('error', file=sys.stderr, flush=True);"
        "print(json.dumps([sys.stdin.read(), os.getcwd(), dict(os.environ), request.wsgi_ini]))"
    )
    environment = {"A": "=b c", "TZ": "UTC", "SUPERVISOR_PROCESS_NAME": "instance1"}
    error, told = said(loader.client(cwd=home, env=environment), "given").splitlines()
    assert error == "error"
    # The locale is the interpreter's own addition.
    given, directory, variables, wsgi_ini = json.loads(told)
    assert (given, directory, wsgi_ini) == ("given", str(home), "wsgi.ini")
    assert variables == environment | {k: v for k, v in variables.items() if k == "LC_CTYPE"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os._exit(4)", 4),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
    ],
)
def test_a_client_ends_as_its_fork_does(loader: Loader, code: str, status: int) -> None:
    loader.start(code)
    asked = loader.client()
    said(asked)
    assert asked.returncode == status
    until("the fork to be buried", lambda: not loader.forks)


def test_signals_are_passed_on(loader: Loader) -> None:
    loader.start(HEAR)
    asked, _ = loader.running()
    assert asked.stdout
    for name in ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT", "SIGTERM"):
        asked.send_signal(getattr(signal, name))
        assert asked.stdout.readline() == f"{name}\n"
    assert asked.wait(PATIENCE) == 7


@pytest.mark.parametrize("code", [WAIT, DEAF], ids=["waiting", "deaf"])
def test_a_killed_client_takes_its_fork_with_it(loader: Loader, code: str) -> None:
    loader.start(code)
    asked, fork = loader.running()
    _, other = loader.running()
    asked.kill()
    until("the fork to end", lambda: gone(fork))
    assert not gone(other)


def test_a_programs_memory_is_its_clients_and_its_forks(loader: Loader) -> None:
    loader.start(WAIT)
    asked, fork = loader.running()
    assert group.members(asked.pid) == (asked.pid, fork.pid)
    least = group.share(fork.pid) // 2
    assert least > 1 << 20
    for counted in (group.resident(asked.pid), group.memory(asked.pid)):
        assert counted > group.share(asked.pid) + least
    # Pages that it has in common with the loader are counted in part.
    assert group.resident(asked.pid) < group.resident(fork.pid)
    fork.kill()
    until("its end", lambda: group.members(asked.pid) == (asked.pid,))


def test_a_client_killed_while_it_waits_leaves_no_fork(loader: Loader) -> None:
    """The loader stands still, as while it loads, and forks for a client that has gone."""
    loader.start(WAIT)
    assert loader.process
    loader.process.send_signal(signal.SIGSTOP)
    asked = loader.client()
    until("it to ask", lambda: _connected(asked.pid))
    asked.kill()
    asked.wait(PATIENCE)
    loader.process.send_signal(signal.SIGCONT)
    _, fork = loader.running()
    until("the other fork to end", lambda: loader.forks == [fork])


def _connected(pid: int) -> bool:
    """Whether a client waits for the answer, in recvmsg(2)."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] in ("7", "47", "232", "271")


def test_a_killed_loader_takes_no_fork_with_it(loader: Loader) -> None:
    loader.start(HEAR)
    asked, fork = loader.running()
    assert loader.process
    assert asked.stdout
    loader.process.kill()
    loader.process.wait(PATIENCE)
    asked.send_signal(signal.SIGUSR1)
    assert asked.stdout.readline() == "SIGUSR1\n"
    assert asked.poll() is None
    # Its end is still the client's, with its own last word.
    asked.terminate()
    assert asked.stdout.readline() == "SIGTERM\n"
    assert asked.wait(PATIENCE) == 7
    until("the fork to end", lambda: gone(fork))


def test_a_killed_loader_and_a_killed_client_leave_nothing(loader: Loader) -> None:
    loader.start(WAIT)
    asked, fork = loader.running()
    assert loader.process
    loader.process.kill()
    asked.kill()
    until("the fork to end", lambda: gone(fork))


def test_fifty_forks_leave_nothing_behind(loader: Loader, home: Path) -> None:
    loader.start("")
    assert loader.process
    said(loader.client())
    process = psutil.Process(loader.process.pid)

    def state() -> tuple[object, ...]:
        return process.num_fds(), process.num_threads(), process.children(), sorted(home.iterdir())

    before = until("the first fork to be buried", state, lambda found: not found[2])
    for _ in range(50):
        assert said(loader.client()) == ""
    until("nothing to be left", state, lambda found: found == before)


def test_a_fork_has_nothing_of_the_loaders_or_of_another_fork(loader: Loader) -> None:
    loader.start(WAIT)
    _, first = loader.running()
    _, second = loader.running()
    assert first.num_fds() == second.num_fds()
    # Their standard streams are pipes, each one's own.
    one, other = (
        {Path(f"/proc/{fork.pid}/fd/{each}").readlink() for each in (0, 1, 2)}
        for fork in (first, second)
    )
    assert len(one) == len(other) == 2
    assert not one & other


def test_two_forks_have_no_chance_in_common(loader: Loader) -> None:
    loader.start(
        "import json, random, tempfile, uuid\n"
        "print(json.dumps([number.random(), random.random(), str(uuid.uuid4()), str(uuid.uuid1()),"
        " next(tempfile._get_candidate_names()), tempfile.mktemp()]))"
    )
    one, other = (json.loads(said(loader.client())) for _ in range(2))
    assert len({*one, *other}) == 12
    assert uuid.UUID(one[2]) != uuid.UUID(other[2])


def test_the_socket_is_never_open_to_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    rename = Path.rename

    def seen(old: Path, new: Path) -> Path:
        modes.append(old.stat().st_mode & 0o777)
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", seen)
    made = Forks(home / "loader.sock")
    made.bind()
    made.socket.close()
    assert modes == [0o600]
    assert (home / "loader.sock").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in home.iterdir()] == ["loader.sock"]


def test_a_loader_that_stops_removes_its_socket_but_not_a_later_ones(loader: Loader) -> None:
    loader.start("")
    assert loader.process
    loader.process.terminate()
    assert loader.process.wait(PATIENCE) == 0
    assert not loader.socket.exists()
    first = Forks(loader.socket)
    first.bind()
    second = Forks(loader.socket)
    second.bind()
    first.unlink()
    assert loader.socket.exists()
    first.socket.close()
    second.socket.close()


def test_a_loader_that_cannot_fork_says_so_to_those_that_wait_and_those_that_come(
    loader: Loader,
) -> None:
    loader.start("refuse")
    assert loader.process
    assert loader.process.stdin
    waiting = loader.client()
    until("it to ask", lambda: _connected(waiting.pid))
    loader.process.stdin.write("\n")
    loader.process.stdin.flush()
    why = "an add-on has started a thread at import: busy"
    expected = f"no fork of the loader ({why}): starting alone\nalone\n"
    assert said(waiting) == expected
    assert said(loader.client()) == expected
    # It waits as `cat`, so that supervisord does not load Zope again.
    assert psutil.Process(loader.process.pid).name() == "cat"


def test_a_loader_that_dies_while_it_loads(loader: Loader) -> None:
    loader.start("refuse")
    assert loader.process
    waiting = loader.client()
    until("it to ask", lambda: _connected(waiting.pid))
    loader.process.kill()
    assert said(waiting).endswith(": starting alone\nalone\n")


def test_a_loader_that_does_not_answer(loader: Loader) -> None:
    loader.start("refuse")
    connection = client.connect(str(loader.socket), soon())
    with connection, pytest.raises(client.NoFork, match="no answer in time"):
        client.ask(connection, soon(0.1), "wsgi.ini", 0)


def test_a_loader_of_another_version(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    loader.start("")
    monkeypatch.setattr(client, "VERSION", b"zopestack-loader-0")
    with pytest.raises(client.NoFork, match="this loader is zopestack-loader-1: restart it"):
        client.ask(client.connect(str(loader.socket), soon()), soon(), "wsgi.ini", 0)
    assert said(loader.client()) == ""


def test_nonsense_on_the_socket_is_refused_and_the_next_one_served(loader: Loader) -> None:
    loader.start("")
    for sent in (b"x", b"\0" * 1000, client.VERSION, client.VERSION + b"\0a\0b"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(str(loader.socket))
            peer.send(sent)
            assert peer.recv(100).startswith(client.REFUSED)
    assert said(loader.client()) == ""


def test_an_environment_that_cannot_be_passed(loader: Loader) -> None:
    loader.start("")
    # More than one message takes, in variables that execve(2) takes.
    large = {**os.environ, **{f"V{i}": "x" * 100_000 for i in range(6)}}
    told = said(loader.client(env=large))
    assert "starting alone" in told
    assert "Message too long" in told
    assert told.endswith("alone\n")


def test_no_loader(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "EXECUTED", 0)
    with pytest.raises(client.NoFork, match="it does not run"):
        client.connect(str(home / "loader.sock"), soon())
    # One that was killed leaves its socket.
    left = Forks(home / "loader.sock")
    left.bind()
    left.socket.close()
    with pytest.raises(client.NoFork, match="it does not run"):
        client.connect(str(home / "loader.sock"), soon())


def test_a_loader_that_starts_slowly_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """supervisord is the parent of both; here it is the test."""
    monkeypatch.setattr(client, "EXECUTED", 0)
    monkeypatch.setattr(os, "getppid", os.getpid)
    wait = [sys.executable, "-c", "input()", client.PROGRAM.decode()]
    with subprocess.Popen(wait, stdin=subprocess.PIPE) as starting:
        until("it to be executed", client.started)
        made = Forks(home / "loader.sock")
        late = threading.Timer(0.2, made.bind)
        late.start()
        client.connect(str(home / "loader.sock"), soon()).close()
        late.join()
        made.socket.close()
        # One that never makes its socket is given up.
        with pytest.raises(client.NoFork, match="it does not run"):
            client.connect(str(home / "loader.sock"), soon(0.1))
        starting.kill()
    assert not client.started()


def test_neither_end_talks_to_another_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Forks(home / "loader.sock")
    made.bind()
    monkeypatch.setattr(client, "owner", lambda peer: 65534)
    with pytest.raises(client.NoFork, match="belongs to another user"):
        client.connect(str(home / "loader.sock"), soon())
    connection, _ = made.socket.accept()
    with pytest.raises(forks.Refused, match="asked by another user"):
        forks._request(connection, client.VERSION + b"\0a\0b", [0, 1, 2, 3])
    connection.close()
    made.socket.close()
