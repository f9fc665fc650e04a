"""``scripts/up``: start a stack from buildout.cfg, wait until it serves, print its addresses."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import xmlrpc.client
from contextlib import suppress
from functools import partial
from pathlib import Path

from zopestack import stack_file
from zopestack.features.timings import Timings
from zopestack.model import Stack
from zopestack.supervisor import daemon, orphans, ports
from zopestack.supervisor.applied import RELOAD, confirm
from zopestack.supervisor.client import ANSWER, Supervisor
from zopestack.supervisor.owner import Owner
from zopestack.supervisor.readiness import NotReady, wait_ready
from zopestack.supervisor.wanted import ended, wanted
from zopestack.wait import until

#: Where bin/buildout writes the Stack, relative to the buildout's directory.
STACK_FILE = Path("parts/stack-files/stack.json")

DESCRIPTION = """\
Start a load-balanced Zope, or apply changes of buildout.cfg: create a virtual environment
in .venv, install the pinned distributions, run bin/buildout, start supervisord (or update
the running one), and wait until every instance and HAProxy answer. At the end, print the
addresses of the site and the status page and the file with the password.
It is safe to run again at any time.
"""

EPILOG = """\
examples:
  scripts/up                    start the stack, or apply changes of buildout.cfg
  scripts/up --timeout 600      give a slow machine ten minutes
  PYTHON=python3.12 scripts/up  use this Python (3.11 to 3.14) for a new .venv

afterwards:
  bin/supervisorctl status      list the processes
  bin/supervisorctl shutdown    stop everything

The exit status is 0 when everything answers; otherwise one message says what to fix.
"""


def main() -> None:
    """Run ``scripts/up``; exit with status 1 and one message if something is wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/up",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=Timings.start,
        metavar="SECONDS",
        help=f"seconds to wait until the whole stack answers (default {Timings.start:g})",
    )
    arguments = parser.parse_args()
    say("running bin/buildout")
    if code := subprocess.run(["bin/buildout"], check=False).returncode:
        sys.exit(code)
    try:
        stack = stack_file.load(STACK_FILE)
        with Owner(stack.lock, "scripts/up", say):
            start(stack)
            wait_ready(stack, arguments.timeout, say)
            if stack.balances:
                confirm(stack)
    except (NotReady, daemon.Deaf, OSError) as why:
        sys.exit(str(why))
    except KeyboardInterrupt:
        sys.exit("Interrupted; what has been started goes on. Run scripts/up again.")
    print(summary(stack))


def start(stack: Stack) -> None:
    """Start supervisord, or make the running one apply changes and start what has given up.

    :raises NotReady: if another program uses one of the addresses.
    :raises daemon.Deaf: if supervisord runs and does not answer.
    """
    supervisor = Supervisor(stack.supervisor_socket, ANSWER)
    running = _living(stack, supervisor)
    if not running and (left := orphans.find(stack)):
        say("supervisord has died; stopping the processes it left running")
        orphans.stop(stack, left, say)
    ours = {x.port for x in ports.held_by(supervisor.pid())} if running else set()
    if blocked := list(ports.refused(x for x in stack.listeners() if x.address.port not in ours)):
        raise NotReady(
            "\n".join(
                f"{listener.process} cannot listen on {listener.address}: {why}. "
                f"Change {listener.option} in [{listener.section}]."
                for listener, why in blocked
            )
        )
    if running:
        states = [f"{p.name} {p.state.lower()}" for p in supervisor.processes().values()]
        say(f"supervisord is running ({', '.join(states)}); applying changes")
        _run([f"{stack.bin}/supervisorctl", "update"])
        revive(stack, supervisor)
        for instance in stack.instances:
            if stack.drained(instance).exists():
                say(
                    f"{instance.name} is drained; bin/supervisorctl ready {instance.name} ends that"
                )
    else:
        say("starting supervisord")
        _run([f"{stack.bin}/supervisord"])


def _living(stack: Stack, supervisor: Supervisor) -> bool:
    """Whether there is a supervisord to tell of changes; waits for the end of one that ends.

    :raises daemon.Deaf: if it runs and does not answer.
    """
    try:
        if daemon.check(stack.supervisor_socket) and supervisor.running():
            return True
    except daemon.Unreachable as why:
        say(f"supervisord (pid {why.pid}) has lost its socket {stack.supervisor_socket}")
        say("stopping it, which lets requests finish, to start it again")
        os.kill(why.pid, signal.SIGTERM)

    # It stops one program after the other.
    own = sum(each.stopwaitsecs for each in stack.own.all)
    seconds = stack.stop_seconds * len(stack.programs) + own
    daemon.wait_settled(stack.supervisor_socket, seconds, say)
    return supervisor.running()


def revive(stack: Stack, supervisor: Supervisor) -> None:
    """Start every program that is to run and does not: one that was given up gets another chance,
    since the mistake may be mended by now.
    """
    processes = supervisor.processes()
    done = ended(stack, processes)
    for name in wanted(stack, processes):
        process = processes[name]
        if process.state in ("STARTING", "RUNNING") or name in done:
            continue
        say(f"starting {name}, which was {process.state.lower()}")
        if process.state == "BACKOFF":
            # It waits longer and longer between two tries.
            with suppress(xmlrpc.client.Fault):
                supervisor.stop(name)
        until(partial(_stopped, supervisor, name), stack.longest_stop)
        with suppress(xmlrpc.client.Fault):
            supervisor.start(name)
    running = stack.balances and processes["haproxy"].state == "RUNNING"
    if running and not stack.haproxy_socket.exists():
        say("HAProxy has lost its socket; it makes it again in a reload")
        _run([f"{stack.bin}/supervisorctl", "restart", RELOAD])


def _stopped(supervisor: Supervisor, name: str) -> bool:
    return supervisor.processes()[name].state != "STOPPING"


def summary(stack: Stack) -> str:
    """Return the addresses of a running stack, and the commands to use next."""
    if stack.hosts.several:
        return _summary_of_host(stack)
    if not stack.balances:
        return _summary_behind(stack)
    sites = "\n".join(f"  site         {url}" for url in urls(stack))
    return f"""
The stack is up: {_layout(stack)} behind HAProxy.

{sites}
  management   {management(stack)}
               user {stack.zope.user}, password in {stack.password_file}
  status page  http://{stack.balancer.stats_address}/

  bin/supervisorctl status             list the processes
  bin/supervisorctl tail -f instance1  follow the output of an instance
  bin/buildout && bin/supervisorctl update
                                       apply changes of buildout.cfg
"""


def _summary_of_host(stack: Stack) -> str:
    balancers = ", ".join(f"{each.name} ({each.address})" for each in stack.hosts.balancers)
    keepers = ", ".join(each.name for each in stack.hosts.of_storage)
    password = f"password in {stack.password_file} of {keepers}" if keepers else ""
    return f"""
This host is up: {stack.hosts.host} with {", ".join(stack.programs) or "no process of the site"}.

  site         on {balancers}
  management   user {stack.zope.user}{", " if password else ""}{password}

  bin/supervisorctl status             list the processes of this host
  bin/supervisorctl hosts status       those of every host, over ssh
  bin/supervisorctl hosts roll         restart every instance without losing a request
"""


def _summary_behind(stack: Stack) -> str:
    return f"""
The instances are up: {_layout(stack)}, for HAProxy on {", ".join(stack.hosts.outside_balancers)}.

  bin/supervisorctl status             list the processes
"""


def urls(stack: Stack) -> list[str]:
    """Return the URLs for clients, and which Zope object each shows if ``sites`` says so."""
    if not stack.sites.shown:
        return [f"{_origin(stack)}/"]
    return [
        f"{_origin(stack, site.host)}{site.path}/  shows {site.root or '/'}"
        for site in stack.sites.shown
    ]


def management(stack: Stack) -> str:
    """Return the URL of Zope's management interface.

    It is reached through a site that shows Zope's root, or else on the first instance itself,
    which only this machine can reach, or an instance of another machine.
    """
    sites = stack.sites.shown
    through = [site for site in sites if not site.root and not site.path]
    if sites and not through:
        return f"http://{(stack.instances or stack.elsewhere)[0].address}/manage_main"
    return f"{_origin(stack, through[0].host if through else '*')}/manage_main"


def _origin(stack: Stack, host: str = "*") -> str:
    """Return a site's scheme, host and port; ``*`` means any host, so use the bound address."""
    https = stack.tls.https_address
    address = (https or stack.balancer.http_address)[0].reachable
    scheme, usual = ("https", 443) if https else ("http", 80)
    if ":" in host:
        return f"{scheme}://{host}"
    if host == "*":
        host = str(address).rpartition(":")[0]
    return f"{scheme}://{host}" + ("" if address.port == usual else f":{address.port}")


def _layout(stack: Stack) -> str:
    """Return the number of instances and threads, such as "2 instances with 1 thread each"."""
    own = [instance for instance in stack.balanced if not instance.discovered]
    more = stack.discovery.discover
    if more and not own:
        return f"up to {_count(more.most, 'instance')} of {more.asked}"
    count = len(own)
    numbers = {instance.threads for instance in own}
    threads = _count(max(numbers), "thread") + (" each" if count > 1 else "")
    if len(numbers) > 1:
        threads = f"{sum(instance.threads for instance in own)} threads in total"
    further = f", and up to {more.most} of {more.asked}," if more else ""
    return f"{_count(count, 'instance')} with {threads}{further}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(what: str) -> None:
    """One line of progress."""
    print(f"* {what}", flush=True)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise NotReady(f"{' '.join(command)} failed with exit status {done.returncode}.")


if __name__ == "__main__":
    main()
