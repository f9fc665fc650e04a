"""The guard: one process for all instances, woken by a real supervisord.

supervisord's shortest event is one every 5 s; the product uses the one a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from tests.support import describe
from tests.support.fetch import fetch
from tests.support.polling import until
from tests.support.started import Started
from tests.support.supervised import Supervised
from tests.support.visitor import Visitors
from zopestack import mail
from zopestack.features.timings import Timings
from zopestack.model import Stack
from zopestack.render import programs
from zopestack.supervisor import group, guard
from zopestack.supervisor.client import Supervisor


@dataclass
class Mailbox:
    """What a mail server has taken, for aiosmtpd."""

    messages: list[Envelope] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802
        self, server: object, session: object, envelope: Envelope
    ) -> str:
        self.messages.append(envelope)
        return "250 OK"

    def texts(self) -> list[str]:
        return [each.content.decode() for each in self.messages]


@pytest.fixture(scope="module")
def mailbox() -> Mailbox:
    return Mailbox()


def furnish(home: Path, port: int) -> dict[str, str]:
    """A sendmail that hands mail to a server on loopback: msmtp under that name."""
    program = shutil.which("msmtp")
    assert program
    (home / "mail").mkdir()
    (home / "mail/sendmail").symlink_to(program)
    (home / "mail/.msmtprc").write_text(
        f"account default\nhost 127.0.0.1\nport {port}\nfrom zope@example.com\n", "utf-8"
    )
    (home / "mail/.msmtprc").chmod(0o600)
    return {"PATH": f"{home}/mail:{os.environ['PATH']}", "HOME": f"{home}/mail"}


@contextmanager
def guarded(mailbox: Mailbox, **options: str) -> Iterator[Supervised]:
    """Three instances and their guard."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as lasting:
        patch.setattr(programs, "GUARD_EVENT", "TICK_5")
        options |= {"stop_grace": "1s", "timeout_queue": "1s"}
        options["guard_mail"] = "admin@example.com second@example.com"
        # A stopped process takes no SIGTERM: it is killed after this time.
        running = lasting.enter_context(Supervised(timings=Timings(stop=1), instances=3, **options))
        server = Controller(mailbox, "127.0.0.1", running.ports.spare)
        server.start()
        lasting.callback(server.stop)
        running.environment |= furnish(running.directory, running.ports.spare)
        running.start()
        yield running


@pytest.fixture(scope="module")
def hanging(mailbox: Mailbox) -> Iterator[Supervised]:
    """A request of some seconds hangs: longer than any of a busy machine's takes."""
    with guarded(mailbox, hung_after="4s") as running:
        yield running


@pytest.fixture(scope="module")
def limited() -> Iterator[Supervised]:
    """Nothing hangs, however busy the machine: what is restarted here is too large."""
    with guarded(Mailbox(), memory_limit="400MB") as running:
        yield running


def processes(stack: Supervised) -> dict[str, int]:
    """The processes before a test; every instance serves then and afterwards."""
    wait_serving(stack)
    return stack.pids()


def wait_serving(stack: Supervised) -> None:
    for instance in stack.stack.instances:
        until(f"{instance.name} to serve", lambda i=instance: fetch(i.address, "/").status == 200)
    stack.wait_running()


def replaced(stack: Supervised, before: dict[str, int], *names: str) -> None:
    """Wait until the processes of exactly these instances are other ones."""
    for name in names:
        until(f"another {name}", stack.pids, lambda now, n=name: now[n] not in (0, before[n]))
    wait_serving(stack)
    after = stack.pids()
    assert {name for name in before if after[name] != before[name]} == set(names)


def test_an_instance_that_hangs_is_restarted_and_the_others_serve(
    hanging: Supervised, mailbox: Mailbox
) -> None:
    stack, before = hanging, processes(hanging)
    address = stack.stack.instances[0].address
    with pytest.raises(OSError), urllib.request.urlopen(f"http://{address}/hang"):
        # It is cut off when the grace of the restart is over.
        pass
    replaced(stack, before, "instance1")
    said = stack.log("guard")
    assert "instance1 hangs" in said
    # The restart is supervisorctl's, and its words are kept.
    assert "instance1: stopped, starting" in said
    assert "instance2" not in said
    assert "SIGTERM: draining" in stack.log("instance1")
    [letter] = mailbox.texts()
    assert "\r\nSubject: instance1 restarted on " in letter
    assert "instance1 hangs, every thread is stuck in its request: restarting it." in letter
    assert str(stack.directory) in letter
    assert mailbox.messages[0].rcpt_tos == ["admin@example.com", "second@example.com"]


@pytest.mark.parametrize("page", ["hang", "freeze"])
def test_a_visitor_whose_request_is_stuck_stops_one_instance_only(
    hanging: Supervised, page: str
) -> None:
    """HAProxy asks the next one when an instance dies; that one would be stuck, too."""
    stack, before = hanging, processes(hanging)
    answers: list[int] = []
    site = stack.stack.balancer.local_address
    visitor = threading.Thread(target=lambda: answers.append(fetch(site, f"/{page}").status))
    visitor.start()
    agents = {each.name: str(each.agent) for each in stack.stack.instances}

    def stuck() -> list[str]:
        return [name for name, agent in agents.items() if not guard.answer(agent)]

    [first] = until("one to be stuck", stuck)
    if page == "freeze":
        # Nothing of Python's runs there, so the interpreter itself tells where it is.
        shown = stack.supervisorctl("threads", first).stdout
        assert "an extension keeps the interpreter lock" in shown
        assert "in application" in shown
        # The guard would wait for as long as a start may take.
        stack.supervisorctl("restart", first)
    visitor.join()
    assert answers == [504]
    replaced(stack, before, first)


def test_an_instance_that_does_not_answer_is_restarted_and_a_stopped_one_is_not(
    hanging: Supervised,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Another guard of the same stack, that looks at once and is not as patient."""
    stack, before = hanging, processes(hanging)
    monkeypatch.setattr(guard, "TIMEOUT", 2.0)
    watching = guard.Guard(
        Supervisor(stack.stack.supervisor_socket),
        stack.stack.bin / "supervisorctl",
        tuple(guard.Watch(each.name, str(each.agent)) for each in stack.stack.instances),
        patience=3,
        memory_limit=0,
    )
    stack.supervisorctl("stop", "instance3")
    os.kill(before["instance2"], signal.SIGSTOP)
    watching.look()
    assert not watching.restarting
    restart = until("a restart", lambda: watching.look() or watching.restarting)
    assert "does not answer, not even a signal" in capfd.readouterr().err
    # Looking again does not restart it again.
    until("its end", lambda: watching.look() or not watching.restarting)
    assert restart.returncode == 0
    assert stack.states()["instance3"] == "STOPPED"
    stack.supervisorctl("start", "instance3")
    replaced(stack, before, "instance2", "instance3")


def test_past_the_memory_limit_one_after_the_other_is_drained_and_restarted(
    limited: Supervised,
) -> None:
    stack, before = limited, processes(limited)
    names = {instance.name for instance in stack.stack.instances}
    for instance in stack.stack.instances:
        assert fetch(instance.address, "/grow/500").status == 200
    with Visitors(stack.stack.balancer.local_address) as visitors:

        def changed() -> set[str]:
            return {name for name, pid in stack.pids().items() if pid not in (0, before[name])}

        until("all to be restarted", changed, lambda seen: names <= seen)
        replaced(stack, before, *names)
    assert visitors.failures == []
    # Each serves again before the next one goes.
    said = stack.log("guard")
    for name in names:
        assert re.search(rf"{name} uses .*(?s:.)*?{name}: in rotation\n", said), said
    assert not re.search(r"restarting it\n(?!(?s:.)*?in rotation\n)(?s:.)*?restarting it\n", said)
    assert "MB of memory, the limit is 400 MB: restarting it" in said
    assert "drained after" in stack.log("instance2")


def test_mail_that_cannot_be_sent_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, limited: Supervised
) -> None:
    nobody = limited.ports.spare + 1
    for name, text in furnish(home, nobody).items():
        monkeypatch.setenv(name, text)
    assert mail.send(["a@example.com"], "x", "y").startswith("sendmail ended with 75: ")
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(mail, "PLACES", str(home))
    assert "No such file or directory: 'sendmail'" in mail.send(["a@example.com"], "x", "y")


def test_a_guard_that_dies_is_restarted_and_guards(limited: Supervised) -> None:
    stack, before = limited, processes(limited)
    os.kill(before["guard"], signal.SIGKILL)
    until("another guard", stack.pids, lambda now: now["guard"] not in (0, before["guard"]))
    assert fetch(stack.stack.instances[2].address, "/grow/500").status == 200
    replaced(stack, before, "instance3", "guard")


def test_a_supervisord_that_does_not_answer_is_one_line_and_not_the_end(home: Path) -> None:
    done = woken_twice(f"unix://{home}/no.sock", describe.read(home))
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("cannot look at the instances now: ") for line in lines)


def woken_twice(url: str, stack: Stack) -> subprocess.CompletedProcess[str]:
    """Another guard, without patience, sent two events: the first begins its patience."""
    event = "ver:3.0 server:x serial:1 pool:g poolserial:1 eventname:TICK_60 len:5\nwhen:"
    agents = [f"{each.name}={each.agent}" for each in stack.instances]
    done = run(
        *("--patience", "0", str(stack.bin / "supervisorctl"), *agents),
        given=event * 2,
        environment={**os.environ, guard.SERVER_URL: url},
    )
    assert done.stdout == "READY\n" + "RESULT 2\nOKREADY\n" * 2
    return done


def test_without_supervisord_it_says_where_it_belongs() -> None:
    environment = {name: text for name, text in os.environ.items() if name != guard.SERVER_URL}
    done = run("--patience", "1", "supervisorctl", "instance1=127.0.0.1:1", environment=environment)
    assert done.returncode == 2
    assert "expected to be started by supervisord as an event listener" in done.stderr
    assert "Traceback" not in done.stderr


def run(
    *arguments: str, environment: dict[str, str], given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zopestack.supervisor.guard", *arguments],
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_memory_is_read_as_the_option_takes_it() -> None:
    assert [guard.memory(text) for text in ("500MB", "2GB")] == [500 << 20, 2 << 30]


def test_resident_memory_is_that_of_the_process() -> None:
    own = group.resident(os.getpid())
    assert own > 1 << 20
    assert own % os.sysconf("SC_PAGE_SIZE") == 0


def test_a_process_that_has_ended_has_none() -> None:
    with Started(["true"]) as process:
        process.wait()
    assert group.resident(process.pid) == 0
