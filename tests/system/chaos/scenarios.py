"""What is done to the site while visitors are on it, and what they may notice of it.

Each function does one thing to a running site and returns the seconds until the site was
whole again.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import ne

from tests.support.harness import Site, until
from tests.support.sharing import change_code, giving, loaders
from tests.support.started import Started
from zopestack.features.instances import Instance
from zopestack.haproxy.program import installed
from zopestack.haproxy.runtime import Runtime
from zopestack.supervisor import group
from zopestack.supervisor.health import ask

#: Programs that an `update` may start again although nothing else has changed.
HELPERS = ("haproxy-reload", "guard")

#: Kinds of failure (see ``visitors.Tally``) that a scenario may show.
NOTHING = re.compile(r"(?!)")
#: A POST may have reached the process that was killed, so it is not sent again.
POST_IN_FLIGHT = re.compile(r"POST (502|503|504|RemoteDisconnected|IncompleteRead)")
#: The site says that it cannot answer now, or that it does not know whether it has written.
ZEO_AWAY = re.compile(r"(GET|POST) 503|POST 500")
#: While HAProxy itself is dead nobody answers.
ANYTHING = re.compile(r"")


@dataclass(frozen=True)
class Scenario:
    """One thing that happens to a busy site.

    :param allowed: kinds of failure that visitors may see.
    :param limit: seconds within which the site has to be whole again, where there is a promise.
    """

    name: str
    act: Callable[[Site], float]
    allowed: re.Pattern[str] = NOTHING
    limit: float | None = None


def timed(act: Callable[..., None]) -> Callable[..., float]:
    """Make a scenario of something that is over when it returns."""

    def run(site: Site, **options: int) -> float:
        began = time.monotonic()
        act(site, **options)
        return time.monotonic() - began

    return run


@timed
def roll_all(site: Site) -> None:
    """``supervisorctl roll all``."""
    site.supervisorctl("roll", "all", check=True)


@timed
def restart_each(site: Site) -> None:
    """``supervisorctl restart NAME``, one after the other, as somebody types it."""
    for instance in site.stack.instances:
        site.supervisorctl("restart", instance.name, check=True)
        site.wait_ready()


@timed
def scale(site: Site) -> None:
    """2 -> 4 -> 2 instances with ``bin/buildout`` and ``supervisorctl update``."""
    for count in (4, 2):
        before = site.pids()
        site.configure(site.sections, instances=count)
        site.buildout()
        site.supervisorctl("update", check=True)
        site.wait_ready()
        after = site.pids()
        kept = [name for name in before if name in after and name not in HELPERS]
        assert {name: before[name] for name in kept} == {name: after[name] for name in kept}
        assert len(site.servers()) == count


@timed
def change_haproxy(site: Site) -> None:
    """Change an option of HAProxy's alone, and ``update``."""
    pid = site.pids()["haproxy"]
    site.configure(site.sections, stats_address=f"127.0.0.1:{site.ports.spare}")
    site.buildout()
    site.supervisorctl("update", check=True)
    until("the new status page", lambda: site.get("/", at="stats").status == 200)
    assert site.pids()["haproxy"] == pid, "HAProxy was restarted, not reloaded"


@timed
def edit(site: Site, sections: str = "", **options: object) -> None:
    """Edit what every instance is started with, apply it by ``update``, and take it back."""
    before = site.sections, dict(site.options)
    for changed, wanted in ((before[0] + sections, options), before):
        pids = site.pids()
        site.options = dict(before[1])
        site.configure(changed, **wanted)
        site.buildout()
        site.supervisorctl("update", check=True)
        site.wait_ready()
        now = site.pids()
        assert all(now[each.name] != pids[each.name] for each in site.stack.instances)


@timed
def other_haproxy(site: Site) -> None:
    """Go to another HAProxy that is installed, and back."""
    for program in [*installed()[1:2], *installed()[:1]]:
        site.configure(site.sections, haproxy=program)
        site.buildout()
        site.supervisorctl("update", check=True)
        site.wait_ready()


@timed
def roll_changed_code(site: Site) -> None:
    """``supervisorctl roll all`` where instances share memory, and their code has changed."""
    change_code(site)
    site.supervisorctl("roll", "all", check=True)


@timed
def roll_at_once(site: Site) -> None:
    """Three operators type ``roll all``: one waits for the other."""
    rolls = [
        subprocess.Popen(
            ["bin/supervisorctl", "roll", "all"],
            cwd=site.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(3)
    ]
    said = [roll.communicate()[0].decode() for roll in rolls]
    assert not any(roll.returncode for roll in rolls), "\n".join(said)


@timed
def reload_haproxy(site: Site, times: int) -> None:
    """Have HAProxy take up its file."""
    runtime = Runtime(site.stack.haproxy_socket)
    for _ in range(times):
        worker = until("HAProxy to answer", runtime.worker)
        site.stack.haproxy_conf.touch()
        site.supervisorctl("restart", "haproxy-reload", check=True)
        until("a new HAProxy worker", runtime.worker, partial(ne, worker))


def kill_instance(site: Site) -> float:
    """``kill -9`` of a random instance."""
    victim = random.choice(site.stack.instances)
    killed = site.pids()[victim.name]
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    until(f"{victim.name} to be back", lambda: site.pids()[victim.name] not in (0, killed))
    until(f"{victim.name} in rotation", lambda: _serves(site, victim))
    whole = time.monotonic() - began
    # supervisord gives up what ends four times before it counts as started (startsecs), and a fork
    # serves long before that.
    until(f"{victim.name} to count as started", lambda: site.states()[victim.name] == "RUNNING")
    return whole


def kill_in_a_roll(site: Site, whose: str) -> float:
    """``kill -9`` while ``roll all`` is at the first instance.

    :param whose: ``loader``, the one that has loaded for this roll; ``client`` or ``fork`` of the
        last instance, which is still to be restarted.
    """
    first, *_, last = site.stack.instances
    change_code(site)
    with Started(
        ["bin/supervisorctl", "roll", "all"], cwd=site.directory, stdout=subprocess.PIPE, text=True
    ) as roll:
        assert roll.stdout
        next(line for line in roll.stdout if line.startswith(f"{first.name}: draining"))
        client, *forks = group.members(site.pids()[last.name])
        killed = {"loader": loaders(site)[giving(site)], "client": client, "fork": forks[0]}[whose]
        os.kill(killed, signal.SIGKILL)
        began = time.monotonic()
        said = roll.stdout.read()
    assert roll.returncode == 0, said
    until("one loader", lambda: [*loaders(site)] == [giving(site)])
    until("every instance", lambda: all(_serves(site, each) for each in site.stack.instances))
    return time.monotonic() - began


def stop_instance(site: Site) -> float:
    """SIGSTOP, a hang of the whole instance; the seconds until it is out of rotation."""
    victim = random.choice(site.stack.instances)
    processes = group.members(site.pids()[victim.name])
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        until("HAProxy to leave it out", lambda: not site.servers()[victim.name].up)
        out = time.monotonic() - began
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    until("it to be back", lambda: _serves(site, victim))
    return out


def kill_zeo(site: Site) -> float:
    """``kill -9`` of the database server."""
    os.kill(site.pids()["zeo"], signal.SIGKILL)
    began = time.monotonic()
    until("a page from the database", lambda: site.get("/ledger/page").status == 200)
    until("every instance", lambda: all(_serves(site, each) for each in site.stack.instances))
    return time.monotonic() - began


def kill_haproxy(site: Site) -> float:
    """``kill -9`` of the balancer."""
    killed = site.pids()["haproxy"]
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    until("a new HAProxy", lambda: site.pids()["haproxy"] not in (0, killed))
    until("a page", lambda: site.get("/ledger/page").status == 200)
    whole = time.monotonic() - began
    site.wait_ready()
    return whole


@timed
def kill_supervisord(site: Site) -> None:
    """``kill -9`` of supervisord, then ``scripts/up``: it takes over what was left."""
    os.kill(int((site.stack.var / "supervisord.pid").read_text()), signal.SIGKILL)
    left = {process.pid for process in site.processes()}
    site.up()
    site.wait_ready()
    now = {process.pid for process in site.processes()}
    assert not left & now, "orphans of the dead supervisord still run"


def _serves(site: Site, instance: Instance) -> bool:
    report = ask(instance)
    return bool(report and report.healthy and site.servers()[instance.name].up)


#: An edit of an option of [instance], and one of [stack] that makes each instance another one.
VARIABLE = "environment-vars = EDITED yes\n"
EDITS = [
    Scenario("edit threads", partial(edit, threads=2)),
    Scenario("edit [instance]", partial(edit, sections=VARIABLE)),
    Scenario("edit eggs", partial(edit, eggs="Zope zope.testing")),
    Scenario("edit haproxy", other_haproxy),
]
AT_ONCE = Scenario(
    "edit threads, eggs and [instance]",
    partial(edit, sections=VARIABLE, threads=2, eggs="Zope zope.testing"),
)

#: What can happen to a site whose instances share memory only.
SHARING = [
    Scenario("roll all, from the same loader", roll_all),
    Scenario("roll all, from a new loader", roll_changed_code),
    Scenario("kill -9 the loader in a roll", partial(kill_in_a_roll, whose="loader")),
    Scenario("kill -9 a client in a roll", partial(kill_in_a_roll, whose="client"), POST_IN_FLIGHT),
    Scenario("kill -9 a fork in a roll", partial(kill_in_a_roll, whose="fork"), POST_IN_FLIGHT),
]

#: Seconds within which a frozen process is out of rotation (docs/explanation/measured.rst).
OUT_OF_ROTATION = 6


def scenarios(long: bool) -> list[Scenario]:
    """The whole list, once over, or as often as the promise says."""
    rolls, reloads, kills = (3, 20, 10) if long else (1, 3, 2)
    edits = [*EDITS, Scenario("three rolls at once", roll_at_once)] if long else [AT_ONCE]
    return [
        *[Scenario("roll all", roll_all)] * rolls,
        Scenario("scale 2 -> 4 -> 2", scale),
        Scenario("change an option of HAProxy", change_haproxy),
        *edits,
        Scenario(f"reload HAProxy {reloads} times", partial(reload_haproxy, times=reloads)),
        Scenario("restart each instance", restart_each),
        *[Scenario("kill -9 an instance", kill_instance, POST_IN_FLIGHT, 10)] * kills,
        Scenario("SIGSTOP an instance", stop_instance, NOTHING, OUT_OF_ROTATION),
        Scenario("kill -9 zeo", kill_zeo, ZEO_AWAY, 15),
        Scenario("kill -9 haproxy", kill_haproxy, ANYTHING, 3),
        Scenario("kill -9 supervisord, scripts/up", kill_supervisord, ANYTHING),
    ]
