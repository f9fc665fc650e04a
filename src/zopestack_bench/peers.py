"""The alternatives: well-known servers and balancers with their default configuration."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from zopestack.features.address import Address
from zopestack.supervisor.readiness import listens
from zopestack_bench import Broken
from zopestack_bench.farm import TEMPLATES, Farm, free_ports, rendered
from zopestack_bench.layouts import generated
from zopestack_bench.probe import TooLate, status, until
from zopestack_bench.target import Layout, Target, roots, tail

#: Where gunicorn and uWSGI find Zope.
APPLICATION = "zopestack_bench.wsgi:application"

#: Seconds for a server to end.
PATIENCE = 60


@contextmanager
def running(
    command: list[str], log: Path, address: Address, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process that listens on the address; its id.

    :raises Broken: where it ends, or does not listen; with the last lines of its log.
    """
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        until(command[0], lambda: process.poll() is not None or listens(address))
        if process.poll() is not None:
            raise Broken(f"{' '.join(command)} ended with {process.returncode}:\n{tail(log)}")
        yield process.pid
    except TooLate:
        raise Broken(f"{' '.join(command)} does not listen on {address}:\n{tail(log)}") from None
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def varnish(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Varnish's own director."""
    instances = farm.instances(layout.instances, layout.threads)
    directory = _directory(farm, "varnish")
    vcl = directory / "default.vcl"
    vcl.write_text(rendered("default.vcl.j2", instances=instances), encoding="utf-8")
    address = _address()
    # No jail: as root, varnishd would drop to a user who cannot read our directory.
    command = [_varnishd(), "-j", "none", "-F", "-a", str(address), "-f", str(vcl)]
    command += ["-s", "malloc,32m", "-n", str(directory / "work")]
    with running(command, directory / "log", address) as pid:
        yield Target(address, {**roots(farm, instances), "balancer": (pid,)}, instances)


@contextmanager
def server(farm: Farm, layout: Layout, run: str, options: str) -> Iterator[Target]:
    """A WSGI server with the farm's Zope in its processes.

    :param run: starts it, in the Python that has the instances' own eggs.
    :param options: of its command line; the last one takes the address.
    """
    instance = farm.stack.parts / farm.stack.instances[0].name
    address = _address()
    arguments = [layout.name, *options.format(layout.instances).split(), str(address)]
    code = f"import sys; sys.argv = {arguments!r}; {run}"
    command = [str(instance / "bin" / "interpreter"), "-c", code]
    environment = {**os.environ, "ZOPE_CONF": str(instance / "etc" / "zope.conf")}
    with running(command, _directory(farm, layout.name) / "log", address, environment) as pid:
        # It listens before it has loaded Zope.
        until(f"{layout.name} to load Zope", lambda: status(address))
        yield Target(address, {"zope": (pid,), "zeo": (farm.pid("zeo"),)})


#: With its default, synchronous workers.
gunicorn = partial(
    server,
    run="from gunicorn.app.wsgiapp import run; run()",
    options=f"{APPLICATION} --workers {{}} --no-control-socket --bind",
)

#: With processes of one thread each. They load Zope after the fork: its connection to ZEO does not
#: survive one. It closes every connection without saying so, which clients take for an error.
uwsgi = partial(
    server,
    run="import pyuwsgi; pyuwsgi.run()",
    options=f"--module {APPLICATION} --processes {{}} --master --lazy-apps --enable-threads "
    "--disable-logging --die-on-term --add-header Connection:close --http-socket",
)

#: waitress's own server, with one thread. It closes no connection.
waitress = partial(
    server,
    run=f"from {APPLICATION.partition(':')[0]} import application; from waitress import serve; "
    "serve(application, listen=sys.argv[-1], threads=1)",
    options="",
)


def peers(number: int) -> dict[str, Layout]:
    """The peers by name, each with N processes of one thread.

    :param number: N.
    """
    same = "the same Zope and ZODB cache, no balancer, no log; it closes every connection"
    layout = partial(Layout, instances=number, threads=1, lasting=True)
    found = [
        layout(
            "stock HAProxy",
            f"{number}x1 behind HAProxy's defaults: a thread a core, no maxconn, no log",
            serve=generated,
            lasting=False,
            templates=TEMPLATES / "stock",
        ),
        layout("varnish", f"{number}x1 behind Varnish's director", serve=varnish),
        layout("gunicorn", f"gunicorn with {number} sync workers: {same}", serve=gunicorn),
        layout("uwsgi", f"uWSGI with {number} processes: {same}", serve=uwsgi),
    ]
    return {each.name: each for each in found}


def stock_waitress() -> Layout:
    """The server that the agent's own takes the place of: one process with one thread."""
    meaning = "the same Zope on waitress's own server, one thread, no balancer, no log"
    return Layout("waitress", meaning, 1, 1, waitress, lasting=True)


def missing() -> dict[str, str]:
    """The peers this machine does not have, and how to get them."""
    pip = ".venv/bin/pip install"
    compiled = "(a wheel; where there is none it needs a C compiler)"
    known = {
        "varnish": (_varnishd(), "apt-get install varnish"),
        "gunicorn": (find_spec("gunicorn"), f"{pip} gunicorn"),
        "uwsgi": (find_spec("pyuwsgi"), f"{pip} pyuwsgi {compiled}"),
    }
    return {name: how for name, (there, how) in known.items() if not there}


def _directory(farm: Farm, name: str) -> Path:
    directory = farm.directory / "peers" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _address() -> Address:
    return Address("127.0.0.1", free_ports())


def _varnishd() -> str:
    return shutil.which("varnishd") or shutil.which("varnishd", path="/usr/sbin") or ""
