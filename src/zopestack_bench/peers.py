"""The alternatives: well-known servers and balancers with their default configuration."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack_bench.farm import Farm, free_ports
from zopestack_bench.layouts import Layout
from zopestack_bench.probe import status, until
from zopestack_bench.target import Target, roots, running, supervised

#: HAProxy as the first example of its manual has it.
HAPROXY = """\
global
    stats socket {socket} mode 600 level admin
{threads}
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
def haproxy(farm: Farm, layout: Layout, tuned: bool = False) -> Iterator[Target]:
    """HAProxy with its defaults: threads for every core, any number of requests sent to each
    server, which queue in the server.

    :param tuned: with the settings that decide the rate, and nothing else: one thread, as many
        requests as threads, and the least busy server first.
    """
    instances = farm.instances(layout.instances, layout.threads)
    stack = replace(farm.stack, instances=instances)
    lines = ["balance leastconn"] if tuned else []
    for each in instances:
        limit = f" maxconn {each.maxconn}" if tuned else ""
        lines.append(f"server {each.name} {each.address} check{limit}")
    text = HAPROXY.format(
        socket=stack.haproxy_socket,
        threads="    nbthread 1\n" if tuned else "",
        address=stack.balancer.http_address,
        servers="\n".join(f"    {line}" for line in lines),
    )
    with supervised(farm, stack, {stack.haproxy_conf: text}) as target:
        yield target


@contextmanager
def varnish(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Varnish's own director."""
    instances = farm.instances(layout.instances, layout.threads)
    directory = _directory(farm, "varnish")
    vcl = directory / "default.vcl"
    text = VCL.format(
        backends="\n".join(map(_backend, instances)),
        added="\n".join(f"    zope.add_backend({x.name});" for x in instances),
    )
    vcl.write_text(text, encoding="utf-8")
    address = _address()
    # No jail: as root, varnishd would drop to a user who cannot read our directory.
    command = [_varnishd(), "-j", "none", "-F", "-a", str(address), "-f", str(vcl)]
    command += ["-s", "malloc,32m", "-n", str(directory / "work")]
    with running(command, directory / "log", address) as pid:
        yield Target(address, {**roots(farm, instances), "balancer": (pid,)}, instances)


@contextmanager
def gunicorn(farm: Farm, layout: Layout) -> Iterator[Target]:
    """Gunicorn with its default, synchronous workers."""
    options = ["--workers", str(layout.instances), "--no-control-socket"]
    options += ["zopestack_bench.wsgi:application"]
    run = "from gunicorn.app.wsgiapp import run; run()"
    with _server(farm, "gunicorn", run, "--bind", options) as target:
        yield target


@contextmanager
def uwsgi(farm: Farm, layout: Layout) -> Iterator[Target]:
    """UWSGI with processes of one thread each. They load Zope after the fork: its connection to
    ZEO does not survive one."""
    options = ["--processes", str(layout.instances), "--module", "zopestack_bench.wsgi:application"]
    options += ["--master", "--lazy-apps", "--enable-threads", "--disable-logging", "--die-on-term"]
    # It closes every connection without saying so, which clients take for an error.
    options += ["--add-header", "Connection: close"]
    run = "import pyuwsgi; pyuwsgi.run()"
    with _server(farm, "uwsgi", run, "--http-socket", options) as target:
        yield target


def peers(number: int) -> dict[str, Layout]:
    """The peers by name, each with N processes of one thread.

    :param number: N.
    """
    same = "the same Zope and ZODB cache, no balancer, no log; it closes every connection"
    return {
        name: Layout(name, meaning, number, 1, serve, lasting)
        for name, meaning, serve, lasting in (
            (
                "stock HAProxy",
                f"{number}x1 behind HAProxy's defaults: a thread a core, no maxconn, no log",
                haproxy,
                False,
            ),
            ("varnish", f"{number}x1 behind Varnish's director", varnish, True),
            ("gunicorn", f"gunicorn with {number} sync workers: {same}", gunicorn, True),
            ("uwsgi", f"uWSGI with {number} processes: {same}", uwsgi, True),
        )
    }


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
def _server(farm: Farm, name: str, run: str, bind: str, options: list[str]) -> Iterator[Target]:
    """A WSGI server with the farm's Zope in its processes.

    :param run: starts it, in the Python that has the instances' own eggs.
    :param bind: its option for an address.
    """
    instance = farm.stack.parts / farm.stack.instances[0].name
    address = _address()
    arguments = [name, bind, str(address), *options]
    code = f"import sys; sys.argv = {arguments!r}; {run}"
    command = [str(instance / "bin" / "interpreter"), "-c", code]
    environment = {**os.environ, "ZOPE_CONF": str(instance / "etc" / "zope.conf")}
    with running(command, _directory(farm, name) / "log", address, environment) as pid:
        # It listens before it has loaded Zope.
        until(f"{name} to load Zope", lambda: status(address))
        yield Target(address, {"zope": (pid,), "zeo": (farm.pid("zeo"),)})


def _directory(farm: Farm, name: str) -> Path:
    directory = farm.directory / "peers" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _address() -> Address:
    return Address("127.0.0.1", free_ports())


def _backend(instance: Instance) -> str:
    address = instance.address
    return f'backend {instance.name} {{ .host = "{address.host}"; .port = "{address.port}"; }}'


def _varnishd() -> str:
    return shutil.which("varnishd") or shutil.which("varnishd", path="/usr/sbin") or ""
