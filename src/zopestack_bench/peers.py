"""What else a user would pick: the servers and balancers people know, as they come."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from zopestack.address import Address
from zopestack.model import Instance
from zopestack_bench import polling
from zopestack_bench.farm import Farm, free_ports
from zopestack_bench.layouts import Layout
from zopestack_bench.starting import PATIENCE, haproxy, roots, running
from zopestack_bench.target import Target

#: HAProxy as its manual's first example has it: threads for every core, any number of
#: requests sent to each server, which queue in the server.
STOCK = """\
global
    stats socket {socket} mode 600 level admin

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s

frontend site
    bind {address}
    default_backend zope

backend zope
{servers}
"""

#: Varnish that caches nothing and takes backends in turn (its manual, vmod_directors).
VCL = """\
vcl 4.1;
import directors;
{backends}
sub vcl_init {{
    new zope = directors.round_robin();
{added}
}}
sub vcl_recv {{
    set req.backend_hint = zope.backend();
    return (pass);
}}
"""


@contextmanager
def stock(farm: Farm, layout: Layout) -> Iterator[Target]:
    """HAProxy with its defaults."""
    instances = farm.instances(layout.instances, layout.threads)
    address = _address()
    stack = replace(
        farm.stack,
        var=farm.directory / "fronts" / "stock",
        instances=instances,
        balancer=replace(farm.stack.balancer, http=address),
    )
    servers = "\n".join(f"    server {x.name} {x.address} check" for x in instances)
    text = STOCK.format(socket=stack.haproxy_socket, address=address, servers=servers)
    with haproxy(farm, stack, text) as target:
        yield target


@contextmanager
def varnish(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Varnish's own director."""
    instances = farm.instances(layout.instances, layout.threads)
    directory = _directory(farm, "varnish")
    vcl = directory / "default.vcl"
    vcl.write_text(
        VCL.format(
            backends="\n".join(map(_backend, instances)),
            added="\n".join(f"    zope.add_backend({x.name});" for x in instances),
        ),
        encoding="utf-8",
    )
    address = _address()
    # No jail: as root, varnishd would drop to a user who cannot read our directory.
    command = [_varnishd(), "-j", "none", "-F", "-a", str(address), "-f", str(vcl)]
    command += ["-s", "malloc,32m", "-n", str(directory / "work")]
    with running(command, directory / "log", address) as pid:
        yield Target(address, {**roots(farm, instances), "balancer": (pid,)}, instances)


@contextmanager
def gunicorn(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Gunicorn with its default, synchronous workers."""
    address = _address()
    arguments = [
        "gunicorn",
        "--bind",
        str(address),
        "--workers",
        str(layout.instances),
        "--no-control-socket",
    ]
    arguments += ["zopestack_bench.wsgi:application"]
    command = _inside(farm, "from gunicorn.app.wsgiapp import run; run()", arguments)
    with _server(farm, "gunicorn", command, address) as target:
        yield target


@contextmanager
def uwsgi(farm: Farm, layout: Layout) -> Iterator[Target]:
    """UWSGI with processes of one thread each. They load Zope after they were forked,
    since its connection to ZEO does not outlive a fork."""
    address = _address()
    arguments = ["uwsgi", "--http-socket", str(address), "--processes", str(layout.instances)]
    arguments += ["--module", "zopestack_bench.wsgi:application", "--master", "--lazy-apps"]
    arguments += ["--enable-threads", "--disable-logging", "--die-on-term"]
    # It closes every connection without saying so, which clients take for an error.
    arguments += ["--add-header", "Connection: close"]
    command = _inside(farm, "import pyuwsgi; pyuwsgi.run()", arguments)
    with _server(farm, "uwsgi", command, address) as target:
        yield target


def peers(number: int) -> dict[str, Layout]:
    """The peers by name, each with N processes of one thread.

    :param number: N.
    """
    found = [
        Layout(
            "stock HAProxy",
            f"{number}x1 behind HAProxy's defaults: a thread a core, no maxconn, no log",
            number,
            1,
            stock,
        ),
        Layout("varnish", f"{number}x1 behind Varnish's director", number, 1, varnish, True),
        Layout(
            "gunicorn",
            f"gunicorn with {number} sync workers: the same Zope and ZODB cache, no balancer, no "
            "log; it closes every connection",
            number,
            1,
            gunicorn,
            True,
        ),
        Layout(
            "uwsgi",
            f"uWSGI with {number} processes: the same Zope and ZODB cache, no balancer, no log; "
            "it closes every connection",
            number,
            1,
            uwsgi,
            True,
        ),
    ]
    return {layout.name: layout for layout in found}


def missing() -> dict[str, str]:
    """The peers this machine does not have, and how to get them."""
    return {name: how for name, (there, how) in _HOW_TO_GET.items() if not there()}


def _module(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is not None


_HOW_TO_GET: dict[str, tuple[Callable[[], bool], str]] = {
    "varnish": (lambda: bool(_varnishd()), "apt-get install varnish"),
    "gunicorn": (_module("gunicorn"), ".venv/bin/pip install gunicorn"),
    "uwsgi": (
        _module("pyuwsgi"),
        ".venv/bin/pip install pyuwsgi (a wheel; where there is none it needs a C compiler)",
    ),
}


@contextmanager
def _server(farm: Farm, name: str, command: list[str], address: Address) -> Iterator[Target]:
    log = _directory(farm, name) / "log"
    instance = farm.stack.parts / farm.stack.instances[0].name
    environment = {**os.environ, "ZOPE_CONF": str(instance / "etc" / "zope.conf")}
    with running(command, log, address, environment, signal.SIGTERM) as pid:
        # They listen before they have loaded Zope.
        polling.until(lambda: polling.answers(address), PATIENCE)
        yield Target(address, {"zope": (pid,), "zeo": (farm.pid("zeo"),)})


def _inside(farm: Farm, code: str, arguments: list[str]) -> list[str]:
    """A command that runs code in the Python that has the instances' own eggs."""
    interpreter = farm.stack.parts / farm.stack.instances[0].name / "bin" / "interpreter"
    return [str(interpreter), "-c", f"import sys; sys.argv = {arguments!r}; {code}"]


def _directory(farm: Farm, name: str) -> Path:
    directory = farm.directory / "fronts" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _address() -> Address:
    return Address("127.0.0.1", free_ports(1)[0])


def _backend(instance: Instance) -> str:
    address = instance.address
    return f'backend {instance.name} {{ .host = "{address.host}"; .port = "{address.port}"; }}'


def _varnishd() -> str:
    return shutil.which("varnishd") or shutil.which("varnishd", path="/usr/sbin") or ""
