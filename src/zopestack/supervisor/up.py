"""``scripts/up``: from buildout.cfg to a stack that answers, and where it is."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from zopestack import stack_file
from zopestack.features.timings import Timings
from zopestack.model import Stack
from zopestack.supervisor import orphans, ports
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.readiness import NotReady, wait_ready

#: Where a buildout in this directory has its Stack.
STACK_FILE = Path("parts/stack-files/stack.json")

DESCRIPTION = """\
Start a load-balanced Zope, or apply what changed in buildout.cfg: make a virtual
environment in .venv, install the pinned set, run bin/buildout, start supervisord (or
update the one that runs), and wait until every instance and the balancer answer.
It prints where the site, the password and the status page are. Run it as often as you like.
"""

EPILOG = """\
examples:
  scripts/up                    start the stack, or apply an edit of buildout.cfg
  scripts/up --timeout 600      give a slow machine ten minutes
  PYTHON=python3.12 scripts/up  use this Python (3.11 to 3.14) for a new .venv

afterwards:
  bin/supervisorctl status      what runs
  bin/supervisorctl shutdown    stop everything

The exit status is 0 when everything answers; otherwise one message says what to mend.
"""


def main() -> None:
    """Run ``scripts/up``; exits with 1 and one message where something is wrong."""
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
        help=f"how long the stack may take until it answers (default {Timings.start:g})",
    )
    arguments = parser.parse_args()
    say("running bin/buildout")
    if code := subprocess.run(["bin/buildout"], check=False).returncode:
        sys.exit(code)
    stack = stack_file.load(STACK_FILE)
    try:
        start(stack)
        wait_ready(stack, arguments.timeout, say)
    except NotReady as why:
        sys.exit(str(why))
    print(summary(stack))


def start(stack: Stack) -> None:
    """Start supervisord, or have the running one apply what changed.

    :raises NotReady: where another program holds one of the addresses.
    """
    supervisor = Supervisor(stack.supervisor_socket)
    running = supervisor.running()
    if not running and (left := orphans.find(stack)):
        say("supervisord has died and left its processes running")
        orphans.stop(stack, left, say)
    ours = ports.held_below(supervisor.pid()) if running else set()
    if blocked := list(ports.refused(x for x in stack.listeners() if x.address.port not in ours)):
        raise NotReady(
            "\n".join(
                f"{listener.process} cannot listen on {listener.address}: {why}. "
                f"{listener.option} in [stack] moves it."
                for listener, why in blocked
            )
        )
    if running:
        states = [f"{p.name} {p.state.lower()}" for p in supervisor.processes().values()]
        say(f"supervisord is running ({', '.join(states)}); applying what changed")
        _run([f"{stack.bin}/supervisorctl", "update"])
    else:
        say("starting supervisord")
        _run([f"{stack.bin}/supervisord"])


def summary(stack: Stack) -> str:
    """Where the running stack is, and what to type next."""
    instances = _count(len(stack.instances), "instance")
    threads = _count(stack.threads, "thread")
    sites = "\n".join(f"  site         {url}" for url in urls(stack))
    return f"""
The stack is up: {instances} with {threads} behind HAProxy.

{sites}
  management   {management(stack)}
               user {stack.zope.user}, password in {stack.password_file}
  status page  http://{stack.balancer.stats_address}/

  bin/supervisorctl status             what runs
  bin/supervisorctl tail -f instance1  what an instance says
  bin/buildout && bin/supervisorctl update
                                       apply an edit of buildout.cfg
"""


def urls(stack: Stack) -> list[str]:
    """What visitors open, and which object in Zope it shows where ``sites`` says so."""
    if not stack.sites.shown:
        return [f"{_origin(stack)}/"]
    return [
        f"{_origin(stack, site.host)}{site.path}/  shows {site.root or '/'}"
        for site in stack.sites.shown
    ]


def management(stack: Stack) -> str:
    """Where Zope's own management is: through a site that shows Zope's root, or else on the
    first instance, which only this machine reaches."""
    sites = stack.sites.shown
    through = [site for site in sites if not site.root and not site.path]
    if sites and not through:
        return f"http://{stack.instances[0].address}/manage_main"
    return f"{_origin(stack, through[0].host if through else '*')}/manage_main"


def _origin(stack: Stack, host: str = "*") -> str:
    """Scheme, host and port of a site; ``*`` is any host, so this machine's own name does."""
    https = stack.tls.https_address
    address = (https or stack.balancer.http_address).reachable
    scheme, usual = ("https", 443) if https else ("http", 80)
    if ":" in host:
        return f"{scheme}://{host}"
    if host == "*":
        host = str(address).rpartition(":")[0]
    return f"{scheme}://{host}" + ("" if address.port == usual else f":{address.port}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(what: str) -> None:
    """One line of progress."""
    print(f"* {what}", flush=True)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise NotReady(f"{' '.join(command)} failed with {done.returncode}.")


if __name__ == "__main__":
    main()
