"""A fork and its client: one goes with the other, and nothing is left."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path

import psutil
import pytest

from tests.support.forking import DEAF, HEAR, WAIT, Loader, connected, gone, said
from tests.support.loader import HALF
from tests.support.polling import PATIENCE, until
from zopestack.supervisor import group


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


def test_a_fork_does_what_is_to_be_done_at_its_end_and_is_not_taken_apart(loader: Loader) -> None:
    loader.start(
        "import atexit, builtins, threading\n"
        "class Kept:\n"
        "    def __del__(self): print('taken apart', flush=True)\n"
        "builtins.kept = Kept()\n"
        "atexit.register(print, 'called at its end')\n"
        "threading.Timer(0.1, print, ['waited for']).start()\n"
        "print('said', end=' ')\n"
        "raise SystemExit(3)"
    )
    asked = loader.client()
    assert said(asked) == "said waited for\ncalled at its end\n"
    assert asked.returncode == 3


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
    until("it to ask", lambda: connected(asked.pid))
    asked.kill()
    asked.wait(PATIENCE)
    loader.process.send_signal(signal.SIGCONT)
    _, fork = loader.running()
    until("the other fork to end", lambda: loader.forks == [fork])


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


def test_two_hundred_forks_leave_nothing_behind(loader: Loader, home: Path) -> None:
    loader.start("")
    assert loader.process
    said(loader.client())
    process = psutil.Process(loader.process.pid)

    def state() -> tuple[object, ...]:
        # The order matters: once it sleeps with no fork to bury, it has closed what was the fork's.
        forks, does = process.children(), process.status()
        return forks, does, process.num_fds(), process.num_threads(), sorted(home.iterdir())

    idle = ([], psutil.STATUS_SLEEPING)
    before = until("the first fork to be buried", state, lambda found: found[:2] == idle)
    megabytes = process.memory_info().rss >> 20
    for _ in range(40):
        assert [said(each) for each in [loader.client() for _ in range(5)]] == [""] * 5
    until("nothing to be left", state, lambda found: found == before)
    assert process.memory_info().rss >> 20 <= megabytes + 1


def test_what_the_loader_has_half_written_is_written_once(loader: Loader) -> None:
    loader.start("print('own')")
    assert [said(loader.client()) for _ in range(2)] == ["own\n", "own\n"]
    assert loader.process
    assert loader.process.stdout
    loader.process.terminate()
    assert loader.process.stdout.read() == HALF


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
