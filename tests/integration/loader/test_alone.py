"""The loader's socket, and what an instance does where there is no fork to be had."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.support.forking import Loader, connected, said, soon
from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from zopestack.loader import client, forks
from zopestack.loader.forks import Forks


def test_the_socket_is_never_open_to_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    rename = Path.rename

    def seen(old: Path, new: Path) -> Path:
        modes.append(old.stat().st_mode & 0o777)
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", seen)
    made = Forks(home / "loader.sock", home / "forks.sock")
    made.bind()
    made.socket.close()
    assert modes[0] == 0o600
    assert (home / "loader.sock").stat().st_mode & 0o777 == 0o600
    assert {each.name for each in home.iterdir()} == {"loader.sock", "forks.sock"}


def test_a_loader_that_stops_removes_its_socket_but_not_a_later_ones(loader: Loader) -> None:
    loader.start("")
    assert loader.process
    loader.process.terminate()
    assert loader.process.wait(PATIENCE) == 0
    assert not loader.socket.is_symlink()
    own = loader.socket.with_name("loader.sock")
    assert not own.exists()
    first = Forks(own, loader.socket)
    first.bind()
    second = Forks(own, loader.socket)
    second.bind()
    first.leave()
    assert loader.socket.exists()
    second.leave()
    assert not loader.socket.is_symlink()
    first.socket.close()
    second.socket.close()


def test_a_loader_gives_forks_once_it_is_ready_and_not_before(home: Path) -> None:
    link = home / "forks.sock"
    first, second = (Forks(home / name, link) for name in ("loader.sock", "loader-2.sock"))
    first.bind()
    second.bind()
    assert link.readlink() == Path("loader.sock")
    second._take_over()
    assert link.readlink() == Path("loader-2.sock")
    # What looked whether it lives is no client.
    assert first._accept() is None
    # The one before ends, and its successor stays.
    first.leave()
    assert link.readlink() == Path("loader-2.sock")
    first.socket.close()
    second.socket.close()
    # One that was killed leaves a link to nothing.
    third = Forks(home / "loader.sock", link)
    third.bind()
    assert link.readlink() == Path("loader.sock")
    third.socket.close()


def test_a_directory_that_was_copied_has_no_forks_of_the_other(home: Path, tmp_path: Path) -> None:
    made = Forks(home / "loader.sock", home / "forks.sock")
    made.bind()
    copy = tmp_path / "forks.sock"
    copy.symlink_to((home / "forks.sock").readlink())
    assert not copy.exists()
    made.socket.close()


def test_a_loader_that_cannot_fork_says_so_to_those_that_wait_and_those_that_come(
    loader: Loader,
) -> None:
    loader.start("refuse")
    assert loader.process
    assert loader.process.stdin
    waiting = loader.client()
    until("it to ask", lambda: connected(waiting.pid))
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
    until("it to ask", lambda: connected(waiting.pid))
    loader.process.kill()
    assert said(waiting).endswith(": starting alone\nalone\n")


def test_a_loader_that_does_not_answer(loader: Loader) -> None:
    loader.start("refuse")
    connection = client.connect(str(loader.socket), soon())
    with connection, pytest.raises(client.NoFork, match="no answer in time"):
        client.ask(connection, soon(0.1), "wsgi.ini", 0, 0)


def test_a_loader_of_another_version(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    loader.start("")
    monkeypatch.setattr(client, "VERSION", b"zopestack-loader-0")
    with pytest.raises(client.NoFork, match="this loader is zopestack-loader-2: restart it"):
        client.ask(client.connect(str(loader.socket), soon()), soon(), "wsgi.ini", 0, 0)
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
    monkeypatch.setattr(client, "UNSEEN", 0)
    with pytest.raises(client.NoFork, match="it does not run"):
        client.connect(str(home / "forks.sock"), soon())
    # One that was killed leaves its socket.
    left = Forks(home / "loader.sock", home / "forks.sock")
    left.bind()
    left.socket.close()
    with pytest.raises(client.NoFork, match="it does not run"):
        client.connect(str(home / "forks.sock"), soon())


def test_a_loader_that_starts_slowly_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """supervisord is the parent of both; here it is the test."""
    monkeypatch.setattr(client, "UNSEEN", 0)
    monkeypatch.setattr(os, "getppid", os.getpid)
    wait = [sys.executable, "-c", "input()", client.PROGRAM.decode()]
    with Started(wait, stdin=subprocess.PIPE) as starting:
        until("it to be executed", client.started)
        made = Forks(home / "loader.sock", home / "forks.sock")
        late = threading.Timer(0.2, made.bind)
        late.start()
        client.connect(str(home / "forks.sock"), soon()).close()
        late.join()
        made.socket.close()
        # One that never makes its socket is given up.
        with pytest.raises(client.NoFork, match="it does not run"):
            client.connect(str(home / "forks.sock"), soon(0.1))
        starting.kill()
    assert not client.started()


def test_neither_end_talks_to_another_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Forks(home / "loader.sock", home / "forks.sock")
    made.bind()
    monkeypatch.setattr(client, "owner", lambda peer: 65534)
    with pytest.raises(client.NoFork, match="belongs to another user"):
        client.connect(str(home / "forks.sock"), soon())
    connection, _ = made.socket.accept()
    with pytest.raises(forks.Refused, match="asked by another user"):
        forks._request(connection, client.VERSION + b"\0a\0b", [0, 1, 2, 3])
    connection.close()
    made.socket.close()
