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
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support import describe, freeports
from tests.support.polling import until
from zopestack import files, wait
from zopestack.features.timings import Sizes
from zopestack.haproxy import program as haproxy
from zopestack.haproxy import run as run_haproxy
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.render.files import render


@pytest.fixture
def run(home: Path) -> Iterator[Callable[..., Stack]]:
    """Runs HAProxy without any instance; what it serves are its own answers."""
    ports = freeports.reserve()
    started: list[subprocess.Popen[bytes]] = []

    def start(**options: str) -> Stack:
        addresses = {
            "instances": "1",
            "http-address": f"{ports.http}",
            "stats-address": f"{ports.stats}",
            "base-port": f"{ports.base}",
            "agent-base-port": f"{ports.base + 20}",
        }
        stack = describe.read(home, addresses | options)
        stack.logs.mkdir(parents=True)
        for path, text in render(stack).items():
            files.write(path, text)
        files.write(stack.server_state, haproxy.NO_STATE)
        files.link(stack.haproxy, stack.balancer.executable)
        command = [sys.executable, "-m", "zopestack.haproxy.run", str(stack.stack_file)]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True))
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

    def reloaded() -> bool:
        # HAProxy's master loses a signal that comes while it is still busy with the last one.
        master.send_signal(signal.SIGUSR2)
        return wait.until(lambda: runtime.worker() != worker, 5)

    until("a new worker", reloaded)


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
                files.link(stack.haproxy, program)
                reload_master(stack)
                wanted = haproxy.dotted(haproxy.version(program) or ())
                until("it to run", lambda: version(stack), wanted.__eq__)
        finally:
            over.set()
        assert set(visitor.result()) == {503}


def test_what_was_written_before_the_end_is_kept(home: Path) -> None:
    log = home / "access.log"
    with open(run_haproxy.writer(log, Sizes()), "wb") as writer:
        writer.write(b"one\n" * 1000)
        writer.write(b"\xff is no UTF-8\n")
    until("the last line", lambda: log.read_bytes() == b"one\n" * 1000 + b"\xff is no UTF-8\n")


def test_a_large_log_is_rotated_between_lines(home: Path) -> None:
    log, older = home / "access.log", home / "access.log.1"
    with open(run_haproxy.writer(log, Sizes(log_bytes=1000)), "wb", buffering=0) as writer:
        for number in range(20):
            writer.write(b"%02d " % number + b"x" * 96 + b"\n")
            until("it to be written", lambda n=number: b"%02d " % n in log.read_bytes())
    assert older.stat().st_size <= 1000
    assert all(len(line) == 99 for line in older.read_bytes().splitlines())


def test_a_signal_that_ends_haproxy_does_not_end_it(home: Path) -> None:
    """Neither one to HAProxy's group nor one to every process, as of a machine that shuts down."""
    log = home / "access.log"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from zopestack.haproxy.run import writer\n"
        "from zopestack.features.timings import Sizes\n"
        "pipe = writer(Path(sys.argv[1]), Sizes())\n"
        "os.write(pipe, b'before\\n'); print('written', flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(log)], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout.readline()
        (keeper,) = until("its process", lambda: [*keepers(log)])
        keeper.terminate()
        # As from a terminal that is closed.
        os.killpg(process.pid, signal.SIGHUP)
    until("the line", lambda: log.read_text() == "before\n")
    until("its end", lambda: not [*keepers(log)])


def keepers(log: Path) -> Iterator[psutil.Process]:
    """The process that writes this log."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if "-S" in words and str(log) in words:
                yield process
