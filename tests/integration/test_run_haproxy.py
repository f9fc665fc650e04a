from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest

from tests.support import describe, freeports
from tests.support.fetch import fetch
from tests.support.polling import PATIENCE, until
from tests.support.supervised import Supervised
from zopestack import files
from zopestack.buildout import certificates
from zopestack.haproxy import launcher, log_writer
from zopestack.haproxy import program as haproxy
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.supervisor import reload


@pytest.fixture
def run(home: Path) -> Iterator[Callable[..., Stack]]:
    """Runs HAProxy without any instance; what it serves are its own answers."""
    ports = freeports.reserve()
    started: list[subprocess.Popen[bytes]] = []

    def start(**options: str) -> Stack:
        addresses = {
            "instances": "1",
            "timeout-queue": "1s",
            "http-address": f"{ports.http}",
            "stats-address": f"{ports.stats}",
            "base-port": f"{ports.base}",
            "agent-base-port": f"{ports.base + 20}",
        }
        stack = describe.read(home, addresses | options)
        stack.logs.mkdir(parents=True)
        certificates.put(certificates.material(stack))
        for path, text in render(stack).items():
            files.write(path, text)
        files.write(stack.server_state, haproxy.NO_STATE)
        launcher.put(stack.haproxy, stack.balancer.executable)
        for module, *arguments in (
            ("run", stack.stack_file),
            ("log_writer", stack.access_pipe, stack.access_log, 10**6, 3),
        ):
            command = [sys.executable, "-m", f"zopestack.haproxy.{module}", *map(str, arguments)]
            started.append(
                subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
            )
        until("HAProxy to listen", lambda: ask(stack, "/started"))
        return stack

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()
    ports.release()


def ask(stack: Stack, path: str) -> int:
    """The status of an answer: nobody is there to serve."""
    try:
        urllib.request.urlopen(f"http://{stack.balancer.local_address}{path}")
    except urllib.error.HTTPError as answer:
        return answer.code
    raise AssertionError("somebody serves")


def reload_master(stack: Stack) -> None:
    """Have HAProxy take up its files anew."""
    runtime = Runtime(stack.haproxy_socket)
    worker = runtime.worker()
    master = psutil.Process(worker).parent()

    until("the end of the last reload", lambda: reload.catches(master.pid, signal.SIGUSR2))
    master.send_signal(signal.SIGUSR2)
    until("a new worker", runtime.worker, lambda found: found != worker)


def version(stack: Stack) -> str:
    said = Runtime(stack.haproxy_socket).command("show info")
    told = re.search(r"^Version: (\d+\.\d+\.\d+)", said, re.MULTILINE)
    return told[1] if told else ""


def lines(stack: Stack) -> list[str]:
    try:
        return re.findall(r'"GET (\S+) ', stack.access_log.read_text())
    except FileNotFoundError:
        return []


def test_every_request_is_in_the_access_log(run: Callable[..., Stack]) -> None:
    stack = run()
    wanted = [f"/{number}" for number in range(100)]
    assert {ask(stack, path) for path in wanted} == {503}
    until("all lines", lambda: lines(stack)[-1:] == wanted[-1:])
    assert lines(stack) == ["/started", *wanted]


def test_there_is_none_unless_wanted(run: Callable[..., Stack]) -> None:
    stack = run(**{"access-log": "off"})
    assert ask(stack, "/") == 503
    assert not stack.access_log.exists()
    # Wanted after all: a reload does.
    wanted = replace(stack, access=replace(stack.access, access_log=True))
    files.write(stack.haproxy_conf, render(wanted)[stack.haproxy_conf])
    reload_master(stack)
    until("a line", lambda: ask(stack, "/") and lines(stack))


@pytest.mark.parametrize("number", [0, 1])
def test_a_signal_to_every_process_ends_no_worker_whatever_the_reloads(
    run: Callable[..., Stack], number: int
) -> None:
    if number >= len(haproxy.installed()):
        pytest.skip("one HAProxy on this machine")
    stack = run(haproxy=str(haproxy.installed()[number]))
    runtime = Runtime(stack.haproxy_socket)
    for _ in range(3):
        worker = psutil.Process(runtime.worker())
        master = worker.parent()
        until("one worker", lambda of=master: len(of.children()) == 1)
        for each in (worker, master):
            each.terminate()
        # Later than the master process, which hands it on to its worker.
        assert ask(stack, "/") == 503
        assert runtime.worker() == worker.pid
        reload_master(stack)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nbthread": "4", "instances": "8", "max-connections": "100", "http-address": "*:{0}"},
        {
            "http-address": "127.0.0.1:{0}\n127.0.0.1:{1}",
            "https-address": "127.0.0.1:{2}",
            "tls-certificate": "self-signed",
            "http-redirect": "off",
            "callback-instances": "1",
            "instances": "3",
        },
    ],
)
def test_the_descriptors_that_it_needs_are_known(
    run: Callable[..., Stack], options: dict[str, str], number: int
) -> None:
    if number >= len(haproxy.installed()):
        pytest.skip("one HAProxy on this machine")
    ports = freeports.reserve()
    free = [ports.http + each for each in range(3)]
    texts = {name: text.format(*free) for name, text in options.items()}
    stack = run(haproxy=str(haproxy.installed()[number]), **texts)
    said = Runtime(stack.haproxy_socket).command("show info")
    assert f"\nUlimit-n: {stack.descriptors}\n" in said
    ports.release()


@pytest.mark.skipif(len(haproxy.installed()) < 2, reason="one HAProxy on this machine")
def test_a_reload_runs_another_program_and_refuses_nobody(run: Callable[..., Stack]) -> None:
    stack = run()
    one, other = haproxy.installed()[:2]
    assert version(stack) == haproxy.dotted(haproxy.version(one) or ())
    over = threading.Event()
    with ThreadPoolExecutor() as executor:
        visitor = executor.submit(lambda: [ask(stack, "/") for _ in iter(over.is_set, True)])
        try:
            for program in (other, one, other):
                launcher.put(stack.haproxy, program)
                reload_master(stack)
                wanted = haproxy.dotted(haproxy.version(program) or ())
                until("it to run", lambda: version(stack), wanted.__eq__)
        finally:
            over.set()
        assert set(visitor.result()) == {503}


Writer = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def writer(home: Path) -> Iterator[Writer]:
    """Starts what writes ``access.log`` in ``home``; what ends it is a test's business."""
    started: list[subprocess.Popen[bytes]] = []

    def start(size: int = 10**6, count: int = 3) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "zopestack.haproxy.log_writer"]
        command += [str(home / "pipe"), str(home / "access.log"), str(size), str(count)]
        started.append(subprocess.Popen(command))
        until(
            "the pipe",
            lambda: (home / "pipe").is_fifo() and reload.catches(started[-1].pid, signal.SIGUSR1),
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def written(home: Path) -> bytes:
    log = home / "access.log"
    return log.read_bytes() if log.exists() else b""


@pytest.fixture
def pipe(home: Path) -> Iterator[BinaryIO]:
    """HAProxy's end of the pipe."""
    with open(log_writer.opened(str(home / "pipe"), os.O_RDWR), "wb", buffering=0) as opened:
        yield opened


def test_lines_wait_for_whoever_writes_them(home: Path, writer: Writer, pipe: BinaryIO) -> None:
    """They are neither lost nor written twice where it is killed, stopped or started late."""
    pipe.write(b"one\n" * 1000)
    first = writer()
    until("the lines", lambda: written(home) == b"one\n" * 1000)
    first.kill()
    first.wait()
    pipe.write(b"\xff is no UTF-8\n")
    second = writer()
    until("the line", lambda: written(home) == b"one\n" * 1000 + b"\xff is no UTF-8\n")
    pipe.write(b"last\n")
    second.send_signal(signal.SIGUSR1)
    assert second.wait(PATIENCE) == 0
    assert written(home).endswith(b"no UTF-8\nlast\n")


def test_a_signal_to_every_process_does_not_end_it_before_haproxy(
    home: Path, writer: Writer, pipe: BinaryIO
) -> None:
    """SIGTERM as of a machine that shuts down, SIGHUP as of a terminal that is closed."""
    process = writer()
    process.terminate()
    process.send_signal(signal.SIGHUP)
    pipe.write(b"after\n")
    until("the line", lambda: written(home) == b"after\n")
    assert process.poll() is None
    pipe.write(b"last\n")
    pipe.close()
    assert process.wait(PATIENCE) == 0
    assert written(home) == b"after\nlast\n"


def test_a_large_log_is_rotated_between_lines(home: Path, writer: Writer, pipe: BinaryIO) -> None:
    writer(size=1000, count=2)
    for number in range(40):
        pipe.write(b"%02d " % number + b"x" * 96 + b"\n")
        until("it to be written", lambda n=number: b"%02d " % n in written(home))
    older = [home / f"access.log.{number}" for number in (1, 2)]
    for log in older:
        assert log.stat().st_size <= 1000
        assert all(len(line) == 99 for line in log.read_bytes().splitlines())
    assert not (home / "access.log.3").exists()


def test_a_log_that_is_renamed_is_begun_anew(home: Path, writer: Writer, pipe: BinaryIO) -> None:
    """By logrotate, which may create the new file itself (``create``) or not."""
    writer()
    log = home / "access.log"
    pipe.write(b"one\n")
    until("the first line", lambda: written(home) == b"one\n")
    log.rename(home / "access.log-20261126")
    pipe.write(b"two\n")
    until("the second line", lambda: written(home) == b"two\n")
    log.rename(home / "access.log-20261127")
    log.touch()
    pipe.write(b"three\n")
    until("the third line", lambda: written(home) == b"three\n")
    assert (home / "access.log-20261126").read_bytes() == b"one\n"
    assert (home / "access.log-20261127").read_bytes() == b"two\n"


def test_it_is_supervised() -> None:
    """It is started again where it is killed, and no line of HAProxy's is lost."""
    with Supervised(idle=True, instances=1, timeout_queue="1s") as stack:
        stack.start()
        front = stack.stack.balancer.http_address[0]
        log = stack.stack.access_log
        until("HAProxy to listen", lambda: fetch(front, "/one").status == 503)
        until("the first line", lambda: log.exists() and "/one" in log.read_text())
        killed = stack.pids()["access-log"]
        os.kill(killed, signal.SIGKILL)
        assert fetch(front, "/two").status == 503
        until("another process", lambda: stack.pids()["access-log"] not in (0, killed))
        assert fetch(front, "/three").status == 503
        until("the last line", lambda: "/three" in log.read_text())
        assert re.findall("GET /(one|two|three) ", log.read_text()) == ["one", "two", "three"]
